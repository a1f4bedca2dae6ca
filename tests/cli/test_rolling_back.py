"""What rolling back does to a guest that runs, and what the plan says of it beforehand, as a person meets it."""

import json
import time
from pathlib import Path

import pytest

from reconciler.hosts import opening
from reconciler.kernel.text_forms import parse_ap_config
from reconciler.model.matrix import ApConfig
from reconciler.simulator.host import SimulatedHost
from testing.clocks import NoTimer
from testing.commands import Command
from testing.holdings import config

MANIFESTS = """
apiVersion: reconciler/v1
kind: Host
metadata: {name: lpar7}
spec: {pool: {adapters: [5], domains: [4]}}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: a}
spec: {uuid: 00000000-0000-4000-8000-000000000001, adapters: [5], domains: [4, 71]}
"""
HOST = """
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: lpar7}
spec:
  kernel: "7.2"
  adapters: [{id: 5}]
  usageDomains: [4, 71]
  pool: {adapters: [0-4, 6-255]}
  mdevs:
    - {uuid: 00000000-0000-4000-8000-000000000001, adapters: [5], domains: [4]}
"""
RUNS = "  vms: [00000000-0000-4000-8000-000000000001]\n"
REFUSED = "  faults: [{write: 2, errno: EBUSY}]\n"
HAS = config([5], [4])


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """A host of 7.2 on which guest a runs with its only queue."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    (tmp_path / "manifests.yaml").write_text(MANIFESTS, encoding="utf-8")
    (tmp_path / "simulated-host.yaml").write_text(HOST + RUNS, encoding="utf-8")
    return Command(tmp_path, capsys)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[ApConfig]:
    """Every configuration that a guest is given, in order."""
    seen: list[ApConfig] = []
    write = SimulatedHost.write

    def noted(self: SimulatedHost, path: str, value: str) -> int:
        count = write(self, path, value)
        if path.endswith("/ap_config"):
            seen.append(parse_ap_config(value))
        return count

    monkeypatch.setattr(SimulatedHost, "write", noted)
    return seen


def test_what_rolling_back_would_take_is_said_and_needs_consent(command: Command) -> None:
    """The queue and its guest are named, and nothing is done without consent."""
    before = command("simulate").out
    shown = command("plan")

    assert shown.code == 0
    assert "a: rolling back would take 05.0004 from it for a while" in shown.out
    assert "0 guests interrupted (1 by rolling back)" in shown.out
    (guest,) = json.loads(command("plan", "-o", "json").out)["guests"]
    assert guest["rollbackTakes"] == [{"adapters": [5], "domains": [4]}]
    refused = command("apply", "--yes")
    assert refused.code == 4
    assert "--allow-disruption" in refused.err
    assert command("simulate").out == before


def test_with_consent_everything_is_rolled_back(command: Command, written: list[ApConfig]) -> None:
    """Who consented loses the queue for a while, and has it in the end as the host has its mask."""
    command.simulated_host.write_text(HOST + RUNS + REFUSED, encoding="utf-8")
    before = command("simulate").out

    ran = command("apply", "--yes", "--allow-disruption")

    assert ran.code == 6
    assert "everything is as it was before" in ran.out
    assert written[-1] == HAS
    assert command("simulate").out == before


@pytest.mark.parametrize("spec", ["disruption: allow", ""])
def test_an_apply_that_is_not_confirmed_is_rolled_back_by_consent(
    command: Command, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    """Given for the run or by the manifest: the journal knows it when the time is over."""
    path = command.directory / "manifests.yaml"
    if spec:
        path.write_text(MANIFESTS.replace("domains: [4, 71]}", f"domains: [4, 71], {spec}}}"), encoding="utf-8")
    before = command("simulate").out
    given = () if spec else ("--allow-disruption",)
    assert command("apply", "--yes", "--confirm-within", "90s", *given).code == 0
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 91)

    ended = command("expire", "1")
    assert ended.code == 6
    assert "warning: rolling back took queues from running VMs, of guest 'a'" in ended.err
    assert command("simulate").out == before
    assert " rolled back (interrupted a) " in command("history").out
    assert "note:      rolling back took queues from running VMs, of guest 'a'" in command("history", "show", "1").out
    assert "warning[interrupted-guests]" in command("doctor").out


def test_what_is_lost_without_a_confirmation_is_said_beforehand(command: Command) -> None:
    """Of each guest that gets something, whether its VM runs or not; without --confirm-within nothing is said."""
    note = (
        "if this is not confirmed in time, it is rolled back, and VMs that run then, also those that start meanwhile, "
    )
    command.simulated_host.write_text(HOST, encoding="utf-8")
    words = ("apply", "--yes", "--allow-disruption", "--confirm-within", "90s")

    assert f"{note}lose what their guest gets here: 'a'" in command(*words).out
    assert command("confirm", "1").code == 0
    assert note not in command(*words[:3]).out


def test_a_rollback_that_interrupts_no_running_vm_says_nothing_of_one(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the guest does not run nothing was interrupted."""
    command.simulated_host.write_text(HOST, encoding="utf-8")
    assert command("apply", "--yes", "--confirm-within", "90s", "--allow-disruption").code == 0
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 91)

    assert "running VMs" not in command("expire", "1").err
    assert "interrupted" not in command("history").out.replace("guests interrupted", "")


def test_without_consent_on_record_a_running_guest_keeps_its_queue(
    command: Command, monkeypatch: pytest.MonkeyPatch, written: list[ApConfig]
) -> None:
    """As without any consent: all but the mask is rolled back, and the guest is named."""
    assert command("apply", "--yes", "--confirm-within", "90s", "--allow-disruption").code == 0
    (pending,) = command.directory.rglob("pending.json")
    record = json.loads(pending.read_text(encoding="utf-8"))
    record["journal"]["interruptible"] = []
    pending.write_text(json.dumps(record), encoding="utf-8")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 91)

    ran = command("expire", "1")

    assert ran.code == 7
    assert "aqmask" in ran.err
    assert all(one.matrix.covers(HAS.matrix) for one in written)
    assert written[-1] == HAS
