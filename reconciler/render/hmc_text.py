"""What has to be changed on the HMC, as text and JSON, in the words of the panels that an administrator has open.

A machine in classic mode has four lists for each LPAR, in the running LPAR and once more in its activation profile; one
in DPM mode has adapters and domains with an access mode, in the definition of the partition only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.machines.hmc_changes import Action, HmcStep, MachineChanges, Standing
from reconciler.model.ids import IdSet
from reconciler.model.machines import MachineMode
from reconciler.model.printable import lines_text
from reconciler.render.plan_json import json_text
from reconciler.render.table import Page
from reconciler.render.text import counted


class ComparedMachines(NamedTuple):
    """What the manifests are compared with.

    Attributes:
        source: ``nothing``, ``commit`` or ``file``.
        text: the same for people: ``with nothing``.
        name: the id of the commit, or the name of the file; empty where it is nothing.
        notes: what was not compared, a sentence each.
    """

    source: str
    text: str
    name: str = ""
    notes: tuple[str, ...] = ()


class Entry(NamedTuple):
    """One list that a step changes.

    Attributes:
        list: its name on the HMC.
        ids: what is removed from it or added to it.
        access_mode: which one domains have afterwards, in DPM mode; empty for adapters, and for what is removed.
    """

    list: str
    ids: IdSet
    access_mode: str = ""


CONTROL: Final = "control"
CONTROL_USAGE: Final = "control-usage"
"""The access modes of a domain in DPM mode."""


def entries(step: HmcStep, mode: MachineMode) -> list[Entry]:
    """What `step` changes, list by list, on a machine in this `mode`; nothing where it (de)activates an LPAR."""
    found = _dpm_entries(step) if mode is MachineMode.DPM else _classic_entries(step)
    return [one for one in found if one.ids]


def _classic_entries(step: HmcStep) -> Iterator[Entry]:
    adapters, domains, control_domains = step.config
    # What is online is a candidate, and a usage domain is a control domain: so it must be in between as well.
    lists = [
        Entry("cryptographic candidate list", adapters),
        Entry("cryptographic online list", adapters),
        Entry("control domain index", control_domains),
        Entry("usage domain index", domains),
    ]
    yield from lists[::-1] if step.action is Action.REMOVE else lists


def _dpm_entries(step: HmcStep) -> Iterator[Entry]:
    adapters, domains, control_domains = step.config
    yield Entry("adapters", adapters)
    both = domains & control_domains
    if step.action is Action.REMOVE:
        yield Entry("domains", both | (control_domains - domains))
        yield Entry(f"domains, access mode from {CONTROL_USAGE} to {CONTROL}", domains - both, CONTROL)
    else:
        yield Entry(f"domains, access mode {CONTROL_USAGE}", both, CONTROL_USAGE)
        yield Entry(f"domains, access mode {CONTROL}", control_domains - domains, CONTROL)
        yield Entry(f"domains, access mode from {CONTROL} to {CONTROL_USAGE}", domains - both, CONTROL_USAGE)


def places(step: HmcStep, mode: MachineMode) -> list[str]:
    """Where the lists of `step` are changed: ``running``, ``profile`` or ``partition``."""
    if step.action in (Action.ACTIVATE, Action.DEACTIVATE):
        return []
    if mode is MachineMode.DPM:
        return ["partition"]
    return ["running", "profile"] if step.is_active else ["profile"]


# As text -------------------------------------------------------------------------------------------------------------

_MODES: Final = {MachineMode.CLASSIC: "classic mode", MachineMode.DPM: "DPM mode"}
_LPAR: Final = {MachineMode.CLASSIC: "LPAR", MachineMode.DPM: "partition"}
_ACTIONS: Final = {
    MachineMode.CLASSIC: {
        Action.DEACTIVATE: "deactivate the LPAR",
        Action.REMOVE: "remove",
        Action.ADD: "add",
        Action.ACTIVATE: "activate the LPAR",
    },
    MachineMode.DPM: {
        Action.DEACTIVATE: "stop the partition",
        Action.REMOVE: "remove",
        Action.ADD: "add",
        Action.ACTIVATE: "start the partition",
    },
}
_WHERE: Final[Mapping[tuple[MachineMode, bool], tuple[str, ...]]] = {
    (MachineMode.CLASSIC, True): ("the running LPAR", "its activation profile"),
    (MachineMode.CLASSIC, False): ("its activation profile",),
    (MachineMode.DPM, True): ("the running partition",),
    (MachineMode.DPM, False): ("the definition of the partition",),
}
_PREPOSITIONS: Final = {Action.REMOVE: "from", Action.ADD: "to"}
_HOW: Final = {
    MachineMode.CLASSIC: (
        "A running LPAR is changed with 'Change LPAR Cryptographic Controls'. Change the 'Crypto' page of its image "
        "activation profile as well: the next activation takes its lists from there."
    ),
    MachineMode.DPM: (
        "Partitions are changed with 'Partition Details', 'Cryptos'. The definition holds for the running partition "
        "and for every later start."
    ),
}


def hmc_text(found: Sequence[MachineChanges], listed: int, compared: ComparedMachines, page: Page = Page()) -> str:  # noqa: B008 - a value
    """All steps as text, machine by machine, the count last.

    Args:
        found: the machines that have steps.
        listed: how many LPARs the manifests list altogether.
        compared: what the manifests are compared with.
        page: what it is shown on: lines that are wider are divided.
    """
    lines: list[str] = []
    for one in found:
        lines += [*_machine_lines(one, page), ""]
    for note in compared.notes:
        lines += page.wrapped("note: ", note)
    steps = sum(len(one.steps) for one in found)
    count = f"{counted(steps, 'step')} on {counted(len(found), 'machine')}" if steps else "nothing to change on the HMC"
    scope = f"made for the {counted(listed, 'LPAR')} listed: one that is not listed is invisible"
    return lines_text([*lines, *page.wrapped("", f"{count}, compared {compared.text}; {scope}", style="bold")])


def _machine_lines(one: MachineChanges, page: Page) -> Iterator[str]:
    about = f"machine {one.name} ({one.id}), {_MODES[one.mode]}{_STANDINGS[one.standing]}"
    yield from page.wrapped("", about, style="bold")
    yield ""
    width = len(str(len(one.steps)))
    names = max((len(entry.list) for step in one.steps for entry in entries(step, one.mode)), default=0)
    for step in one.steps:
        yield from page.wrapped(f"  {step.number:>{width}}. ", _step_text(step, one), style=_STYLES[step.action])
        for entry in entries(step, one.mode):
            yield from page.wrapped(f"  {'':{width}}    {entry.list:{names}}  ", str(entry.ids))
    if any(places(step, one.mode) for step in one.steps):
        yield ""
        yield from page.wrapped("  ", _HOW[one.mode], hang=0)


_STYLES: Final = {
    Action.DEACTIVATE: "removed",
    Action.REMOVE: "removed",
    Action.ADD: "added",
    Action.ACTIVATE: "added",
}
_STANDINGS: Final = {
    Standing.NEW: ": nothing is known of it, so this is all that it is to have",
    Standing.CHANGED: "",
    Standing.GONE: ": the manifests do not have it, so all of its LPARs give everything up",
}


def _step_text(step: HmcStep, machine: MachineChanges) -> str:
    mode = machine.mode
    words = f"{step.lpar}: {_ACTIONS[mode][step.action]}"
    if step.action in _PREPOSITIONS:
        where = (f"{_PREPOSITIONS[step.action]} {one}" for one in _WHERE[mode, step.is_active])
        words += f" {' and '.join(where)}"
    words += _after_text(step)
    if machine.standing is Standing.CHANGED and step.standing is Standing.GONE:
        words += f"; the manifests do not have this {_LPAR[mode]}, so it gives everything up"
    if machine.standing is Standing.CHANGED and step.standing is Standing.NEW and step.is_active:
        words += f"; then {_ACTIONS[mode][Action.ACTIVATE]}, unless it is active"
    return words


def _after_text(step: HmcStep) -> str:
    own = f"{'step' if len(step.after) == 1 else 'steps'} {', '.join(map(str, step.after))}" if step.after else ""
    others = [f"step {one.number} of machine {one.machine}" for one in step.after_elsewhere]
    found = [one for one in (own, *others) if one]
    return f", after {' and '.join(found)}" if found else ""


# As JSON -------------------------------------------------------------------------------------------------------------


def hmc_json(found: Iterable[MachineChanges], listed: int, compared: ComparedMachines) -> str:
    """The same as JSON text, ended by a newline (schemas/hmc-changes.schema.json)."""
    machines = [_machine_record(one) for one in found]
    record = {
        "formatVersion": 1,
        "comparedWith": {"source": compared.source, "name": compared.name or None},
        "lparsListed": listed,
        "steps": sum(len(one["steps"]) for one in machines),
        "machines": machines,
        "notes": list(compared.notes),
    }
    return json_text(record)


def _machine_record(one: MachineChanges) -> dict[str, Any]:
    return {
        "name": one.name,
        "machineId": one.id,
        "mode": one.mode.value,
        "standing": one.standing.value,
        "lparsListed": one.lpars,
        "steps": [_step_record(step, one.mode) for step in one.steps],
    }


def _step_record(step: HmcStep, mode: MachineMode) -> dict[str, Any]:
    adapters, domains, control_domains = step.config
    return {
        "number": step.number,
        "after": list(step.after),
        "afterElsewhere": [one._asdict() for one in step.after_elsewhere],
        "action": step.action.value,
        "lpar": step.lpar,
        "standing": step.standing.value,
        "active": step.is_active,
        "where": places(step, mode),
        "adapters": list(adapters),
        "usageDomains": list(domains),
        "controlDomains": list(control_domains),
        "lists": [
            {"list": entry.list, "ids": list(entry.ids), "accessMode": entry.access_mode or None}
            for entry in entries(step, mode)
        ],
    }
