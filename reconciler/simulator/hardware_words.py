"""Changes of the hardware as a person types them: ``plug 9 type=CEX8 mode=ep11``."""

from collections.abc import Sequence
from typing import Final

from reconciler.model.ids import IdSet
from reconciler.simulator.hardware import Card, HardwareError, Plug, Request, Restore, SetCard, SetDomains, Unplug
from reconciler.simulator.id_words import hwtype_of, id_list, id_of, mode_of, truth_of

FORMS: Final = (
    "plug ADAPTER [type=CEX7] [mode=cca|ep11|accelerator] [configured=false] [checkstopped=true]",
    "unplug ADAPTER",
    "set ADAPTER [configured=true|false] [checkstopped=true|false]",
    "domains [usage=4,5,0x10-0x12] [control=4,5]",
    "restore",
)
"""Every form of a request, for people."""

_STATE: Final = ("configured", "checkstopped")


def request_of(words: Sequence[str]) -> Request:
    """The request that `words` mean, in one of `FORMS`.

    Raises:
        HardwareError: they mean none.
    """
    try:
        return _request(words)
    except ValueError as error:
        raise HardwareError(str(error)) from None


def _request(words: Sequence[str]) -> Request:
    match list(words):
        case ["plug", adapter, *options]:
            return Plug(id_of(adapter), _card(_options(options, ("type", "mode", *_STATE))))
        case ["unplug", adapter]:
            return Unplug(id_of(adapter))
        case ["set", adapter, first, *rest]:
            given = _options([first, *rest], _STATE)
            return SetCard(id_of(adapter), _truth(given, "configured"), _truth(given, "checkstopped"))
        case ["domains", first, *rest]:
            given = _options([first, *rest], ("usage", "control"))
            return SetDomains(_domains(given, "usage"), _domains(given, "control"))
        case ["restore"]:
            return Restore()
    raise ValueError(f"unknown request {' '.join(words)!r}; write one of: {'; '.join(FORMS)}")


def _options(words: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in known:
            raise ValueError(f"unknown option {word!r}; known are: {', '.join(f'{one}=' for one in known)}")
        given[name] = value
    return given


def _card(given: dict[str, str]) -> Card:
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
