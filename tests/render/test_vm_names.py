"""The VMs that libvirt's files tell of, beside their devices."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.observed import NO_VMS, VmName
from reconciler.model.steps import Holdings
from reconciler.operations.plan import plan
from reconciler.operations.wanted import Manifests
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.scope import WHOLE, VmEvent, Whole
from reconciler.planning.status import status_of
from reconciler.render.plan_json import json_text, plan_json
from reconciler.render.plan_text import plan_text
from reconciler.render.status_record import status_record
from reconciler.render.status_text import guests_text, status_text
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.holdings import config, desired, guest, host_holding, uuid
from testing.manifests import guest_text, host_text

SCHEMA: Any = json.loads((Path(__file__).parents[2] / "schemas/plan.schema.json").read_text(encoding="utf-8"))
FREE = Matrix(ALL_IDS, ~IdSet([4, 0x47]))
VMS = {uuid(1): VmName("payments-db", "running"), uuid(0xF): VmName("lab", "paused")}


def made(vms: Mapping[str, VmName], *numbers: int, event: VmEvent | Whole = WHOLE) -> Plan:
    """The plan for the guests of `numbers`, all with the same queue; guest 1 and a foreign device are there."""
    devices = {uuid(1): config([5], [4]), uuid(0xF): config([6], [4, 0x47])}
    observed = observe(host_holding(Holdings(FREE, devices), PROFILES["6.12"]))._replace(vms=vms)
    guests = [guest(f"g{one}", config([5], [4, 0x47]), one, activation=Activation.ON_DEMAND) for one in numbers]
    return make_plan(desired(guests), observed, scope=event)


def test_a_plan_names_the_vm_of_a_guest() -> None:
    """In its heading, and in the JSON as a field that the schema knows."""
    shown = made(VMS, 1)

    assert f"guest g1  {uuid(1)} (VM payments-db, running) (new in the manifests)\n" in plan_text(shown)
    record = json.loads(plan_json(shown))
    assert [one.get("vm") for one in record["guests"]] == [{"name": "payments-db", "state": "running"}]
    assert not list(Draft202012Validator(SCHEMA).iter_errors(record))


def test_a_status_names_the_vms_of_guests_and_of_others() -> None:
    """Beside each device."""
    status = status_of(made(VMS, 1))

    text = guests_text(status, status.rows)
    assert f"g1  {uuid(1)}  (changes, on-demand, VM payments-db, running)\n" in text
    assert f"{uuid(0xF)}  (foreign, VM lab, paused)\n" in text
    assert "  payments-db   " in status_text(status)
    assert "  lab (paused)  " in status_text(status)
    record = status_record(status)
    assert [one["vm"]["name"] for one in (*record["guests"], *record["foreign"])] == ["payments-db", "lab"]


def test_a_conflict_names_the_vms() -> None:
    """Who reads it knows which VM to stop, whether a guest or a foreign device is in the way."""
    start = VmEvent(starts=frozenset([uuid(2)]))

    problems = made(VMS, 1, 2, event=start).problems
    assert [one.message for one in problems] == [
        "guests 'g1' (VM payments-db, running) and 'g2' claim the same 2 queues, and both need their device now"
    ]
    observed = observe(host_holding(Holdings(FREE, {uuid(0xF): config([5], [4])}), PROFILES["6.12"]))
    wanted = desired([guest("g2", config([5], [4]), 2)])
    (problem,) = make_plan(wanted, observed._replace(vms=VMS)).problems
    assert f"of mediated device {uuid(0xF)} (VM lab, paused), which no manifest names" in problem.message


def test_where_no_vm_is_known_nothing_is_said_of_any() -> None:
    """Not even in the JSON; and names are no part of what a plan rests on."""
    shown = made(NO_VMS, 1)

    assert "VM" not in plan_text(shown) + guests_text(status_of(shown), status_of(shown).rows)
    assert '"vm"' not in plan_json(shown) + json_text(status_record(status_of(shown)))
    assert shown.fingerprint == made(VMS, 1).fingerprint


def test_a_machine_tells_its_vms(tmp_path: Path) -> None:
    """They are asked for anew with each plan."""
    manifest = tmp_path / "site.yaml"
    manifest.write_text(f"{host_text()}---\n{guest_text('a', uuid=uuid(1))}")
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    machine = OpenHost(SimulatedHost(), FakeClock(), state, "boot", "lpar7", vms=lambda: VMS)

    shown = plan(Manifests((manifest,)).read(machine), machine)

    assert [one.vm for one in shown.guests] == [VMS[uuid(1)]]
