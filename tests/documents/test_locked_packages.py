"""What is installed for tests and for the demo does not depend on what was released yesterday."""

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
COMPLETE: Final = ("locked.txt", "debian-13.txt")
LOCKS: Final = (*COMPLETE, "demo.txt", "run-time.txt")
RUN_TIME_EXTRAS: Final = ("web", "fuse")


def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lock(name: str) -> list[tuple[Requirement, str]]:
    """The entries of a lock, each with the text of its hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return [(Requirement(line.partition(" --hash=")[0]), line.partition(" --hash=")[2]) for line in lines]


def run_time() -> list[Requirement]:
    """What the tool itself imports, all extras included."""
    described = project()["project"]
    extras = [one for extra in RUN_TIME_EXTRAS for one in described["optional-dependencies"][extra]]
    return [Requirement(one) for one in [*described["dependencies"], *extras]]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_one_version_and_hashes_for_each_package(name: str) -> None:
    """Pip then installs these files or none."""
    entries = lock(name)

    assert entries
    for package, hashes in entries:
        assert re.fullmatch(r"==[^*,]+", str(package.specifier)), package
        assert "sha256:" in hashes, package


@pytest.mark.parametrize("name", COMPLETE)
def test_a_lock_meets_all_that_the_project_asks_for(name: str) -> None:
    """Also the extras, and what builds the project; a forgotten `./run lock` shows here."""
    described = project()
    extras = chain.from_iterable(described["project"]["optional-dependencies"].values())
    wanted = [*described["project"]["dependencies"], *described["build-system"]["requires"], *extras]
    locked = {canonicalize_name(package.name): package for package, _ in lock(name)}

    for requirement in map(Requirement, wanted):
        (pin,) = locked[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version, prereleases=True), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index(name: str) -> None:
    """Each machine has its own."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")

    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_the_lower_bounds_are_those_that_are_tested() -> None:
    """`./run tests --lowest` installs exactly these versions."""
    tested = {canonicalize_name(package.name): package.specifier for package, _ in lock("debian-13.txt")}

    for requirement in run_time():
        (bound,) = [one.version for one in requirement.specifier if one.operator == ">="]
        assert tested[canonicalize_name(requirement.name)].contains(bound), requirement


def test_the_demo_has_what_the_tests_have_without_the_tests() -> None:
    """The same files, so that `./run tests` after `./run demo` adds packages and replaces none."""
    tested, shown = (
        {(canonicalize_name(package.name), str(package.specifier), hashes) for package, hashes in lock(name)}
        for name in ("locked.txt", "demo.txt")
    )

    assert shown < tested


def test_the_demo_has_what_a_start_and_an_editable_install_need() -> None:
    """What the tool imports without its extras, what builds the project, and what both need: no more."""
    described = project()
    asked = [*described["project"]["dependencies"], *described["build-system"]["requires"], "editables"]
    wanted = {canonicalize_name(Requirement(one).name) for one in asked}
    locked = {canonicalize_name(package.name) for package, _ in lock("demo.txt")}
    tests_only = {
        canonicalize_name(Requirement(one).name) for one in described["project"]["optional-dependencies"]["tests"]
    }

    assert wanted <= locked
    assert not tests_only & locked
