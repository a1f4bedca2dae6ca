"""Whether the doctor sees that mdevctl's udev rule cannot start anything."""

from pathlib import Path

import pytest

from reconciler.doctor.boot import autostart_findings
from reconciler.integrations.mdevctl import starting_programs
from reconciler.model.matrix import EMPTY_CONFIG
from reconciler.model.steps import Definition

AUTO = Definition("62177883-f1bb-47f0-914d-32a22e3a8804", EMPTY_CONFIG, autostart=True)
MANUAL = AUTO._replace(autostart=False)
RULE = """\
# When registered with mdev, start what is defined.
ACTION=="change", ENV{MDEV_STATE}=="registered", TEST=="/etc/mdevctl.d/$kernel", \\
RUN+="/bin/sh -c '{ /usr/sbin/mdevctl start-parent-mdevs %k 2>&3 | logger -t mdevctl; } 3>&1 1>&2'"
ACTION=="add", TEST=="/etc/mdevctl.d/$kernel", RUN+="/usr/sbin/mdevctl start-parent-mdevs %k"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with mdevctl's rule, as Debian has it, and no program."""
    rules = tmp_path / "usr/lib/udev/rules.d"
    rules.mkdir(parents=True)
    (rules / "60-mdevctl.rules").write_text(RULE, encoding="utf-8")
    return tmp_path


def has(root: Path, program: str) -> None:
    """There is `program` below `root`."""
    (root / program).parent.mkdir(parents=True, exist_ok=True)
    (root / program).touch()


def test_a_rule_whose_program_is_elsewhere_starts_nothing(root: Path) -> None:
    """The finding names the program."""
    has(root, "usr/bin/mdevctl")

    (found,) = autostart_findings([MANUAL, AUTO], root)

    assert found.id == "mdevctl-starts-nothing"
    assert "/usr/sbin/mdevctl" in str(found)


def test_a_rule_whose_program_is_there_is_fine(root: Path) -> None:
    """By that path."""
    has(root, "usr/sbin/mdevctl")

    assert autostart_findings([AUTO], root) == []


def test_nothing_is_missed_where_nothing_is_to_start(root: Path) -> None:
    """Definitions that are started by hand need no rule."""
    assert autostart_findings([MANUAL], root) == []


def test_without_a_rule_nothing_starts(tmp_path: Path) -> None:
    """As where mdevctl was removed, or its rule masked."""
    (found,) = autostart_findings([AUTO], tmp_path)

    assert "no udev rule" in str(found)


def test_a_rule_of_the_administrator_takes_the_place_of_the_one_of_the_package(root: Path) -> None:
    """Which is how a wrong path is mended without touching the package."""
    own = root / "etc/udev/rules.d"
    own.mkdir(parents=True)
    (own / "60-mdevctl.rules").write_text(RULE.replace("/usr/sbin", "/usr/bin"), encoding="utf-8")
    has(root, "usr/bin/mdevctl")

    assert autostart_findings([AUTO], root) == []


def test_programs_are_found_in_both_forms_of_the_rule() -> None:
    """Within a shell command line and bare."""
    assert starting_programs({"60-mdevctl.rules": RULE}) == ("/usr/sbin/mdevctl",)
