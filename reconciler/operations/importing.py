"""Manifests from what other programs have written down of queues: ``reconcile import --from``.

A file is read here to plain values (`reconciler.manifests.foreign`), the module that knows its program makes hosts,
guests and machines of them (`reconciler.integrations`), and these become manifests with names that are valid here.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from reconciler.integrations.ansible import CEX_UUID_MAP, CRYPTO_ADAPTERS, cex_uuid_map, crypto_adapters
from reconciler.integrations.imported import Imported, ImportedGuest, ImportedHost, WrongField
from reconciler.manifests.foreign import Foreign, yaml_key
from reconciler.manifests.writing import COMMAND_INDENT, guest_document, host_document, manifests_text
from reconciler.model.desired import Activation
from reconciler.model.problems import InvalidManifests, Problem, Severity
from reconciler.planning.adoption import names_of, valid_name

UNNAMED_HOST: Final = "kvm-host"
"""What a host is called that neither the file nor the user names."""


class Source(NamedTuple):
    """A file to import.

    Attributes:
        kind: a key of `KINDS`.
        name: how people know it.
        text: its content.
        read: when it was read.
    """

    kind: str
    name: str
    text: str
    read: datetime


class Said(NamedTuple):
    """What the user says that such a file does not: the name of the host; None where it is left out."""

    host: str | None = None


class Manifests(NamedTuple):
    """The manifests of a file, and what to report about them, a sentence each."""

    text: str
    warnings: tuple[str, ...]


class _Kind(NamedTuple):
    """A kind of file: what it is, for people; how its text is read; what its value says."""

    title: str
    read: Callable[[str, str], Foreign]
    taken: Callable[[Any], Imported]


def _key(name: str) -> Callable[[str, str], Foreign]:
    return lambda text, file: yaml_key(text, file, name)


KINDS: Final[Mapping[str, _Kind]] = {
    "cex-uuid-map": _Kind(f"the variable {CEX_UUID_MAP} of the role configure_cex", _key(CEX_UUID_MAP), cex_uuid_map),
    "crypto-adapters": _Kind(
        f"the variable {CRYPTO_ADAPTERS} of the role crypto", _key(CRYPTO_ADAPTERS), crypto_adapters
    ),
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
    """
    kind = KINDS[source.kind]
    value = kind.read(source.text, source.name)
    try:
        found = kind.taken(value.data)
    except WrongField as wrong:
        raise InvalidManifests([_problem(wrong, value)]) from wrong
    heading = [
        f"From {kind.title}, read by 'reconcile import' on {source.read:%Y-%m-%d at %H:%M} UTC in:",
        COMMAND_INDENT + source.name,
        *found.notes,
        "Look through it and commit it. This checks it:",
        COMMAND_INDENT + next_command,
    ]
    hosts = _host_names(found.hosts, said.host)
    names = names_of((one.name for one in found.guests), "guest")
    documents = [host_document(hosts[one.key], one.given_up, one.notes) for one in found.hosts]
    documents += [
        _guest(one, names[one.name], hosts[one.host]) for one in sorted(found.guests, key=lambda one: names[one.name])
    ]
    return Manifests(manifests_text(documents, heading), tuple(_warnings(hosts, said)))


def _host_names(hosts: Sequence[ImportedHost], said: str | None) -> dict[str, str]:
    """By key the name of each host: what the user says, with the key behind it where there are several."""
    base = valid_name(said or UNNAMED_HOST, UNNAMED_HOST)
    if len(hosts) == 1:
        return {hosts[0].key: base}
    names = names_of((f"{base}-{one.key}" if one.key else base for one in hosts), UNNAMED_HOST)
    return {one.key: names[f"{base}-{one.key}" if one.key else base] for one in hosts}


def _guest(guest: ImportedGuest, name: str, host: str) -> str:
    renamed = [] if guest.name == name else [f"It is called {guest.name!r} there, which cannot be a name here."]
    return guest_document(name, host, guest.uuid, guest.config, Activation.ACTIVE, [*renamed, *guest.notes])


def _warnings(hosts: Mapping[str, str], said: Said) -> list[str]:
    if not hosts or said.host is not None:
        return []
    return [f"the file does not say which host it is for, which is called {UNNAMED_HOST} here; --host gives its name"]


def _problem(wrong: WrongField, value: Foreign) -> Problem:
    places = (value.place(wrong.path), *(() if wrong.other is None else (value.place(wrong.other, "the other one"),)))
    return Problem(wrong.id, Severity.ERROR, wrong.message, places, help=wrong.help)
