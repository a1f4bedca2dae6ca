"""Commits to several hosts by the collection's playbooks over real ssh, as a controller makes them."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.fleet.plan_file import (
    Draft,
    DraftHost,
    FleetHost,
    FleetPlan,
    Settings,
    digest_of,
    draft_content,
    plan_content,
)
from testing.ssh_hosts import SshFleet

MANIFESTS: Final = """\
apiVersion: reconciler/v1
kind: Host
metadata: {{name: {name}, labels: {{note: {remark}}}}}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {{name: web, labels: {{note: {remark}}}}}
spec: {{host: {name}, adapters: [5], domains: [4]}}
# {remark}
"""


PATIENCE: Final = 600.0


class Ended(NamedTuple):
    """How a run of a controller ended.

    Attributes:
        code: of ansible-playbook.
        out: what it printed.
        result: what it wrote for its caller; empty where it wrote nothing.
    """

    code: int
    out: str
    result: dict[str, Any]

    @property
    def outcome(self) -> str:
        """As in the simulation."""
        return str(self.result.get("outcome", "killed"))


def planned(
    fleet: SshFleet, canaries: Sequence[str] = (), remark: str = "", operator: str = "kim", **settings: Any
) -> Path:
    """The file with a plan for all hosts, by ``fleet_plan``; their manifests have `remark` as labels and comment."""
    hosts = sorted(fleet.hosts, key=lambda name: (name not in canaries, name))
    texts = {name: MANIFESTS.format(name=name, remark=json.dumps(remark)) for name in hosts}
    given = Settings(**settings)
    drafts = tuple(DraftHost(name, name in canaries, text, digest_of(text)) for name, text in texts.items())
    draft = fleet.folder / "draft.json"
    draft.write_bytes(draft_content(Draft(None, operator, given, (), drafts)))
    answered = run(fleet, "fleet_plan", hosts, fleet_draft=str(draft))
    assert answered.code == 0, answered.out
    found = answered.result["hosts"]
    plans = tuple(
        FleetHost.of_plan(name, text, found[name]["plan"], is_canary=name in canaries) for name, text in texts.items()
    )
    file = fleet.folder / f"plan-{len(list(fleet.folder.glob('plan-*')))}.json"
    file.write_bytes(plan_content(FleetPlan(None, operator, given, (), {}, {}, None, plans)))
    return file


class Begun(NamedTuple):
    """A run of a controller that has begun, and the file that it writes for its caller."""

    process: "subprocess.Popen[str]"
    result: Path


def begin(fleet: SshFleet, playbook: str, hosts: Sequence[str], *words: str, **variables: object) -> Begun:
    """Begin the collection's `playbook` on `hosts`."""
    result = fleet.folder / f"result-{len(list(fleet.folder.glob('variables-*')))}.json"
    given = {"fleet_hosts": list(hosts), "fleet_result": str(result), **variables}
    return Begun(fleet.playbook(f"reconcile.vfio_ap.{playbook}", *words, **given), result)


def ended(one: Begun) -> Ended:
    """How it ends."""
    with one.process as process:
        out, _ = process.communicate(timeout=PATIENCE)
    return Ended(process.returncode, out, json.loads(one.result.read_text()) if one.result.exists() else {})


def run(fleet: SshFleet, playbook: str, hosts: Sequence[str], *words: str, **variables: object) -> Ended:
    """How a controller that runs the collection's `playbook` ends."""
    return ended(begin(fleet, playbook, hosts, *words, **variables))


def begun(fleet: SshFleet, plan: Path, number: int = 1, *words: str) -> Begun:
    """A controller that makes the commit of `plan`; its id has this `number`."""
    hosts = [one["name"] for one in json.loads(plan.read_text())["hosts"]]
    return begin(fleet, "fleet_commit", hosts, *words, fleet_plan=str(plan), fleet_id=id_of(number))


def committed(fleet: SshFleet, plan: Path, number: int = 1, *words: str) -> Ended:
    """How that commit ends."""
    return ended(begun(fleet, plan, number, *words))


def id_of(number: int) -> str:
    """The id of a commit."""
    return f"night-{number:032x}"
