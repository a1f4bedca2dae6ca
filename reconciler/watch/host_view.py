"""What a page may show beyond the report, as values: who has which queue, the plan, the history, the last events.

They are published in files of their own (`reconciler.watch.publishing_views`), bounded in size, and read by processes
without rights. Like the report they have no secret, no password in a URL and no command line.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.model.codec import BadRecord, Codec, Form
from reconciler.model.ids import ID_COUNT
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

LARGEST_TOTAL: Final = 8 << 20
"""In bytes, of all published files together."""

LARGEST_REPORT: Final = 4 << 20
LARGEST_HOST: Final = 5 << 19
LARGEST_EVENTS: Final = 256 << 10

STATES: Final = ("conflict", "pending", "planned", "leaving", "on-demand", "held", "host", "free")
"""How a queue can stand: the values of `reconciler.planning.grid.CellState`."""

_RUN: Final = re.compile(
    r"(\d{1,3})-(\d{1,3}) ([a-z-]{1,9}) (h?k?p?|-) (\d{1,6}|-) (\d{1,6}(?:,\d{1,6}){0,15}|-)", re.ASCII
)


class CellRun(NamedTuple):
    """Neighbouring queues of one adapter that stand alike.

    Attributes:
        first: the lowest of their domains.
        last: the highest.
        state: how they stand, one of `STATES`.
        holder: who has them or is the first to claim them, as a place in `HostView.holders`; None where no guest is.
        others: who else has or claims them, likewise; of very many the first ones.
        of_host: whether the host's drivers have them now.
        is_kept: whether the manifest of the host keeps them for its drivers.
        is_there: whether the hardware is there.
    """

    first: int
    last: int
    state: str
    holder: int | None
    others: tuple[int, ...]
    of_host: bool
    is_kept: bool
    is_there: bool


class HolderView(NamedTuple):
    """A guest, or a device that no manifest names.

    Attributes:
        name: of the guest, or the uuid of the device.
        uuid: of its device, which need not exist.
        labels: of its manifest.
        activation: of its manifest; empty where there is none.
        held: how many queues its device has.
        claimed: how many its manifest claims.
    """

    name: str
    uuid: str
    labels: Mapping[str, str]
    activation: str
    held: int
    claimed: int


class CardView(NamedTuple):
    """A present adapter.

    Attributes:
        adapter: its number.
        type: for people, for example ``CEX8``.
        trouble: why every request on it fails, for a sentence; empty where none does for that reason.
        is_online: whether the host's drivers use it.
    """

    adapter: int
    type: str
    trouble: str
    is_online: bool


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
        holders: ascending by name.
        rows: by adapter, its queues in runs, ascending.
        counts: how many queues stand how, by `STATES`.
        present: how many queues are there.
        cards: present adapters, ascending.
        plan: None where there is nothing to do.
        is_cut: whether something was left out, since it would be too much.
    """

    holders: tuple[HolderView, ...]
    rows: Mapping[int, tuple[CellRun, ...]]
    counts: Mapping[str, int]
    present: int
    cards: tuple[CardView, ...]
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


class HistoryView(NamedTuple):
    """The last applies.

    Attributes:
        version: what changes when the history changes; for who publishes.
        generations: the newest first, at most `MOST_GENERATIONS`.
        earlier: how many older ones there are.
    """

    version: str
    generations: tuple[GenerationView, ...]
    earlier: int


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


def _run_text(run: CellRun) -> str:
    flags = "".join(sign for sign, is_so in zip("hkp", run[5:], strict=True) if is_so)
    holder = "-" if run.holder is None else run.holder
    others = ",".join(map(str, run.others))
    return f"{run.first}-{run.last} {run.state} {flags or '-'} {holder} {others or '-'}"


def _run(text: str) -> CellRun:
    found = _RUN.fullmatch(text)
    if found is None or found[3] not in STATES or not int(found[1]) <= int(found[2]) < ID_COUNT:
        raise ValueError("no run of queues")
    others = () if found[6] == "-" else tuple(map(int, found[6].split(",")))
    holder = None if found[5] == "-" else int(found[5])
    return CellRun(int(found[1]), int(found[2]), found[3], holder, others, *(one in found[4] for one in "hkp"))


def _check_host(view: HostView) -> None:
    """Raise BadRecord where a row is no adapter's, or a run names no holder or overlaps with the one before."""
    for adapter, runs in view.rows.items():
        if adapter >= ID_COUNT:
            raise BadRecord("no adapter", "rows")
        last = -1
        for run in runs:
            named = (*(() if run.holder is None else (run.holder,)), *run.others)
            if run.first <= last or any(one >= len(view.holders) for one in named):
                raise BadRecord(f"no run of queues of adapter {adapter}", "rows")
            last = run.last


VIEWS: Final = Codec(texts={CellRun: Form(_run_text, _run)}, checks={HostView: _check_host})
"""Reads and writes all of them."""
