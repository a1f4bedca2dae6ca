"""Who else sets the masks of the AP bus at boot: other udev rules, and the kernel's command line.

Whatever they set is a second source of truth beside chzdev's file (`reconciler.integrations.ap_rules`).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.ap_rules import mask_of, rules_file
from reconciler.integrations.careful_files import NotReadable, read_limited
from reconciler.integrations.udev_rules import Key, rules_of
from reconciler.integrations.written_ids import NotWrittenRight, absolute_mask, relative_mask
from reconciler.model.ids import NO_IDS, IdSet

FOLDERS: Final = ("etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d", "usr/lib/udev/rules.d")
"""Where udev looks for rules; a file hides those of the same name in the folders after its own (udev(7))."""

_MENTIONED: Final = re.compile(r"\b(apmask|aqmask)\b")
_COMMANDS: Final = ("RUN", "PROGRAM", "IMPORT{program}")
_PARAMETER: Final = re.compile(r"ap\.(apmask|aqmask)=(.*)", re.DOTALL)


class MaskRule(NamedTuple):
    """A udev rule that changes a mask: file, line from 1, ``apmask`` or ``aqmask``, and the value or command."""

    file: str
    line: int
    mask: str
    text: str


class MaskParameter(NamedTuple):
    """A mask on the kernel's command line.

    Attributes:
        mask: ``apmask`` or ``aqmask``.
        text: as it stands there.
        ids: what the kernel makes of it; nothing where it cannot be read, so that the host loses every queue.
        malformed: whether it cannot be read.
    """

    mask: str
    text: str
    ids: IdSet
    malformed: bool


def foreign_rules(files: Mapping[str, str], own: str) -> tuple[MaskRule, ...]:
    """Every rule in `files`, by name, that changes a mask, but for the lines of the file `own` that chzdev reads."""
    return tuple(rule for name in sorted(files) for rule in _changes(name, files[name], is_own=name == own))


def _changes(file: str, text: str, *, is_own: bool) -> Iterator[MaskRule]:
    for rule in rules_of(text):
        for place, key in enumerate(rule.keys):
            if not (is_own and place == 0 and mask_of(key)):
                yield from (MaskRule(file, rule.line, mask, key.value) for mask in _changed_by(key))


def _changed_by(key: Key) -> list[str]:
    mask = mask_of(key)
    if mask:
        return [mask]
    if key.name.startswith(_COMMANDS):
        return sorted(set(_MENTIONED.findall(key.value)))
    return []


def mask_parameters(command_line: str) -> tuple[MaskParameter, ...]:
    """The masks that the kernel's `command_line` sets, apmask first; of several for one mask the last counts.

    As in a write to the mask a value is absolute, or relative with a sign; relative ones start from nothing
    (docs/kernel-rules.md, "Masks").
    """
    values: dict[str, str] = {}
    for word in _words(command_line):
        if word == "--":  # what follows is for init
            break
        if found := _PARAMETER.fullmatch(word):
            values[found[1]] = found[2]
    return tuple(_parameter(mask, values[mask]) for mask in sorted(values))


def _words(command_line: str) -> Iterator[str]:
    """The parameters, quotes taken off: a blank within quotes does not end one (lib/cmdline.c, next_arg)."""
    for word in re.findall(r'(?:"[^"]*(?:"|$)|[^\s"])+', command_line):
        yield word.replace('"', "")


def _parameter(mask: str, text: str) -> MaskParameter:
    try:
        ids = relative_mask(text) if text[:1] in ("+", "-") else absolute_mask(text)
    except NotWrittenRight:
        return MaskParameter(mask, text, NO_IDS, malformed=True)
    return MaskParameter(mask, text, ids, malformed=False)


def read_rules(root: Path) -> dict[str, str]:
    """The text of every rule file below `root` that udev uses, by path; those that cannot be read are left out."""
    chosen: dict[str, Path] = {}
    for folder in FOLDERS:
        for file in sorted((root / folder).glob("*.rules")):
            chosen.setdefault(file.name, file)
    texts: dict[str, str] = {}
    for file in chosen.values():
        try:
            texts[str(file)] = read_limited(file).decode("utf-8", "replace")
        except (FileNotFoundError, NotReadable):
            continue  # a link to /dev/null hides the files of its name, and has no rules itself
    return texts


def read_foreign_rules(root: Path) -> tuple[MaskRule, ...]:
    """Every rule below `root` that changes a mask and is not chzdev's."""
    return foreign_rules(read_rules(root), str(rules_file(root)))


def read_mask_parameters(root: Path) -> tuple[MaskParameter, ...]:
    """The masks on the command line of the running kernel, from ``proc/cmdline`` below `root`."""
    try:
        content = read_limited(root / "proc/cmdline")
    except (FileNotFoundError, NotReadable):
        return ()
    return mask_parameters(content.decode("ascii", "replace"))
