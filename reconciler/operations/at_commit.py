"""The manifests of the same paths as they are in another commit, read from git's objects: nothing is checked out."""

import os
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import NamedTuple

from reconciler.integrations.git_command import Git, reason
from reconciler.integrations.git_repository import NoDirectory, contents, tree_of
from reconciler.integrations.local_git import reader
from reconciler.integrations.repositories import LocalRepository, repository_above
from reconciler.manifests.committed import Committed, Kept, KeptFiles, files_of
from reconciler.manifests.files import FILE_LIMIT, too_large
from reconciler.manifests.site import Site, read_files
from reconciler.model.errors import InputError
from reconciler.model.printable import escaped
from reconciler.model.stopping import NEVER, StopToken


class NoSuchCommit(InputError):
    """The manifests are in no repository, or it has no such commit; the text says which."""


class EarlierSite(NamedTuple):
    """The manifests of another commit.

    Attributes:
        site: what they say; of paths that the commit does not have, nothing.
        commit: its id.
    """

    site: Site
    commit: str


def site_at(
    paths: Sequence[str | PathLike[str]], ref: str, environment: Mapping[str, str], stop: StopToken = NEVER
) -> EarlierSite:
    """What the commit `ref` has at `paths`, files or directories, as a checkout of it would be read.

    Args:
        paths: at least one.
        ref: as git names a commit, for example ``origin/main`` or ``HEAD~1``.
        environment: where the administrator's settings for git are found.
        stop: may end it.

    Raises:
        NoSuchCommit: a path is in no repository, or the repository has no such commit.
        NotTrusted, GitFailed, TreeRefused: the repository or the commit cannot be read.
        Abandoned: `stop` has ended it.
    """
    kept: dict[str, Kept] = {}
    commit = ""
    for path in paths:
        real = os.path.realpath(path)
        repository = repository_above(real)
        if repository is None:
            named = escaped(os.fspath(path))
            raise NoSuchCommit(f"{named} is in no git repository, so there is no commit {escaped(ref)} of it")
        with reader(repository, environment) as git:
            commit = _commit(git, ref, repository)
            kept |= _kept(git, commit, repository, real, stop)
    return EarlierSite(read_files(KeptFiles(f"commit {commit}", kept), stop), commit)


def _commit(git: Git, ref: str, repository: LocalRepository) -> str:
    """The id of the commit that is called `ref`, which git takes for no option, whatever it begins with."""
    answer = git.answer("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    with answer.output:
        if answer.code:
            why = f": {reason(answer.said)}" if answer.said else ""
            raise NoSuchCommit(f"the repository {escaped(repository.top)} has no commit {escaped(ref)}{why}")
        return os.fsdecode(answer.output.read()).strip()


def _kept(git: Git, commit: str, repository: LocalRepository, real: str, stop: StopToken) -> dict[str, Kept]:
    """The manifests of `commit` at the `real` path, by the paths that a checkout would give them."""
    path = "" if real == repository.top else os.path.relpath(real, repository.top)
    try:
        tree = tree_of(git, commit, path)
    except NoDirectory:
        file = _file(git, commit, path)
        return {real: file} if file else {}

    def read(objects: Iterable[str], most: int) -> Mapping[str, bytes]:
        return contents(git, objects, most)

    found = files_of(Committed(f"commit {commit}", path, *tree), read, stop).kept
    return {os.path.join(repository.top, name): one for name, one in found.items()}


def _file(git: Git, commit: str, path: str) -> Kept | None:
    """The file that `commit` has at `path`, which is read whatever it is called; None where there is none."""
    literal = {"GIT_LITERAL_PATHSPECS": "1"}
    answer = git.answer("ls-tree", "-z", "-l", "--full-tree", commit, "--", path, environment=literal)
    with answer.output:
        listed = answer.output.read().partition(b"\t")[0].split()
    if listed[:2] not in ([b"100644", b"blob"], [b"100755", b"blob"]):
        return None
    identity, size = listed[2].decode(), int(listed[3])
    if size > FILE_LIMIT:
        return Kept(too_large(path, size))
    return Kept(contents(git, [identity], FILE_LIMIT)[identity], identity)
