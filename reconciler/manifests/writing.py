"""Manifests as text, from values: what `reconciler.manifests.site` reads back as the same."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from reconciler.manifests.schema import API_VERSION
from reconciler.model.desired import Activation, GivenUp, Persistence
from reconciler.model.ids import IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, MachineMode
from reconciler.model.matrix import ApConfig
from reconciler.model.printable import escaped

COMMAND_INDENT: Final = "  "
"""What a note begins with that is a command."""

_WIDTH: Final = 74
_PLAIN: Final = r"(?a)[A-Za-z][A-Za-z0-9.-]*"
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


def machine_document(
    machine: DesiredMachine, notes: Sequence[str] = (), notes_of: Mapping[int, Sequence[str]] = MappingProxyType({})
) -> str:
    """The document of `machine`, without the line that ends it, and without labels.

    `notes` become comments above it, and those in `notes_of` above the LPAR of that number.
    """
    lines = [*_document("Machine", machine.name, notes), f"  machineId: {machine.id}"]
    if machine.mode is not MachineMode.CLASSIC:
        lines.append(f"  mode: {machine.mode.value}")
    if machine.max_domain is not None:
        lines.append(f"  maxDomain: {machine.max_domain}")
    lines.append("  lpars:")
    for lpar in machine.lpars:
        first, *rest = _lpar_lines(lpar)
        lines += [f"    {line}" for line in _comments(notes_of.get(lpar.number, ()), _WIDTH - 4)]
        lines += [f"    - {first}", *(f"      {line}" for line in rest)]
    return _text(lines)


def _lpar_lines(lpar: DesiredLpar) -> Iterator[str]:
    yield f"name: {_scalar(lpar.name)}"
    if lpar.standby_of is not None:
        yield f"standbyOf: {_scalar(str(lpar.standby_of))}"
    elif lpar.host:
        yield f"host: {_scalar(lpar.host)}"
    axes = (("adapters", lpar.config.adapters), ("usageDomains", lpar.config.domains))
    for name, ids in axes:
        if name not in lpar.left_out:
            yield f"{name}: {_list(ids)}"
    if lpar.config.control_domains != lpar.config.domains:
        yield f"controlDomains: {_list(lpar.config.control_domains)}"
    if lpar.is_active is not (lpar.standby_of is None):
        yield f"active: {'true' if lpar.is_active else 'false'}"


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


def _comments(notes: Iterable[str], width: int = _WIDTH) -> list[str]:
    # What is quoted from elsewhere must neither end the comment nor be refused by our own reader.
    # A command stands on a line of its own, indented, and stays whole: it is copied from there.
    lines = ([note] if note.startswith(COMMAND_INDENT) else _divided(note, width) for note in map(escaped, notes))
    return [f"# {line}" for several in lines for line in several]


def _divided(note: str, width: int) -> list[str]:
    return textwrap.wrap(note, width, break_long_words=False, break_on_hyphens=False)


def _list(ids: IdSet) -> str:
    return f"[{', '.join(ids.in_hex())}]"


def _scalar(text: str) -> str:
    """`text`, printable ASCII, as a scalar: in quotes where it could be read as something else."""
    is_plain = re.fullmatch(_PLAIN, text) and text.lower() not in _OTHERS_READ_OTHERWISE
    return text if is_plain else json.dumps(text)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
