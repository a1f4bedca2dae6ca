"""Manifests from what other programs have written down of queues: ``reconcile import --from``.

A file is read here to plain values (`reconciler.manifests.foreign`), the module that knows its program makes hosts,
guests and machines of them (`reconciler.integrations`), and these become manifests with names that are valid here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from reconciler.integrations.ansible import CEX_UUID_MAP, CRYPTO_ADAPTERS, cex_uuid_map, crypto_adapters
from reconciler.integrations.hmc import Login, machines_of
from reconciler.integrations.imported import Imported, ImportedGuest, ImportedHost, ImportedMachine, Path, WrongField
from reconciler.integrations.kubernetes import config_sets, place_of_sets
from reconciler.integrations.zhmc import dpm_configuration, image_profiles
from reconciler.manifests.foreign import Foreign, document_of, embedded_json, yaml_documents, yaml_key
from reconciler.manifests.writing import (
    COMMAND_INDENT,
    guest_document,
    host_document,
    machine_document,
    manifests_text,
)
from reconciler.model.desired import Activation
from reconciler.model.errors import InputError
from reconciler.model.machines import DesiredLpar, DesiredMachine
from reconciler.model.problems import InvalidManifests, Place, Position, Problem, Severity, explained, several
from reconciler.planning.adoption import names_of, valid_name

UNNAMED_HOST: Final = "kvm-host"
"""What a host is called that neither the file nor the user names."""

UNNAMED_MACHINE: Final = "machine"
"""What a machine is called that neither the file nor the user names."""

LONGEST_LPAR: Final = 64
"""How many characters the name of an LPAR may have (schemas/machine.schema.json)."""

_RENAMED: Final = "It is called {!r} there, which cannot be a name here."
_NO_HOST: Final = f"the file does not say which host it is for: {UNNAMED_HOST} here; --host gives its name"
_NO_ID: Final = (
    "The machine is not known: replace machineId by that of 'reconcile doctor' or /proc/sysinfo in one of its LPARs. "
    "Until then no host is taken for one of this machine."
)
_NO_HOSTS: Final = (
    "Which LPARs are KVM hosts is not known: write 'host: NAME' into these LPARs, where NAME is that of the Host. What "
    "is not listed here is invisible: if an LPAR with crypto is missing, add it."
)


class Source(NamedTuple):
    """A file to import.

    Attributes:
        kind: a key of `KINDS`.
        name: how people know it.
        text: its content.
        read: when it was read, as the text of the manifests says it; None: it says nothing, and is always the same.
    """

    kind: str
    name: str
    text: str
    read: datetime | None


class Said(NamedTuple):
    """What the user says that such a file does not; None where it is left out.

    Attributes:
        host: the name of the host; of a machine, also of the LPAR that it runs in.
        machine: the name of the machine.
        machine_id: its ``spec.machineId``.
        is_derived: whether the host gives up what its guests need, whatever the file says.
    """

    host: str | None = None
    machine: str | None = None
    machine_id: str | None = None
    is_derived: bool = False


class Manifests(NamedTuple):
    """The manifests of a file: the names of their hosts, and what to report about them, a sentence each."""

    text: str
    hosts: tuple[str, ...]
    warnings: tuple[str, ...]


class NoSuchLpar(InputError):
    """What the user says besides does not fit: the host is in no LPAR there, or in several; the id is of several."""


class Kind(NamedTuple):
    """A kind of file: what it is, for people; how its text is read; what its value says."""

    title: str
    read: Callable[[str, str], Foreign]
    taken: Callable[[Any], Imported]


def _key(name: str) -> Callable[[str, str], Foreign]:
    return lambda text, file: yaml_key(text, file, name)


def _config_sets(text: str, file: str) -> Foreign:
    """The config sets of the device plugin: in a ConfigMap, or in the file that it is made of."""
    documents = yaml_documents(text, file)
    try:
        number, path = place_of_sets([one.data for one in documents])
    except WrongField as wrong:
        whole = (Place(Position(file, 1, 1), is_whole=True),)
        raise InvalidManifests([Problem(wrong.id, Severity.ERROR, wrong.message, whole, help=wrong.help)]) from wrong
    return embedded_json(documents[number], path) if path else documents[number]


KINDS: Final[Mapping[str, Kind]] = {
    "cex-uuid-map": Kind(f"the variable {CEX_UUID_MAP} of the role configure_cex", _key(CEX_UUID_MAP), cex_uuid_map),
    "crypto-adapters": Kind(
        f"the variable {CRYPTO_ADAPTERS} of the role crypto", _key(CRYPTO_ADAPTERS), crypto_adapters
    ),
    "device-plugin": Kind("the ConfigMap of the Kubernetes device plugin", _config_sets, config_sets),
    "dpm": Kind("a DPM configuration that zhmcclient has exported", document_of, dpm_configuration),
    "profiles": Kind("image activation profiles", document_of, image_profiles),
}
"""What can be imported from a file, by the name of the kind."""


def manifests_of(source: Source, said: Said, next_command: str) -> Manifests:
    """The manifests that `source` comes to.

    Args:
        source: what is imported.
        said: what the user says besides.
        next_command: the command to run then, a whole line.

    Raises:
        InvalidManifests: it cannot be used.
        NoSuchLpar: the user names a host that has no LPAR there.
    """
    kind = KINDS[source.kind]
    value = kind.read(source.text, source.name)
    try:
        found = kind.taken(value.data)
    except WrongField as wrong:
        place = value.places()
        problems = explained((wrong, *wrong.more), lambda one: _problem(one, place))
        raise InvalidManifests(list(problems)) from wrong
    heading = [
        f"From {kind.title}, read by 'reconcile import'{_on(source.read)} in:",
        COMMAND_INDENT + source.name,
        *found.notes,
        *_what_next(next_command),
    ]
    return written(found, said, heading)


def manifests_of_hmc(
    login: Login, authority: str | None, read: datetime | None, said: Said, next_command: str
) -> Manifests:
    """The manifests of the machines that the HMC of `login` has now, or of the one that `said` names.

    Args:
        login: which HMC, and as whom.
        authority: a file with the certificates that vouch for it; None: those of the system.
        read: the time now; None as in `Source`.
        said: what the user says besides; the host may run in one of the machines only.
        next_command: the command to run then, a whole line.

    Raises:
        NotInstalled: zhmcclient is not there.
        CannotRead: the HMC cannot be reached, refuses, or says what cannot be used.
        NoLogin: it has no such machine.
        NoSuchLpar: the user names a host that has no LPAR there.
    """
    found = machines_of(login, authority, said.machine)
    heading = [
        f"From the HMC, read by 'reconcile import'{_on(read)} at:",
        COMMAND_INDENT + login.host,
        *_what_next(next_command),
    ]
    return written(found, said._replace(machine=None), heading)


def _on(time: datetime | None) -> str:
    return "" if time is None else f" on {time:%Y-%m-%d at %H:%M} UTC"


def _what_next(command: str) -> tuple[str, ...]:
    return ("Look through it and commit it. This checks it:", COMMAND_INDENT + command)


def written(found: Imported, said: Said, heading: Sequence[str]) -> Manifests:
    """The manifests of `found`, with `heading` in comments above; the rest as in `manifests_of`."""
    hosts = _host_names(found.hosts, said.host)
    names = names_of((one.name for one in found.guests), "guest")
    warnings = [_NO_HOST] if hosts and said.host is None else []
    documents: list[str] = []
    for text, more in _machines(found.machines, said):
        documents.append(text)
        warnings += more
    named = list(hosts.values())
    if found.machines and said.host is not None:
        named.insert(0, valid_name(said.host, UNNAMED_HOST))
        documents.append(host_document(named[0], None))
    derived = [ImportedHost(one.key) if said.is_derived else one for one in found.hosts]
    documents += [host_document(hosts[one.key], one.given_up, one.notes) for one in derived]
    ordered = sorted(found.guests, key=lambda one: names[one.name])
    documents += [_guest(one, names[one.name], hosts[one.host]) for one in ordered]
    return Manifests(manifests_text(documents, heading), tuple(named), tuple(warnings))


def _host_names(hosts: Sequence[ImportedHost], said: str | None) -> dict[str, str]:
    """By key the name of each host: what the user says, with the key behind it where there are several."""
    base = valid_name(said or UNNAMED_HOST, UNNAMED_HOST)
    if len(hosts) == 1:
        return {hosts[0].key: base}
    wanted = {one.key: f"{base}-{one.key}" if one.key else base for one in hosts}
    names = names_of(wanted.values(), UNNAMED_HOST)
    return {key: names[name] for key, name in wanted.items()}


def _guest(guest: ImportedGuest, name: str, host: str) -> str:
    renamed = [] if guest.name == name or not guest.is_named else [_RENAMED.format(guest.name)]
    return guest_document(name, host, guest.uuid, guest.config, Activation.ACTIVE, [*renamed, *guest.notes])


def _machines(machines: Sequence[ImportedMachine], said: Said) -> Iterator[tuple[str, list[str]]]:
    """The document of each of `machines`, and warnings."""
    if said.machine_id is not None and len(machines) > 1:
        raise NoSuchLpar("--machine-id has no place where there are several machines; --machine NAME picks one")
    called = [said.machine or one.name for one in machines]
    names = names_of((one for one in called if one), UNNAMED_MACHINE)
    lpars = [lpar_names([lpar.name for lpar in one.lpars]) for one in machines]
    home = _home(said.host, lpars)
    for number, machine in enumerate(machines):
        name = names.get(called[number], UNNAMED_MACHINE)
        machine_id = (said.machine_id or machine.id or unknown_id(number)).upper()
        notes, warnings = [], []
        if called[number] not in {"", said.machine, name}:
            notes.append(_RENAMED.format(called[number]))
        if not called[number]:
            warnings.append(f"the file does not say what the machine is called: {name} here; --machine gives its name")
        if not said.machine_id and not machine.id:
            notes.append(_NO_ID)
            warnings.append(f"it is not known which machine {name} is: machineId is a stand-in; --machine-id gives it")
        if home is None:
            notes.append(_NO_HOSTS)
        host = valid_name(said.host or "", "")
        placed, notes_of = [], {}
        for at, (one, lpar) in enumerate(zip(machine.lpars, lpars[number], strict=True)):
            is_home = (number, at) == home
            placed.append(DesiredLpar(lpar, host if is_home else "", one.config, one.is_active, number=at))
            notes_of[at] = [*([] if one.name == lpar else [_RENAMED.format(one.name)]), *one.notes]
        made = DesiredMachine(name, machine_id, machine.mode, None, tuple(placed), (), Position("", 1, 1))
        yield machine_document(made, [*notes, *machine.notes], notes_of), warnings


def unknown_id(number: int) -> str:
    """The stand-in for the id of machine `number`, from 0, of one import; no host runs on it, so none is planned."""
    return f"IBM-0000-{number:016}"


def _home(host: str | None, lpars: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Where the LPAR is that is called like the `host`: the number of its machine, and its own; None without a host."""
    if host is None or not lpars:
        return None
    found = [
        (machine, number)
        for machine, names in enumerate(lpars)
        for number, name in enumerate(names)
        if name.casefold() == host.casefold() or valid_name(name, "") == valid_name(host, "-")
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise NoSuchLpar(f"several LPARs there are called {host!r}, so it is not known where --host {host} runs")
    listed = several(name for names in lpars for name in names)
    raise NoSuchLpar(f"no LPAR there is called {host!r}, so --host has no place; there are: {listed}")


def lpar_names(found: Sequence[str]) -> list[str]:
    """A name for each LPAR in `found`: itself where it can be one, else made valid, and with a number if need be."""
    taken: set[str] = set()
    names = []
    for one in found:
        base = re.sub(r"[^ -~]", "?", one).strip()[:LONGEST_LPAR].strip() or "LPAR"
        candidates = (base, *(f"{base[: LONGEST_LPAR - 4].strip()}-{number}" for number in range(2, len(found) + 2)))
        names.append(next(name for name in candidates if name.casefold() not in taken))
        taken.add(names[-1].casefold())
    return names


def _problem(wrong: WrongField, place: Callable[[Path, str], Place]) -> Problem:
    places = (place(wrong.path, ""), *(() if wrong.other is None else (place(wrong.other, "the other one"),)))
    return Problem(wrong.id, Severity.ERROR, wrong.message, places, help=wrong.help)
