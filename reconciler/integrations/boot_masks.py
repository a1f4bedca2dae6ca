"""The masks of the AP bus that are set at boot: by the udev rule file of chzdev, by other rules, by the command line.

The rule file is read and written as chzdev does; the others are found and read as udev(7) and the kernel read them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.files import NotReadable, read_limited
from reconciler.kernel.text_forms import mask_text, parse_mask
from reconciler.model.errors import InputError
from reconciler.model.ids import ALL_IDS, ID_COUNT, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.printable import quoted

_NUMBER: Final = re.compile(r"\+?(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))\n?")
_DIGITS: Final = 64
_MASK: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{0,64})")
_FIELD_END: Final = re.compile(r"[,\n]")
_AP_CONFIG_LENGTH: Final = 201
"""How much of a write to ``ap_config`` the kernel looks at: three full masks, two commas, a newline."""
_ITEM: Final = re.compile(r"([+-])([0-9a-fA-FxX]+)(?:-([0-9a-fA-FxX]+))?[,\n]*")


class NotWrittenRight(InputError, ValueError):
    """A number or mask that the kernel would refuse; the text says why."""


def number(text: str) -> int:
    """The id that `text` stands for, 0 to 255: decimal, hex with ``0x``, or octal with a leading ``0``.

    A NUL ends it, as for the kernel.

    Raises:
        NotWrittenRight: it is none.
    """
    found = _NUMBER.fullmatch(text.partition("\0")[0])
    if not found:
        raise NotWrittenRight(f"{quoted(text)} is not a number from 0 to {ID_COUNT - 1}")
    digits, base = next((found[name], base) for name, base in _BASES if found[name])
    significant = digits.lstrip("0") or "0"
    value = int(significant, base) if len(significant) <= 3 else ID_COUNT
    if value >= ID_COUNT:
        raise NotWrittenRight(f"{quoted(text)} is above {ID_COUNT - 1}, the highest id there can be")
    return value


def absolute_mask(text: str) -> IdSet:
    """The ids of up to 64 hex digits, id 0 leftmost, ``0x`` or not; fewer digits leave out the ids to the right.

    No digit at all is the empty mask.

    Raises:
        NotWrittenRight: `text` has another form.
    """
    found = _MASK.fullmatch(text)
    if not found:
        raise NotWrittenRight(f"{quoted(text)} is not a mask of up to {_DIGITS} hex digits")
    leftmost_first = int(found[1].ljust(_DIGITS, "0"), 16)
    return IdSet.from_bits(int(f"{leftmost_first:0{ID_COUNT}b}"[::-1], 2))


def whole_config(text: str) -> ApConfig:
    """What ``ap_config`` becomes by `text`: three absolute masks with commas or newlines between them.

    An empty field is an empty mask; what follows the third one is ignored.

    Raises:
        NotWrittenRight: there are fewer, or one is no mask.
    """
    fields = _FIELD_END.split(text.partition("\0")[0][:_AP_CONFIG_LENGTH])
    if len(fields) < len(ApConfig._fields):
        raise NotWrittenRight(f"ap_config has {len(fields)} masks, not {len(ApConfig._fields)}")
    return ApConfig(*(absolute_mask(field) for field in fields[: len(ApConfig._fields)]))


def relative_mask(text: str, before: IdSet = NO_IDS) -> IdSet:
    """What becomes of the ids `before` by ``+5,-0x10-0x1f`` and the like; items apply from left to right.

    Raises:
        NotWrittenRight: `text` has another form.
    """
    ids, place = before, 0
    while place < len(text):
        found = _ITEM.match(text, place)
        if not found:
            raise NotWrittenRight(f"{quoted(text[place:])} does not begin with + or - and a number or range")
        first = number(found[2])
        last = number(found[3]) if found[3] else first
        if last < first:
            raise NotWrittenRight(f"{quoted(found[0])} runs backwards")
        run = IdSet(range(first, last + 1))
        ids = ids | run if found[1] == "+" else ids - run
        place = found.end()
    return ids


_BASES: Final = (("hex", 16), ("octal", 8), ("decimal", 10))


_LINE_END: Final = re.compile(r"\r\n|\n|\r|\0")
_KEY: Final = re.compile(r"[\s,]*([A-Z_]+(?:\{[^}]*\})?)\s*(==|!=|\+=|-=|:=|=)\s*(e?)\"((?:[^\"\\]|\\.)*)\"")
_REST: Final = re.compile(r"[\s,]*")


class Key(NamedTuple):
    """One key of a rule: ``ATTR{size}``, the operator, the text between the quotes, and whether it is ``e"…"``."""

    name: str
    operator: str
    value: str
    escaped: bool = False

    @property
    def assigns(self) -> bool:
        """Whether it does something, rather than ask."""
        return self.operator not in ("==", "!=")


class Rule(NamedTuple):
    """One rule.

    Attributes:
        line: the number of its first line, from 1.
        keys: its keys, up to the first that cannot be read.
        text: all of it.
        readable: whether udev can read all of it; it skips a rule that it cannot read.
    """

    line: int
    keys: tuple[Key, ...]
    text: str = ""
    readable: bool = True


def rules_of(text: str) -> Iterator[Rule]:
    """The rules in the `text` of a file: comments and empty lines left out, continued lines joined.

    A line ends with LF, CRLF or CR. A comment between continued lines is left out as well, and a backslash at its end
    continues nothing.
    """
    begun: list[str] = []
    first = 1
    for number, raw in enumerate(_LINE_END.split(text), 1):
        line = raw.lstrip()
        if line.startswith("#"):
            continue
        if not begun:
            first = number
        if line.endswith("\\"):
            begun.append(line[:-1])
            continue
        whole = "".join([*begun, line])
        begun.clear()
        if whole.strip():
            yield _rule(first, whole)


def _rule(line: int, text: str) -> Rule:
    keys, place = [], 0
    while found := _KEY.match(text, place):
        keys.append(Key(found[1], found[2], found[4], bool(found[3])))
        place = found.end()
    return Rule(line, tuple(keys), text, bool(_REST.fullmatch(text, place)))


RULES_NAME: Final = "41-ap.rules"
_FOLDER: Final = "etc/udev/rules.d"
_ATTRIBUTE: Final = re.compile(r"ATTR\{.*\b(apmask|aqmask)\}")
_FULL: Final = re.compile(r"0x([0-9a-fA-F]{64})")
_NAMED: Final = re.compile(r"ATTR\{[^}]*\b(apmask|aqmask)\}")

_RULES: Final = """\
# The masks of the AP bus, written by reconcile. chzdev and ap-check read this file; chzdev replaces all of it.

