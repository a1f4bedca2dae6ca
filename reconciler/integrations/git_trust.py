"""Which repositories of this machine git may be run in: those that belong to us, and that need no program to be read.

Naming a repository to git (GIT_DIR) switches its own check of the owner off, so it is made here.
"""

import os
import pwd
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from reconciler.integrations.bounded_process import Bounds
from reconciler.integrations.git_command import Git, GitFailed, reason
from reconciler.integrations.local_repository import LocalRepository

_BOUNDS: Final = Bounds(10.0)
_FALSE: Final = frozenset({"false", "no", "off", "0", ""})


class NotTrusted(Exception):
    """The repository is not used; the text says why, and what to do."""


def refuse_untrusted(repository: LocalRepository, git: Git, environment: Mapping[str, str]) -> None:
    """See that `repository`, where `git` runs, may be asked.

    Raises:
        NotTrusted: it belongs to another user, whom the administrator's ``safe.directory`` does not name; it is a
            partial clone, for which git would run a program to fetch what is missing; or it is bare.
        GitFailed: its configuration cannot be read.
        Stopped: nothing is run any more.
    """
    if (foreign := _foreign(repository, environment)) and not _is_declared_safe(repository, git):
        scope = "--global" if os.geteuid() else "--system"
        raise NotTrusted(
            f"{foreign[0]} belongs to {_user(foreign[1])}, not to you or root; if you trust what is in it, run: "
            f"git config {scope} --add safe.directory {shlex.quote(repository.top)}"
        )
    settings = _settings(git)
    if any(_makes_partial(name, value) for name, value in settings):
        raise NotTrusted(
            f"{repository.directory} is a partial clone, for which git would run a program to fetch what is missing; "
            "use a clone that was made without --filter"
        )
    if repository.claims_work_tree and _is_true(dict(settings).get("core.bare", "")):
        raise NotTrusted(f"{repository.directory} is a bare repository, of which {repository.top} is no work tree")


def _foreign(repository: LocalRepository, environment: Mapping[str, str]) -> tuple[str, int] | None:
    """The first part of `repository` that is not ours, and whose it is."""
    ours = {0, os.geteuid()}
    if os.geteuid() == 0 and (asked := environment.get("SUDO_UID", "")).isdecimal():
        ours.add(int(asked))  # who runs the command by sudo; git does the same
    for part, owner in _owners(repository.parts):
        if owner not in ours:
            return part, owner
    return None


def _owners(parts: Iterable[str]) -> Iterator[tuple[str, int]]:
    for part in parts:
        found = os.lstat(part)
        yield part, found.st_uid
        if stat.S_ISLNK(found.st_mode):
            yield part, os.stat(part).st_uid


def _is_declared_safe(repository: LocalRepository, git: Git) -> bool:
    """Whether the administrator's own settings, never those of a repository, name `repository` (git-config(1))."""
    safe = False
    places = {repository.top, repository.directory}
    for value in git.paths_in_own_settings("safe.directory"):
        if not value:
            safe = False  # an empty value takes back all before it
        elif value == "*" or os.path.realpath(value) in places:
            safe = True
        elif value.endswith("/*"):
            safe |= any(place.startswith(f"{os.path.realpath(value[:-2])}/") for place in places)
    return safe


def _settings(git: Git) -> list[tuple[str, str]]:
    """The settings of the repository where `git` runs, among them those of files that it includes."""
    answer = git.answer("config", "--null", "--list", bounds=_BOUNDS)
    with answer.output:
        if answer.code:
            raise GitFailed(f"its configuration cannot be read: {reason(answer.said)}")
        lines = os.fsdecode(answer.output.read()).split("\0")[:-1]
    return [(name, value if equals else "true") for name, equals, value in (line.partition("\n") for line in lines)]


def _makes_partial(name: str, value: str) -> bool:
    if name == "extensions.partialclone":
        return True
    if not name.startswith("remote."):
        return False
    return name.endswith(".partialclonefilter") or (name.endswith(".promisor") and _is_true(value))


def _is_true(value: str) -> bool:
    return value.lower() not in _FALSE


def _user(number: int) -> str:
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"
