"""The loop of a host that runs where the manifests do not have it."""

from pathlib import Path

import pytest

from reconciler.kernel.paths import mdev
from reconciler.model.identity import MachineIdentity
from reconciler.watch.events import Kind, events
from reconciler.watch.report import Obstacle, RefusedConfiguration
from reconciler.watch.report_text import report_text
from testing.holdings import uuid
from testing.loops import Looped, guest_document
from testing.manifests import MACHINE_ID, machine_text
from testing.reports import NOW, report

HERE = "{name: LPAR7, host: lpar7, adapters: [0-255], usageDomains: [0-255]}"
ELSEWHERE = HERE.replace("LPAR7", "LPAR8")


AT_LPAR7 = MachineIdentity(MACHINE_ID, "LPAR7")
DEVICE = mdev(uuid(1))


@pytest.fixture
def looped(tmp_path: Path) -> Looped:
    """A loop that heals, on a host in LPAR7."""
    return Looped(tmp_path, self_heal=True, identity=AT_LPAR7)


def test_it_changes_nothing_there(looped: Looped) -> None:
    """It says what is wrong, and enforces nothing."""
    looped.commit(guest_document(1, [5], [4]), machine_text("cpc-a", ELSEWHERE))

    turn = looped.turns()

    assert looped.writes == []
    assert turn.refused is not None
    assert "wrong-machine" in turn.refused.reasons[0]
    assert turn.refused.obstacles == (Obstacle.PLACE,)


@pytest.mark.parametrize("enforces", [True, False])
def test_it_does_not_say_there_that_anything_is_enforced(enforces: bool) -> None:
    """Neither the event nor the report, whatever was enforced in another place; nothing is changed."""
    refused = RefusedConfiguration("def", ("it runs elsewhere",), NOW, (Obstacle.PLACE,))
    before = report(enforces=enforces)
    now = before._replace(source=before.source._replace(refused=refused))

    (event,) = (one for one in events(before, now) if one.kind is Kind.REFUSED)

    for text in (event.text, report_text(now, NOW)):
        assert "nothing is changed here, since the manifests have this host in another LPAR" in text
        assert "last good configuration is" not in text


@pytest.mark.parametrize("more", [(), (guest_document(2, [6], [4]),)])
def test_what_was_enforced_before_is_not_healed_there_either(looped: Looped, more: tuple[str, ...]) -> None:
    """The newest manifests that can be read say where the host may run, whether or not they want something else."""
    looped.commit(guest_document(1, [5], [4]))
    looped.turns()
    looped.commit(guest_document(1, [5], [4]), *more, machine_text("cpc-a", ELSEWHERE))
    looped.turns()
    looped.writes.clear()
    looped.host.write(f"{DEVICE}/assign_adapter", "7")

    assert not looped.turns().healed

    assert looped.writes == []
    looped.commit(guest_document(1, [5], [4]), machine_text("cpc-a", HERE))
    assert looped.turns().healed


def test_another_loop_knows_it_where_nothing_can_be_read(looped: Looped) -> None:
    """What is kept of the last good configuration has the places too."""
    looped.commit(guest_document(1, [5], [4]), machine_text("cpc-a", HERE))
    looped.turns()
    looped.commit(guest_document(1, [5], [4]), machine_text("cpc-a", ELSEWHERE))
    looped.turns()
    looped.writes.clear()
    looped.commit_whole("kind: Gast\n")
    looped.start()
    looped.host.write(f"{DEVICE}/assign_adapter", "7")

    assert not looped.turns().healed
    assert looped.writes == []
