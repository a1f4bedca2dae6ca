"""What the loop knows after a cycle: the one value behind its logs, metrics, published report and notifications."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Condition(StrEnum):
    """How the host stands to the configuration that the loop enforces."""

    IN_SYNC = "in-sync"
    CHANGES = "changes"  # the manifests ask for something that is not done, since the loop only reports
    DRIFT = "drift"  # another program changed the host, and the loop runs without --self-heal
    NEEDS_PERSON = "needs-person"  # the plan has conflicts, or needs consent that only a person gives
    WAITING = "waiting"  # for another run or tool, a confirmation, or files that are being copied
    SUSPENDED = "suspended"  # the whole host is suspended, and differs
    SUSPENDED_OUT_OF_SYNC = "suspended-out-of-sync"  # suspended guests differ from their manifests; all else is in sync
    FAILED = "failed"  # the last apply was rolled back, or the host could not be read; it is tried again
    DEGRADED = "degraded"  # neither start nor target: a person has to look
    STOPPED = "stopped"  # healing again and again, against another program: a person has to look

    @property
    def text(self) -> str:
        """For people: ``in sync``; ``suspended, and differs``."""
        differs = self is Condition.SUSPENDED_OUT_OF_SYNC
        return "suspended, and differs" if differs else self.value.replace("-", " ")


class Mode(StrEnum):
    """Who says what the loop enforces next."""

    FOLLOWING = "following"  # its manifests: files, or a branch
    HELD = "held"  # a person, or a controller, by an apply on the host; the loop never moves forward by itself

    @property
    def other(self) -> "Mode":
        """The other one."""
        return Mode.HELD if self is Mode.FOLLOWING else Mode.FOLLOWING


MASKS: Final = "the host's masks"
"""What the host as a holder is called."""

FILES_NAME: Final = "files for the next boot"
"""The same of the files that it boots from."""

CONSENT: Final = "it needs a person's consent; to give it: "
"""Begins the first reason of a configuration that is refused for that alone; the command follows."""


CORRECTION: Final = "it needs what another program has changed; to apply it and correct that: "
"""Begins the first reason of a configuration that drift is in the way of; the command follows."""


RESUMPTION: Final = "it needs what a suspended guest has; to end the suspension, when its reason is gone: "
"""Begins the first reason of a configuration that suspended guests are in the way of; the command follows."""


class Obstacle(StrEnum):
    """What stands in the way of a configuration, which decides what a person runs next."""

    MANIFESTS = "manifests"  # they are wrong by themselves
    HOST = "host"  # the host as it is, such as a device of another program
    PLACE = "place"  # it runs in an LPAR that the manifests do not have for it, so that nothing is changed there
    MODULE = "module"  # vfio_ap is not loaded
    CONSENT = "consent"
    DRIFT = "drift"  # something that another program has changed
    SUSPENSION = "suspension"  # something that a suspended guest has
    SIGNATURE = "signature"  # the commit is not signed by a trusted signer
    OLDER = "older"  # the commit does not come after the one that was applied
    COMMIT = "commit"  # something in the commit cannot be a file here
    BRANCH = "branch"  # it does not exist
    SOURCE = "source"  # the repository, its options or a check on this host; the commit may be good


class Changed(NamedTuple):
    """What a holder had and has, or has and is to have; empty where there is no device.

    Attributes:
        name: of the guest, or "the host's masks".
        before: its queues before, in one line.
        after: its queues afterwards.
    """

    name: str
    before: str
    after: str


class RefusedConfiguration(NamedTuple):
    """A configuration that the loop does not use; it goes on with the last good one.

    Attributes:
        commit: its git commit; empty where it has none.
        reasons: why, a sentence each, in the order in which they should be read.
        since: when it was refused first (seconds since 1970).
        obstacles: what is in its way; where nothing is said, the manifests.
        command: for consent, drift and suspension, the command that removes the obstacle.
        guests: the names of those whom it concerns, at most some: first those that are in the way.
        changes: what it would have changed, where there is a plan without errors.
    """

    commit: str
    reasons: tuple[str, ...]
    since: float
    obstacles: tuple[Obstacle, ...] = (Obstacle.MANIFESTS,)
    command: str = ""
    guests: tuple[str, ...] = ()
    changes: tuple[Changed, ...] = ()

    @property
    def subject(self) -> str:
        """What is refused, for people: a commit only where the files are as it has them."""
        if self.commit.endswith("+"):
            return f"what has changed since commit {self.commit.removesuffix('+')}"
        return f"commit {self.commit}" if self.commit else "the newest configuration"


class CommitReport(NamedTuple):
    """A git commit, and what it says of itself: its first line, and the name of its author; empty if not known."""

    id: str
    subject: str
    author: str


class SourceReport(NamedTuple):
    """Where manifests come from.

    Attributes:
        location: a path, or a repository and branch, for people.
        commit: the git commit of the configuration that is enforced; empty where there is none.
        refused: the newest configuration where it is not used.
        unreachable: why the repository cannot be reached; empty where it can.
        paths: where the newest manifests are as files, for a command to run; empty where they are in a repository.
        reach: the command that asks the repository as the loop does; empty where there is none.
        subject: what `commit` says of itself in its first line; empty where that is not known.
        author: the name of its author; likewise.
        refused_subject: the same of the commit that is refused.
        refused_author: the same of its author.
        unreachable_since: since when the repository cannot be reached; None where it can.
        is_long_unreachable: whether that has lasted for longer than the loop waits before it reports it.
    """

    location: str
    commit: str = ""
    refused: RefusedConfiguration | None = None
    unreachable: str = ""
    paths: tuple[str, ...] = ()
    reach: str = ""
    subject: str = ""
    author: str = ""
    refused_subject: str = ""
    refused_author: str = ""
    unreachable_since: float | None = None
    is_long_unreachable: bool = False

    @property
    def enforced(self) -> CommitReport:
        """The commit of the configuration that is enforced."""
        return CommitReport(self.commit, self.subject, self.author)

    @property
    def refused_commit(self) -> CommitReport:
        """The commit of the configuration that is refused."""
        return CommitReport(self.refused.commit if self.refused else "", self.refused_subject, self.refused_author)


class Suspended(NamedTuple):
    """A suspended host or guest: why, by whom, and until when (seconds since 1970; None: for good)."""

    reason: str
    by: str
    until: float | None


class GuestReport(NamedTuple):
    """One guest.

    Attributes:
        name: of the guest.
        uuid: of its device.
        wanted: how many queues the manifest grants; 0 where none names it any more.
        authorised: how many its device holds; None where there is no device.
        effective: how many the guest sees; None likewise.
        why: why these differ, a sentence each.
        drifted: whether another program changed its device.
        suspended: that it is suspended; None where it is not.
        sees: which queues the guest sees, in one line; empty where there is no device.
    """

    name: str
    uuid: str
    wanted: int
    authorised: int | None
    effective: int | None
    why: tuple[str, ...] = ()
    drifted: bool = False
    suspended: Suspended | None = None
    sees: str = ""


class Counters(NamedTuple):
    """What the loop has done since it was started.

    `applies` counts by how they ended (the values of `reconciler.model.outcome.Result`), `triggers`
    by what woke the loop.
    """

    cycles: int = 0
    applies: Mapping[str, int] = {}
    triggers: Mapping[str, int] = {}
    refused: int = 0
    healed: int = 0


class Report(NamedTuple):
    """What the loop knows after a cycle. Times are seconds since 1970 unless they say otherwise.

    Attributes:
        host: the name of the Host.
        condition: how the host stands.
        summary: one sentence about it.
        since: when this condition began.
        source: where the manifests come from.
        generation: the generation that was applied last; 0 where none was.
        guests: ascending by name.
        queues: how many queues there are by state: ``host``, ``effective``, ``pending`` (authorised and absent or not
            usable), ``claimed`` (a guest is to have it, and nothing has it), ``free``.
        differences: what is not as it should be, a sentence each.
        suspended: that the whole host is suspended.
        counters: what was done since the start.
        cycle_ended: when this cycle ended.
        succeeded: when the host was last seen in sync; None if never.
        apply_seconds: how long the last apply took; None if there was none.
        plan_seconds: how long the last plan took.
        applies: whether the loop applies; otherwise it only reports.
        due: when the next cycle has ended at the latest, if all is well; None where that is not known.
        appeared: what hardware that appeared has brought in this cycle, a sentence each, such as "payments now has
            05.0004 (authorised since 2027-01-15)".
        stopped: the names of holders that are not healed any more, since another program changes them again and again,
            and until when.
        rolled_back: when an apply of the loop was last rolled back; None if never.
        polled: the trigger sources that do not report changes and are polled instead, and why, a sentence each.
        heals: whether the loop corrects what other programs change.
        enforces: whether there is a configuration that the host is held against.
        looked: when the host was last looked at, which guests and queues are from; None if never.
        changed: what the apply of this cycle has changed, or tried to change.
        differing: what is not as it should be, at most some: what it is, and what it should be.
        corrected: how often holders were corrected within the last hour, by name.
        drifting: the names of holders that another program has changed, and that are not corrected yet.
        fought: what another program has set last in those of `corrected`, and what was wanted then; at most some.
        guests_left_out: how many guests there are besides, since there are too many to publish.
        mode: whether the loop follows its manifests, or is held; None where no loop has said.
        change_mode: the command that makes it the other one; empty where no loop has said.
    """

    host: str
    condition: Condition
    summary: str
    since: float
    source: SourceReport
    generation: int
    guests: tuple[GuestReport, ...]
    queues: Mapping[str, int]
    differences: tuple[str, ...]
    suspended: Suspended | None
    counters: Counters
    cycle_ended: float
    succeeded: float | None
    apply_seconds: float | None
    plan_seconds: float
    applies: bool
    due: float | None = None
    appeared: tuple[str, ...] = ()
    stopped: Mapping[str, float] = {}
    rolled_back: float | None = None
    polled: Mapping[str, str] = {}
    heals: bool = False
    enforces: bool = True
    looked: float | None = None
    changed: tuple[Changed, ...] = ()
    differing: tuple[Changed, ...] = ()
    corrected: Mapping[str, int] = {}
    drifting: tuple[str, ...] = ()
    fought: tuple[Changed, ...] = ()
    guests_left_out: int = 0
    mode: Mode | None = None
    change_mode: str = ""

    @property
    def fights(self) -> frozenset[str]:
        """The names of holders that another program changes again and again, against the loop."""
        return frozenset(name for name, times in self.corrected.items() if times > 1 or name in self.drifting)


NO_REPORT: Final = Report(
    host="",
    condition=Condition.WAITING,
    summary="",
    since=0.0,
    source=SourceReport(""),
    generation=0,
    guests=(),
    queues={},
    differences=(),
    suspended=None,
    counters=Counters(),
    cycle_ended=0.0,
    succeeded=None,
    apply_seconds=None,
    plan_seconds=0.0,
    applies=False,
)
"""The report where there is none: of no host, before any cycle."""
