"""The Python API from outside: what can be imported, what that loads, and the example of docs/python-api.md."""

import ast
import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from runpy import run_path

import pytest

import reconciler
from testing.clocks import NoTimer

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples/python/share_out.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh copy of the three guests and their simulated host."""
    ignored = shutil.ignore_patterns("*.state", "*.state.json")
    return Path(shutil.copytree(ROOT / "examples/three-guests", tmp_path / "site", ignore=ignored))


def loaded_by(code: str) -> set[str]:
    """Our modules that a process has loaded after `code`."""
    tail = "import json, sys; print(json.dumps([name for name in sys.modules if name.split('.')[0] == 'reconciler']))"
    ran = subprocess.run([sys.executable, "-c", f"{code}\n{tail}"], cwd=ROOT, capture_output=True, check=True)
    return set(json.loads(ran.stdout))


def names_for_type_checkers() -> set[str]:
    """What `reconciler/__init__.py` imports for those who check types, as ``module.name``."""
    tree = ast.parse((ROOT / "reconciler/__init__.py").read_text(encoding="utf-8"))
    blocks = [one for one in tree.body if isinstance(one, ast.If)]
    imports = [one for one in blocks[0].body if isinstance(one, ast.ImportFrom)]
    return {f"{one.module}.{name.name}" for one in imports for name in one.names}


def test_a_package_loads_nothing_else() -> None:
    """Who wants the values only does not pay for the rest."""
    assert loaded_by("import reconciler.model") == {"reconciler", "reconciler.model"}
    assert loaded_by("import reconciler; dir(reconciler)") == {"reconciler"}
    assert "reconciler.transaction.apply" not in loaded_by("import reconciler; reconciler.plan, reconciler.open_host")


def test_every_name_is_there_and_typed_alike() -> None:
    """At run time, for type checkers and in `__all__` there are the same names, in the same modules."""
    found = {name: getattr(reconciler, name) for name in reconciler.__all__}

    assert sorted(found) == reconciler.__all__
    assert names_for_type_checkers() == {f"{module}.{name}" for name, module in reconciler._MODULES.items()}
    assert set(reconciler._MODULES) == set(reconciler.__all__) <= set(dir(reconciler))
    for name, value in found.items():
        assert value is getattr(import_module(reconciler._MODULES[name]), name)


def test_another_name_is_none_of_ours() -> None:
    """As of any module."""
    name = "no_such_name"

    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        getattr(reconciler, name)


def test_the_page_has_the_example_as_it_is() -> None:
    """What people read is what a test runs."""
    page = (ROOT / "docs/python-api.md").read_text(encoding="utf-8")

    assert f"```python\n{SCRIPT.read_text(encoding='utf-8')}```" in page
    assert [name for name in reconciler.__all__ if name.islower() and f"{name}" not in page] == [
        "agreed_plan",
        "refuse_repeated",
        "rollback_target",
    ]


def test_the_example_shares_out_and_rolls_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its steps are shown, the history has it, and a second apply has nothing to do."""
    example = run_path(str(SCRIPT))

    assert example["share_out"](folder) is reconciler.Result.APPLIED
    shown = capsys.readouterr().out
    assert "step 1 of " in shown
    assert "guest1 sees 4 queues" in shown
    with reconciler.open_simulated_host(folder / "simulated-host.yaml", changes=False) as host:
        assert [one.ended_as for one in reconciler.history(host)] == [reconciler.Result.APPLIED]
        assert reconciler.history(host)[0].origin.actor is reconciler.Actor.PERSON
        with pytest.raises(reconciler.NotApplicable) as refused:  # to undo the first apply removes all devices
            reconciler.roll_back(host)
        assert refused.value.plan.flags == ("--allow-empty",)
    assert example["share_out"](folder) is reconciler.Result.NOTHING


def test_invalid_manifests_are_a_value_with_places(folder: Path) -> None:
    """The problems say where."""
    guests = folder / "guests.yaml"
    guests.write_text(guests.read_text(encoding="utf-8").replace("kind: Guest", "kind: Gast", 1), encoding="utf-8")

    with (
        reconciler.open_simulated_host(folder / "simulated-host.yaml") as host,
        pytest.raises(reconciler.InvalidManifests) as caught,
    ):
        reconciler.read_manifests(folder, machine=host)

    assert [place.position.file for place in caught.value.problems[0].places] == [str(guests)]
    assert isinstance(caught.value, reconciler.InputError)


