"""Saved plans: exactly this, or nothing."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from reconciler.kernel.observe import observe
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.render.plan_json import plan_json
from reconciler.render.saved_plan import BadPlanFile, differences, load_plan, plan_file_text
from reconciler.simulator.host import SimulatedHost
from testing.damaged_json import changed as changed_at
from testing.damaged_json import places
from testing.holdings import config, desired, guest


def plan() -> Plan:
    """Some plan."""
    return make_plan(desired([guest("a", config([5], [4]), 1)]), observe(SimulatedHost()))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A saved plan."""
    (tmp_path / "plan.json").write_text(plan_file_text(plan(), ["manifests", tmp_path]))
    return tmp_path / "plan.json"


def changed(saved: Path, **values: Any) -> str:
    """The saved plan with some of its values changed."""
    saved.write_text(json.dumps(json.loads(saved.read_text()) | values))
    return str(saved)


def test_a_saved_plan_comes_back(saved: Path, tmp_path: Path) -> None:
    """Where the manifests are, absolute; the host; what the plan rests on. Nothing else is left beside it."""
    found = load_plan(str(saved))
    assert found[:3] == ((os.path.abspath("manifests"), str(tmp_path)), "lpar7", plan().basis)
    assert list(tmp_path.iterdir()) == [saved]


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


def forged(saved: Path, **values: Any) -> str:
    """The saved plan with some of its values changed, by a forger who knows how its digest is made."""
    record = {**json.loads(saved.read_text()), **values}
    del record["contentDigest"]
    record["contentDigest"] = sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    saved.write_text(json.dumps(record))
    return str(saved)


def different(file: str) -> tuple[str, ...]:
    """What the saved plan shows otherwise than the same plan, made anew."""
    return differences(load_plan(file), plan(), ["manifests"])


def test_whatever_a_person_reads_is_covered(saved: Path) -> None:
    """Every single value of the file, one after the other: none can be changed, or left out, unnoticed."""
    record = json.loads(saved.read_text())
    for place in [one for one in places(record) if one]:
        for change in (put_odd, take):
            other = changed_at(record, place, change)
            if other == record:
                continue
            saved.write_text(json.dumps(other))
            with pytest.raises(BadPlanFile, match=r"changed after it was saved|printed rather|no saved plan|version"):
                load_plan(str(saved))
    saved.write_text(json.dumps(record, sort_keys=True))
    assert load_plan(str(saved)).basis == plan().basis


def put_odd(holder: Any, step: Any) -> None:
    """Another value."""
    holder[step] = "odd"


def take(holder: Any, step: Any) -> None:
    """No value."""
    del holder[step]


@pytest.mark.parametrize("part", ["summary", "pool", "consents", "guests", "foreign", "steps", "files", "problems"])
def test_what_a_forger_shows_is_not_what_would_be_done(saved: Path, part: str) -> None:
    """Also with a digest that fits: what the file shows is compared with the plan that is made anew."""
    assert not different(str(saved))

    assert different(forged(saved, **{part: [{"text": "nothing of interest"}]}))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"formatVersion": 2}, "was made by a newer reconcile"),
        ({"formatVersion": "1"}, "format version '1', not 1"),
        ({"formatVersion": True}, "format version True, not 1"),
        ({"manifests": []}, "manifests: there is none"),
        ({"manifests": None}, "manifests: null is here"),
        ({"manifests": ["a\0b"]}, r"manifests\[0\]: a path"),
        ({"manifests": [7]}, r"manifests\[0\]: a number is here"),
        ({"host": 7}, "host: a number is here"),
        ({"basis": []}, "basis: a list is here"),
        ({"basis": {}}, "basis.manifests: missing"),
        ({"basis": dict.fromkeys(plan().basis._fields, 7)}, r"basis\.manifests: a number"),
        ({"fingerprint": None}, "changed after it was saved"),
    ],
)
def test_what_is_not_as_saved_is_refused(saved: Path, values: dict[str, Any], reason: str) -> None:
    """Another version, something missing, something of another type."""
    with pytest.raises(BadPlanFile, match=reason):
        load_plan(forged(saved, **values))


def test_what_was_printed_is_no_saved_plan(saved: Path) -> None:
    """It lacks where the manifests are, and the digest."""
    saved.write_text(plan_json(plan()))

    with pytest.raises(BadPlanFile, match="printed rather than saved"):
        load_plan(str(saved))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{", "not UTF-8"),
        (b"[" * 100_000, "nested"),
        (b"9" * 5000, "too long"),
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
    monkeypatch.setattr("reconciler.render.saved_plan.LARGEST", 100)

    with pytest.raises(BadPlanFile, match="larger than"):
        load_plan(path or str(saved))


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    """The caller tells that."""
    with pytest.raises(FileNotFoundError):
        load_plan(str(tmp_path / "nothing"))
