"""The git command line, run unattended: it asks nothing, runs no hook or filter, and trusts no setting but ours.

Reaching a server is the one thing for which the administrator's settings count: keys, credential helpers, proxies,
certificates, rewritten URLs. They are as trustworthy as root's shell; what a *repository* holds is not.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.git_address import PROTOCOLS, without_secrets
from reconciler.kernel.processes import OUTPUT_LIMIT, Bounds, Completed, Processes, Stopped, TooLong, TooMuch
from reconciler.model.errors import HostError
from reconciler.model.printable import escaped

BOUNDS: Final = Bounds(60.0)
"""What a command may use that needs no network, where nothing else is said."""

_SETTINGS: Final = {
    # What would be run beside git itself.
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "gpg.program": "gpg",
    "gpg.x509.program": "false",
    "gpg.ssh.program": "ssh-keygen",
    # Objects that break git's rules are not taken; what is taken is one pack, on disk before a ref names it.
    "fetch.fsckObjects": "true",
    "fetch.unpackLimit": "1",
    "core.fsync": "all",
    # Newer versions end at 2,048 folders one within the other. We refuse such a commit, and go on after a revert.
    "core.maxTreeDepth": "8192",
    # A server that has gone silent is given up.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "30",
}

_KEPT_SETTINGS: Final = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
_KEPT: Final = (
    # How a server is reached and trusted. Every other GIT_* would change what we do.
    *_KEPT_SETTINGS, "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_EXEC_PATH",
)  # fmt: skip

_UNINFORMATIVE: Final = re.compile(
    r"$|(remote: *)?(warning:|hint:|$)|error: git upload-pack: git-pack-objects died|"
    r"Please make sure|and the repository exists|Auto packing|"
    r"fatal: Could not read from remote repository|fatal: the remote end hung up|fatal: early EOF"
)
_PREFIX: Final = re.compile(r"((fatal|error|remote): *)+")
_LONGEST: Final = 300
_WORDS_BOUNDS: Final = Bounds(5.0, 1 << 20)


class GitFailed(HostError):
    """A command did not do what it should; the text says why, in one line and without credentials."""


class NoProgram(GitFailed):
    """The program is not on this machine."""


class Ended(GitFailed):
    """The command was ended by us, since it took too long or wrote too much."""


class Git:
    """Runs git in one directory.

    Attributes:
        directory: where it runs; must exist when a command is run.
        environment: the administrator's.
    """

    def __init__(
        self,
        directory: Path,
        processes: Processes,
        environment: Mapping[str, str],
        *,
        bare: bool,
        work_tree: str = "",
        objects: str = "",
    ) -> None:
        """In `directory`, by `processes`, with the administrator's `environment`.

        `bare` says that it is a repository, with the `work_tree` there, if any, whatever its configuration says;
        `objects`, that its objects are in that directory of another user, who may have made any that is too large.
        """
        self.directory = directory
        self._processes = processes
        self.environment = environment
        # Named, so that git does not look for another repository further up.
        self._place = {"GIT_DIR": str(directory)} if bare else {"GIT_CEILING_DIRECTORIES": str(directory.parent)}
        if work_tree:
            self._place["GIT_WORK_TREE"] = work_tree
        if objects:
            self._place |= {"GIT_OBJECT_DIRECTORY": objects, "GIT_ALLOC_LIMIT": "64m"}

    def at(self, repository: Path) -> "Git":
        """The same in the bare repository at `repository`."""
        return Git(repository, self._processes, self.environment, bare=True)

    def answer(
        self,
        *words: str,
        given: bytes = b"",
        bounds: Bounds = BOUNDS,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """How git ended with `words`, without network and with no settings but ours and `settings`.

        Raises:
            GitFailed: it took too long or wrote too much, or there is no git.
            Stopped: nothing is run any more.
        """
        # A repository is what others have pushed: its objects are data, and its `config` is ours, since we made the
        # mirror. No protocol, and no lazy fetch: plumbing in a partial clone would run the program of a promisor
        # remote.
        own = quiet(self.environment) | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        own |= {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"} | dict(environment or {})
        return self._run(words, own, bounds, given, settings)

    def text(self, *words: str) -> str:
        """What git writes for `words`, which must succeed, as text without the end of its last line.

        Raises:
            GitFailed: it did not succeed.
            Stopped: nothing is run any more.
        """
        return self._succeeded(self.answer(*words))

    def code(self, *words: str) -> int:
        """The exit code of git with `words`.

        Raises:
            GitFailed: it took too long, or there is no git.
            Stopped: nothing is run any more.
        """
        answer = self.answer(*words)
        answer.output.close()
        return answer.code

    def over_network(self, *words: str, seconds: float, limit: int = OUTPUT_LIMIT) -> str:
        """What git writes for `words`, with the administrator's settings, for `seconds` at most.

        Raises:
            GitFailed: it did not succeed.
            Stopped: nothing is run any more.
        """
        own = quiet(self.environment) | {"GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS), "GIT_NO_LAZY_FETCH": "1"}
        own |= {name: self.environment[name] for name in _KEPT if name in self.environment}
        if not {"GIT_SSH", "GIT_SSH_COMMAND"} & own.keys() and not self._own_ssh(own):
            own["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
        return self._succeeded(self._run(words, own, Bounds(seconds, limit, goes_on=True)))

    def _own_ssh(self, environment: Mapping[str, str]) -> bool:
        """Whether the administrator's settings say which program is ssh; it has no terminal to ask at either."""
        answer = self._run(("config", "--get", "core.sshCommand"), environment, BOUNDS)
        answer.output.close()
        return answer.code == 0

    def paths_in_own_settings(self, name: str) -> list[str]:
        """The values of the setting `name`, which are paths, in the administrator's configuration, not a repository's.

        Raises:
            GitFailed: it took too long, or there is no git.
            Stopped: nothing is run any more.
        """
        own = quiet(self.environment) | {"GIT_DIR": os.devnull}
        own |= {key: self.environment[key] for key in _KEPT_SETTINGS if key in self.environment}
        words = ["git", "config", "--null", "--type=path", "--get-all", name]
        answer = self._bounded(words, "git config", own, BOUNDS, b"")
        with answer.output:
            return os.fsdecode(answer.output.read()).split("\0")[:-1]

    def program(self, *words: str, given: bytes = b"") -> Completed:
        """How another program ended that git would use, with the same care.

        Raises:
            GitFailed: it took too long or wrote too much, or there is no such program.
            Stopped: nothing is run any more.
        """
        return self._bounded(list(words), words[0], quiet(self.environment), BOUNDS, given)

    def _succeeded(self, answer: Completed) -> str:
        with answer.output:
            if answer.code:
                raise GitFailed(reason(answer.said) or f"git ended with {answer.code}")
            return os.fsdecode(answer.output.read()).removesuffix("\n")

    def _run(
        self,
        words: tuple[str, ...],
        environment: Mapping[str, str],
        bounds: Bounds,
        given: bytes = b"",
        settings: Mapping[str, str] | None = None,
    ) -> Completed:
        # By -c, which beats every file of settings, the repository's own with them (git-config(1), "SCOPES").
        own = _SETTINGS | dict(settings or {})
        options = [part for name, value in own.items() for part in ("-c", f"{name}={value}")]
        place = dict(environment) | self._place
        return self._bounded(["git", *options, *words], f"git {words[0]}", place, bounds, given)

    def _bounded(
        self, words: list[str], name: str, environment: Mapping[str, str], bounds: Bounds, given: bytes
    ) -> Completed:
        try:
            return self._processes.run(
                words, directory=self.directory, environment=environment, bounds=bounds, given=given
            )
        except (TooLong, TooMuch) as error:
            raise Ended(f"{name} was ended since {error}") from None
        except FileNotFoundError as error:
            if error.filename != words[0]:
                raise
            raise NoProgram(f"there is no program {words[0]} on this machine") from error


