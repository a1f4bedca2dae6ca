"""What a page may show beyond the report, as values: who has which queue, the plan, the history, the last events.

They are published in files of their own (`reconciler.watch.publishing_views`), bounded in size, and read by processes
without rights. Like the report they have no secret, no password in a URL and no command line.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.model.codec import Codec
from reconciler.model.suspending import SuspensionChange
from reconciler.picture.cells import CHECKS, TEXTS, Picture
from reconciler.watch.events import Kind, Level

HOST: Final = "host.json"
"""The file with the `HostView`."""

HISTORY: Final = "history.json"
"""The file with the `HistoryView`."""

EVENTS: Final = "events.json"
"""The file with the `EventsView`."""

MOST_GENERATIONS: Final = 100
MOST_EVENTS: Final = 100

LARGEST_DIFF: Final = 64 << 10
"""In bytes, of the diff of a plan or a generation; a longer one is cut."""

LARGEST_LABELS: Final = 4 << 10
"""In bytes, of the labels of a generation."""

LARGEST_TOTAL: Final = 8 << 20
"""In bytes, of all published files together."""

LARGEST_REPORT: Final = 4 << 20
LARGEST_HOST: Final = 5 << 19
LARGEST_EVENTS: Final = 256 << 10


class GuestView(NamedTuple):
    """What the manifest of a guest says of it: its labels, and its activation."""

    labels: Mapping[str, str]
    activation: str


class ConsentView(NamedTuple):
    """What is done only with a person's consent: to whom, and what."""

    holder: str
    reason: str


class ProblemView(NamedTuple):
    """What is wrong or worth knowing: how much it matters, and one sentence."""

    severity: str
    text: str


class PlanView(NamedTuple):
    """What would have to be done so that the host is as its manifests say.

    Attributes:
        summary: one sentence.
        is_valid: whether nothing forbids it.
        created: how many devices are created.
        changed: how many are changed.
        removed: how many are removed.
        writes: how many writes the kernel gets.
        interrupted: how many running VMs lose queues.
        consents: what needs a person's consent.
        problems: what is wrong or worth knowing.
        suspended: the names of suspended guests, which stay as they are.
        diff: of the host as it is and as planned.
        is_cut: whether the diff, or a list, was cut.
    """

    summary: str
    is_valid: bool
    created: int
    changed: int
    removed: int
    writes: int
    interrupted: int
    consents: tuple[ConsentView, ...]
    problems: tuple[ProblemView, ...]
    suspended: tuple[str, ...]
    diff: str
    is_cut: bool


class HostView(NamedTuple):
    """Who has which queue, and what is planned.

    Attributes:
        picture: who has which queue; None where it would be too large.
        guests: those that have a manifest, by the uuid of their device.
        plan: None where there is nothing to do.
        is_cut: whether something was left out, since it would be too much.
    """

    picture: Picture | None
    guests: Mapping[str, GuestView]
    plan: PlanView | None
    is_cut: bool


class GenerationView(NamedTuple):
    """One apply. Times are seconds since 1970.

    Attributes:
        number: of the generation.
        stamp: what changes when its records change; for who publishes.
        id: what the caller called it; empty where it chose none.
        started: when it began.
        ended: when it ended; None where that is not recorded.
        by: who applied it.
        what: what it was about, in a line.
        extent: how much of the host it was about.
        commit: of its manifests; empty where there is none.
        subject: the first line of what the commit says of itself.
        author: of the commit.
        result: how it ended, in words.
        failure: why it was rolled back; empty otherwise.
        summary: what was planned, one sentence.
        diff: what it changed.
        is_cut: whether the diff was cut or left out.
        labels: each set of labels that a guest which it changed had then or before; None where that is not known, or
            is too much.
        again: the generation that it rolled back to; 0 where it was none.
        undone: the generation that it undid, where there was none before to roll back to; 0 otherwise.
        briefly: what it was about with one guest, the rest counted.
    """

    number: int
    stamp: tuple[int, ...]
    id: str
    started: float
    ended: float | None
    by: str
    what: str
    extent: str
    commit: str
    subject: str
    author: str
    result: str
    failure: str
    summary: str
    diff: str
    is_cut: bool
    labels: tuple[Mapping[str, str], ...] | None = None
    again: int = 0
    undone: int = 0
    briefly: str = ""

    @property
    def is_rollback(self) -> bool:
        """Whether it led back to what an earlier generation wanted, whose commit is its own then."""
        return bool(self.again or self.undone)


class HistoryView(NamedTuple):
    """The last applies.

    Attributes:
        version: what changes when the history changes; for who publishes.
        generations: the newest first, at most `MOST_GENERATIONS`.
        earlier: how many older ones there are.
        suspensions: who suspended and resumed what, in the order of time, but for what ended by itself.
    """

    version: str
    generations: tuple[GenerationView, ...]
    earlier: int
    suspensions: tuple[SuspensionChange, ...] = ()


class EventView(NamedTuple):
    """What has happened, as `reconciler.watch.events.Event` has it, and when (seconds since 1970)."""

    moment: float
    kind: Kind
    level: Level
    text: str
    guests: tuple[str, ...]
    details: tuple[str, ...]


class EventsView(NamedTuple):
    """The last events, the newest first, at most `MOST_EVENTS`."""

    events: tuple[EventView, ...]


VIEWS: Final = Codec(texts=TEXTS, checks=CHECKS)
"""Reads and writes all of them."""
