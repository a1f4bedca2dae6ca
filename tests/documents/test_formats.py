"""The formats of our files and of what we print for programs, field by field: a rename needs a new version number.

Each is in a file of ``tests/golden/formats``, whose name ends in the version. A file that is there is never written
anew: raise the number of the format, and ``REWRITE_GOLDEN=1`` writes the next one. Of a format that was never released
the file can be deleted instead, and is written by the same command.
"""

import inspect
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.cli.setup_json import setup_json, there_record, undo_json
from reconciler.cli.setup_services import Left, Proposed
from reconciler.cli.setup_text import There
from reconciler.doctor.finding import Finding
from reconciler.integrations.mdevctl import Definitions, Effect, Unusable
from reconciler.kernel.observe import observe
from reconciler.model.codec import Codec
from reconciler.model.commands import DOCTOR, NOWHERE
from reconciler.model.desired import Activation, GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix, Queue
from reconciler.model.problems import Place, Position, Problem, Severity
from reconciler.model.steps import Definition, FileChange, Holdings
from reconciler.operations import host_record
from reconciler.operations.setup import Undoing, Written
from reconciler.picture.cells import Run
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.status import Status, SuspendedBy, status_of
from reconciler.render.history_text import history_json
from reconciler.render.plan_json import plan_record
from reconciler.render.saved_plan import plan_file_text
from reconciler.render.status_record import Selection, free_record, status_record
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction import apply_ids, generation_record, journal, lock, loop_records
from reconciler.transaction.confirmation import Pending
from reconciler.transaction.history import History
from reconciler.transaction.journal import FirstLine
from reconciler.transaction.loop_records import CommitPolicy, LastGood, Refusal, Suspensions
from reconciler.transaction.records import RECORDS, TEXTS
from reconciler.transaction.setup_record import InstalledService, SetUp
from reconciler.transaction.state_directory import StateDirectory
from reconciler.transaction.suspension_log import SuspensionLog, suspension_changes
from reconciler.watch import published
from reconciler.watch.host_view import VIEWS, EventsView, HistoryView, HostView
from reconciler.watch.published import LoopStatus
from reconciler.watch.report import Report
from reconciler.watch.status_file import Kept
from testing.commands import Command, example
from testing.formats import layout, sample_layout
from testing.golden import GOLDEN, REWRITE
from testing.holdings import config, desired, guest, hardware, host_holding, uuid

LATEST: Final = inspect.signature(Codec.content).parameters["version"].default
RECORDED: Final[dict[str, tuple[Any, Codec, Any, int]]] = {
    "journal": (FirstLine, RECORDS, TEXTS, LATEST),
    "inventory": (Applied, RECORDS, TEXTS, LATEST),
    "degraded": (journal._Degraded, RECORDS, TEXTS, LATEST),
    "confirmation": (Pending, RECORDS, TEXTS, LATEST),
    "history": (generation_record.Begun, RECORDS, TEXTS, LATEST),
    "history-outcome": (generation_record.Ended, RECORDS, TEXTS, LATEST),
    "ids": (apply_ids._Ids, RECORDS, TEXTS, LATEST),
    "fleet": (apply_ids._FleetApplies, RECORDS, TEXTS, LATEST),
    "lock": (lock._Holder, RECORDS, TEXTS, LATEST),
    "suspensions": (Suspensions, RECORDS, TEXTS, LATEST),
    "suspension-log": (SuspensionLog, RECORDS, TEXTS, LATEST),
    "enforced": (LastGood, RECORDS, TEXTS, LATEST),
    "commits": (CommitPolicy, RECORDS, TEXTS, LATEST),
    "setup": (SetUp, RECORDS, TEXTS, LATEST),
    "refused": (Refusal, loop_records._REFUSALS, (), LATEST),
    "loop-status-file": (Kept, RECORDS, TEXTS, LATEST),
    "report": (Report, published._CODEC, (), LATEST),
    "loop": (LoopStatus, published._CODEC, (), LATEST),
    "published-host": (HostView, VIEWS, {Run}, LATEST),
    "published-history": (HistoryView, VIEWS, (), LATEST),
    "published-events": (EventsView, VIEWS, (), LATEST),
    "recorded-host": (host_record.HostRecord, host_record._RECORD, {*TEXTS, Queue}, host_record._VERSION),
}


