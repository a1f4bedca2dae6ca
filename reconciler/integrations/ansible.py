"""Who has which queue as the variables of two Ansible roles for OpenShift on KVM have it.

The role ``configure_cex`` of IBM's OpenShift provisioning has a dictionary, ``cex_uuid_map``: by guest the uuid of its
mediated device and one queue; the role of the same name in our own collection also takes a list of these, for several
queues of one device. The role ``crypto`` of the OpenShift installation on one KVM host has a list,
``crypto_adapters``: each queue with the number of the worker that gets it. Both roles give each guest one queue.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from reconciler.integrations.imported import (
    CONFLICT,
    Imported,
    ImportedGuest,
    ImportedHost,
    Path,
    WrongField,
    WrongFields,
    id_at,
    list_at,
    mapping_at,
    queue_at,
    refuse_shared,
)
from reconciler.model.desired import GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix, Queue
from reconciler.model.printable import quoted
from reconciler.model.problems import several

CEX_UUID_MAP: Final = "cex_uuid_map"
"""The variable of ``configure_cex``."""

CRYPTO_ADAPTERS: Final = "crypto_adapters"
"""The variable of ``crypto``."""

_UUID: Final = r"(?a)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ALL_GIVEN_UP: Final = (
    "The role writes 0x0 to apmask and aqmask, so the host's own drivers have no queue at all, and so it is here. "
    "Without 'pool' the host gives up what its guests need, and keeps the rest."
)
_ENTRY: Final = (
    "Write the uuid of the device, ':' and the queue, for example 68cd2d83-3eef-4e45-b22c-534f90b16cb9:00.0035."
)
_NOT_KNOWN_UUID: Final = (
    "The role made a random uuid, and keeps it on the host in crypto_mdevs_WORKER.yaml. Write it here as 'uuid:', or "
    "put the uuid that 'reconcile plan' shows into the definition of the VM."
)


class _Device(NamedTuple):
    """The device of one guest."""

    uuid: str
    matrix: Matrix


def cex_uuid_map(value: Any) -> Imported:
    """The guests of ``cex_uuid_map``, and the host, which gives up everything.

    A guest has one queue or a list of them, which must be a full product of adapters and domains. Guests with one and
    the same device share it: the first one by name gets it.

    Raises:
        WrongField: no device can be so.
    """
    entries = mapping_at(value, (), "the guests, each with UUID:QUEUE,")
    found: dict[str, _Device] = {}
    wrong = WrongFields()
    for name in entries:
        with wrong:
            found[name] = _device(entries[name], (name,))
    names: dict[str, list[str]] = {}
    for name in sorted(found):
        names.setdefault(found[name].uuid, []).append(name)
    with wrong:
        _refuse_two_queues(found, names)
    with wrong:
        refuse_shared((first, (first,), found[first].matrix) for first, *_ in names.values())
    wrong.refuse()
    guests = [_guest(sharers, found[sharers[0]]) for sharers in names.values()]
    return Imported((ImportedHost("", GivenUp(ALL_IDS, ALL_IDS), (_ALL_GIVEN_UP,)),), tuple(guests))


def _device(value: Any, path: Path) -> _Device:
    if not isinstance(value, list):
        uuid, queue = _entry(value, path)
        return _Device(uuid, Matrix(IdSet([queue.adapter]), IdSet([queue.domain])))
    if not value:
        raise WrongField(path, f"{quoted(path[-1])} has no queue", _ENTRY)
    entries: list[tuple[str, Queue]] = []
    wrong = WrongFields()
    for number, one in enumerate(value):
        with wrong:
            entries.append(_entry(one, (*path, number)))
            if entries[-1][0] != entries[0][0]:
                message = f"{quoted(path[-1])} has two devices, {entries[0][0]} and {entries[-1][0]}"
                raise WrongField((*path, number), message, "A guest has one device: give all its queues one uuid.")
    wrong.refuse()
    return _Device(entries[0][0], _product([queue for _, queue in entries], path))


def _product(queues: list[Queue], path: Path) -> Matrix:
    """The matrix that has exactly `queues`, those of the guest at `path`."""
    matrix = Matrix(IdSet(one.adapter for one in queues), IdSet(one.domain for one in queues))
    missing = sorted(set(matrix.queues()) - set(queues))
    if missing:
        message = f"the queues of {quoted(path[-1])} are no full product of adapters and domains, so no device has them"
        listed = several(str(one) for one in missing)
        raise WrongField(path, message, f"Add what the product has besides ({listed}), or take queues away.")
    return matrix


def _entry(value: Any, path: Path) -> tuple[str, Queue]:
    uuid, _, queue = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not re.fullmatch(_UUID, uuid):
        if value is None:
            raise WrongField(path, f"{quoted(path[-1])} has no UUID:QUEUE", _ENTRY)
        raise WrongField(path, f"{quoted(value)} is no UUID:QUEUE", _ENTRY)
    return uuid.lower(), queue_at(queue, path)


def _refuse_two_queues(found: Mapping[str, _Device], names: Mapping[str, list[str]]) -> None:
    wrong = WrongFields()
    for uuid, (first, *others) in names.items():
        for other in others:
            if found[other] != found[first]:
                message = f"{quoted(first)} and {quoted(other)} have one device, {uuid}, with different queues"
                with wrong:
                    raise WrongField((other,), message, "Give each a uuid of its own.", CONFLICT, (first,))
    wrong.refuse()


def _guest(sharers: list[str], device: _Device) -> ImportedGuest:
    notes = ["The role assigns no control domain."]
    if sharers[1:]:
        listed = ", ".join(map(repr, sharers[1:]))
        notes.append(f"The same device stands there for {listed}, too; only one of these VMs can run at a time.")
    return ImportedGuest(sharers[0], "", device.uuid, ApConfig(*device.matrix, NO_IDS), tuple(notes))


def crypto_adapters(value: Any) -> Imported:
    """The workers of ``crypto_adapters``, each a guest with its queues; the host gives up what they need.

    Raises:
        WrongField: the role could not use it.
    """
    entries = list_at(value, (), "a list of queues")
    queues: dict[int, list[tuple[Queue, Path]]] = {}
    wrong = WrongFields()
    for index, entry in enumerate(entries):
        with wrong:
            worker, queue = _workers_queue(entry, index)
            queues.setdefault(worker, []).append((queue, (index, "id")))
    with wrong:
        refuse_shared(
            (f"worker {worker}", path, _config(queue).matrix) for worker in queues for queue, path in queues[worker]
        )
    wrong.refuse()
    guests = []
    for worker in sorted(queues):
        with wrong:
            guests.append(_workers_guest(worker, queues[worker]))
    wrong.refuse()
    return Imported((ImportedHost(),), tuple(guests))


def _workers_queue(entry: Any, index: int) -> tuple[int, Queue]:
    fields = mapping_at(entry, (index,), "a queue with 'id' and 'assign_to_worker'")
    queue, worker = Queue(0, 0), 0
    wrong = WrongFields()
    with wrong:
        queue = queue_at(fields.get("id"), (index, "id"))
    with wrong:
        worker = _worker(fields.get("assign_to_worker"), (index, "assign_to_worker"))
    wrong.refuse()
    return worker, queue


def _worker(value: Any, path: Path) -> int:
    if isinstance(value, str) and re.fullmatch(r"(?a)\d{1,3}", value):
        value = int(value)
    return id_at(value, path, "number of a worker")


def _workers_guest(worker: int, queues: list[tuple[Queue, Path]]) -> ImportedGuest:
    adapters = IdSet(queue.adapter for queue, _ in queues)
    domains = IdSet(queue.domain for queue, _ in queues)
    if len(adapters) * len(domains) > len(queues):
        message = f"the queues of worker {worker} are no full product of adapters and domains, so no device has them"
        raise WrongField(queues[-1][1], message, "Give the worker one queue, as the role does.")
    note = f"Worker number {worker} of the cluster. If its VM has another name, the guest may have that name as well."
    return ImportedGuest(f"worker-{worker}", "", "", ApConfig(adapters, domains, domains), (note, _NOT_KNOWN_UUID))


def _config(queue: Queue) -> ApConfig:
    domains = IdSet([queue.domain])
    return ApConfig(IdSet([queue.adapter]), domains, domains)
