"""What people and machines do to a simulated host outside of sysfs, as the words that a person writes.

`FORMS` is the one table of them: the help, the messages and the completion follow it. The command `reconcile simulate`
and the control socket of a mounted host execute the same words.
"""

import errno
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final, NamedTuple

from reconciler.model.ids import IdSet
from reconciler.model.observed import Observed
from reconciler.model.similar import nearest
from reconciler.simulator.fields import hwtype_of, id_list, id_of, mode_of, truth_of
from reconciler.simulator.hardware import (
    CARD_TYPES,
    Card,
    HardwareError,
    Plug,
    Request,
    Restore,
    SetCard,
    SetDomains,
    Unplug,
)
from reconciler.simulator.host import SimulatedHost


class Form(NamedTuple):
    """One request.

    Attributes:
        verb: its first word.
        arguments: what follows it; optional ones in brackets, values between bars.
        what: what it does, in a few words.
    """

    verb: str
    arguments: str
    what: str

    def __str__(self) -> str:
        return f"{self.verb} {self.arguments}".rstrip()

    @property
    def fields(self) -> dict[str, list[str]]:
        """By name, the arguments of the form ``name=value``: the values that there are; empty where these are ids."""
        fields = (word.strip("[]").partition("=") for word in self.arguments.split() if "=" in word)
        return {name: values.split("|") if "|" in values else [] for name, _, values in fields}


_TYPES: Final = "|".join(CARD_TYPES)
_STATE: Final = "[configured=true|false] [checkstopped=true|false]"
_PLUG: Final = Form(
    "plug",
    f"ADAPTER [type={_TYPES}] [mode=cca|ep11|accelerator] {_STATE} [replace=true|false]",
    "a card comes, a CEX7 in mode cca if nothing else is said; replace=true: also where a card is",
)
_SET: Final = Form("set", f"ADAPTER {_STATE}", "a card goes into standby or comes back, fails or is repaired")
_DOMAINS: Final = Form("domains", "[usage=4,5,0x10-0x12] [control=4,5]", "the LPAR has these domains")

FORMS: Final = (
    Form("reset", "", "everything is as FILE says; its history is deleted"),
    _PLUG,
    Form("unplug", "ADAPTER", "a card goes"),
    _SET,
    _DOMAINS,
    Form("restore", "", "the hardware is as FILE says"),
    Form("start", "GUEST", "a VM opens the device of GUEST, a name or uuid"),
    Form("stop", "GUEST", "the VM of GUEST closes its device"),
    Form("load", "", "the module vfio_ap is loaded"),
    Form("unload", "", "the module vfio_ap is unloaded"),
    Form("boot", "", "the host is booted: masks all ones, vfio_ap not loaded, no device"),
)
"""Every request. `carry_out` does all but ``reset``, which whoever keeps the state does."""

_HELP_WIDTH: Final = 74
_WHAT_COLUMN: Final = 18


def help_lines() -> Iterator[str]:
    """`FORMS` as a table for the help of a command, on a terminal of 80 columns."""
    indent = " " * _WHAT_COLUMN
    for form in FORMS:
        first, *more = wrap(str(form), _HELP_WIDTH, subsequent_indent="     ", break_on_hyphens=False)
        if not more and len(first) < _WHAT_COLUMN:
            yield from wrap(form.what, _HELP_WIDTH, initial_indent=first.ljust(_WHAT_COLUMN), subsequent_indent=indent)
        else:
            yield from (first, *more)
            yield from wrap(form.what, _HELP_WIDTH, initial_indent=indent, subsequent_indent=indent)


def carry_out(host: SimulatedHost, words: Sequence[str]) -> None:
    """Do to `host` what `words` say, in one of `FORMS` with a uuid for GUEST; no words do nothing.

    Raises:
        HardwareError: they mean nothing, or the host cannot do it; nothing has changed then.
    """
    try:
        _carry_out(host, words)
    except OSError as error:
        why = _REFUSED.get((words[0], error.errno or 0))
        if why is None:
            raise
        raise HardwareError(": ".join([*words[1:], why])) from None


_REFUSED: Final = {
    ("start", errno.ENODEV): "it has no device on the simulated host",
    ("start", errno.EBUSY): "a VM has its device open already",
    ("stop", errno.ENODEV): "no VM has its device open",
    ("unload", errno.EAGAIN): "vfio_ap stays loaded while a VM has a device open: stop the VM first",
}
"""What an error number of a request means."""


