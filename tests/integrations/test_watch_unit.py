"""The unit of the loop, by systemd's own judgement, and by what a real run asks of the kernel."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.integrations.units import BOOT_NAME as BOOT
from reconciler.integrations.units import (
    GROWING_SINCE,
    START_SECONDS,
    STOP_SECONDS,
    WATCH_NAME,
    WATCHDOG_SECONDS,
    Needs,
    confinement,
    systemd_version,
    watch_unit_text,
)

ROOT = Path(__file__).parents[2]

OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")

MOST_EXPOSED = {False: 1.9, True: 2.4}
"""What docs/operations.md promises, without and with a network."""

GIT = Needs(git=True, network=True)


def text(*options: str, needs: Needs = GIT, systemd: int = GROWING_SINCE - 1) -> str:
    """The unit."""
    return watch_unit_text("/usr/bin/python3", options or ("-f", "/etc/reconciler", "--apply"), needs, systemd)


def directives(unit: str) -> dict[str, str]:
    """What the unit says, by directive; of several the last."""
    return dict(line.split("=", 1) for line in unit.splitlines() if line and line[0] not in "#[")


def analyze(*words: str) -> str:
    """What ``systemd-analyze`` says; it must succeed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED: the loop's unit by systemd-analyze, which is not here (Debian package systemd)")
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("needs", [Needs(), GIT, Needs("/srv/a b", ("/var/lib/node exporter",))])
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path, needs: Needs) -> None:
    """Every directive is known, and in its section."""
    file = tmp_path / WATCH_NAME
    options = ("--git", 'https://git.example/50%/$HOME/a b"c', "--branch", "main")
    file.write_text(watch_unit_text(sys.executable, options, needs, systemd_version(analyze("--version"))))

    said = analyze("verify", "--man=no", str(file))

    assert [line for line in said.splitlines() if WATCH_NAME in line and "modprobe" not in line] == []


@pytest.mark.parametrize("network", [False, True])
def test_the_unit_is_confined(tmp_path: Path, network: bool) -> None:
    """As far as systemd can tell from outside; the documentation has the scores."""
    file = tmp_path / WATCH_NAME
    file.write_text(text(needs=Needs(network=network)))

    said = analyze("security", "--offline=true", "--no-pager", str(file))

    score = float(said.split("Overall exposure level for", 1)[1].split(": ", 1)[1].split()[0])
    assert score <= MOST_EXPOSED[network]
    assert f"{MOST_EXPOSED[network]}" in OPERATIONS


def test_the_words_are_the_loop_s() -> None:
    """As they were given: neither specifiers nor variables are expanded."""
    unit = directives(text("-f", "/etc/a b", "--notify-command", "/bin/page 100% $TEAM"))

    assert unit["ExecStart"] == (
        '/usr/bin/python3 -P -m reconciler.cli watch -f "/etc/a b" --notify-command "/bin/page 100%% $$TEAM"'
    )


def test_systemd_is_told_and_tells() -> None:
    """Ready, alive, reload; and an end that lets an apply put back what it has done."""
    unit = directives(text())

    assert (unit["Type"], unit["NotifyAccess"], unit["KillMode"]) == ("notify", "main", "mixed")
    assert unit["ExecReload"] == "/bin/sh -c 'kill -HUP ${MAINPID}'"
    assert unit["TimeoutStopSec"] == str(STOP_SECONDS)
    assert unit["WatchdogSec"] == str(WATCHDOG_SECONDS)
    assert START_SECONDS > WATCHDOG_SECONDS >= STOP_SECONDS > 210  # the bound of a boot's transaction
    assert (unit["MemoryMax"], unit["OOMPolicy"]) == ("1G", "continue")
    assert ("KillSignal" in unit, "SuccessExitStatus" in unit) == (False, False)


def test_it_is_started_again_later_and_later_but_not_for_ever_wrong() -> None:
    """Where systemd can count; wrong options stay wrong."""
    old, new = directives(text(systemd=GROWING_SINCE - 1)), directives(text(systemd=GROWING_SINCE))

    assert (old["Restart"], old["RestartSec"], old.get("RestartSteps")) == ("on-failure", "30", None)
    assert (new["RestartSec"], new["RestartSteps"], new["RestartMaxDelaySec"]) == ("5", "6", "300")
    assert {one["RestartPreventExitStatus"] for one in (old, new)} == {"64"}
    assert {one["StartLimitIntervalSec"] for one in (old, new)} == {"0"}


