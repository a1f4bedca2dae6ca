"""Stand-ins for chzcrypt and chzdev, as far as our advice uses them; held against answers of the real tools."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from reconciler.model.ids import IdSet

_DEVICE: Final = re.compile(r"(?:card|0x)?([0-9a-fA-F]+).*", re.DOTALL)
_OPTIONS: Final = {"-a": "active", "--active": "active", "-p": "persistent", "--persistent": "persistent"}
_SETTING: Final = re.compile(r"(apmask|aqmask)=(.*)", re.DOTALL)
_RUN: Final = re.compile(r"(0x[0-9a-f]+|\d+)(?:-(0x[0-9a-f]+|\d+))?")
FULL: Final = IdSet.all()


class RefusedError(Exception):
    """The tool would refuse the command."""


class Masks(NamedTuple):
    """Apmask and aqmask; None where nothing sets one."""

    apmask: IdSet | None
    aqmask: IdSet | None


class Chzdev(NamedTuple):
    """The masks in force, and those that are set at boot."""

    active: Masks
    persistent: Masks


def chzcrypt(words: Sequence[str]) -> IdSet:
    """The cards that ``chzcrypt`` with `words` configures: set_config in chzcrypt.c, whose numbers are hex."""
    if words[0] != "--config-on" or not words[1:]:
        raise RefusedError
    cards = []
    for word in words[1:]:
        named = word.startswith(("card", "0x"))
        found = _DEVICE.fullmatch(word)
        if not found or not (named or re.fullmatch("[0-9a-fA-F]+", word)):
            raise RefusedError(word)
        cards.append(int(found[1][:2], 16))
    return IdSet(cards)


def chzdev(words: Sequence[str], before: Chzdev) -> Chzdev:
    """What ``chzdev`` with `words` makes of the masks: parse_options in chzdev.c and parse_mask_entry in ap.c."""
    if words[:2] != ["--type", "ap"]:
        raise RefusedError
    if words[2:] == ["--apply"]:
        return Chzdev(Masks(before.persistent.apmask or FULL, before.persistent.aqmask or FULL), before.persistent)
    settings = {found[1]: found[2] for word in words[2:] if (found := _SETTING.fullmatch(word))}
    options = [word for word in words[2:] if not _SETTING.fullmatch(word)]
    if not settings or any(word not in _OPTIONS for word in options):
        raise RefusedError
    where = {_OPTIONS[word] for word in options} or {"active", "persistent"}
    active, persistent = before
    for name, value in settings.items():
        now = getattr(active, name)
        if "active" in where:
            active = active._replace(**{name: _changed(now, value)})
        if "persistent" in where:
            kept = getattr(persistent, name)
            persistent = persistent._replace(**{name: _changed(now if kept is None else kept, value)})
    return Chzdev(active, persistent)


def _changed(before: IdSet, value: str) -> IdSet:
    items = [item for item in value.split(",") if item]
    signed = value[:1] in ("+", "-")
    ids = before if signed else IdSet()
    if not items:
        raise RefusedError
    for item in items:
        found = _RUN.fullmatch(item[signed:])
        if (item[0] in "+-") is not signed or not found:
            raise RefusedError(item)
        first, last = int(found[1], 0), int(found[2] or found[1], 0)
        if max(first, last) >= len(FULL):
            raise RefusedError(item)
        run = IdSet(range(first, last + 1))
        ids = ids - run if item[0] == "-" else ids | run
    return ids