def _carry_out(host: SimulatedHost, words: Sequence[str]) -> None:
    match list(words):
        case []:
            pass
        case ["start", uuid]:
            host.start_vm(uuid.lower())
        case ["stop", uuid]:
            host.stop_vm(uuid.lower())
        case ["load"]:
            host.load_vfio_ap()
        case ["unload"]:
            host.unload_vfio_ap()
        case ["boot"]:
            host.boot()
        case _:
            request = request_of(words)
            if isinstance(request, Plug) and _given(words[2:], _PLUG).get("replace") != "true":
                _refuse_another(host, request.adapter)
            host.change_hardware(request)


def _refuse_another(host: SimulatedHost, adapter: int) -> None:
    card = host.hardware.cards.get(adapter)
    if card is not None:
        raise HardwareError(
            f"there is a card {adapter} already, a {card_text(card)}: 'set {adapter}' changes its state, "
            f"'unplug {adapter}' removes it, and replace=true puts the new card in its place"
        )


def request_of(words: Sequence[str]) -> Request:
    """The change of hardware that `words` mean.

    Raises:
        HardwareError: they mean none.
    """
    try:
        return _request(words)
    except ValueError as error:
        raise HardwareError(str(error)) from None


def _request(words: Sequence[str]) -> Request:
    match list(words):
        case ["plug", adapter, *fields]:
            return Plug(id_of(adapter), _card(_given(fields, _PLUG)))
        case ["unplug", adapter]:
            return Unplug(id_of(adapter))
        case ["set", adapter, first, *rest]:
            given = _given([first, *rest], _SET)
            return SetCard(id_of(adapter), _truth(given, "configured"), _truth(given, "checkstopped"))
        case ["domains", first, *rest]:
            given = _given([first, *rest], _DOMAINS)
            return SetDomains(_domains(given, "usage"), _domains(given, "control"))
        case ["restore"]:
            return Restore()
    raise ValueError(_not_understood(words))


def card_text(card: Card) -> str:
    """What a card is, in the words that `plug` takes: ``CEX7 in mode cca``."""
    return f"{_TYPE_NAMES[card.hwtype]} in mode {card.mode}"


_TYPE_NAMES: Final = {hwtype: name for name, hwtype in CARD_TYPES.items()}


def request_instead(words: Sequence[str], observed: Observed) -> tuple[str, ...]:
    """The request to make where `words` were refused by a host that is as it was `observed`; empty where none helps.

    It is the one that was probably meant, or what has to be done before.
    """
    running = {one.uuid: one.in_use for one in observed.mdevs}
    match list(words):
        case ["start" | "stop", uuid] if uuid.lower() in running:
            return ("stop" if running[uuid.lower()] else "start", uuid)
        case ["start" | "stop", _]:
            return () if observed.vfio_ap else ("load",)
        case ["unload"]:
            return next((("stop", uuid) for uuid, is_open in running.items() if is_open), ())
        case ["plug", *_] if is_understood(words):
            return (*words, "replace=true") if _has_card(words, observed) else ()
        case [verb, *rest]:
            meant = (nearest(verb, (form.verb for form in FORMS)), *rest)
            return meant if meant[0] != verb and is_understood(meant) else ()
    return ()


def _has_card(words: Sequence[str], observed: Observed) -> bool:
    request = request_of(words)
    return isinstance(request, Plug) and any(one.adapter == request.adapter for one in observed.cards)


def is_understood(words: Sequence[str]) -> bool:
    """Whether `words` are one of `FORMS`, with values that there can be."""
    match list(words):
        case ["start" | "stop", _] | ["reset" | "load" | "unload" | "boot"]:
            return True
    try:
        request_of(words)
    except HardwareError:
        return False
    return True


def _not_understood(words: Sequence[str]) -> str:
    verb = words[0] if words else ""
    verbs = [form.verb for form in FORMS]
    if verb in verbs:
        return f"cannot understand {' '.join(words)!r}; write: {FORMS[verbs.index(verb)]}"
    near = nearest(verb, verbs)
    there = f"there are: {', '.join(verbs)}"
    meant = f"did you mean {near!r}? Write: {FORMS[verbs.index(near)]}" if near else there
    return f"unknown request {' '.join(words)!r}; {meant}"


def _given(words: Sequence[str], form: Form) -> dict[str, str]:
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in form.fields:
            raise ValueError(f"unknown option {word!r}; write: {form}")
        given[name] = value
    return given


def _card(given: dict[str, str]) -> Card:
    truth_of(given.get("replace", False))
    return Card(
        hwtype=hwtype_of(given.get("type", "CEX7")),
        mode=mode_of(given.get("mode", "cca")),
        configured=truth_of(given.get("configured", True)),
        checkstopped=truth_of(given.get("checkstopped", False)),
    )


def _truth(given: dict[str, str], name: str) -> bool | None:
    return truth_of(given[name]) if name in given else None


def _domains(given: dict[str, str], name: str) -> IdSet | None:
    return id_list(given[name].split(",") if given[name] else []) if name in given else None
