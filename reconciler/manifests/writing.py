"""Manifests as text, from values: what `reconciler.manifests.site` reads back as the same."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from reconciler.manifests.ids_text import ids_text
from reconciler.manifests.schema import API_VERSION
from reconciler.model.desired import Activation, GivenUp, Persistence
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig
from reconciler.model.printable import escaped

COMMAND_INDENT: Final = "  "
"""What a note begins with that is a command."""

_WIDTH: Final = 116
_OTHERS_READ_OTHERWISE: Final = ("true", "false", "yes", "no", "on", "off", "y", "n", "null")
"""Words that some YAML programs take for something else than text."""


def host_document(
    name: str, given_up: GivenUp | None, notes: Sequence[str] = (), persistence: Persistence = Persistence.NONE
) -> str:
    """The document of a Host named `name` that gives up `given_up`, without the line that ends it.

    Where `given_up` is None it gives up what its guests need.
    """
    lines = _document("Host", name, notes)
    if given_up is not None:
        axes = (("adapters", given_up.adapters), ("domains", given_up.domains))
        pool = [f"    {axis}: {_list(ids)}" for axis, ids in axes if ids]
        lines += ["  pool:", *pool] if pool else ["  pool: {}"]
    elif persistence is Persistence.NONE:
        lines.pop()  # a Host that says nothing has no spec
    if persistence is not Persistence.NONE:
        lines.append(f"  persistence: {persistence.value}")
    return _text(lines)


def guest_document(
    name: str, host: str | Sequence[str], uuid: str, config: ApConfig, activation: Activation, notes: Sequence[str] = ()
) -> str:
    """The document of a Guest, without the line that ends it; `notes` become comments.

    `host` is the name of its Host, or of all Hosts that it may run on, at least one. An empty `uuid` is left out: it is
    derived then.
    """
    lines = _document("Guest", name, notes)
    lines += [
        f"  host: {_scalar(host)}" if isinstance(host, str) else f"  hosts: [{', '.join(map(_scalar, host))}]",
        *([f"  uuid: {uuid}"] if uuid else []),
        f"  adapters: {_list(config.adapters)}",
        f"  domains: {_list(config.domains)}",
    ]
    if config.control_domains != config.domains:
        lines.append(f"  controlDomains: {_list(config.control_domains)}")
    lines.append(f"  activation: {activation.value}")
    return _text(lines)


def manifests_text(documents: Iterable[str], notes: Sequence[str] = ()) -> str:
    """One file of `documents`, with `notes` as comments above."""
    above = "".join(f"{line}\n" for line in _comments(notes))
    return (f"{above}\n" if above else "") + "---\n".join(documents)


def _document(kind: str, name: str, notes: Sequence[str]) -> list[str]:
    return [
        *_comments(notes),
        f"apiVersion: {API_VERSION}",
        f"kind: {kind}",
        "metadata:",
        f"  name: {_scalar(name)}",
        "spec:",
    ]


def _comments(notes: Iterable[str]) -> list[str]:
    # What is quoted from elsewhere must neither end the comment nor be refused by our own reader.
    # A command stands on a line of its own, indented, and stays whole: it is copied from there.
    lines = ([note] if note.startswith(COMMAND_INDENT) else textwrap.wrap(note, _WIDTH) for note in map(escaped, notes))
    return [f"# {line}" for several in lines for line in several]


def _list(ids: IdSet) -> str:
    return f"[{', '.join(ids_text(ids))}]"


def _scalar(name: str) -> str:
    """A name, of letters, digits, ``-`` and ``.``, in quotes where it could be read as something else."""
    plain = name[0].isalpha() and name not in _OTHERS_READ_OTHERWISE
    return name if plain else f'"{name}"'


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
