"""A guest without a queue: its device is there, and gets queues while its VM runs."""

import json
from pathlib import Path

import pytest

from testing.commands import Command, example

EMPTY = """\
apiVersion: reconciler/v1
kind: Guest
metadata: {name: later}
spec: {%s}
"""
NAME = "later"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests, which have been applied."""
    command = example("three-guests", tmp_path, capsys)
    assert 0 == command("apply", "--yes").code
    return command


def write(command: Command, spec: str) -> None:
    """Have the manifests say `spec` of the guest."""
    (command.directory / "later.yaml").write_text(EMPTY % spec)


def steps(command: Command) -> list[str]:
    """What a plan does."""
    return [line.split(". ", 1)[1] for line in command("plan").out.splitlines() if ". later: " in line]


@pytest.mark.parametrize("spec", ["adapters: []", "adapters: [], domains: []", "queues: []"])
def test_a_guest_without_a_queue_is_one_write(command: Command, spec: str) -> None:
    """However it is written; afterwards the host is in sync, and an import gives the same guest."""
    write(command, spec)

    assert [f"{NAME}: create its mediated device"] == steps(command)
    assert 0 == command("apply", "--yes").code
    assert 0 == command("drift").code
    assert "  adapters: []\n  domains: []\n" in command.bare("import", "--simulate", str(command.simulated_host)).out


@pytest.mark.parametrize(
    ("spec", "after"),
    [
        ("adapters: [], controlDomains: [4]", "adapters none, domains none, control domain 0x04 (4)"),
        ("adapters: [9], domains: []", "adapter 0x09 (9), domains none"),
        ("adapters: [], domains: [9], controlDomains: []", "adapters none, domain 0x09 (9), control domains none"),
    ],
)
def test_one_axis_or_control_domains_alone_are_written(command: Command, spec: str, after: str) -> None:
    """They are no queue, and the kernel keeps them."""
    write(command, spec)

    assert [f"{NAME}: create its mediated device", f"{NAME}: {after}"] == steps(command)
    assert 0 == command("apply", "--yes").code
    assert 0 == command("drift").code


def test_a_running_vm_gets_queues_and_loses_them_with_consent(command: Command) -> None:
    """One write each; the device stays, since its VM has it open."""
    write(command, "adapters: []")
    command("apply", "--yes")
    command("simulate", "start", NAME)

    write(command, "adapters: [5], domains: [5]")
    assert 0 == command("apply", "--yes").code
    (guest,) = [one for one in json.loads(command("status", "-o", "json").out)["guests"] if one["name"] == NAME]
    assert ([5], [5]) == (guest["effective"]["adapters"], guest["effective"]["domains"])
    write(command, "queues: []")
    assert 4 == command("apply", "--yes").code
    assert 0 == command("apply", "--yes", "--allow-disruption").code
    assert 0 == command("drift").code


@pytest.mark.parametrize(
    "spec", ["domains: []", "domains: [4]", "adapters: [4]", "adapters: [], queues: []", "host: lpar7"]
)
def test_a_guest_of_which_too_little_or_too_much_is_said_is_refused(command: Command, spec: str) -> None:
    """Nothing at all is not an empty list."""
    write(command, spec)
    assert 3 == command("validate").code
