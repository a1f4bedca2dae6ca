"""The masks of the AP bus that are set at boot: the udev rule file of chzdev, read and written as chzdev does.

chzdev and ap-check of the s390-tools count a line of it only where its first key is the attribute: one mask a line, as
an assignment, of full width. The whole file is chzdev's: it writes it anew each time, and removes it where no mask is
to be set. When the AP bus has bound all its queues, the rule sets the masks, and then loads vfio_ap, so that no device
is made before they are in place.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.careful_files import NotReadable, read_limited, remove, replace
from reconciler.integrations.udev_rules import Key, rules_of
from reconciler.integrations.written_ids import quoted
from reconciler.kernel.text_forms import mask_text, parse_mask
from reconciler.model.ids import IdSet

NAME: Final = "41-ap.rules"
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


class BadRules(ValueError):
    """The file has a mask that chzdev and ap-check cannot read (ap-check ends at once); the text says which."""


class PersistentMasks(NamedTuple):
    """What the masks become at boot; None for one that is left as it is."""

    apmask: IdSet | None
    aqmask: IdSet | None


NO_MASKS: Final = PersistentMasks(None, None)


def rules_file(root: Path) -> Path:
    """Where the file is below `root`."""
    return root / _FOLDER / NAME


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


def write_ap_rules(root: Path, masks: PersistentMasks) -> None:
    """Have `masks` set at boot; without any the file is removed. A crash leaves the old file or the new.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    text = ap_rules_text(masks)
    if text:
        replace(rules_file(root), text.encode())
    else:
        remove(rules_file(root))
