"""Without `--self-heal`, a commit changes no file for the next boot of a holder that it does not concern."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.watch.report import Condition
from testing.holdings import uuid
from testing.loops import Looped, guest_document

HOST = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\nspec: {persistence: mdevctl}\n"
FIRST, SECOND = guest_document(1, [5], [4]), guest_document(2, [6], [4])
WAITING = guest_document(3, [7], [71], activation="on-demand")


def enforcing(folder: Path, *documents: str, self_heal: bool = False) -> Looped:
    """A loop that has applied `documents`, with the files of mdevctl and chzdev."""
    looped = Looped(folder, self_heal=self_heal)
    looped.root = folder / "root"
    looped.root.mkdir()
    looped.commit_whole(HOST, *(documents or (FIRST, SECOND, WAITING)))
    assert looped.turn("start").ending.condition is Condition.IN_SYNC
    return looped


def files(looped: Looped) -> dict[str, Path]:
    """The files for the next boot, by holder."""
    assert looped.root is not None
    found = {one.name: one for one in looped.root.rglob("*") if one.is_file()}
    return {("host" if name.endswith(".rules") else name): file for name, file in found.items()}


def damaged(file: Path) -> bytes:
    """Another program changes `file`; its content then."""
    if file.name.endswith(".rules"):
        file.write_bytes(b"")
    else:
        file.write_bytes(
            file.read_bytes()
            .replace(b"auto", b"manual")
            .replace(b"0x0", b"0x1")
            .replace(b'"4"', b'"5"')
            .replace(b'"7"', b'"8"')
        )
    return file.read_bytes()


@pytest.mark.parametrize("self_heal", [False, True])
@pytest.mark.parametrize(
    "edited",
    [(guest_document(1, [5], [4, 71]),), (guest_document(1, [5], [4], activation="on-demand"),), ()],
    ids=["queues", "activation", "dropped"],
)
def test_a_suspended_guest_boots_as_before(tmp_path: Path, edited: tuple[str, ...], self_heal: bool) -> None:
    """A commit that changes its manifest, or has none of it, leaves its definition alone until a person applies."""
    looped = enforcing(tmp_path, self_heal=self_heal)
    file = files(looped)[uuid(1)]
    before = file.read_bytes()
    looped.suspend("guest1")
    looped.commit_whole(HOST, SECOND, WAITING, *edited, guest_document(4, [5], [72]))

    for _ in range(2):
        turn = looped.turn("git")
        assert turn.refused is None
        assert file.read_bytes() == before
    assert uuid(4) in files(looped)
    looped.typed()
    assert (file.read_bytes() if file.exists() else None) != before


@pytest.mark.parametrize("holder", [uuid(1), uuid(2), uuid(3), "host"])
@pytest.mark.parametrize("how", ["changed", "removed"])
def test_a_file_that_drifted_is_left_alone_by_an_unrelated_commit(tmp_path: Path, holder: str, how: str) -> None:
    """It is reported after the commit, also after the next one; a person's apply corrects it."""
    looped = enforcing(tmp_path)
    file = files(looped)[holder]
    as_applied = file.read_bytes()
    if how == "removed":
        file.unlink()
    else:
        assert damaged(file) != as_applied
    left = file.read_bytes() if file.exists() else None
    for adapters in ([5], [5, 6]):
        looped.commit_whole(HOST, FIRST, SECOND, WAITING, guest_document(4, adapters, [71]))
        turn = looped.turn("git")
        assert (turn.refused, turn.ending.condition) == (None, Condition.DRIFT)
        assert "file for the next boot" in turn.ending.summary
        assert (file.read_bytes() if file.exists() else None) == left
        assert uuid(4) in files(looped)
    looped.typed()
    assert file.read_bytes() == as_applied
    assert looped.turn().ending.condition is Condition.IN_SYNC


@pytest.mark.parametrize(
    "edited", [guest_document(1, [5], [4, 71]), guest_document(1, [5], [4], activation="on-demand")]
)
def test_a_commit_that_concerns_the_guest_writes_its_file(tmp_path: Path, edited: str) -> None:
    """Its ids, or whether it is started at boot."""
    looped = enforcing(tmp_path)
    first, second = (files(looped)[uuid(number)] for number in (1, 2))
    before, other = damaged(first), damaged(second)
    looped.commit_whole(HOST, edited, SECOND, WAITING)

    looped.turn("git")

    assert first.read_bytes() != before
    assert second.read_bytes() == other


def test_a_loop_that_heals_corrects_it(tmp_path: Path) -> None:
    """As it corrects devices."""
    looped = enforcing(tmp_path, self_heal=True)
    file = files(looped)[uuid(1)]
    as_applied = file.read_bytes()
    damaged(file)
    looped.commit_whole(HOST, FIRST, SECOND)

    looped.turn("git")

    assert file.read_bytes() == as_applied


def test_where_the_history_is_gone_the_inventory_tells(tmp_path: Path) -> None:
    """What a device had when it was applied is known without it."""
    looped = enforcing(tmp_path)
    left = damaged(file := files(looped)[uuid(1)])
    for record in (looped.folder / "state/generations").iterdir():
        record.write_text("{")
    looped.commit_whole(HOST, FIRST, guest_document(2, [6], [4, 71]), WAITING)

    looped.turn("git")

    assert file.read_bytes() == left


@settings(max_examples=25, deadline=None)
@given(st.sets(st.sampled_from([uuid(1), uuid(2), uuid(3), "host"])), st.sets(st.integers(1, 3)))
def test_no_file_of_a_guest_that_the_commit_does_not_concern_changes(
    tmp_path_factory: pytest.TempPathFactory, drifted: set[str], concerned: set[int]
) -> None:
    """Whatever drifted, and whatever the commit changes."""
    looped = enforcing(tmp_path_factory.mktemp("loop"))
    for holder in drifted:
        damaged(files(looped)[holder])
    before = {holder: file.read_bytes() for holder, file in files(looped).items()}
    documents = [
        guest_document(1, [5], [4, 71] if 1 in concerned else [4]),
        guest_document(2, [6], [4, 71] if 2 in concerned else [4]),
        guest_document(3, [7], [4] if 3 in concerned else [71], activation="on-demand"),
    ]
    looped.commit_whole(HOST, *documents)

    looped.turn("git")

    changed = {holder for holder, file in files(looped).items() if file.read_bytes() != before.get(holder)}
    assert changed - {"host"} <= {uuid(number) for number in concerned}
