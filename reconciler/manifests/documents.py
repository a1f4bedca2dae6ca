"""One document of the right form to a host, guest or machine, with what a schema cannot say; derived uuids, digests."""

from collections.abc import Iterator
from hashlib import sha1, sha256
from typing import Final

from reconciler.manifests.data import Data, Path, shown
from reconciler.manifests.ids_text import IdLists, NotAnId, ReversedRange, queue_list, repetitions, why_reversed
from reconciler.manifests.schema import Accepted
from reconciler.model.desired import (
    Activation,
    DesiredGuest,
    DesiredHost,
    GivenUp,
    Ignored,
    Keep,
    Persistence,
    Presence,
    Unmanaged,
)
from reconciler.model.identity import machine_id_of
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, LparName, MachineMode
from reconciler.model.matrix import EMPTY_MATRIX, ApConfig, Matrix
from reconciler.model.printable import first_unprintable
from reconciler.model.problems import Place, Position, Problem, ProblemList, Severity

_ACTIVATION: Final = {one.value: one for one in Activation}
_PRESENCE: Final = {one.value: one for one in Presence}
_MOST_QUEUES_SHOWN: Final = 16
_LONGEST_CLASSIC_NAME: Final = 8
"""How many characters the name of an LPAR may have without DPM (LPAR Name in /proc/sysinfo)."""

_LEFT_TO_ORIGINAL: Final = ("adapters", "usageDomains", "controlDomains")


