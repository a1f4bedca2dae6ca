"""A card that comes while the loop runs: who has got it, since when it was granted, and what is missing where it is."""

from pathlib import Path

import pytest

from reconciler.kernel.paths import mdev
from reconciler.simulator.hardware import Card, Plug, Unplug
from reconciler.watch.hot_plug import PATIENCE_SECONDS
from reconciler.watch.report import Condition
from testing.holdings import uuid
from testing.loops import Looped, guest_document


def enforcing(tmp_path: Path, profile: str) -> Looped:
    """A loop that enforces a guest with a card that is there and one that is not."""
    looped = Looped(tmp_path, profile=profile)
    looped.commit(guest_document(1, [5, 200], [4]))
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    looped.writes.clear()
    return looped


@pytest.mark.parametrize(("profile", "assigns"), [("6.12", False), ("5.15", True)])
def test_a_card_that_comes_is_its_guests(profile: str, assigns: bool, tmp_path: Path) -> None:
    """The kernel plugs it where it was granted in advance; where it cannot be, the loop assigns it then."""
    looped = enforcing(tmp_path, profile)
    looped.host.change_hardware(Plug(200, Card()))

    turn = looped.turn()

    assert turn.ending.condition is Condition.IN_SYNC
    assert bool(looped.writes) is assigns
    assert "c8.0004" in looped.host.read(f"{mdev(uuid(1))}/matrix")
    told = [*turn.appeared, *looped.turn().appeared]
    assert any("guest1 now has c8.0004 (authorised since 2027-01-15" in one for one in told)


def test_it_is_told_once(tmp_path: Path) -> None:
    """And again where it goes and comes again."""
    looped = enforcing(tmp_path, "6.12")
    looped.host.change_hardware(Plug(200, Card()))
    assert looped.turn().appeared
    assert looped.turn().appeared == ()
    looped.host.change_hardware(Unplug(200))
    assert looped.turn().appeared == ()
    looped.host.change_hardware(Plug(200, Card()))

    assert looped.turn().appeared


def test_what_is_missing_is_explained_after_a_while_and_once(tmp_path: Path) -> None:
    """A card whose drivers do not come: the loop looks again without being told."""
    looped = enforcing(tmp_path, "6.12")
    looped.host.delay_binding(None)
    looped.host.change_hardware(Plug(200, Card()))

    first = looped.turn()
    assert first.appeared == ()
    assert first.wait == PATIENCE_SECONDS
    second = looped.turn("resync", after=first.wait)
    third = looped.turn("resync")

    assert any("guest1 does not have all of a card that has appeared" in one for one in second.appeared)
    assert third.appeared == ()
    assert third.wait is None
    looped.host.delay_binding(0)
    assert any("guest1 now has c8.0004" in one for one in looped.turn().appeared)


@pytest.mark.parametrize("profile", ["6.1", "6.12", "5.15"])
def test_what_is_healed_has_not_appeared(profile: str, tmp_path: Path) -> None:
    """The card was there all the time: another program took it away, and the loop has given it back."""
    looped = Looped(tmp_path, profile=profile, self_heal=True)
    looped.commit(guest_document(1, [5, 6], [4]))
    looped.turn("start")
    looped.host.write(f"{mdev(uuid(1))}/unassign_adapter", "5")
    for _ in range(3):
        assert looped.turn(after=61.0).appeared == ()
    assert looped.host.read(f"{mdev(uuid(1))}/matrix") == "05.0004\n06.0004\n"

    looped.host.write(f"{mdev(uuid(1))}/remove", "1")
    for _ in range(3):
        assert looped.turn(after=61.0).appeared == ()