# From Linux 6.19 on, the bus can be asked whether it has bound its queues before this rule was there.
ACTION=="add", DEVPATH=="/bus/ap", ATTR{bindings_complete_count}!="0", GOTO="ap_set_masks"
# Otherwise it says so once.
ACTION=="change", SUBSYSTEM=="ap", DEVPATH=="/devices/ap", ENV{BINDINGS}=="complete", ENV{COMPLETECOUNT}=="1", \
GOTO="ap_set_masks"
GOTO="ap_end"

LABEL="ap_set_masks"
%s\
RUN{builtin}+="kmod load vfio_ap"

LABEL="ap_end"
"""


class BadRules(InputError, ValueError):
    """The file has a mask that chzdev and ap-check cannot read (ap-check ends at once); the text says which."""


class PersistentMasks(NamedTuple):
    """What the masks become at boot; None for one that is left as it is."""

    apmask: IdSet | None
    aqmask: IdSet | None


NO_MASKS: Final = PersistentMasks(None, None)


def rules_file(root: Path) -> Path:
    """Where the file is below `root`."""
    return root / _FOLDER / RULES_NAME


def parse_ap_rules(text: str) -> PersistentMasks:
    """The masks that the `text` of the file sets, as chzdev and ap-check read them; the last line of each counts.

    Raises:
        BadRules: a mask is not ``0x`` and 64 hex digits, or udev cannot read its line.
    """
    masks = NO_MASKS
    for rule in rules_of(text):
        if not rule.readable and (named := _NAMED.search(rule.text)):
            raise BadRules(f"line {rule.line}: udev cannot read the rule that sets {named[1]}, and skips it")
        name = mask_of(rule.keys[0]) if rule.keys else None
        if name is None:
            continue
        found = _FULL.fullmatch(rule.keys[0].value)
        if not found or rule.keys[0].escaped:
            raise BadRules(f"line {rule.line}: {name} {quoted(rule.keys[0].value)} is not 0x and 64 hex digits")
        masks = masks._replace(**{name: parse_mask(f"0x{found[1].lower()}")})
    return masks


def mask_of(key: Key) -> str | None:
    """``apmask`` or ``aqmask`` where `key` assigns that attribute, else None."""
    found = _ATTRIBUTE.fullmatch(key.name)
    return found[1] if found and key.assigns else None


def ap_rules_text(masks: PersistentMasks) -> str:
    """The whole file that sets `masks`; empty, so that the file can go, where there are none."""
    if masks == NO_MASKS:
        return ""
    lines = [
        f'ATTR{{../../bus/ap/{name}}}="{mask_text(ids)}"\n'
        for name, ids in zip(PersistentMasks._fields, masks, strict=True)
        if ids is not None
    ]
    return _RULES % "".join(lines)


def read_ap_rules(root: Path) -> PersistentMasks:
    """The masks that are set at boot below `root`.

    Raises:
        BadRules: the file cannot be read, or chzdev and ap-check could not read it.
    """
    try:
        content = read_limited(rules_file(root))
    except FileNotFoundError:
        return NO_MASKS
    except NotReadable as error:
        raise BadRules(str(error)) from error
    return parse_ap_rules(content.decode("utf-8", "replace"))


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
