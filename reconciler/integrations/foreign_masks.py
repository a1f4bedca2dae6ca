"""Who else sets the masks of the AP bus at boot: other udev rules, and the kernel's command line.

Whatever they set is a second source of truth beside chzdev's file (`reconciler.integrations.ap_rules`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.ap_rules import mask_of, rules_file
from reconciler.integrations.careful_files import NotReadable, read_limited
from reconciler.integrations.udev_rules import Key, rules_of
from reconciler.integrations.written_ids import NotWrittenRight, absolute_mask, relative_mask
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix

FOLDERS: Final = ("etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d", "usr/lib/udev/rules.d")
"""Where udev looks for rules; a file hides those of the same name in the folders after its own (udev(7))."""

_MENTIONED: Final = re.compile(r"\b(apmask|aqmask)\b")
_COMMANDS: Final = ("RUN", "PROGRAM", "IMPORT{program}")
_PARAMETER: Final = re.compile(r"ap\.(apmask|aqmask)")
_BLANKS: Final = r" \t\n\v\f\r\xa0"
_WORD: Final = re.compile(rf'(?:"[^"]*(?:"|$)|[^{_BLANKS}"])+')
_LONGEST: Final = 1024
"""How many characters the kernel takes for a text parameter (kernel/params.c, param_set_charp)."""


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
        if not rule.readable:
            continue  # udev skips it
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

    As in a write to the mask a value is absolute, or relative with a sign. The kernel empties the mask before it reads
    the value, so that relative ones start from nothing, and a value that it cannot read leaves nothing (ap_perms_init
    in ap_bus.c; docs/kernel-rules.md, "Masks"). A value that is too long for a parameter is not taken at all.
    """
    values: dict[str, str] = {}
    for name, value in _parameters(command_line):
        if name == "--" and value is None:  # what follows is for init
            break
        found = _PARAMETER.fullmatch(name)
        if found and value is not None and len(value) <= _LONGEST:
            values[found[1]] = value
    return tuple(_parameter(mask, values[mask]) for mask in sorted(values))


def pool_of_parameters(parameters: Sequence[MaskParameter]) -> Matrix:
    """What the host's own drivers have after boot by `parameters`; a mask without one has all ids."""
    masks = {one.mask: one.ids for one in parameters}
    return Matrix(masks.get("apmask", ALL_IDS), masks.get("aqmask", ALL_IDS))


def pool_words(pool: Matrix) -> str:
    """A host pool for people."""
    return f"adapters {pool.adapters} with domains {pool.domains}"


def _parameters(command_line: str) -> Iterator[tuple[str, str | None]]:
    """Names and values as the kernel takes them apart (lib/cmdline.c, next_arg).

    A blank within quotes does not end a parameter. Quotes go only where they enclose all of a parameter or its value.
    """
    for word in _WORD.findall(command_line):
        quoted = word.startswith('"')
        name, equals, value = word[quoted:].partition("=")
        if equals and value.startswith('"'):
            value = value[1:].removesuffix('"')
        elif quoted:
            name, value = (name, value.removesuffix('"')) if equals else (name.removesuffix('"'), value)
        yield name, value if equals else None


def _parameter(mask: str, text: str) -> MaskParameter:
    try:
        ids = relative_mask(text) if text[:1] in ("+", "-") else absolute_mask(text.removesuffix("\n"))
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
    return mask_parameters(content.decode("latin-1"))
