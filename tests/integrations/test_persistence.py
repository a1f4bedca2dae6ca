"""The files of chzdev and mdevctl follow what was applied, and nothing else of them changes."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.integrations.boot_masks import BadRules, PersistentMasks, ap_rules_text, read_ap_rules, rules_file
from reconciler.integrations.files import NotReadable
from reconciler.integrations.mdevctl import definition_bytes, definition_file, read_definitions
from reconciler.integrations.persistence import (
    ChangedMeanwhile,
    carry_out,
    file_changes,
    read_boot_files,
    rivals,
)
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, ApConfig, Matrix
from reconciler.model.steps import AtBoot, Definition, FileChange
from testing.holdings import config, rectangles, uuid

POOL: Final = Matrix(~IdSet([5, 6]), ALL_IDS)
WEB: Final = Definition(uuid(1), config([5], [4]), autostart=True)
FOREIGN: Final = uuid(8)
BY_HAND: Final = b'{"start":"auto","attrs":[{"assign_domain":"0x4"},{"assign_adapter":"05"},\
{"assign_control_domain":"4"}],"mdev_type":"vfio_ap-passthrough"}'
CONTENTS: Final = st.none() | st.just(BY_HAND) | st.binary(max_size=20) | st.just(definition_bytes(WEB))


def wanted(*definitions: Definition, pool: Matrix = POOL, ours: tuple[str, ...] = ()) -> AtBoot:
    """What the files are to say."""
    return AtBoot(pool, definitions, frozenset(ours).union(one.uuid for one in definitions))


def put(root: Path, name: str, content: bytes) -> Path:
    """Put a definition below `root`."""
    file = definition_file(root, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def persist(root: Path, what: AtBoot) -> tuple[FileChange, ...]:
    """Carry out all changes; gives them."""
    changes = file_changes(what, read_boot_files(root).found(what.ours))
    for change in changes:
        carry_out(root, change)
    return changes


def everything(root: Path) -> dict[str, bytes]:
    """Every file below `root`."""
    return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}


def test_masks_and_definitions_are_written(tmp_path: Path) -> None:
    """And then there is nothing to change."""
    persist(tmp_path, wanted(WEB))

    assert PersistentMasks(POOL.adapters, POOL.domains) == read_ap_rules(tmp_path)
    assert (WEB,) == read_definitions(tmp_path).found
    assert () == persist(tmp_path, wanted(WEB))


def test_what_goes_is_removed_and_comes_first(tmp_path: Path) -> None:
    """Then the masks, then what is new."""
    new = Definition(uuid(2), config([5], [4]), autostart=True)
    persist(tmp_path, wanted(WEB))

    changes = persist(tmp_path, wanted(new, pool=FULL_MATRIX, ours=(uuid(1), uuid(9))))

    assert [definition_file(Path(), uuid(1)), rules_file(Path()), definition_file(Path(), uuid(2))] == [
        Path(one.path) for one in changes
    ]
    assert [None, None] == [one.after for one in changes[:2]]
    assert [definition_file(Path(), uuid(2))] == [Path(one) for one in everything(tmp_path)]


@pytest.mark.parametrize("content", [BY_HAND, BY_HAND.replace(b'"05"', b'"0x5"')])
def test_a_file_that_means_the_same_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    """However somebody has written it."""
    put(tmp_path, WEB.uuid, content)
    assert [rules_file(Path())] == [Path(one.path) for one in persist(tmp_path, wanted(WEB))]


@pytest.mark.parametrize("content", [b"{", b"", definition_bytes(WEB._replace(autostart=False))])
def test_a_file_of_ours_that_means_something_else_is_replaced(tmp_path: Path, content: bytes) -> None:
    """A broken one, too."""
    put(tmp_path, WEB.uuid, content)
    persist(tmp_path, wanted(WEB))
    assert (WEB,) == read_definitions(tmp_path).found


@pytest.mark.parametrize(
    ("rules", "pool", "changes"),
    [
        (None, FULL_MATRIX, 0),
        (b"# empty", FULL_MATRIX, 0),
        (ap_rules_text(PersistentMasks(POOL.adapters, None)).encode(), POOL, 0),
        (ap_rules_text(PersistentMasks(POOL.adapters, None)).encode(), FULL_MATRIX, 1),
        (b'ATTR{apmask}="0x1"', POOL, 1),
        (b'ATTR{apmask}="0x1"', FULL_MATRIX, 1),
    ],
)
def test_the_rules_change_where_they_mean_something_else(
    tmp_path: Path, rules: bytes | None, pool: Matrix, changes: int
) -> None:
    """One that ap-check could not read does."""
    file = rules_file(tmp_path)
    file.parent.mkdir(parents=True)
    if rules is not None:
        file.write_bytes(rules)
    assert changes == len(persist(tmp_path, wanted(pool=pool)))
    try:
        masks = read_ap_rules(tmp_path)
    except BadRules:
        pytest.fail("the rules cannot be read")
    assert pool == Matrix(masks.apmask or ALL_IDS, masks.aqmask or ALL_IDS)


@given(
    contents=st.dictionaries(st.integers(1, 9).map(uuid), CONTENTS.filter(lambda one: one is not None)),
    rules=st.none() | st.binary(max_size=20) | st.just(ap_rules_text(PersistentMasks(POOL.adapters, None)).encode()),
    claims=st.dictionaries(st.integers(1, 4).map(uuid), st.tuples(rectangles(), st.booleans()), max_size=3),
    gone=st.sets(st.integers(1, 6).map(uuid), max_size=2),
    pool=rectangles() | st.just(FULL_MATRIX),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_changes_can_be_taken_back(
    tmp_path_factory: pytest.TempPathFactory,
    contents: dict[str, bytes],
    rules: bytes | None,
    claims: dict[str, tuple[Matrix, bool]],
    gone: set[str],
    pool: Matrix,
) -> None:
    """To the same bytes; until then our files say what is wanted, and those of others are untouched."""
    root = tmp_path_factory.mktemp("root")
    for one, content in contents.items():
        put(root, one, content)
    if rules is not None:
        rules_file(root).parent.mkdir(parents=True)
        rules_file(root).write_bytes(rules)
    definitions = [
        Definition(one, ApConfig(*matrix, matrix.domains), auto) for one, (matrix, auto) in sorted(claims.items())
    ]
    what = wanted(*definitions, pool=pool, ours=tuple(gone))
    before = everything(root)

    changes = persist(root, what)

    assert set(definitions) == {one for one in read_definitions(root).found if one.uuid in what.ours}
    assert () == file_changes(what, read_boot_files(root).found(what.ours))
    others = [str(definition_file(Path(), one)) for one in contents if one not in what.ours]
    assert {one: before[one] for one in others} == {one: everything(root)[one] for one in others}

    for change in reversed(changes):
        carry_out(root, change.reversed())
    assert before == everything(root)


def test_what_others_start_at_boot_and_is_ours_is_told() -> None:
    """A queue of the host, or of a guest that starts at boot; started by hand it is nobody's rival yet."""
    found = read_boot_files(Path("/nowhere")).found(())
    what = wanted(WEB, Definition(uuid(2), config([6], [4]), autostart=False))

    def told(content: bytes) -> list[str]:
        return list(rivals(what, found._replace(definitions={FOREIGN: content, uuid(9): None})))

    assert [FOREIGN] == told(BY_HAND)
    assert [FOREIGN] == told(BY_HAND.replace(b'"05"', b'"1"'))
    assert [] == told(BY_HAND.replace(b'"05"', b'"6"'))
    assert [] == told(BY_HAND.replace(b"auto", b"manual"))
    assert [] == told(b"{")


def test_a_file_that_somebody_else_has_changed_is_left_alone(tmp_path: Path) -> None:
    """Also one that has become something else than a file."""
    change = FileChange(str(definition_file(Path(), WEB.uuid)), None, definition_bytes(WEB))
    file = put(tmp_path, WEB.uuid, b"theirs")
    with pytest.raises(ChangedMeanwhile, match="is not as it was"):
        carry_out(tmp_path, change)
    assert b"theirs" == file.read_bytes()
    file.unlink()
    file.mkdir()
    with pytest.raises(ChangedMeanwhile, match="no regular file"):
        carry_out(tmp_path, change)


def test_what_is_ours_and_no_file_is_told(tmp_path: Path) -> None:
    """What is not ours and no file is of no use to anybody."""
    put(tmp_path, FOREIGN, b"").unlink()
    definition_file(tmp_path, FOREIGN).mkdir()
    assert {} == read_boot_files(tmp_path).found(()).definitions
    with pytest.raises(NotReadable, match=f"{FOREIGN}: it is no regular file"):
        read_boot_files(tmp_path).found([FOREIGN])
