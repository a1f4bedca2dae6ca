"""Repositories that tests own, made by real git without anybody's settings, and keys that sign their commits."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reconciler.integrations.git_command import Git
from reconciler.kernel.processes import Processes
from testing.programs import needs

ENVIRONMENT = {
    "PATH": os.environ["PATH"], "LC_ALL": "C", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
    "HOME": "/nonexistent",
}  # fmt: skip
"""An administrator's environment in which nothing is set."""

_PEOPLE = {
    "GIT_AUTHOR_NAME": "Kim", "GIT_AUTHOR_EMAIL": "kim@example.com", "GIT_COMMITTER_NAME": "Kim",
    "GIT_COMMITTER_EMAIL": "kim@example.com",
}  # fmt: skip


class Repository:
    """A repository with a work tree, whose branch is ``main``."""

    def __init__(self, path: Path, *options: str) -> None:
        """Make it at `path`, with `options` for ``git init``."""
        self.path = path
        self.url = f"file://{path}"
        self.settings: list[str] = []
        self.environment: dict[str, str] = {}
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *words: str, given: bytes = b"") -> str:
        """The answer of git here."""
        done = subprocess.run(
            ["git", *self.settings, *words],
            cwd=self.path,
            input=given,
            capture_output=True,
            env={**ENVIRONMENT, **_PEOPLE, **self.environment},
            check=False,
        )
        assert not done.returncode, done.stderr.decode()
        return os.fsdecode(done.stdout).strip()

    def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "Change", *words: str) -> str:
        """The id of a commit that has `files` beside or instead of what there was."""
        for name, content in (files or {}).items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        return self.record(message, *words)

    def record(self, message: str = "Change", *words: str) -> str:
        """The id of a commit of what is in the index."""
        self.git("commit", "--quiet", "--allow-empty", "--message", message, *words)
        return self.head()

    def head(self) -> str:
        """The id of the commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def tree(self, *entries: tuple[str, str, bytes]) -> str:
        """The id of a tree of `entries` (mode, id, name), whatever git thinks of it."""
        content = b"".join(
            f"{mode} ".encode() + name + b"\0" + bytes.fromhex(identity) for mode, identity, name in entries
        )
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=content)

    def blob(self, content: bytes) -> str:
        """The id of an object with `content`."""
        return self.git("hash-object", "-w", "--stdin", given=content)

    def commit_tree(self, tree: str) -> str:
        """The id of a commit of `tree`, which is the branch then."""
        commit = self.git("commit-tree", tree, "-m", "Change")
        self.git("update-ref", "refs/heads/main", commit)
        return commit

    def runner(self) -> Git:
        """What runs git here for the program."""
        return Git(self.path / ".git", Processes(), ENVIRONMENT, bare=True)


def run(*words: str, given: bytes = b"", **environment: str) -> str:
    """The answer of a program."""
    done = subprocess.run(
        words, input=given, capture_output=True, check=False, env={"PATH": os.environ["PATH"], **environment}
    )
    assert not done.returncode, done.stderr.decode()
    return done.stdout.decode()


class SshKey:
    """A key of `name`."""

    def __init__(self, folder: Path, name: str = "kim@example.com") -> None:
        needs("ssh-keygen")
        self.name = name
        self.file = folder / f"key-of-{name}"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.file))
        self.public = Path(f"{self.file}.pub").read_text(encoding="ascii").strip()

    def allowed(self, options: str = 'namespaces="git"') -> str:
        """Its line in a file of allowed signers."""
        return f"{self.name} {options} {self.public}\n"

    def signs(self, repository: Repository) -> None:
        """Have it sign the commits of `repository` from now on."""
        repository.settings = [
            "-c", "gpg.format=ssh", "-c", f"user.signingKey={self.file}.pub", "-c", "commit.gpgSign=true"
        ]  # fmt: skip


class GpgKey:
    """A key of `name`, made at a time and valid for as long as is said; its agent is ended by `close`."""

    def __init__(self, home: Path, name: str = "Kim <kim@example.com>", made: str = "", expires: str = "never") -> None:
        home.mkdir(mode=0o700)
        self.home = home
        self.time = made
        made_at = ["--faked-system-time", made] if made else []
        self.gpg(*made_at, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", expires)
        listing = self.gpg("--list-keys", "--with-colons").splitlines()
        self.fingerprint = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))

    def gpg(self, *words: str, given: bytes = b"") -> str:
        """The answer of gpg in the key's home."""
        return run("gpg", "--homedir", str(self.home), "--batch", "--yes", "--quiet", *words, given=given)

    def exported(self) -> str:
        """The public key."""
        return self.gpg("--armor", "--export")

    def revoke(self) -> None:
        """Revoke it, by the certificate that gpg has made with the key."""
        certificate = (self.home / f"openpgp-revocs.d/{self.fingerprint}.rev").read_text(encoding="utf-8")
        self.gpg("--import", given=certificate.replace(":-----BEGIN", "-----BEGIN").encode())

    def signs(self, repository: Repository, *options: str) -> None:
        """Have it sign the commits of `repository` from now on, by gpg with `options`."""
        program = self.home / "sign"
        faked = f"--faked-system-time {self.time}" if self.time else ""
        program.write_text(f'#!/bin/sh\nexec gpg --homedir {self.home} {faked} {" ".join(options)} "$@"\n')
        program.chmod(0o700)
        repository.settings = [
            "-c", "gpg.format=openpgp", "-c", f"gpg.program={program}", "-c", f"user.signingKey={self.fingerprint}",
            "-c", "commit.gpgSign=true",
        ]  # fmt: skip

    def close(self) -> None:
        """End its agent."""
        run("gpgconf", "--homedir", str(self.home), "--kill", "all")
