"""What chzdev and mdevctl need, so that a host boots into what was applied: file changes, and commands.

The changes are values with the content before and after, so that a transaction can record them, execute them one by
one, and take them back. What is not ours stays byte for byte, and so does a file of ours that means what it should,
however it is written.

Commands are those that we ask people to run, in the form that these tools take. chzcrypt reads card ids as hex,
separated by blanks. chzdev takes lists in decimal, and no empty one. mdevctl changes the definition whose file has the
name that it would give it itself. All of this was measured with the tools (docs/kernel-rules.md); a test runs or parses
each command that is made here.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.boot_masks import (
    BadRules,
    MaskParameter,
    MaskRule,
    PersistentMasks,
    ap_rules_text,
    parse_ap_rules,
    read_foreign_rules,
    read_mask_parameters,
    rules_file,
)
from reconciler.integrations.files import NotReadable, read_limited, remove, replace
from reconciler.integrations.mdevctl import (
    Effect,
    NotADefinition,
    definition_bytes,
    definition_content,
    definition_file,
    parse_definition,
    uuid_of,
)
from reconciler.integrations.units import boot_unit
from reconciler.model.errors import BusyError
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix
from reconciler.model.steps import AtBoot, Definition, FileChange


class ChangedMeanwhile(BusyError):
    """A file is not as it was when the change was made up; the text says which. Nothing was written."""


class Found(NamedTuple):
    """The content of the files that matter, None where there is no file.

    `definitions`, by the names of the files, has every uuid that is ours, and whatever else is defined. A name can be
    another spelling of a uuid (`reconciler.integrations.mdevctl.uuid_of`).
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
    names: dict[str, list[str]] = {uuid: [] for uuid in wanted.ours}
    for name in sorted(one for one, content in found.definitions.items() if content is not None):
        names.get(uuid_of(name) or "", []).append(name)
    defined = {one.uuid: one for one in wanted.definitions}
    defined.update((one.uuid, one) for one in wanted.inactive if names.get(one.uuid))
    for uuid in sorted(wanted.ours):
        yield from _changes_of(uuid, names[uuid], defined.get(uuid), found)


def _changes_of(uuid: str, names: list[str], wanted: Definition | None, found: Found) -> Iterator[FileChange]:
    """What has to change in the files `names` so that they define device `uuid` as `wanted`, once."""
    right = [name for name in names if wanted and _means(found.definitions[name], wanted)]
    kept = uuid if uuid in right or not right else right[0]
    for name in names:
        if name != kept or wanted is None:
            yield FileChange(str(definition_file(Path(), name)), found.definitions[name], None, uuid)
    if wanted is not None and not right:
        before = found.definitions.get(kept)
        yield FileChange(str(definition_file(Path(), kept)), before, definition_bytes(wanted), uuid)


def rivals(wanted: AtBoot, found: Found) -> dict[str, Definition]:
    """Definitions of others, by file name, that start at boot and have a queue of the host or of a guest that does.

    Whichever of the two is started first has it, so that the host may boot into something else than what is wanted.
    """
    pool = [] if wanted.pool is None else [wanted.pool]
    claimed = [*pool, *(one.config.matrix for one in wanted.definitions if one.autostart)]
    return {
        name: other
        for name, other in _others(wanted, found)
        if other.autostart and any(other.config.matrix.overlaps(matrix) for matrix in claimed)
    }


def blockers(wanted: AtBoot, found: Found) -> tuple[str, ...]:
    """The names of files of others that keep mdevctl from starting any device."""
    return tuple(name for name in sorted(found.definitions) if not _is_ours(wanted, name) and _stops_all(name, found))


class MayNotRead(NotReadable):
    """A file that another user may read, so that nothing is wrong with the file itself; the text says which."""


class BootFiles(NamedTuple):
    """The files that a host boots from, and what else decides about that, as they were read below one root.

    Attributes:
        root: precedes the paths of all files; for people, and for the names of files in messages.
        rules: chzdev's rules; None where there are none, or where they cannot be read.
        definitions: by the name of the file, each that mdevctl may take for the definition of a device.
        unusable: the file name and why, of each of these, of ``rules`` and of the folder (``.``) that is not readable.
        denied: those of `unusable` that another user may read.
        has_systemd: whether the host has systemd, so that a boot unit could be expected.
        has_boot_unit: whether our boot unit is enabled.
        parameters: the masks on the kernel's command line.
        foreign_rules: the udev rules of others that change a mask.
    """

    root: str
    rules: bytes | None
    definitions: Mapping[str, bytes]
    unusable: Mapping[str, str]
    denied: tuple[str, ...]
    has_systemd: bool
    has_boot_unit: bool
    parameters: tuple[MaskParameter, ...]
    foreign_rules: tuple[MaskRule, ...]

    def found(self, ours: Iterable[str]) -> Found:
        """The files that matter for our devices, whose uuids are `ours`, and whatever else is defined.

        Raises:
            MayNotRead: a file that may have to change may be read by another user only; says which file.
            NotReadable: a file that may have to change is none, or cannot be read; says which file.
        """
        claimed = set(ours)
        named = {name for name in (*self.definitions, *self.unusable) if uuid_of(name) in claimed}
        for name in (_FOLDER, *sorted(named), _RULES):
            if name in self.unusable:
                kind = MayNotRead if name in self.denied else NotReadable
                raise kind(self.unusable[name])
        return Found(self.rules, dict.fromkeys(claimed) | dict(self.definitions))


