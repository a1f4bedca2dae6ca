"""What a host boots into is part of the transaction: written with it, and taken back with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.integrations.boot_masks import PersistentMasks, ap_rules_text, read_ap_rules, rules_file
from reconciler.integrations.mdevctl import definition_bytes, definition_file, read_definitions
from reconciler.integrations.persistence import carry_out, read_boot_files
from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, Desired, DesiredGuest, GivenUp, Persistence
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.outcome import Outcome, Result
from reconciler.model.problems import Severity
from reconciler.model.steps import Definition, FileChange
from reconciler.planning.plan import Cause, Plan
from reconciler.planning.planner import make_plan
from reconciler.simulator.faults import FaultySysfs, WriteRefused
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction import persist as persist_module
from reconciler.transaction.apply import NoProgress, apply_plan
from reconciler.transaction.journal import Journal
from reconciler.transaction.persist import persistent
from reconciler.transaction.recovery import recover_unfinished
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.holdings import config, desired, guest, hardware, held, uuid
from testing.journals import BOOT, GIVES_UP, ONE, OTHER, machine

WEB: Final = guest("web", ONE, 1)
PAY: Final = guest("pay", OTHER, 2)
FOREIGN: Final = Definition(uuid(8), config([9], [9]), autostart=True)
_CARRY_OUT: Final = carry_out
FIRST: Final = [WEB]
SECOND: Final = [WEB._replace(config=config([5, 6], [4])), guest("new", config([5], [0x47]), 3)]


def wanted(guests: list[DesiredGuest], given_up: GivenUp = GIVES_UP, how: Persistence = Persistence.MDEVCTL) -> Desired:
    """Manifests of a host that boots by the files of mdevctl."""
    return desired(guests, given_up, persistence=how)


class Place:
    """A host, its state and the root of its files."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.state = StateDirectory(folder / "state")
        self.state.prepare()
        self.host = SimulatedHost(hardware())
        foreign = definition_file(self.root, FOREIGN.uuid)
        foreign.parent.mkdir(parents=True)
        foreign.write_bytes(definition_bytes(FOREIGN))

    def plan(self, what: Desired) -> Plan:
        """The plan for `what`."""
        applied = Journal(self.state, BOOT).applied()
        return persistent(make_plan(what, observe(self.host), applied), applied, read_boot_files(self.root))

    def apply(self, what: Desired, *faults: WriteRefused) -> Outcome:
        """Plan and apply `what`."""
        return self.carry_out(self.plan(what), *faults)

    def carry_out(self, plan: Plan, *faults: WriteRefused) -> Outcome:
        """Apply `plan`."""
        sysfs = FaultySysfs(self.host, faults)
        return apply_plan(plan, sysfs, FakeClock(), Journal(self.state, BOOT), NoProgress(), root=self.root).outcome

    def recover_unfinished(self, boot: str = BOOT) -> None:
        """Let the next run put in order what is left."""
        recover_unfinished(machine(self.host, self.state, boot)._replace(root=self.root))

    def everything(self) -> tuple[object, dict[str, bytes], object]:
        """What the host holds, what the files say, and what is ours."""
        files = {str(one.relative_to(self.root)): one.read_bytes() for one in self.root.rglob("*") if one.is_file()}
        return held(self.host, observe(self.host).abilities), files, Journal(self.state, BOOT).applied()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A host with a definition that is not ours."""
    return Place(tmp_path)


def test_an_apply_leaves_what_the_host_boots_into(place: Place) -> None:
    """Masks and definitions; planning again gives nothing to do (I6), and what is not ours stays byte for byte."""
    outcome = place.apply(wanted(FIRST))
    assert (Result.APPLIED, 2) == (outcome.result, outcome.files)
    assert read_definitions(place.root).found == (Definition(uuid(1), ONE, autostart=True), FOREIGN)
    assert read_ap_rules(place.root) == PersistentMasks(ALL_IDS, ~GIVES_UP.domains)
    assert definition_file(place.root, FOREIGN.uuid).read_bytes() == definition_bytes(FOREIGN)
    assert not place.plan(wanted(FIRST)).changes


def test_files_alone_are_a_change(place: Place) -> None:
    """A definition that somebody removed is written again, without a kernel write."""
    place.apply(wanted(FIRST))
    definition_file(place.root, uuid(1)).unlink()
    plan = place.plan(wanted(FIRST))
    assert [(one.holder, one.before) for one in plan.files] == [("web", None)]
    assert (plan.in_sync, plan.steps) == (False, ())
    assert plan.causes == {Cause.HOST}
    outcome = place.carry_out(plan)
    assert (Result.APPLIED, 0, 1) == (outcome.result, outcome.writes, outcome.files)


def test_what_leaves_the_manifests_leaves_the_files(place: Place) -> None:
    """An inactive guest keeps its definition, which does not start by itself any more."""
    place.apply(wanted([WEB, PAY]))
    place.apply(wanted([PAY._replace(activation=Activation.INACTIVE)]))
    assert read_definitions(place.root).found == (Definition(uuid(2), OTHER, autostart=False), FOREIGN)


@pytest.mark.parametrize("how", [Persistence.NONE, Persistence.SERVICE])
def test_another_way_to_boot_takes_our_files_away(place: Place, how: Persistence) -> None:
    """They would start what was wanted once; masks that somebody else wrote meanwhile stay."""
    place.apply(wanted(FIRST))
    place.apply(wanted(FIRST, how=how))
    assert read_definitions(place.root).found == (FOREIGN,)
    assert not rules_file(place.root).exists()
    assert not place.plan(wanted(FIRST, how=how)).changes

    place.apply(wanted(FIRST))
    theirs = ap_rules_text(PersistentMasks(~IdSet([9]), None)).encode()
    rules_file(place.root).write_bytes(theirs)
    place.apply(wanted(FIRST, how=how))
    assert rules_file(place.root).read_bytes() == theirs


def test_without_any_persistence_no_file_is_touched(place: Place) -> None:
    """Not even one of a guest that the manifests name."""
    mine = definition_file(place.root, WEB.uuid)
    mine.write_bytes(b"{")
    assert not place.plan(wanted(FIRST, how=Persistence.NONE)).files
    assert place.apply(wanted(FIRST, how=Persistence.NONE)).files == 0
    assert mine.read_bytes() == b"{"


@pytest.mark.parametrize("nth", range(1, 4))
def test_a_refused_write_leaves_the_files_as_they_were(place: Place, nth: int) -> None:
    """They are written last, when the kernel has taken everything."""
    place.apply(wanted(FIRST))
    before = place.everything()
    outcome = place.apply(wanted(SECOND), WriteRefused(nth, 28))
    assert outcome.result is Result.ROLLED_BACK
    assert place.everything() == before


def test_a_file_that_cannot_be_written_takes_everything_back(place: Place) -> None:
    """Host, files and what is ours."""
    place.apply(wanted(FIRST))
    plan, before = place.plan(wanted([WEB, guest("new", config([5], [0x47]), 3)])), place.everything()
    definition_file(place.root, uuid(3)).mkdir()
    outcome = place.carry_out(plan)
    assert outcome.result is Result.ROLLED_BACK
    assert f"{uuid(3)}: it is no regular file" in outcome.failure
    assert place.everything() == before


def test_a_file_that_somebody_changed_meanwhile_takes_everything_back(place: Place) -> None:
    """And keeps what they wrote."""
    plan = place.plan(wanted(FIRST))
    definition_file(place.root, uuid(1)).write_bytes(b"theirs")
    before = place.everything()
    outcome = place.carry_out(plan)
    assert outcome.result is Result.ROLLED_BACK
    assert "is not as it was when the plan was made" in outcome.failure
    assert place.everything() == before


def test_a_file_that_is_changed_on_the_way_back_is_degraded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left as it is, and named."""
    plan = place.plan(wanted(FIRST))

    def meddle(root: Path, change: FileChange) -> None:
        if change.path.endswith(uuid(1)):
            rules_file(root).write_bytes(b"theirs")
            raise OSError(28, "No space left on device")
        _CARRY_OUT(root, change)

    monkeypatch.setattr(persist_module, "carry_out", meddle)
    outcome = place.carry_out(plan)
    assert outcome.result is Result.DEGRADED
    assert outcome.differences == (f"{rules_file(place.root)} is not as it was when the plan was made",)
    assert rules_file(place.root).read_bytes() == b"theirs"