class DocumentReader:
    """Makes hosts, guests and machines of accepted documents; `problems` grows by what is wrong with them."""

    def __init__(self) -> None:
        self.problems = ProblemList()
        self._ids = IdLists()

    def host(self, data: Accepted, position: Position) -> DesiredHost | None:
        """The host that `data`, which starts at `position`, describes; None where a problem prevents it."""
        spec, metadata = data.get("spec", {}), data["metadata"]
        labels = metadata.get("labels", {})
        is_seen = self._labels_can_be_seen(labels, position)
        pool = spec.get("pool")
        try:
            given_up = None if pool is None else GivenUp(self._of(pool, "adapters"), self._of(pool, "domains"))
            keep = tuple(
                Keep(Matrix(self._of(entry, "adapters"), self._of(entry, "domains")), index)
                for index, entry in enumerate(spec.get("keep", ()))
            )
        except ReversedRange:
            self._explain(data, position)
            return None
        if self._ids.with_repetition:
            self._warn_of_repetitions(data, position)
        if not is_seen:
            return None
        unmanaged = Unmanaged(spec.get("unmanaged", Unmanaged.IGNORE))
        persistence = Persistence(spec.get("persistence", Persistence.NONE))
        named = tuple(sorted(labels.items()))
        return DesiredHost(metadata["name"], given_up, keep, unmanaged, position, persistence, named)

    def machine(self, data: Accepted, position: Position) -> DesiredMachine | None:
        """The machine that `data`, which starts at `position`, describes; None where a problem prevents it.

        A standby has only what it says itself: its original may stand in another document.
        """
        spec, metadata = data["spec"], data["metadata"]
        labels = metadata.get("labels", {})
        is_seen = self._labels_can_be_seen(labels, position)
        try:
            lpars = tuple(self._lpar(entry, number) for number, entry in enumerate(spec["lpars"]))
        except ReversedRange:
            self._explain(data, position)
            return None
        if self._ids.with_repetition:
            self._warn_of_repetitions(data, position)
        machine = DesiredMachine(
            metadata["name"],
            machine_id_of(spec["machineId"]),
            MachineMode(spec.get("mode", MachineMode.CLASSIC)),
            spec.get("maxDomain"),
            lpars,
            tuple(sorted(labels.items())),
            position,
        )
        is_seen &= self._names_can_be_seen(machine)
        if self._repeated_lpars(machine) or not is_seen:
            return None
        self._warn_of_long_names(machine)
        return machine

    def _lpar(self, entry: Accepted, number: int) -> DesiredLpar:
        domains = self._of(entry, "usageDomains")
        control = self._of(entry, "controlDomains") if "controlDomains" in entry else domains
        standby_of = LparName.parsed(entry["standbyOf"]) if "standbyOf" in entry else None
        return DesiredLpar(
            entry["name"],
            entry.get("host", ""),
            ApConfig(self._of(entry, "adapters"), domains, control),
            entry.get("active", standby_of is None),
            standby_of,
            number,
            frozenset(() if standby_of is None else (name for name in _LEFT_TO_ORIGINAL if name not in entry)),
        )

    def _names_can_be_seen(self, machine: DesiredMachine) -> bool:
        """Whether the names of LPARs are made of characters that people can see; a problem says so of each."""
        found = [(lpar, odd) for lpar in machine.lpars if (odd := first_unprintable(lpar.name))]
        for lpar, odd in found:
            message = f"the LPAR name {shown(lpar.name)} has a character that cannot be seen: {odd}"
            field = ("spec", "lpars", lpar.number, "name")
            self._report("control-character", Severity.ERROR, message, machine.position, field, "Remove it.")
        return not found

    def _repeated_lpars(self, machine: DesiredMachine) -> bool:
        """Whether `machine` has two LPARs of one name; a problem says so of each."""
        first: dict[str, int] = {}
        for lpar in machine.lpars:
            earlier = first.setdefault(lpar.name.casefold(), lpar.number)
            if earlier != lpar.number:
                message = f"the machine {machine.name!r} has two LPARs called {lpar.name!r}"
                places = tuple(
                    Place(machine.position, label, ("spec", "lpars", number, "name"))
                    for number, label in ((lpar.number, ""), (earlier, "first listed here"))
                )
                advice = "Remove or rename one of the two; upper and lower case are the same."
                self.problems.add(Problem("duplicate-lpar", Severity.ERROR, message, places, help=advice))
        return len(first) < len(machine.lpars)

    def _warn_of_long_names(self, machine: DesiredMachine) -> None:
        for lpar in machine.lpars:
            if machine.mode is MachineMode.CLASSIC and len(lpar.name) > _LONGEST_CLASSIC_NAME:
                message = f"the LPAR name {lpar.name!r} has more than {_LONGEST_CLASSIC_NAME} characters"
                advice = "No LPAR is called so unless the machine is in DPM mode; then write spec.mode: dpm."
                field = ("spec", "lpars", lpar.number, "name")
                self._report("lpar-name-too-long", Severity.WARNING, message, machine.position, field, advice)

    def guest(self, data: Accepted, position: Position) -> DesiredGuest | None:
        """The guest that `data`, which starts at `position`, describes; None where a problem prevents it.

        `host` is empty where the manifest has ``hosts``, or neither; then `uuid` too, unless it is given.
        """
        spec, metadata = data["spec"], data["metadata"]
        config = self._config(data, spec, position)
        labels = metadata.get("labels")
        is_seen = not labels or self._labels_can_be_seen(labels, position)
        if config is None or not is_seen:
            return None
        name, host, uuid = metadata["name"], spec.get("host", ""), spec.get("uuid")
        hosts = tuple(spec["hosts"]) if "hosts" in spec else ()
        return DesiredGuest(
            name,
            host,
            uuid.lower() if uuid else derived_uuid(host, name) if host or hosts else "",
            config,
            _ACTIVATION[spec.get("activation", "active")],
            _PRESENCE[spec.get("presence", "any")],
            tuple(sorted(labels.items())) if labels else (),
            position,
            "queues" in spec,
            spec.get("disruption") == "allow",
            frozenset(map(Ignored, spec["ignoreDrift"])) if "ignoreDrift" in spec else frozenset(),
            hosts,
            bool(uuid),
        )

    def _config(self, data: Accepted, spec: Accepted, position: Position) -> ApConfig | None:
        ids = self._ids
        try:
            if "queues" in spec:
                matrix = self._listed(spec["queues"], position)
            else:
                matrix = Matrix(ids[tuple(spec["adapters"])], ids[tuple(spec.get("domains", ()))])
            adapters, domains = matrix or EMPTY_MATRIX
            control = ids[tuple(spec["controlDomains"])] if "controlDomains" in spec else domains
        except ReversedRange:
            self._explain(data, position)
            return None
        if ids.with_repetition:
            self._warn_of_repetitions(data, position)
        return matrix and ApConfig(adapters, domains, control)

    def _labels_can_be_seen(self, labels: Accepted, position: Position) -> bool:
        """Whether `labels` are made of characters that people can see, also where YAML's escapes have made them."""
        all_can = True
        for key, value in labels.items():
            for text in (key, value):
                if odd := first_unprintable(text):
                    all_can = False
                    message = f"metadata.labels: {shown(text)} has a character that cannot be seen: {odd}"
                    field = ("metadata", "labels", key)
                    self._report("control-character", Severity.ERROR, message, position, field, "Remove it.")
        return all_can

    def _of(self, axes: Accepted, name: str) -> IdSet:
        return self._ids[tuple(axes[name])] if name in axes else NO_IDS

    def _listed(self, entries: list[str], position: Position) -> Matrix | None:
        listed = queue_list(entries)
        for index in listed.repeated:
            message = f"the queue {entries[index]} stands in the list twice"
            self._report(
                "repeated-queue", Severity.WARNING, message, position, ("spec", "queues", index), "Remove one."
            )
        if not listed.extra:
            return listed.matrix
        shown = [str(queue) for queue in listed.extra[:_MOST_QUEUES_SHOWN]]
        more = len(listed.extra) - len(shown)
        text = ", ".join(shown) + (f" and {more} more" if more else "")
        message = f"these queues are no full product of adapters and domains: the guest would get {text} on top"
        advice = (
            "A guest always has each of its adapters with each of its domains. Add those queues, or take others out."
        )
        self._report("queues-no-product", Severity.ERROR, message, position, ("spec", "queues"), advice)
        return None

    def _explain(self, data: Accepted, position: Position) -> None:
        for path, why, entry in reversed_ranges(data):
            self._report(why.id, Severity.ERROR, f"the range {entry} {why.reason}", position, path, why.help)

    def _warn_of_repetitions(self, data: Accepted, position: Position) -> None:
        for path, entries in id_lists_of(data):
            ids = [entry for entry in entries if isinstance(entry, int | str)]
            if tuple(ids) in self._ids.with_repetition:
                for index in repetitions(ids):
                    message = f"{entries[index]} stands in the list twice"
                    advice = "Remove one of the two, or correct the one that was meant otherwise."
                    self._report("repeated-id", Severity.WARNING, message, position, (*path, index), advice)

    def _report(self, id: str, severity: Severity, message: str, position: Position, field: Path, help: str) -> None:
        self.problems.add(Problem(id, severity, message, (Place(position, field=field),), help=help))


