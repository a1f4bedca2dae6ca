"""An id is applied once at most, whatever a controller sends, and whenever a process is killed or a host is booted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.errors import ReconcileError
from reconciler.model.outcome import Origin
from reconciler.operations.apply import AppliedAlready, Terms, apply
from reconciler.operations.wanted import Wanted
from reconciler.transaction import apply_ids
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.apply_ids import ApplyState, standing
from reconciler.transaction.cancellation import cancel
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.recovery import confirm, recover
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock, NoTimer
from testing.holdings import EVERY_PROFILE, abilities_of, desired_like, held, host_holding
from testing.recording_sysfs import RecordingSysfs
from testing.transitions import TRANSITIONS

SWAP, PROFILE = TRANSITIONS["swap"], EVERY_PROFILE[-1]
WITHIN = 300.0
PLANS = {name: desired_like(one) for name, one in (("start", SWAP.start), ("target", SWAP.target))}

STANDS = {ApplyState.CONFIRMED, ApplyState.NOTHING}
ENDED = {
    ApplyState.CANCELLED,
    ApplyState.EXPIRED,
    ApplyState.REBOOTED,
    ApplyState.ROLLED_BACK,
    ApplyState.DEGRADED,
    ApplyState.FORGOTTEN,
}


class Killed(BaseException):
    """The process ends here."""


class Sent(NamedTuple):
    """What a controller does, to which id, with which plan, and at which write the process is killed; 0: at none."""

    what: str
    id: str
    plan: str
    killed_at: int


SENT = st.builds(
    Sent,
    st.sampled_from(["apply", "apply", "apply", "confirm", "cancel", "extend", "expire", "reboot", "recover"]),
    st.sampled_from(["a", "7-b"]),
    st.sampled_from(["start", "target", "target"]),
    st.one_of(st.just(0), st.integers(1, 25)),
)


@contextmanager
def counted_writes(count: Callable[[object], None]) -> Iterator[None]:
    """Call `count` before each change of a file that we keep."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "append", "remove"):
            change = getattr(StateDirectory, name)

            def counted(self: StateDirectory, *words: object, _change: Callable[..., None] = change) -> None:
                count(None)
                _change(self, *words)

            patch.setattr(StateDirectory, name, counted)
        yield


class Target:
    """A host that a controller works on from afar."""

    def __init__(self, folder: Path) -> None:
        self.host = host_holding(SWAP.start, PROFILE)
        self.boots = 0
        self.machine = OpenHost(self.host, FakeClock(), StateDirectory(folder), "boot-0", "lpar7", timer=NoTimer())
        apply(Wanted(PLANS["start"]), self.machine, NoProgress(), Origin("kim", "first", 0.0))

    def meets(self, sent: Sent) -> None:
        """Do what was sent; a process that is killed, and an answer that refuses, are as good as no answer."""
        left = sent.killed_at

        def count(_write: object) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        machine = self.machine._replace(sysfs=RecordingSysfs(self.host, count))
        with counted_writes(count), suppress(Killed, ReconcileError):
            match sent.what:
                case "apply":
                    terms = Terms(frozenset({"--allow-disruption"}), confirm_within=WITHIN)
                    origin = Origin("kim", "reconcile apply", 0.0, id=sent.id)
                    apply(Wanted(PLANS[sent.plan]), machine, NoProgress(), origin, terms)
                case "confirm" | "extend":
                    number = apply_ids.number_of(machine.state, sent.id)
                    recover(machine)
                    confirm(machine, number, 2 * WITHIN if sent.what == "extend" else None)
                case "cancel":
                    cancel(machine, sent.id)
                case "expire":
                    self.machine.clock.sleep(WITHIN)
                    recover(machine)
                case "recover":
                    recover(machine)
                case _:
                    self.reboots()

    def reboots(self) -> None:
        """Nothing of before is on the host, but for the devices that it has as it starts."""
        self.boots += 1
        self.host = host_holding(SWAP.start, PROFILE)
        self.machine = self.machine._replace(sysfs=self.host, boot_id=f"boot-{self.boots}")

    def state(self, apply_id: str) -> ApplyState:
        """How the apply with this id stands."""
        machine = self.machine
        return standing(machine.state, apply_id, machine.boot_id, machine.clock.monotonic()).state

    def generations(self, apply_id: str) -> int:
        """How many generations have this id."""
        return sum(one.origin.id == apply_id for one in History(self.machine.state).generations())


def follows(before: ApplyState, now: ApplyState) -> bool:
    """Whether an apply that stood as `before` may stand as `now`."""
    if before == now or before in (ApplyState.UNKNOWN, ApplyState.UNFINISHED):
        return True
    if before is ApplyState.PENDING:
        return now in ENDED | {ApplyState.CONFIRMED, ApplyState.UNFINISHED}
    if before is ApplyState.NOTHING:
        return now is ApplyState.CANCELLED
    return before in ENDED and now in ENDED  # the host was booted before it was recorded, or a device could not come