class CommitWords(NamedTuple):
    """What a commit says of itself: its subject, the name of its author, its first two parents; empty if not known."""

    subject: str = ""
    author: str = ""
    parents: tuple[str, ...] = ()


def commit_words(git: Git, commit: str) -> CommitWords:
    """What `commit`, which may end in ``+``, says of itself: for people only, so that no failure is one."""
    words = ("log", "-1", "--no-show-signature", "--no-mailmap", "--encoding=UTF-8", "--format=%s%x00%an%x00%P")
    try:
        answer = git.answer(*words, commit.removesuffix("+"), "--", bounds=_WORDS_BOUNDS)
        with answer.output:
            said = answer.output.read().decode("utf-8", "replace") if not answer.code else ""
    except (GitFailed, Stopped, OSError):
        said = ""
    subject, author, parents, *_ = (*said.removesuffix("\n").split("\0"), "", "", "")
    return CommitWords(subject[:_LONGEST], author[:_LONGEST], tuple(parents.split(" ")[:2]) if parents else ())


def quiet(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` for a program that must not ask, answer in another language, or write traces."""
    # All GIT_* go, since many of them run programs or move the repository (git(1), "ENVIRONMENT VARIABLES"), and the
    # language, since messages are shown and some are recognised.
    kept = {name: value for name, value in environment.items() if not name.startswith(("GIT_", "LC_", "LANG"))}
    for name in ("SSH_ASKPASS", "GPG_TTY", "GNUPGHOME"):
        kept.pop(name, None)
    return kept | {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",  # empty: also keeps core.askPass from being asked
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def reason(said: str) -> str:
    """What git `said`, in one line without credentials: the first of its lines that says something."""
    lines = (line.strip() for line in said.splitlines())
    useful = next((line for line in lines if not _UNINFORMATIVE.match(line)), "")
    if "terminal prompts disabled" in useful:
        useful = "it asks for a user name and password, and no credential helper knows them"
    return _PREFIX.sub("", escaped(without_secrets(useful)), count=1)[:_LONGEST].rstrip(". ")