class Crash(BaseException):
    """The process ends here."""


def crashing(nth: int, *, after: bool) -> Callable[[Path, FileChange], None]:
    """What ends the process at change number `nth` of a file, before it or after it."""
    left = iter(range(nth - 1, -1, -1))

    def change_file(root: Path, change: FileChange) -> None:
        last = not next(left)
        if last and not after:
            raise Crash
        _CARRY_OUT(root, change)
        if last:
            raise Crash

    return change_file


GUESTS: Final = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from([Activation.ACTIVE, Activation.ON_DEMAND, Activation.INACTIVE]),
        st.sampled_from([[4], [0x47], [4, 0x47]]),
    ),
    unique_by=lambda one: one[0],
    max_size=4,
)
"""Guests with an adapter of their own each."""


def guests_of(words: list[tuple[int, Activation, list[int]]]) -> list[DesiredGuest]:
    """Guests that do not overlap."""
    return [guest(f"g{one}", config([one], domains), one, activation=how) for one, how, domains in words]


@given(first=GUESTS, second=GUESTS, pool=st.sampled_from([4, 5]), nth=st.integers(1, 6), after=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@pytest.mark.parametrize("boot", [BOOT, "boot-two"])
def test_a_crash_at_any_file_leads_to_the_start_or_the_target(
    boot: str,
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[int, Activation, list[int]]],
    second: list[tuple[int, Activation, list[int]]],
    pool: int,
    nth: int,
    after: bool,
) -> None:
    """Files, host and inventory agree after the next run (I4); after another boot at least the files and inventory."""
    place = Place(tmp_path_factory.mktemp("place"))
    place.apply(wanted(guests_of(first)))
    start = place.everything()
    domains = GIVES_UP.domains | IdSet([pool])
    plan = place.plan(wanted(guests_of(second), GivenUp(NO_IDS, domains)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persist_module, "carry_out", crashing(nth, after=after))
        crashed = False
        try:
            place.carry_out(plan)
        except Crash:
            crashed = True
    if boot != BOOT and crashed:
        place.host = SimulatedHost(hardware())
    place.recover_unfinished(boot)
    if crashed:
        found = place.everything()
        assert found[1:] == start[1:]
        assert boot != BOOT or found[0] == start[0]
    else:
        assert not place.plan(wanted(guests_of(second), GivenUp(NO_IDS, domains))).changes
    assert definition_file(place.root, FOREIGN.uuid).read_bytes() == definition_bytes(FOREIGN)


def test_a_boot_after_everything_was_verified_keeps_it(place: Place) -> None:
    """The host boots into it, so that it is what was applied."""
    place.apply(wanted(FIRST))
    plan, journal = place.plan(wanted(SECOND)), Journal(place.state, BOOT)
    journal.begin(plan, held(place.host, plan.abilities))
    for number in range(1, len(plan.steps) + 1):
        journal.step(number)
    persist_module.persist(plan.files, place.root)
    journal.verified()
    place.host = SimulatedHost(hardware())
    place.recover_unfinished("boot-two")
    assert set(Journal(place.state, BOOT).applied().guests) == {uuid(1), uuid(3)}
    assert uuid(3) in {one.uuid for one in read_definitions(place.root).found}


def test_without_a_root_nothing_is_persisted_and_that_is_told(place: Place) -> None:
    """The plan is made nevertheless."""
    plan = persistent(make_plan(wanted(FIRST), observe(place.host)), Journal(place.state, BOOT).applied(), None)
    assert [(one.id, one.severity) for one in plan.problems] == [("nothing-persisted", Severity.WARNING)]
    assert plan.steps
    assert not plan.files


def test_recovery_without_a_root_names_what_is_left(place: Place) -> None:
    """What is in the files is not known."""
    assert persist_module.restore([FileChange("etc/a", None, b"")], None) == (persist_module.NO_ROOT,)
    assert persist_module.unlike([FileChange("etc/a", None, b"")], None) == (persist_module.NO_ROOT,)
    with pytest.raises(persist_module.NotPersisted, match="it is not known"):
        persist_module.persist([FileChange("etc/a", None, b"")], None)


def test_a_file_that_is_none_is_an_error_of_the_plan(place: Place) -> None:
    """Nothing is begun."""
    definition_file(place.root, uuid(1)).mkdir()
    plan = place.plan(wanted(FIRST))
    assert [one.id for one in plan.problems] == ["file-not-usable"]
    assert not plan.is_valid
    assert not plan.changes


@pytest.mark.parametrize("denied", [(), (uuid(1),)], ids=["damaged", "denied"])
def test_only_what_is_damaged_is_to_be_moved_away(place: Place, denied: tuple[str, ...]) -> None:
    """A file that root may read is as it should be."""
    files = read_boot_files(place.root)._replace(unusable={uuid(1): "/etc/x: Permission denied"}, denied=denied)

    plan = persistent(make_plan(wanted(FIRST), observe(place.host)), Journal(place.state, BOOT).applied(), files)

    (found,) = plan.problems
    assert (found.id, found.severity) == ("file-not-usable", Severity.ERROR)
    assert found.message.endswith(": /etc/x: Permission denied")
    assert ("move" in found.help, "Root may read it" in found.help) == (not denied, bool(denied))


def test_a_definition_of_others_that_is_in_the_way_is_told(place: Place) -> None:
    """Whichever starts first has the queue."""
    rival = Definition(uuid(8), config([5], [4]), autostart=True)
    definition_file(place.root, rival.uuid).write_bytes(definition_bytes(rival))
    plan = place.plan(wanted(FIRST))
    assert [one.id for one in plan.problems] == ["rival-definition"]
    assert plan.is_valid


def test_a_broken_definition_of_others_is_told(place: Place) -> None:
    """Since mdevctl then starts none of ours either; the message has the command that moves it away."""
    definition_file(place.root, uuid(8)).write_bytes(b'{"mdev_type": "vfio_ap-passthrough"}')

    (problem,) = place.plan(wanted(FIRST)).problems

    assert "broken-definition" == problem.id
    assert f"mv -n {definition_file(place.root, uuid(8))} /root/{uuid(8)}.broken" in problem.help


def test_a_file_of_ours_in_another_spelling_is_not_left_beside_the_new_one(place: Place) -> None:
    """Where it says something else it goes, so that mdevctl finds one definition of the device."""
    other = definition_file(place.root, uuid(0xA).upper())
    other.write_bytes(definition_bytes(Definition(uuid(0xA), config([7], [4]), autostart=True)))
    guests = [*FIRST, guest("new", config([6], [4]), 0xA)]

    changes = {Path(one.path).name: one.after is None for one in place.plan(wanted(guests)).files}

    assert {other.name: True, uuid(0xA): False} == {one: changes[one] for one in (other.name, uuid(0xA))}
