"""What a scenario is, and what all of them do: write manifests, apply, look with independent eyes."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from .check import holds, same
from .host import Host, Ids
from .tool import Ran, Tool, planned

EXAMPLES: Final = Path("examples").absolute()
"""Where the job's files are: the lab starts a job in their directory."""
_HARDWARE: Final = Path("hardware").absolute()
STRICT: Final = "sid"
"""The lab's kernel whose in-use check ignores the other mask, as from 6.19: some ways then lead through an outage."""


class World(NamedTuple):
    """What a scenario works with: the host around the tool, the tool, and the lab's name of the kernel."""

    host: Host
    tool: Tool
    kernel: str


class Reboot(NamedTuple):
    """The host is booted again, by systemd and udev, with the files that the first half of a scenario has left.

    Attributes:
        act: what is done and checked then.
        parameters: of the kernel, for this boot.
    """

    act: Callable[[World], None]
    parameters: str = ""


class Scenario(NamedTuple):
    """One scenario.

    Attributes:
        act: does it and raises AssertionError where something is not as it should be; its docstring says what it shows.
        large: whether it needs the large machine of examples/large-host and a boot of its own.
        short: whether it belongs to the short run.
        whole: whether each command is started as a person starts it, imports and all.
        reboot: what comes after `act`; None where the host is not booted again.
    """

    act: Callable[[World], None]
    large: bool = False
    short: bool = False
    whole: bool = False
    reboot: Reboot | None = None

    @property
    def name(self) -> str:
        """How it is called."""
        return self.act.__name__

    @property
    def about(self) -> str:
        """The first line of what it shows."""
        return (self.act.__doc__ or "").splitlines()[0]


def hardware(name: str) -> Any:
    """The hardware that the example `name` expects."""
    return json.loads((_HARDWARE / f"{name}.json").read_text(encoding="utf-8"))


def manifests(guests: Mapping[str, Mapping[str, object]], **host: object) -> Path:
    """A new directory with a Host of the spec `host` and a Guest of the spec of each of `guests`, by name."""
    return manifests_in(Path(tempfile.mkdtemp(prefix="manifests-")), guests, **host)


def manifests_in(directory: Path, guests: Mapping[str, Mapping[str, object]], **host: object) -> Path:
    """The same in `directory`, which is there."""
    documents = [_document("Host", "lpar7", host)]
    documents += [_document("Guest", name, spec) for name, spec in guests.items()]
    # JSON is YAML.
    (directory / "site.yaml").write_text("\n---\n".join(documents), encoding="utf-8")
    return directory


def _document(kind: str, name: str, spec: Mapping[str, object]) -> str:
    return json.dumps({"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})


def apply(world: World, site: Path, *options: str) -> Ran:
    """Apply `site`: what is written must be exactly what the plan says, and all eyes must see the result."""
    ran = world.tool.watched("apply", "--yes", "-o", "json", *options, manifests=site)
    same("exit code of the apply", ran.code, 0)
    outcome = ran.record
    same("writes made and planned", ran.taken, planned(outcome["plan"]))
    same("writes refused", [one for one in ran.writes if one.error], [])
    same("writes counted", outcome["kernelWrites"], len(ran.writes))
    same("notes", outcome["notes"], [])
    seen(world, outcome["plan"])
    return ran


def consent_where_strict(world: World) -> list[str]:
    """The option for a change of masks that takes a kept queue from a guest for a while, where the kernel forces it."""
    return ["--allow-disruption"] if world.kernel == STRICT else []


def apply_again(world: World, site: Path) -> None:
    """Apply `site` once more: nothing is written."""
    ran = world.tool.watched("apply", "--yes", "-o", "json", manifests=site)
    same("exit code of the second apply", ran.code, 0)
    same("writes of the second apply", ran.writes, [])


def seen(world: World, plan: Any) -> None:
    """Require that ``cat``, lszcrypt and mdevctl see what `plan`, which has been carried out, announced."""
    host = world.host
    same("masks", host.pool(), (plan["pool"]["after"]["apmask"], plan["pool"]["after"]["aqmask"]))
    wanted = {one["uuid"]: one["authorised"]["after"] for one in plan["guests"] if one["authorised"]["after"]}
    foreign = {one["uuid"]: one["authorised"] for one in plan["foreign"]}
    same("matrices", host.authorised(), {uuid: ids_of(one) for uuid, one in (wanted | foreign).items()})
    expected = {one["uuid"]: one["effective"]["after"] for one in plan["guests"] if one["effective"]["after"]}
    found = {uuid: ids for uuid, ids in host.effective().items() if uuid not in foreign}
    same("guest matrices", visible(found), visible({uuid: ids_of(one) for uuid, one in expected.items()}))
    same("mdevctl list", host.mdevctl(), host.uuids())
    queues = queues_of(found.values())
    holds(f"lszcrypt shows {sorted(queues)} with vfio_ap", queues <= host.guests_queues())


def ids_of(record: Mapping[str, list[int]]) -> Ids:
    """The adapters and domains of a record of the tool's JSON."""
    return record["adapters"], record["domains"]


def visible(found: Mapping[str, Ids]) -> dict[str, Ids]:
    """`found`, where whoever sees no queue sees nothing: the kernel then shows half of the ids, or none."""
    return {uuid: ids if all(ids) else ([], []) for uuid, ids in found.items()}


def queues_of(found: "Sequence[Ids] | Any") -> set[str]:
    """The queues of rectangles, as the kernel writes them."""
    return {f"{adapter:02x}.{domain:04x}" for adapters, domains in found for adapter in adapters for domain in domains}


def in_sync(world: World, site: Path) -> None:
    """Require that drift finds nothing."""
    same("exit code of drift", world.tool("drift", manifests=site).code, 0)


def guests_of(ran: Ran) -> dict[str, Any]:
    """The guests of ``status -o json`` or of a plan, by name."""
    return {one["name"]: one for one in ran.record["guests"]}


def status(world: World, site: Path) -> dict[str, Any]:
    """The guests as status tells of them, by name."""
    ran = world.tool("status", "-o", "json", manifests=site)
    same("exit code of status", ran.code, 0)
    return guests_of(ran)


def untouched(world: World, act: Callable[[], Ran], code: int) -> Ran:
    """Require that `act` ends with exit code `code` and that the host is as before."""
    host = world.host
    before = host.pool(), host.authorised()
    ran = act()
    same("exit code", ran.code, code)
    same("host afterwards", (host.pool(), host.authorised()), before)
    return ran
