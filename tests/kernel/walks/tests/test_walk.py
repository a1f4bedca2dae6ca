from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.walks.corpus import file_of, kept_walks, load, save
from kernel.walks.operations import BeginRemoval, Change, Close, EndRemoval, Open, Operation, Read, Write
from kernel.walks.walk import VERSION, walk

SEEDS = st.integers(0, 2**32)


def as_recorded(operations: Sequence[Operation]) -> list[tuple[object, ...]]:
    """What a recording keeps of what was done."""
    return [_kept(operation) for operation in operations]


def _kept(operation: Operation) -> tuple[object, ...]:
    match operation:
        case Write(path, value):
            return "write", path, value
        case Read(path):
            return "read", path
        case Change(request):
            return "hardware", request
        case Open(uuid):
            return "external", f"open {uuid}"
        case Close(uuid):
            return "external", f"close {uuid}"
        case BeginRemoval(uuid):
            return "external", f"remove {uuid}"
        case EndRemoval(uuid):
            return "external", f"removed {uuid}"


def test_a_seed_has_one_walk_for_ever() -> None:
    """Whoever changes what a seed gives, counts `VERSION` up, changes this digest and records the corpus anew."""
    text = repr([as_recorded(list(walk(seed, 500))) for seed in (0, 1, 2**40)])

    assert "164490645854819c249f47e8db4420684f95927af4afcd33e9747d6c436beeb0" == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in kept_walks()])
def test_what_was_walked_in_the_guest_is_the_walk_of_its_seed(path: Path) -> None:
    """Another machine, byte order and Python made the same operations."""
    recorded = load(path)
    of = recorded.header["walk"]
    done = [
        (step["op"], step["path"], step["value"])
        if step["op"] == "write"
        else (step["op"], step.get("path") or step.get("request") or step.get("what"))
        for step in recorded.steps
    ]

    assert VERSION == of["version"]
    assert as_recorded(list(walk(of["seed"], of["count"]))) == done


@given(SEEDS, st.integers(0, 200))
def test_the_start_of_a_walk_is_the_start_of_all_longer_ones(seed: int, count: int) -> None:
    """So a walk that found something may be cut."""
    assert list(islice(walk(seed, count), count)) == list(islice(walk(seed, count + 100), count))


@given(SEEDS)
def test_a_device_that_may_be_open_is_removed_only_by_somebody_who_can_wait(seed: int) -> None:
    """A plain write to remove would block for ever; at the end nothing is open and nobody waits."""
    opened: set[str] = set()
    leaving: set[str] = set()
    for operation in walk(seed, 300):
        match operation:
            case Open(uuid):
                opened.add(uuid)
            case Close(uuid):
                opened.remove(uuid)
            case BeginRemoval(uuid):
                assert uuid in opened - leaving
                leaving.add(uuid)
            case EndRemoval(uuid):
                assert uuid in leaving - opened
                leaving.remove(uuid)
            case Write(path, _):
                assert not any(path.endswith(f"{uuid}/remove") for uuid in opened)

    assert (set(), set()) == (opened, leaving)


def test_the_kept_form_leaves_times_and_events_out(tmp_path: Path) -> None:
    """What nobody compares would be most of the file."""
    printed = [
        '{"header": {"kernel": "6.12.107"}}',
        '{"scenario": "walk 1", "about": "", "state": {"apmask": "0x"}}',
        '{"scenario": "walk 1", "step": 1, "op": "read", "path": "/sys/x", "microseconds": 5, "uevents": [1]}',
    ]
    path = file_of("6.12", 1, tmp_path)

    assert 1 == save(path, printed)
    assert ("6.12", {"kernel": "6.12.107"}, {"apmask": "0x"}) == load(path)[:3]
    assert [{"step": 1, "op": "read", "path": "/sys/x"}] == load(path).steps