def pinned(name: str, version: object, fields: list[str]) -> None:
    """`fields` are those of the format `name` in this `version`."""
    file = GOLDEN / "formats" / f"{name}-{version}.txt"
    if os.environ.get(REWRITE) and not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"{one}\n" for one in fields))
    assert file.read_text().splitlines() == fields, f"{name}: another format needs another version number"
    newer = [one.name for one in file.parent.glob(f"{name}-[0-9]*.txt") if one != file]
    assert len(newer) < int(str(version)), f"{name}: {newer} are no versions before {version}"


@pytest.mark.parametrize("name", RECORDED)
def test_the_fields_of_a_file_belong_to_its_version(name: str) -> None:
    """Their names and types, as the codec writes them."""
    kind, codec, texts, version = RECORDED[name]

    pinned(name, version, layout(kind, codec, texts))


def mixed_plan() -> Plan:
    """A plan in which nearly everything occurs: changes, a VM, consents, problems, files, absent cards."""
    held = {uuid(1): config([5, 6], [4]), uuid(2): config([5], [5]), uuid(9): config([7], [6])}
    pool = Matrix(ALL_IDS, ~IdSet(range(4, 12)))
    host = host_holding(Holdings(pool, held), PROFILES["6.12"], hardware(range(4, 8), range(16)))
    host.start_vm(uuid(1))
    ours = Applied(pool, {uuid(1): ("payments", held[uuid(1)]), uuid(2): ("retired", held[uuid(2)])})
    guests = [
        guest("payments", config([5], [4], [4, 6]), 1)._replace(labels=(("tier", "gold"),)),
        guest("web", config([6, 200], [7, 8]), 3),
        guest("batch", config([4], [9]), 4, activation=Activation.ON_DEMAND),
    ]
    made = make_plan(desired(guests, GivenUp(NO_IDS, IdSet(range(4, 13)))), observe(host), ours)
    problem = Problem("x", Severity.WARNING, "text", (Place(Position("a.yaml", 1, 1), "here"),), ("more",), "help")
    file = FileChange("etc/udev/rules.d/41-ap.rules", b"old\n", b"new\n", "host")
    return made._replace(files=(file,), problems=(*made.problems, problem))


def mixed_status() -> Status:
    """The status that goes with it, after the manifests were named and a guest was suspended."""
    return status_of(mixed_plan(), suspended=SuspendedBy("by kim", {"payments": "suspended by kim"}))


def proposal_of_a_setup() -> str:
    """What ``setup -o json`` prints where there is nearly everything; the plan in it has a version of its own."""
    observed = mixed_plan().observed
    definition = Definition(uuid(3), config([6], [4]), autostart=True)
    finding = Finding("x", Severity.ERROR, "what", "why", "help", (DOCTOR,))
    there = There(
        "lpar7", observed, Definitions((definition,), (Unusable("file", "why", Effect.STOPS_ALL),)), [finding]
    )
    proposed = Proposed(InstalledService("boot", "/x"), "what", ("service", "install", "boot"))
    services: list[Proposed | Left] = [proposed, Left("hook", "why")]
    written = Written("/etc/reconciler/lpar7.yaml", "text", ())
    record = json.loads(setup_json("lpar7", there_record(there, NOWHERE), written, mixed_plan(), services, "command"))
    assert record.pop("plan") == json.loads(json.dumps(plan_record(mixed_plan())))
    return json.dumps(record)


