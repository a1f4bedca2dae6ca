"""Which files of chzdev and mdevctl have to change, so that a host boots into what was applied.

The changes are values with the content before and after, so that a transaction can record them, carry them out one by
one, and take them back. What is not ours stays byte for byte, and so does a file of ours that means what it should,
however it is written.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.integrations.ap_rules import BadRules, PersistentMasks, ap_rules_text, parse_ap_rules, rules_file
from reconciler.integrations.careful_files import NotReadable, read_limited, remove, replace
from reconciler.integrations.definition_text import NotADefinition, definition_bytes, parse_definition
from reconciler.integrations.mdevctl_definitions import definition_file
from reconciler.model.definition import AtBoot, Definition
from reconciler.model.files import FileChange
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix


class ChangedMeanwhile(Exception):
    """A file is not as it was when the change was made up; the text says which. Nothing was written."""


class Found(NamedTuple):
    """The content of the files that matter, None where there is no file.

    `definitions` has every uuid that is ours, and whatever else is defined.
    """

    rules: bytes | None
    definitions: Mapping[str, bytes | None]


def file_changes(wanted: AtBoot, found: Found) -> tuple[FileChange, ...]:
    """What has to change in `found` so that it says what is `wanted`; nothing where it does already.

    Definitions that go come first, then the masks, then new and changed definitions: whatever boots in between, a
    device fails to start rather than have more than it should.
    """
    changes = tuple(_definition_changes(wanted, found))
    going = (one for one in changes if one.after is None)
    coming = (one for one in changes if one.after is not None)
    return (*going, *_rules_change(wanted.pool, found.rules), *coming)


def _definition_changes(wanted: AtBoot, found: Found) -> Iterator[FileChange]:
    defined = {one.uuid: one for one in wanted.definitions}
    defined.update((one.uuid, one) for one in wanted.idle if found.definitions.get(one.uuid) is not None)
    for uuid in sorted(wanted.ours):
        before, path = found.definitions.get(uuid), str(definition_file(Path(), uuid))
        if uuid in defined and not _means(before, defined[uuid]):
            yield FileChange(path, before, definition_bytes(defined[uuid]), uuid)
        elif uuid not in defined and before is not None:
            yield FileChange(path, before, None, uuid)


def rivals(wanted: AtBoot, found: Found) -> tuple[Definition, ...]:
    """Definitions of others that start at boot and have a queue of the host or of a guest of ours that does.

    Whichever of the two is started first has it, so that the host may boot into something else than what is wanted.
    """
    pool = [] if wanted.pool is None else [wanted.pool]
    claimed = [*pool, *(one.config.matrix for one in wanted.definitions if one.autostart)]
    return tuple(
        other
        for other in _others(wanted, found)
        if other.autostart and any(other.config.matrix.overlaps(matrix) for matrix in claimed)
    )


def read_found(root: Path, ours: Iterable[str]) -> Found:
    """The files below `root` that matter; `ours` are the uuids of our devices.

    Raises:
        NotReadable: a file that may have to change is none, or cannot be read.
    """
    folder = definition_file(root, "x").parent
    names = {one.name for one in folder.iterdir()} if folder.is_dir() else set()
    definitions = {uuid: content_of(definition_file(root, uuid)) for uuid in ours}
    for name in sorted(names.difference(definitions)):
        try:
            definitions[name] = content_of(folder / name)
        except NotReadable:
            continue  # not ours, and of no use to mdevctl either
    return Found(content_of(rules_file(root)), definitions)


def carry_out(root: Path, change: FileChange) -> None:
    """Make `change` below `root`; on disk when it returns.

    Raises:
        ChangedMeanwhile: somebody else has changed the file.
        OSError: it cannot be written; what was there before still is.
    """
    file = root / change.path
    try:
        now = content_of(file)
    except NotReadable as error:
        raise ChangedMeanwhile(f"{file}: {error}") from error
    if now != change.before:
        raise ChangedMeanwhile(f"{file} is not as it was when the plan was made")
    if change.after is None:
        remove(file)
    else:
        replace(file, change.after)


def content_of(file: Path) -> bytes | None:
    """The content of `file`; None where there is none.

    Raises:
        NotReadable: it cannot be read; says which file.
    """
    try:
        return read_limited(file)
    except FileNotFoundError:
        return None
    except NotReadable as error:
        raise NotReadable(f"{file}: {error}") from error


def _means(content: bytes | None, definition: Definition) -> bool:
    if content is None:
        return False
    try:
        return parse_definition(definition.uuid, content) == definition
    except NotADefinition:
        return False


def _others(wanted: AtBoot, found: Found) -> Iterable[Definition]:
    for uuid in sorted(set(found.definitions) - wanted.ours):
        content = found.definitions[uuid]
        if content is not None:
            try:
                yield parse_definition(uuid, content)
            except NotADefinition:
                continue


def _rules_change(pool: Matrix | None, before: bytes | None) -> tuple[FileChange, ...]:
    if pool is None or pool_at_boot(before) == pool:
        return ()
    # Both masks are written, since ap-check takes the present one for one that is missing.
    text = "" if pool == FULL_MATRIX else ap_rules_text(PersistentMasks(pool.adapters, pool.domains))
    return (FileChange(str(rules_file(Path())), before, text.encode() or None, "host"),)


def pool_at_boot(rules: bytes | None) -> Matrix | None:
    """The host pool that chzdev's `rules` lead to at boot; None where they cannot be read."""
    if rules is None:
        return FULL_MATRIX
    try:
        masks = parse_ap_rules(rules.decode("utf-8", "replace"))
    except BadRules:
        return None
    return Matrix(_or_all(masks.apmask), _or_all(masks.aqmask))


def _or_all(mask: IdSet | None) -> IdSet:
    return ALL_IDS if mask is None else mask