_FOLDER: Final = "."
_RULES: Final = "rules"
NOT_DEFINITIONS: Final = frozenset({_FOLDER, _RULES})
"""What stands among the names of definitions for the folder that they are in, and for chzdev's rules."""


def read_boot_files(root: Path) -> BootFiles:
    """All of them below `root`; none of them is needed for that."""
    folder = definition_file(root, "x").parent
    unusable: dict[str, str] = {}
    denied: list[str] = []

    def read(name: str, content: Callable[[], bytes | None]) -> bytes | None:
        try:
            return content()
        except NotReadable as error:
            unusable[name] = str(error)
            denied.extend([name] if _is_denied(error) else [])
        return None

    try:
        names = sorted(one.name for one in folder.iterdir() if uuid_of(one.name)) if folder.is_dir() else []
    except OSError as error:
        names = []
        unusable[_FOLDER] = f"{folder}: {error.strerror}"
        denied.extend([_FOLDER] if isinstance(error, PermissionError) else [])
    contents = ((name, read(name, partial(_definition_of, folder / name))) for name in names)
    definitions = {name: content for name, content in contents if content is not None}
    return BootFiles(
        root=str(root),
        rules=read(_RULES, lambda: content_of(rules_file(root))),
        definitions=definitions,
        unusable=unusable,
        denied=tuple(denied),
        has_systemd=(root / "etc/systemd").is_dir(),
        has_boot_unit=boot_unit(root).enabled,
        parameters=read_mask_parameters(root),
        foreign_rules=read_foreign_rules(root),
    )


def _is_denied(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, PermissionError):
        error = error.__cause__
    return error is not None


def _definition_of(file: Path) -> bytes | None:
    try:
        return definition_content(file)
    except FileNotFoundError:
        return None
    except NotADefinition as error:
        raise NotReadable(f"{file}: {error}") from error


def carry_out(root: Path, change: FileChange) -> None:
    """Make `change` below `root`; on disk when it returns.

    Raises:
        ChangedMeanwhile: another program has changed the file.
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


def _is_ours(wanted: AtBoot, name: str) -> bool:
    return uuid_of(name) in wanted.ours


def _others(wanted: AtBoot, found: Found) -> Iterable[tuple[str, Definition]]:
    for name in sorted(found.definitions):
        content, uuid = found.definitions[name], uuid_of(name)
        if content is not None and uuid and uuid not in wanted.ours:
            try:
                yield name, parse_definition(uuid, content)
            except NotADefinition:
                continue


def _stops_all(name: str, found: Found) -> bool:
    content = found.definitions[name]
    try:
        parse_definition(name, content or b"")
    except NotADefinition as error:
        return content is not None and error.effect is Effect.STOPS_ALL
    return False


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


APPLY_MASKS: Final = "chzdev --type ap --apply"
"""Puts the masks of ``41-ap.rules`` in force now."""


def configure_cards(adapters: IdSet) -> str:
    """Takes `adapters` out of standby."""
    return " ".join(["chzcrypt --config-on", *(f"0x{one:02x}" for one in adapters)])


def give_up(matrix: Matrix) -> str:
    """Takes the queues of `matrix` from the host's drivers, now and at boot; by domains where they are not more."""
    by_domain = len(matrix.domains) <= len(matrix.adapters)
    name, ids = ("aqmask", matrix.domains) if by_domain else ("apmask", matrix.adapters)
    return f"chzdev --type ap {name}={','.join('-' + run for run in _runs(ids))}"


def write_masks_anew(root: Path, pool: Matrix) -> str:
    """Has chzdev write its rule file below `root` anew, so that the host boots into `pool`.

    The old file goes first, since chzdev ends where it cannot read it. Without a file the host keeps everything.
    """
    removal = f"rm {shlex.quote(str(rules_file(root)))}"
    if pool == FULL_MATRIX:
        return removal
    return f"{removal} && chzdev --type ap --persistent apmask={_list(pool.adapters)} aqmask={_list(pool.domains)}"


def start_by_hand(root: Path, name: str, uuid: str) -> str:
    """Has mdevctl not start device `uuid` at boot, whose definition below `root` is in the file `name`.

    mdevctl would write a second file beside one whose name it does not write itself.
    """
    command = f"mdevctl modify -u {uuid} --manual"
    if name == uuid:
        return command
    old, new = definition_file(root, name), definition_file(root, uuid)
    return f"mv -n {shlex.quote(str(old))} {shlex.quote(str(new))} && {command}"


def move_away(file: str) -> str:
    """Moves a definition to where mdevctl does not look."""
    name = Path(file).name
    return f"mv -n {shlex.quote(file)} {shlex.quote(f'/root/{name}.broken')}"


def _list(ids: IdSet) -> str:
    return ",".join(_runs(ids)) or f"-0-{max(ALL_IDS)}"


def _runs(ids: IdSet) -> list[str]:
    return [str(first) if first == last else f"{first}-{last}" for first, last in ids.ranges()]