def test_it_comes_after_the_boot_and_libvirt() -> None:
    """VMs that start at boot find what the boot unit has made, and do not wait for an apply."""
    after = directives(text())["After"].split()

    assert {BOOT, "libvirtd.service", "virtqemud.service"} <= set(after)
    assert directives(text())["Wants"] == "network-online.target"
    assert "Wants" not in directives(text(needs=Needs()))


def test_it_may_do_what_it_has_to() -> None:
    """Write what an apply writes, hear the kernel, and reach a repository; without one no address at all."""
    local, far = directives(text(needs=Needs("/srv/state", ("/srv/metrics",)))), directives(text())

    assert set(local["ReadWritePaths"].split()) == {
        "-/sys/bus/ap", "-/sys/devices/vfio_ap", "/run/lock", "-/etc/mdevctl.d", "-/etc/udev/rules.d",
        "/srv/state", "/srv/metrics",
    }  # fmt: skip
    assert (local["RequiresMountsFor"], "StateDirectory" in local) == ("/srv/state", False)
    assert (far["StateDirectory"], "RequiresMountsFor" in far) == ("reconciler", False)
    assert local["RestrictAddressFamilies"] == "AF_UNIX AF_NETLINK"
    assert far["RestrictAddressFamilies"] == "AF_UNIX AF_NETLINK AF_INET AF_INET6"
    assert ("IPAddressDeny" in local, "IPAddressDeny" in far) == (True, False)
    assert "PrivateNetwork" not in far
    assert far["Environment"] == "HOME=%h"
    assert "ProtectProc" not in far  # it has to see the open files of VMs


def test_what_is_published_stays_and_has_its_group() -> None:
    """Systemd makes the directory in /run and keeps it at the end; another one is there, and may be written."""
    usual, far = directives(text(needs=Needs(group="reconciler"))), directives(text(needs=Needs(run="/srv/reports")))

    assert (usual["RuntimeDirectory"], usual["RuntimeDirectoryPreserve"]) == ("reconciler", "yes")
    assert (usual["RuntimeDirectoryMode"], usual["Group"]) == ("0755", "reconciler")
    assert ("RuntimeDirectory" in far, "Group" in far) == (False, False)
    assert "/srv/reports" in far["ReadWritePaths"].split()


def test_the_version_of_systemd_is_found() -> None:
    """In what systemctl says; nothing is assumed of one that says something else."""
    assert systemd_version("systemd 252 (252.39-1~deb12u2)\n+PAM +AUDIT") == 252
    assert [systemd_version(one) for one in ("", "systemd", "busybox 1 x", "systemd ²")] == [0, 0, 0, 0]


# What it asks of the kernel -------------------------------------------------------------------------------------------


def expanded(group: str) -> set[str]:
    """The system calls of a group of systemd's."""
    calls: set[str] = set()
    for line in analyze("syscall-filter", group).splitlines()[1:]:
        word = line.strip()
        calls |= expanded(word) if word.startswith("@") else {word}
    return calls


def allowed() -> set[str]:
    """The system calls that the unit may make."""
    calls = expanded("@default")
    for line in confinement([], offline=False):
        name, _, value = line.partition("=")
        if name == "SystemCallFilter":
            named: set[str] = set().union(*(expanded(group) for group in value.removeprefix("~").split()))
            calls = calls - named if value.startswith("~") else calls | named
    return calls


def asked(log: Path, directory: Path, *words: str) -> set[str]:
    """The system calls that `words` and its children make."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(log), *words], cwd=directory, capture_output=True, check=False, timeout=120
    )
    if not log.exists() or b"PTRACE" in done.stderr:
        pytest.skip("NOT TESTED: the loop's system calls, since strace may not trace here")
    return set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?: resumed>|\()", log.read_text(errors="replace"), re.MULTILINE))


@pytest.mark.slow
def test_the_kernel_is_asked_for_nothing_that_the_unit_forbids(tmp_path: Path) -> None:
    """By an apply, and by git where it asks a server with ssh or https."""
    if shutil.which("strace") is None:
        pytest.skip("NOT TESTED: the loop's system calls, since there is no strace (Debian package strace)")
    shutil.copytree(ROOT / "examples/three-guests", tmp_path / "site", ignore=shutil.ignore_patterns("*.state*"))
    apply = [sys.executable, "-m", "reconciler.cli", "apply", "--yes", "--simulate", "simulated-host.yaml"]
    runs = [
        apply,
        ["git", "ls-remote", "ssh://git@127.0.0.1:1/site"],
        ["git", "ls-remote", "https://127.0.0.1:1/site"],
    ]

    used = [asked(tmp_path / f"{number}.strace", tmp_path / "site", *run) for number, run in enumerate(runs)]

    assert all("execve" in one and len(one) > 20 for one in used)
    assert set().union(*used) - allowed() == set()