def taken_back_by_a_setup() -> str:
    """What ``setup --undo -o json`` prints where there is nearly everything."""
    change = FileChange("etc/udev/rules.d/41-ap.rules", b"old\n", b"new\n", "host")
    done = Undoing(("/etc/reconciler/lpar7.yaml",), (change,), ())
    return undo_json([InstalledService("boot", "/x")], done, [("/a", "it was changed since")], "command")


SELECTED: Final = Selection(("payments",), ())

PRINTED: Final[dict[str, Callable[[], str]]] = {
    "plan-file": lambda: plan_file_text(mixed_plan(), ("guests.yaml",)),
    "status": lambda: json.dumps(status_record(mixed_status(), selection=SELECTED)),
    "free": lambda: json.dumps(free_record(status_of(mixed_plan()))),
    "setup-proposal": proposal_of_a_setup,
    "setup-undo": taken_back_by_a_setup,
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_fields_of_what_is_printed_belong_to_its_version(name: str) -> None:
    """Those of a sample in which nearly everything occurs."""
    record = json.loads(PRINTED[name]())
    version = record.pop("formatVersion")

    pinned(name, version, sample_layout(record))


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    monkeypatch.setenv("SUDO_USER", "kim")
    return example("three-guests", tmp_path, capsys)


def test_files_are_as_the_types_say(command: Command) -> None:
    """What an apply and a suspension leave has just these fields, and the version; so has the list of the history."""
    assert command("apply", "--yes").code == 0
    assert command.bare("suspend", "guest1", "--reason", "x", "--simulate", str(command.simulated_host)).code == 0
    state = Path(f"{command.simulated_host}.state")
    files = {"inventory.json": "inventory", "suspended.json": "suspensions", "suspension-log.json": "suspension-log"}
    files |= {"generations/000001.json": "history", "generations/000001.outcome.json": "history-outcome"}
    for file, name in files.items():
        record = json.loads((state / file).read_text())
        kind, codec, texts, version = RECORDED[name]
        fields = {re.split(r"\W", line)[0] for line in layout(kind, codec, texts)}
        assert record.pop("formatVersion") == version
        assert record.keys() == fields, file
    directory = StateDirectory(state)
    listed = json.loads(history_json(History(directory).generations(), suspension_changes(directory, 0.0)))
    pinned("history-list", listed.pop("formatVersion"), sample_layout(listed))


def test_a_rename_is_noticed() -> None:
    """Of a field anywhere in a format, whatever is asked of the golden files."""
    fields = layout(Suspensions, RECORDS, TEXTS)
    renamed = [line.replace("reason", "because") for line in fields]

    pinned("suspensions", LATEST, fields)
    with pytest.raises(AssertionError, match="needs another version number"):
        pinned("suspensions", LATEST, renamed)


PRINTED_AS_JSON: Final = (
    "validate",
    "plan",
    "drift",
    "doctor",
    "matrix",
    "status",
    "status --free",
    "apply --yes",
    "history",
    "history show 1",
    "history diff 1 1",
    "history state 1",
    "observe",
    "setup -f .",
    "setup --undo",
)


def test_the_version_of_what_is_printed_is_a_number(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the files that are written, so that a program compares one form only, whichever command it reads."""
    monkeypatch.chdir(command.directory)
    for words in PRINTED_AS_JSON:
        form = () if words == "observe" else ("-o", "json")
        ran = command.bare(*words.split(), *form, "--simulate", "simulated-host.yaml")

        assert type(json.loads(ran.out)["formatVersion"]) is int, (words, ran.err)


def test_the_version_in_a_schema_is_a_number() -> None:
    """In each that describes what is printed or published."""
    texts = [one.read_text() for one in (Path(__file__).parents[2] / "schemas").glob("*.json")]
    texts = [one for one in texts if '"formatVersion"' in one]

    assert len(texts) >= 6
    assert all(type(json.loads(one)["properties"]["formatVersion"]["const"]) is int for one in texts)
