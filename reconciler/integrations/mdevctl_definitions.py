"""The definitions of mdevctl for the parent ``matrix``: one file each, named by the uuid of its device.

The root directory is a parameter: ``/``, or the prefix that newer versions of mdevctl take from ``MDEVCTL_ENV_ROOT``.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.careful_files import NotReadable, read_limited, remove, replace
from reconciler.integrations.definition_text import Effect, NotADefinition, definition_bytes, parse_definition
from reconciler.model.boot_files import Definition

FOLDER: Final = "etc/mdevctl.d/matrix"
_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = re.compile(f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}")
_SIMPLE: Final = re.compile(f"{_HEX}{{32}}")
_WRAPPED: Final = re.compile(r"\{(.*)\}|urn:uuid:(.*)")
MOST_DEFINITIONS: Final = 65536
"""How many files are looked at: as many devices as there can be (``available_instances``)."""


class Unusable(NamedTuple):
    """A file, or the whole folder, that cannot be used as it is, why, and what mdevctl does with it."""

    file: str
    reason: str
    effect: Effect = Effect.UNKNOWN

    def __str__(self) -> str:
        """For people."""
        return f"{self.file}: {self.reason}"


class Definitions(NamedTuple):
    """What is defined, ascending by uuid, and which files could not be read, ascending by name."""

    found: tuple[Definition, ...]
    unusable: tuple[Unusable, ...]

    @property
    def starting(self) -> tuple[Definition, ...]:
        """Those that mdevctl starts at boot; none where some file keeps it from starting any."""
        if any(one.effect is Effect.STOPS_ALL for one in self.unusable):
            return ()
        return tuple(one for one in self.found if one.autostart)


def definition_file(root: Path, uuid: str) -> Path:
    """Where mdevctl below `root` writes the definition of device `uuid`."""
    return root / FOLDER / uuid


def uuid_of(name: str) -> str | None:
    """The device that mdevctl takes a file called `name` for, lower case with dashes; None where it skips the file.

    It reads names in capitals, without dashes, in braces and as a URN as well, but writes none of these.
    """
    wrapped = _WRAPPED.fullmatch(name)
    text = (wrapped[1] or wrapped[2] or "") if wrapped else name
    if wrapped and not _UUID.fullmatch(text):
        return None
    if not (_UUID.fullmatch(text) or _SIMPLE.fullmatch(text)):
        return None
    digits = text.replace("-", "").lower()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def read_definitions(root: Path) -> Definitions:
    """Every definition below `root`. Nothing is raised: what cannot be used is named, and the others are read.

    Files whose names begin with a dot are passed over, as mdevctl does with every name that is no uuid.
    """
    folder = root / FOLDER
    try:
        names = sorted(one.name for one in folder.iterdir())
    except FileNotFoundError:
        return Definitions((), ())
    except OSError as error:
        return Definitions((), (Unusable(str(folder), error.strerror or str(error)),))
    found: dict[str, Definition] = {}
    unusable: list[Unusable] = []
    named = [name for name in names if not name.startswith(".")]
    if len(named) > MOST_DEFINITIONS:
        unusable.append(Unusable(str(folder), f"it has {len(named):,} files; the first {MOST_DEFINITIONS:,} are read"))
    for name in named[:MOST_DEFINITIONS]:
        try:
            one = read_definition(folder / name)
        except FileNotFoundError:
            continue  # removed meanwhile
        except NotADefinition as error:
            unusable.append(Unusable(str(folder / name), str(error), error.effect))
            continue
        if one.uuid in found:
            reason = f"another file defines device {one.uuid} as well, and mdevctl starts whichever it finds first"
            unusable.append(Unusable(str(folder / name), reason))
        found.setdefault(one.uuid, one)
    return Definitions(tuple(found[uuid] for uuid in sorted(found)), tuple(unusable))


def read_definition(file: Path) -> Definition:
    """The definition in `file`, by whose name mdevctl knows its device.

    Raises:
        FileNotFoundError: there is no such file.
        NotADefinition: mdevctl passes it over, cannot read it, or cannot start it.
    """
    uuid = uuid_of(file.name)
    if uuid is None:
        raise NotADefinition("its name is no uuid", Effect.PASSED_OVER)
    return parse_definition(uuid, definition_content(file))


def definition_content(file: Path) -> bytes:
    """What is in `file`, which mdevctl reads only where it is a regular file and no link.

    Raises:
        FileNotFoundError: there is no such file.
        NotADefinition: mdevctl passes it over, or it cannot be read.
    """
    if file.is_symlink():
        raise NotADefinition("it is a link", Effect.PASSED_OVER)
    if file.exists() and not file.is_file():
        raise NotADefinition("it is no regular file", Effect.PASSED_OVER)
    try:
        return read_limited(file)
    except NotReadable as error:
        raise NotADefinition(str(error), Effect.UNKNOWN) from error


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
