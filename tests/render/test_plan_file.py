"""Saved plans: exactly this, or nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.kernel.observe import observe
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.render import plan_file
from reconciler.render.plan_file import BadPlanFile, SavedPlan, load_plan, save_plan
from reconciler.simulator.host import SimulatedHost
from worlds import config, desired, guest


def plan() -> Plan:
    """Some plan."""
    return make_plan(desired([guest("a", config([5], [4]), 1)]), observe(SimulatedHost()))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A saved plan."""
    save_plan(plan(), ["manifests", tmp_path], str(tmp_path / "plan.json"))
    return tmp_path / "plan.json"


def changed(saved: Path, **values: Any) -> str:
    """The saved plan with some of its values changed."""
    saved.write_text(json.dumps(json.loads(saved.read_text()) | values))
    return str(saved)


def test_a_saved_plan_comes_back(saved: Path, tmp_path: Path) -> None:
    """Where the manifests are, absolute; the host; what the plan rests on. Nothing else is left beside it."""
    assert load_plan(str(saved)) == SavedPlan((os.path.abspath("manifests"), str(tmp_path)), "lpar7", plan().basis)
    assert list(tmp_path.iterdir()) == [saved]


def test_saving_again_replaces(saved: Path) -> None:
    """The old content or the new."""
    save_plan(plan(), ["other"], str(saved))

    assert load_plan(str(saved)).manifests == (os.path.abspath("other"),)


def test_a_link_in_the_way_of_saving_is_not_followed(tmp_path: Path) -> None:
    """In a directory of others nobody gets us to overwrite something else."""
    (tmp_path / "plan.json.new").symlink_to(tmp_path / "victim")

    with pytest.raises(OSError):
        save_plan(plan(), ["."], str(tmp_path / "plan.json"))

    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("host", ["lpar8", ""])
def test_another_host_is_noticed(saved: Path, host: str) -> None:
    """The fingerprint is over host and basis."""
    with pytest.raises(BadPlanFile, match="changed after it was saved"):
        load_plan(changed(saved, host=host))


def test_another_basis_is_noticed(saved: Path) -> None:
    """Whoever changes what the plan rests on would have to forge the fingerprint; and then it is stale anyway."""
    basis = plan().basis._asdict() | {"masks": "0" * 64}

    with pytest.raises(BadPlanFile, match="changed after it was saved"):
        load_plan(changed(saved, basis=basis))


def test_steps_that_somebody_put_in_are_never_read(saved: Path) -> None:
    """Nothing in a saved plan is executed: applying it is planning again."""
    before = load_plan(str(saved))

    assert load_plan(changed(saved, steps=[{"writes": [{"path": "../../etc/passwd", "value": "x"}]}])) == before


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"formatVersion": "2"}, "format version '2', not '1'"),
        ({"formatVersion": 1}, "format version 1, not '1'"),
        ({"manifests": []}, "damaged or was printed"),
        ({"manifests": None}, "damaged or was printed"),
        ({"manifests": ["a\0b"]}, "damaged or was printed"),
        ({"manifests": [7]}, "damaged or was printed"),
        ({"host": 7}, "damaged or was printed"),
        ({"basis": []}, "damaged or was printed"),
        ({"basis": {}}, "damaged or was printed"),
        ({"basis": dict.fromkeys(plan().basis._fields, 7)}, "damaged or was printed"),
        ({"fingerprint": None}, "changed after it was saved"),
    ],
)
def test_what_is_not_as_saved_is_refused(saved: Path, values: dict[str, Any], reason: str) -> None:
    """Another version, something missing, something of another type."""
    with pytest.raises(BadPlanFile, match=reason):
        load_plan(changed(saved, **values))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"[]", "no saved plan"),
        (b"{}", "no saved plan"),
        (b"null", "no saved plan"),
    ],
)
def test_what_is_no_plan_is_refused(saved: Path, content: bytes, reason: str) -> None:
    """Whatever is in the file."""
    saved.write_bytes(content)

    with pytest.raises(BadPlanFile, match=reason):
        load_plan(str(saved))


@pytest.mark.parametrize("path", ["/dev/zero", None])
def test_what_is_larger_than_any_plan_is_refused(
    saved: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    """Also what only says while it is read how long it is."""
    monkeypatch.setattr(plan_file, "LARGEST", 100)

    with pytest.raises(BadPlanFile, match="larger than any plan"):
        load_plan(path or str(saved))


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    """The caller tells that."""
    with pytest.raises(FileNotFoundError):
        load_plan(str(tmp_path / "nothing"))
