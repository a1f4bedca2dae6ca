"""The definitions of mdevctl for the parent ``matrix``: one file each, named by the uuid of its device.

The root directory is a parameter: ``/``, or the prefix that newer versions of mdevctl take from ``MDEVCTL_ENV_ROOT``.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.careful_files import NotReadable, read_limited, remove, replace
from reconciler.integrations.definition_text import NotADefinition, definition_bytes, parse_definition
from reconciler.model.definition import Definition

_FOLDER: Final = "etc/mdevctl.d/matrix"
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOST_DEFINITIONS: Final = 65536
"""How many files are looked at: as many devices as there can be (``available_instances``)."""


class Unusable(NamedTuple):
    """A file, or the whole folder, that cannot be used as it is, and why."""

    file: str
    reason: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.file}: {self.reason}"


class Definitions(NamedTuple):
    """What is defined, ascending by uuid, and which files could not be read, ascending by name."""

    found: tuple[Definition, ...]
    unusable: tuple[Unusable, ...]


def definition_file(root: Path, uuid: str) -> Path:
    """Where mdevctl below `root` has the definition of device `uuid`."""
    return root / _FOLDER / uuid


def read_definitions(root: Path) -> Definitions:
    """Every definition below `root`. Nothing is raised: what cannot be used is told, and the others are read.

    Files whose name is no uuid in lower case are none of mdevctl's and are passed over, as mdevctl does.
    """
    folder = root / _FOLDER
    try:
        names = sorted(one.name for one in folder.iterdir())
    except FileNotFoundError:
        return Definitions((), ())
    except OSError as error:
        return Definitions((), (Unusable(str(folder), error.strerror or str(error)),))
    uuids = [name for name in names if _UUID.fullmatch(name)]
    found: list[Definition] = []
    unusable: list[Unusable] = []
    if len(uuids) > MOST_DEFINITIONS:
        unusable.append(Unusable(str(folder), f"it has {len(uuids):,} files; the first {MOST_DEFINITIONS:,} are read"))
    for uuid in uuids[:MOST_DEFINITIONS]:
        try:
            found.append(parse_definition(uuid, read_limited(folder / uuid)))
        except FileNotFoundError:
            continue  # removed meanwhile, or a link to nowhere: there is no definition
        except (NotReadable, NotADefinition) as error:
            unusable.append(Unusable(str(folder / uuid), str(error)))
    return Definitions(tuple(found), tuple(unusable))


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
