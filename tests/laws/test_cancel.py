"""All or nothing (I4) for cancelling: a process that is killed at any write leaves what the next one makes whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.model.errors import ReconcileError
from reconciler.model.outcome import Origin, Result
from reconciler.model.steps import Holdings
from reconciler.operations.apply import Terms, apply
from reconciler.operations.wanted import Wanted
from reconciler.simulator.kernel_profiles import Profile
from reconciler.transaction import confirmation
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.apply_ids import ApplyIds, IdTaken
from reconciler.transaction.cancellation import Cancelled, cancel
from reconciler.transaction.confirmation import AwaitsConfirmation, Confirmations
from reconciler.transaction.history import History
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.recovery import confirm, recover
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock, NoTimer
from testing.holdings import EVERY_PROFILE, abilities_of, desired_like, held, host_holding
from testing.invariants import violations
from testing.recording_sysfs import RecordingSysfs
from testing.transitions import TRANSITIONS, Transition

ID = "deploy-42"
ORIGIN = Origin("kim", "reconcile apply", 0.0, id=ID)
CONSENTS = frozenset({"--allow-disruption"})
TURNS_BACK = {name: TRANSITIONS[name] for name in ("create", "swap", "pool", "mixed")}
"""They can be rolled back on every kernel."""


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, nth: int) -> Iterator[Callable[[object], None]]:
    """Kill whoever changes something for the `nth` time, a file that we keep or, with what this gives, the host."""
    left = iter(range(nth - 1, -1, -1))

    def count(_write: object = None) -> None:
        if not next(left, 1):
            raise Killed

    with monkeypatch.context() as patch:
        for name in ("replace", "append", "remove"):
            change = getattr(StateDirectory, name)

            def counted(self: StateDirectory, *words: object, _change: Callable[..., None] = change) -> None:
                count()
                _change(self, *words)

            patch.setattr(StateDirectory, name, counted)
        yield count


class Bench:
    """A host on which an apply waits to be confirmed."""

    def __init__(self, transition: Transition, profile: Profile, folder: Path) -> None:
        self.host = host_holding(transition.start, profile)
        self.profile = profile
        self.machine = OpenHost(self.host, FakeClock(), StateDirectory(folder), "boot-one", "lpar7", timer=NoTimer())
        apply(Wanted(desired_like(transition.start)), self.machine, NoProgress(), ORIGIN._replace(id=""))
        self.start = self.now
        self.wrong: list[str] = []
        self.number = 0
        self.target = self.start
        self._wanted = Wanted(desired_like(transition.target))

    def applied(self, then: Callable[[object], None] = lambda _write: None) -> "Bench":
        """The same, once it waits to be confirmed; `then` is called after each write."""
        terms, machine = Terms(CONSENTS, confirm_within=300), self.machine
        sysfs = RecordingSysfs(self.host, then)
        done = apply(self._wanted, machine._replace(sysfs=sysfs), NoProgress(), ORIGIN, terms)
        assert done.outcome.result is Result.APPLIED
        self.number, self.target = done.generation, self.now
        return self

    @property
    def now(self) -> Holdings:
        """Who holds what."""
        return held(self.host, abilities_of(self.profile))

    def looked_at(self, then: Callable[[object], None]) -> OpenHost:
        """The machine, on which the invariants are looked at after each write, and `then` whether it goes on."""

        def after(write: object) -> None:
            self.wrong += violations(self.now, self.target, self.start)
            then(write)

        return self.machine._replace(sysfs=RecordingSysfs(self.host, after))

    def is_undone(self) -> bool:
        """Whether all is as before the apply, and recorded so."""
        return (
            self.now == self.start
            and Confirmations(self.machine.state).pending() is None
            and History(self.machine.state).get(self.number).ended_as is Result.ROLLED_BACK
        )


def cancels_again(bench: Bench) -> None:
    """What a controller does that got no answer."""
    assert cancel(bench.machine, ID).done in (Cancelled.ROLLED_BACK, Cancelled.ALREADY)


def confirms(bench: Bench) -> None:
    """What a colleague does who does not know of it."""
    recover(bench.machine)
    with pytest.raises(ReconcileError):
        confirm(bench.machine, bench.number)


def applies(bench: Bench) -> None:
    """What the next apply does first; it needs no other id than the one that was cancelled."""
    with pytest.raises(IdTaken):
        apply(Wanted(desired_like(bench.start)), bench.machine, NoProgress(), ORIGIN)


NEXT = (confirms, cancels_again, applies)


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@pytest.mark.parametrize("name", TURNS_BACK)
def test_a_cancel_that_is_killed_anywhere_is_ended_by_whatever_comes_next(
    name: str,
    profile: Profile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the start, with no apply that waits; or nothing has been done yet, and it still waits as a whole."""
    ends = set()
    for nth in range(1, 40):
        bench = Bench(TURNS_BACK[name], profile, tmp_path / str(nth)).applied()
        with killed_at(monkeypatch, nth) as count:
            try:
                cancel(bench.looked_at(count), ID)
            except Killed:
                ends.add("killed")
            else:
                assert bench.is_undone()
                break
        NEXT[nth % len(NEXT)](bench)
        assert bench.is_undone(), nth
        assert bench.wrong == []

    assert ends == {"killed"}


@pytest.mark.parametrize("profile", EVERY_PROFILE[-2:], ids=lambda one: one.name)
@pytest.mark.parametrize("name", TURNS_BACK)
def test_an_apply_that_is_killed_anywhere_is_cancelled_by_its_id(
    name: str, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it has begun or not, nothing of it is left, and it is refused when it comes again."""
    ends = set()
    for nth in range(1, 60):
        bench = Bench(TURNS_BACK[name], profile, tmp_path / str(nth))
        with killed_at(monkeypatch, nth) as count:
            try:
                bench.applied(count)
            except Killed:
                ends.add("killed")
            else:
                break

        ends.add(cancel(bench.machine, ID).done.name)

        assert bench.now == bench.start, nth
        assert Confirmations(bench.machine.state).pending() is None
        again = cancel(bench.machine, ID)
        assert again.done in (Cancelled.ALREADY, Cancelled.BLOCKED)
        with pytest.raises(IdTaken):
            bench.applied()

    assert ends == {"killed", "ROLLED_BACK", "ALREADY", "BLOCKED"}


@pytest.mark.parametrize("profile", EVERY_PROFILE[-1:], ids=lambda one: one.name)
def test_blocking_an_id_is_all_or_nothing(profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before it was recorded, nothing is blocked; afterwards it is, for ever."""
    for nth in (1, 2):
        bench = Bench(TURNS_BACK["swap"], profile, tmp_path / str(nth)).applied()
        confirm(bench.machine, bench.number)
        with killed_at(monkeypatch, nth):
            try:
                cancel(bench.machine, "late")
            except Killed:
                assert nth == 1
        late = ORIGIN._replace(id="late")
        if nth == 1:
            assert not ApplyIds(bench.machine.state).found("late").is_cancelled
            cancel(bench.machine, "late")
        with pytest.raises(IdTaken):
            apply(Wanted(desired_like(bench.start)), bench.machine, NoProgress(), late)
        assert bench.now == bench.target


def test_without_closing_the_time_a_half_cancelled_apply_could_be_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These laws can fail."""
    monkeypatch.setattr(confirmation.Confirmations, "close", lambda *_: None)
    with pytest.raises((AssertionError, pytest.fail.Exception, AwaitsConfirmation)):
        test_a_cancel_that_is_killed_anywhere_is_ended_by_whatever_comes_next(
            "mixed", EVERY_PROFILE[-1], tmp_path, monkeypatch
        )