def id_lists_of(data: Data) -> list[tuple[Path, list[Data]]]:
    """Every list of ids in the document `data`, whether or not it has its form, with its path."""
    spec = _part(data, "spec")
    areas: list[tuple[Path, Data]] = [(("spec",), spec), (("spec", "pool"), _part(spec, "pool"))]
    for name in ("keep", "lpars"):
        areas += [(("spec", name, index), entry) for index, entry in enumerate(_entries(_part(spec, name)))]
    names = ("adapters", "domains", "usageDomains", "controlDomains")
    return [((*path, name), _entries(_part(area, name))) for path, area in areas for name in names]


def _part(data: Data, key: str) -> Data:
    return data.get(key) if isinstance(data, dict) else None


def _entries(data: Data) -> list[Data]:
    return data if isinstance(data, list) else []


def reversed_ranges(data: Data) -> Iterator[tuple[Path, NotAnId, str]]:
    """Each range in the document `data` that runs backwards: its path, why it is none, and the range itself."""
    for path, entries in id_lists_of(data):
        for index, entry in enumerate(entries):
            if isinstance(entry, str) and (why := why_reversed(entry)):
                yield (*path, index), why, entry


NAMESPACE: Final = "5b4e7c1a-8f0d-5d53-9a3e-6f1c27d4e2b8"
"""The name space of derived uuids; changing it would give every guest a new mediated device."""

_NAMESPACE_BYTES: Final = bytes.fromhex(NAMESPACE.replace("-", ""))
_VARIANT: Final = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}


def derived_uuid(host: str, guest: str) -> str:
    """``uuid5(NAMESPACE, "host/guest")``, lower case with dashes (RFC 9562, 5.5); the uuid module is slow to import.

    `host` is empty for a guest that has several hosts: its device is the same on each, and no host is called so.
    """
    name = f"{host}/{guest}".encode()
    digest = sha1(_NAMESPACE_BYTES + name, usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"


_FORMAT: Final = "desired/1"


def digest_of(host: DesiredHost, guests: tuple[DesiredGuest, ...]) -> str:
    """SHA-256 (hex) over `host` and `guests`, which are ascending by name."""
    lines = [_FORMAT, _host_line(host), *map(_guest_line, guests)]
    return sha256("\n".join(lines).encode()).hexdigest()


def _host_line(host: DesiredHost) -> str:
    pool = "derived" if host.given_up is None else " ".join(f"{ids.bits:x}" for ids in host.given_up)
    keep = sorted({f"{entry.matrix.adapters.bits:x}*{entry.matrix.domains.bits:x}" for entry in host.keep})
    persistence = "" if host.persistence is Persistence.NONE else f" persistence {host.persistence.value}"
    return f"{host.name} {host.unmanaged.value} pool {pool} keep {' '.join(keep)}{persistence}"


def _guest_line(guest: DesiredGuest) -> str:
    name, _host, uuid, (adapters, domains, control), activation, presence, labels, _, _, disruption, ignored, *_ = guest
    ids = f"{adapters.bits:x} {domains.bits:x} {control.bits:x}"
    ignores = f" ignores {' '.join(sorted(ignored))}" if ignored else ""
    return f"{name} {uuid} {ids} {activation.value} {presence.value} {disruption} {labels!r}{ignores}"
