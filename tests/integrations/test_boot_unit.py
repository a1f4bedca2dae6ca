"""The boot unit, by systemd's own judgement, and whether it is enabled."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.integrations.units import (
    BOOT_NAME,
    FOLDERS,
    STATE,
    Unit,
    boot_unit,
    boot_unit_text,
    confinement,
    quoted,
)

MOST_EXPOSED = 1.4
"""What docs/boot.md promises."""

ODD = '/opt/it\'s 100% $HOME \\ "odd"/python'


def analyze(*words: str) -> str:
    """What ``systemd-analyze`` says; it must succeed."""
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit in a file of its name."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED: the boot unit by systemd-analyze, which is not here (Debian package systemd)")
    file = tmp_path / BOOT_NAME
    file.write_text(boot_unit_text(sys.executable))
    return file


def test_systemd_finds_no_fault_with_the_unit(unit: Path) -> None:
    """Every directive is known, and in its section."""
    said = analyze("verify", "--man=no", str(unit))
    about_us = [line for line in said.splitlines() if BOOT_NAME in line and "modprobe" not in line]

    assert about_us == []


def test_the_unit_is_confined(unit: Path) -> None:
    """As far as systemd can tell from outside."""
    said = analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED * 10:.0f}", str(unit))
    score = float(said.split("Overall exposure level for", 1)[1].split(": ", 1)[1].split()[0])

    assert score <= MOST_EXPOSED


def lines(text: str) -> list[str]:
    """The directives."""
    return [line for line in text.splitlines() if line and line[0] not in "#["]


def test_masks_come_before_the_module_and_both_before_libvirt() -> None:
    """So that neither mdevctl nor a VM finds queues that are still the host's."""
    unit = lines(boot_unit_text("/usr/bin/python3"))
    starts = [line for line in unit if line.startswith("ExecStart=")]
    (before,) = [line for line in unit if line.startswith("Before=")]

    assert [("--masks-only" in one, "modprobe" in one) for one in starts] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert starts[1].startswith("ExecStart=-+")
    assert "ProtectKernelModules=yes" in unit
    assert {"libvirtd.service", "virtqemud.service"} <= set(before.removeprefix("Before=").split())


@pytest.mark.parametrize("state", [STATE, "/srv/state"])
def test_a_missing_state_directory_is_no_empty_history(state: str) -> None:
    """Its file system is mounted first; where the directory is missing all the same, our command says so."""
    unit = lines(boot_unit_text("/usr/bin/python3", state))

    assert f"RequiresMountsFor={state}" in unit
    conditions = [line for line in unit if line.startswith("ConditionPathExists=|")]
    assert conditions == [f"ConditionPathExists=|{state}/generations", f"ConditionPathExists=|!{state}"]
    assert not any(line.startswith("StateDirectory") for line in unit)  # systemd would make it
    assert f"-{state}" in next(line for line in unit if line.startswith("ReadWritePaths="))
    assert all(f"--state-dir {state}" in line for line in unit if "reconciler.cli" in line)


def test_a_boot_does_not_wait_for_ever() -> None:
    """Longer than our own bound, so that we can put in order what was begun."""
    assert "TimeoutStartSec=300" in lines(boot_unit_text("/usr/bin/python3"))


def test_odd_paths_are_paths_and_nothing_else() -> None:
    """Neither systemd's specifiers nor variables are expanded."""
    text = boot_unit_text(ODD, "/srv/a b")

    assert 'ExecStart="/opt/it\'s 100%% $$HOME \\\\ \\"odd\\"/python" -P' in text
    assert "ConditionPathExists=|/srv/a b/generations" in text
    assert '/run/lock "-/srv/a b"' in text
    with pytest.raises(ValueError, match="cannot hold"):
        quoted("a\nb")


def test_the_network_is_there_for_who_needs_it() -> None:
    """The boot unit does not."""
    assert "PrivateNetwork=yes" in confinement([], offline=True)
    assert "PrivateNetwork=yes" not in confinement([], offline=False)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_unit_is_found_wherever_systemd_looks(tmp_path: Path, folder: str) -> None:
    """Enabled is one that something starts at boot."""
    assert boot_unit(tmp_path) == Unit(installed=False, enabled=False)
    place = tmp_path / folder
    place.mkdir(parents=True)
    (place / BOOT_NAME).write_text(boot_unit_text("/usr/bin/python3"))
    assert boot_unit(tmp_path) == Unit(installed=True, enabled=False)
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / BOOT_NAME).symlink_to(
        "/" + folder + "/" + BOOT_NAME
    )  # leads nowhere from here, as on another machine's disk
    assert boot_unit(tmp_path) == Unit(installed=True, enabled=True)


def test_a_masked_unit_is_none(tmp_path: Path) -> None:
    """Somebody has switched it off for good."""
    for folder in (FOLDERS[0], FOLDERS[3]):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / FOLDERS[3] / BOOT_NAME).write_text("[Service]\n")
    (tmp_path / FOLDERS[0] / BOOT_NAME).symlink_to("/dev/null")

    assert boot_unit(tmp_path) == Unit(installed=False, enabled=False)