def law(sequence: list[Sent], folder: Path) -> set[ApplyState]:
    """Send all of it, and look after each; how the two ids stand in the end."""
    target = Target(folder)
    states = dict.fromkeys(("a", "7-b"), ApplyState.UNKNOWN)
    for sent in sequence:
        target.meets(sent)
        for apply_id, before in states.items():
            now = target.state(apply_id)
            assert follows(before, now), (sent, before, now)
            assert target.generations(apply_id) <= 1
            states[apply_id] = now
    target.meets(Sent("expire", "a", "start", 0))
    target.meets(Sent("expire", "a", "start", 0))
    ended = {target.state(apply_id) for apply_id in states}
    assert ended <= STANDS | ENDED | {ApplyState.UNKNOWN}
    assert Confirmations(target.machine.state).pending() is None
    last = History(target.machine.state).last_target()
    assert last
    if not target.boots:  # what was confirmed last is what is there
        wanted = SWAP.start if last.digest == PLANS["start"].digest else SWAP.target
        assert held(target.host, abilities_of(PROFILE)).mdevs == wanted.mdevs
    return ended


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SENT, max_size=7))
def test_an_id_is_applied_once_at_most_and_what_ended_never_stands(sequence: list[Sent]) -> None:
    """Sent, sent again, confirmed, cancelled, expired, booted, killed: in any order."""
    with TemporaryDirectory() as folder:
        law(sequence, Path(folder))


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("apply confirm apply cancel", ApplyState.CONFIRMED),
        ("apply cancel apply confirm", ApplyState.CANCELLED),
        ("cancel apply confirm", ApplyState.CANCELLED),
        ("apply expire apply confirm cancel", ApplyState.EXPIRED),
        ("apply extend expire confirm", ApplyState.CONFIRMED),
        ("apply reboot confirm apply cancel", ApplyState.REBOOTED),
        ("confirm extend expire recover", ApplyState.UNKNOWN),
    ],
)
def test_each_way_ends_in_its_state(words: str, state: ApplyState, tmp_path: Path) -> None:
    """Whatever is sent after that; the other id is not touched."""
    sequence = [Sent(one, "a", "target", 0) for one in words.split()]

    assert law(sequence, tmp_path) == {state, ApplyState.UNKNOWN}


@pytest.mark.parametrize("extended", [False, True])
def test_more_time_is_given_as_a_whole_or_not_at_all(tmp_path: Path, extended: bool) -> None:
    """Killed at any write, the old deadline or the new one holds, and whatever comes after it rolls back."""
    ends = set()
    for killed_at in range(1, 4):
        target = Target(tmp_path / str(killed_at))
        target.meets(Sent("apply", "a", "target", 0))
        if extended:
            target.meets(Sent("extend", "a", "target", 0))

        target.meets(Sent("extend", "a", "target", killed_at))

        pending = Confirmations(target.machine.state).pending()
        assert pending
        ends.add(pending.deadline)
        assert pending.deadline in (WITHIN, 2 * WITHIN)
        target.machine.clock.sleep(2 * WITHIN)
        recover(target.machine)
        assert target.state("a") is ApplyState.EXPIRED
        assert held(target.host, abilities_of(PROFILE)) == held(
            host_holding(SWAP.start, PROFILE), abilities_of(PROFILE)
        )
    assert len(ends) == (1 if extended else 2)


def test_an_apply_that_comes_again_writes_nothing(tmp_path: Path) -> None:
    """Neither to the host nor to what we keep, whether it waits or was confirmed."""
    target = Target(tmp_path)
    target.meets(Sent("apply", "a", "target", 0))
    for _ in range(2):
        terms = Terms(frozenset({"--allow-disruption"}), confirm_within=WITHIN)
        origin = Origin("kim", "reconcile apply", 0.0, id="a")

        def refused(_write: object) -> None:
            pytest.fail("it writes")

        machine = target.machine._replace(sysfs=RecordingSysfs(target.host, refused))
        with counted_writes(refused), pytest.raises(AppliedAlready):
            apply(Wanted(PLANS["target"]), machine, NoProgress(), origin, terms)
        target.meets(Sent("confirm", "a", "target", 0))


def test_without_the_record_of_ids_an_id_is_applied_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """These laws can fail."""
    monkeypatch.setattr(apply_ids.ApplyIds, "claim", lambda *_: None)
    with pytest.raises(AssertionError):
        law([Sent(one, "a", "target", 0) for one in ("apply", "expire", "apply")], tmp_path)
