"""Keys that tests own: SSH keys by ssh-keygen, GPG keys by gpg, each in a directory of its own."""

import os
import subprocess
from pathlib import Path

from git_repositories import Repository


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
