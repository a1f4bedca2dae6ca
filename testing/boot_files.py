"""The files of other tools that decide what a host boots into, written as these tools write them."""

from pathlib import Path

from reconciler.integrations.boot_masks import PersistentMasks, ap_rules_text, rules_file
from reconciler.integrations.files import remove, replace
from reconciler.integrations.mdevctl import definition_bytes, definition_file
from reconciler.model.steps import Definition


def write_definition(root: Path, definition: Definition) -> None:
    """Write `definition` as mdevctl would, but so that a crash leaves the old file or the new, never a part.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    replace(definition_file(root, definition.uuid), definition_bytes(definition))


def remove_definition(root: Path, uuid: str) -> None:
    """Remove the definition of device `uuid` where there is one.

    Raises:
        OSError: it cannot be removed.
    """
    remove(definition_file(root, uuid))


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
