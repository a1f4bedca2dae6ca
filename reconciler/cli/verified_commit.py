"""What a commit to several hosts may bring to a host that requires signatures: manifests of a commit that it verifies.

The controller sends an archive, which proves nothing. So the host fetches the git commit that the archive is said to be
of, from the repository that its own held loop names, verifies who signed it, and compares what both say of this host.
"""

import os
from contextlib import closing

from reconciler import AsCommitted, Manifests, NotVerified, WantedSource
from reconciler.cli.open_host import state_of
from reconciler.cli.options import HostOptions
from reconciler.model.errors import HostError
from reconciler.model.outcome import FleetCommit
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.loop_records import CommitPolicy, read_commit_policy
from reconciler.transaction.state_directory import StateDirectory


class RepositoryUnreachable(HostError):
    """The repository from which a commit has to be verified cannot be asked; the text says why."""


def verified(host: HostOptions, source: WantedSource, fleet: FleetCommit | None) -> WantedSource:
    """`source`, or where this host requires signatures, what is the same and proves that it is.

    Args:
        host: where.
        source: what a controller has sent.
        fleet: what it says that is a part of; None where this is of this host alone, which a person decides.

    Raises:
        NotVerified: it is of no commit that this host takes.
        RepositoryUnreachable, NotPrivate: that cannot be found out now.
        BadRecord, UnsafeState: what the loop has recorded cannot be used.
    """
    state = state_of(host)[0]
    policy = read_commit_policy(state) if fleet else None
    if fleet is None or policy is None:
        return source
    if not isinstance(source, Manifests) or source.given is not None:
        raise NotVerified("nothing was done: this host takes manifests of signed commits only, from files")
    if fleet.commit is None:
        raise NotVerified(
            f"nothing was done: this host takes signed commits of {policy.branch} only, and the commit {fleet.id} to "
            "several hosts is of no git commit"
        )
    return _as_committed(state, source, fleet.commit.id, policy)


def _as_committed(state: StateDirectory, source: Manifests, commit: str, policy: CommitPolicy) -> AsCommitted:
    from reconciler.integrations.git_address import address
    from reconciler.integrations.git_signatures import trust
    from reconciler.watch.git_source import GitSource, NewestCommit, Unreachable

    trusted = trust(policy.require_signature, policy.revoked_keys)
    where = address(policy.git, policy.branch, policy.path)
    with closing(GitSource(where, state.path / "git", os.environ, trusted=trusted)) as git:
        found = git.of_commit(commit, _applied(state))
    if isinstance(found, Unreachable):
        raise RepositoryUnreachable(f"nothing was done: {found.reason}")
    if not isinstance(found, NewestCommit):
        raise NotVerified(f"nothing was done: {'; '.join(found.reasons)}")
    return AsCommitted(source, commit, found.files)


def _applied(state: StateDirectory) -> str:
    """The commit that was applied last."""
    history = History(state)
    try:
        return history.get(history.newest_target()).origin.commit.removesuffix("+")
    except NoSuchGeneration:
        return ""