def test_a_plan_that_was_agreed_to_is_applied_or_none(folder: Path) -> None:
    """Who was shown one plan does not get another."""
    with reconciler.open_simulated_host(folder / "simulated-host.yaml") as host:
        wanted = reconciler.read_manifests([folder / "host.yaml", folder / "guests.yaml"], machine=host)
        plan = reconciler.plan(wanted, host)
        terms = reconciler.Terms(agreed=plan.basis)
        host.sysfs.write("bus/ap/apmask", "-0xc8")

        with pytest.raises(reconciler.StalePlan, match="masks"):
            reconciler.apply(wanted, host, terms=terms)

        assert reconciler.history(host) == []
        again = reconciler.Terms(agreed=reconciler.plan(wanted, host).basis)
        assert reconciler.apply(wanted, host, terms=again).outcome.result is reconciler.Result.APPLIED
        assert reconciler.observe(host).mdevs


def test_a_rollback_undoes_the_newest_apply_once(folder: Path) -> None:
    """A second one without a number would undo more than was asked for."""
    with reconciler.open_simulated_host(folder / "simulated-host.yaml") as host:
        manifests = reconciler.Manifests((folder / "host.yaml", folder / "guests.yaml"))
        reconciler.apply(manifests, host)
        before = reconciler.observe(host)
        guests = folder / "guests.yaml"
        text = guests.read_text(encoding="utf-8")
        guests.write_text(text.replace("adapters: [5, 6]", "adapters: [6]", 1), encoding="utf-8")
        reconciler.apply(manifests, host)
        assert reconciler.observe(host) != before

        result = reconciler.roll_back(host)

        assert result.outcome.result is reconciler.Result.APPLIED
        assert reconciler.observe(host).mdevs == before.mdevs
        target = reconciler.rollback_target(host)
        assert target.newest
        assert (target.newest.number, target.number, target.undid) == (3, None, 2)
        with pytest.raises(reconciler.NothingToRollBack, match="generation 3 is itself a rollback"):
            reconciler.roll_back(host)
        assert reconciler.observe(host).mdevs == before.mdevs


def test_what_is_not_confirmed_can_be_undone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is confirmed stays."""
    monkeypatch.setattr("reconciler.hosts.opening.timer_of", lambda *_: NoTimer())
    terms = reconciler.Terms(confirm_within=60.0)
    with reconciler.open_simulated_host(folder / "simulated-host.yaml") as host:
        manifests = reconciler.Manifests((folder / "host.yaml", folder / "guests.yaml"))
        start = reconciler.observe(host)
        reconciler.apply(manifests, host, terms=terms)
        with pytest.raises(reconciler.AwaitsConfirmation):
            reconciler.apply(manifests, host)

        undone = reconciler.undo_unconfirmed(host)

        assert undone
        assert not undone.applied
        assert reconciler.observe(host) == start
        assert reconciler.undo_unconfirmed(host) is None
        with pytest.raises(reconciler.NothingToRollBack, match="generation 1 was rolled back already"):
            reconciler.roll_back(host)
        number = reconciler.apply(manifests, host, terms=terms).generation
        reconciler.confirm(host, number)
        reconciler.confirm(host, number)
        assert reconciler.standing(host, number).state is reconciler.ApplyState.CONFIRMED
        assert reconciler.standing(host, "never-seen").state is reconciler.ApplyState.UNKNOWN
        with pytest.raises(reconciler.NotPending, match="generation 1 was cancelled"):
            reconciler.confirm(host, 1)
        assert reconciler.observe(host) != start


def test_another_sysfs_root_is_opened_without_a_look(tmp_path: Path) -> None:
    """What is wrong with it is said by whoever reads it."""
    with (
        reconciler.open_host(tmp_path, state_dir=tmp_path / "state") as host,
        pytest.raises(reconciler.UnreadableHost) as caught,
    ):
        reconciler.observe(host)

    assert isinstance(caught.value, reconciler.HostError)
    assert not (tmp_path / "state").exists()
