"""Plans of hosts, as ``reconcile plan -o json`` prints them there, and plans of commits to several hosts."""

from collections.abc import Mapping
from typing import Any

from reconciler.fleet.plan_file import FleetHost, FleetPlan, Settings
from reconciler.kernel.observe import observe
from reconciler.model.matrix import ApConfig
from reconciler.model.outcome import FleetSource
from reconciler.model.steps import Holdings
from reconciler.planning.planner import make_plan
from reconciler.render.plan_json import plan_record
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, host_holding, uuid
from testing.manifests import host_text
from testing.plans import FREE, GIVES_UP, applied
from testing.simulated_hosts import VmProcesses

WEB = config([5], [4])


def host_plan(
    name: str,
    before: Mapping[str, ApConfig] | None = None,
    after: Mapping[str, ApConfig] | None = None,
    vms: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The plan of the host `name` that leads from the guests `before`, those `vms` of which run, to those `after`.

    Guests are called by one hexadecimal digit behind an m: ``m1``.
    """
    had = before or {}
    host = host_holding(Holdings(FREE, {uuid(int(one[1:], 16)): what for one, what in had.items()}), PROFILES["6.12"])
    for one in vms:
        host.start_vm(uuid(int(one[1:], 16)))
    wanted = [guest(one, what, int(one[1:], 16)) for one, what in (after or {}).items()]
    plan = make_plan(desired(wanted, GIVES_UP), observe(VmProcesses(host)), applied(**had))
    return {**plan_record(plan), "host": name}


def fleet_host(name: str, plan: Mapping[str, Any], *, is_canary: bool = False) -> FleetHost:
    """A host of a commit."""
    return FleetHost.of_plan(name, host_text(name), plan, is_canary=is_canary)


def fleet_plan(*hosts: FleetHost, **fields: Any) -> FleetPlan:
    """A plan for `hosts`; one that makes a guest on each of three hosts if left out."""
    given = hosts or tuple(fleet_host(name, host_plan(name, after={"m1": WEB})) for name in ("a", "b", "c"))
    commit = FleetSource("0123456789abcdef", "Give web a queue")
    return FleetPlan(commit, "operator", Settings(), (), {}, {}, None, given, ("-f", "/srv/site"))._replace(**fields)
