"""Who has which queue as the Kubernetes device plugin for Crypto Express cards has it.

Its ConfigMap holds a file of JSON: config sets, each a list of queues, of which a container gets one. The plugin runs
in the nodes of a cluster, which are guests here; that a node has a queue it finds out by itself, so that the ConfigMap
says of no queue which node has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.integrations.imported import (
    CONFLICT,
    FIELD,
    Imported,
    ImportedGuest,
    ImportedHost,
    Path,
    WrongField,
    WrongFields,
    id_at,
    list_at,
    mapping_at,
    text_at,
)
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig, Queue
from reconciler.model.printable import quoted

SETS: Final = "cryptoconfigsets"
"""The key of the config sets in the file."""

_NOT_TAKEN: Final = ("cexmode", "mincexgen", "overcommit", "livesysfs")
_WHICH_NODE: Final = (
    "A config set does not say which node has its queues: here one guest has all of a set. Where several nodes share a "
    "set, divide its guest, and call each guest like the VM of its node."
)


class _Entry(NamedTuple):
    """A queue of a config set, on which machine (empty: on any), and where it stands."""

    queue: Queue
    machine: str
    path: Path


def place_of_sets(documents: Sequence[Any]) -> tuple[int, Path]:
    """Where the config sets are: the number of the document, and the path to a text that holds them in JSON.

    The path is empty where the document itself holds them, as in the file that a ConfigMap is made of.

    Raises:
        WrongField: there are none, or there are several.
    """
    found = [(number, path) for number, one in enumerate(documents) for path in _texts(one, ())]
    if len(found) != 1:
        message = f"there {'is no text' if not found else 'are several texts'} with {SETS!r}"
        raise WrongField((), message, "Give the ConfigMap of the device plugin, cex-resources-config.", FIELD)
    return found[0]


def _texts(value: Any, path: Path) -> Iterator[Path]:
    """Where the config sets are in the document `value`: itself, or the data of a ConfigMap, also within a List."""
    if not isinstance(value, dict):
        return
    if not path and SETS in value:
        yield path
    data, items = value.get("data"), value.get("items")
    if isinstance(data, dict):
        for key, text in data.items():
            if isinstance(text, str) and f'"{SETS}"' in text:
                yield (*path, "data", key)
    if isinstance(items, list) and not path:
        for index, one in enumerate(items):
            yield from _texts(one, ("items", index))


def config_sets(value: Any) -> Imported:
    """The guests that the config sets come to, on one host for each machine that they name.

    Raises:
        WrongField: the plugin could not use it.
    """
    sets = list_at(mapping_at(value, (), "config sets").get(SETS), (SETS,), "a list of config sets")
    found = {}
    wrong = WrongFields()
    for index, one in enumerate(sets):
        with wrong:
            found[index] = _set(one, (SETS, index))
    with wrong:
        _refuse_repeated(found)
    wrong.refuse()
    read = list(found.values())
    machines = sorted({entry.machine for _, entries, _ in read for entry in entries})
    hosts = [ImportedHost(_key(machine), None, _host_notes(machine)) for machine in machines]
    guests = [guest for name, entries, notes in read for guest in _guests(name, entries, notes)]
    empty = [f"Not in here, since it has no queue: the set {name!r}." for name, entries, _ in read if not entries]
    return Imported(tuple(hosts), tuple(guests), notes=(_WHICH_NODE, *empty))


def _set(value: Any, path: Path) -> tuple[str, list[_Entry], tuple[str, ...]]:
    """The name of a config set, its queues, and notes."""
    fields = mapping_at(value, path, "a config set")
    name, entries = "", []
    wrong = WrongFields()
    with wrong:
        name = text_at(fields.get("setname"), (*path, "setname"), "name of a config set")
    with wrong:
        for index, one in enumerate(list_at(fields.get("apqns", []), (*path, "apqns"), "a list of queues")):
            with wrong:
                entries.append(_entry(one, (*path, "apqns", index)))
    wrong.refuse()
    notes = [f"The set {quoted(name)} of project {quoted(fields.get('project'))}."]
    left = [f"{key} {quoted(fields[key])}" for key in _NOT_TAKEN if fields.get(key) not in (None, "")]
    if left:
        notes.append(f"Not taken over, since the plugin goes on deciding it: {', '.join(left)}.")
    return name, entries, tuple(notes)


def _entry(value: Any, path: Path) -> _Entry:
    fields = mapping_at(value, path, "a queue with 'adapter' and 'domain'")
    adapter = domain = 0
    machine = fields.get("machineid")
    wrong = WrongFields()
    with wrong:
        adapter = id_at(fields.get("adapter"), (*path, "adapter"), "adapter")
    with wrong:
        domain = id_at(fields.get("domain"), (*path, "domain"), "domain")
    with wrong:
        if machine not in (None, ""):
            machine = text_at(machine, (*path, "machineid"), "id of a machine").upper()
    wrong.refuse()
    return _Entry(Queue(adapter, domain), machine or "", path)


def _refuse_repeated(sets: Mapping[int, tuple[str, list[_Entry], tuple[str, ...]]]) -> None:
    """Refuse two sets of one name, and a queue that stands twice, as the plugin does: it then uses nothing at all."""
    names: dict[str, int] = {}
    holders: dict[Queue, dict[str, _Entry]] = {}
    wrong = WrongFields()
    for index, (name, entries, _) in sets.items():
        first = names.setdefault(name, index)
        if first != index:
            message = f"there are two config sets called {quoted(name)}"
            advice = "The plugin uses nothing of such a file; rename one."
            with wrong:
                raise WrongField((SETS, index, "setname"), message, advice, CONFLICT, (SETS, first, "setname"))
        for entry in entries:
            others = holders.setdefault(entry.queue, {})
            other = (
                others.get(entry.machine)
                or others.get("")
                or (next(iter(others.values()), None) if not entry.machine else None)
            )
            if other is not None:
                message = f"the queue {entry.queue} stands here twice"
                advice = "The plugin uses nothing of such a file; take one out, or write a machineid in both."
                with wrong:
                    raise WrongField(entry.path, message, advice, CONFLICT, other.path)
            others[entry.machine] = entry
    wrong.refuse()


def _key(machine: str) -> str:
    """The key of the host on `machine`: type and sequence code, without zeros in front."""
    _, _, rest = machine.partition("-")
    kind, _, sequence = rest.rpartition("-")
    return f"{kind}-{sequence.lstrip('0')}".lower() if kind and sequence else machine


def _host_notes(machine: str) -> tuple[str, ...]:
    if not machine:
        return ()
    return (f"On the machine {machine}. A Machine is not in here, since the file does not say which LPAR it is.",)


def _guests(name: str, entries: Sequence[_Entry], notes: tuple[str, ...]) -> Iterator[ImportedGuest]:
    """A guest for each machine, or several where the queues of a set are no full product."""
    by_machine: dict[str, list[Queue]] = {}
    for entry in entries:
        by_machine.setdefault(entry.machine, []).append(entry.queue)
    for machine, queues in sorted(by_machine.items()):
        parts = _rectangles(queues)
        stem = name if len(by_machine) == 1 else f"{name} {_key(machine) or 'any'}"
        for number, config in enumerate(parts, 1):
            if len(parts) == 1:
                yield ImportedGuest(stem, _key(machine), "", config, notes, is_named=False)
            else:
                more = f"Part {number} of {len(parts)}: together they are no full product of adapters and domains."
                yield ImportedGuest(f"{stem}-{number}", _key(machine), "", config, (*notes, more), is_named=False)


def _rectangles(queues: Sequence[Queue]) -> list[ApConfig]:
    """`queues` as full products: the adapters with the same domains together; ascending by their first adapter."""
    domains: dict[int, int] = {}
    for adapter, domain in queues:
        domains[adapter] = domains.get(adapter, 0) | 1 << domain
    adapters: dict[int, list[int]] = {}
    for adapter in sorted(domains):
        adapters.setdefault(domains[adapter], []).append(adapter)
    return [ApConfig(IdSet(found), IdSet.from_bits(bits), IdSet.from_bits(bits)) for bits, found in adapters.items()]
