"""Names of guests for devices that have none: valid in a manifest, each given once, the same at every call."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Final

LONGEST: Final = 63
"""How many characters a name of a host or guest may have (schemas/guest.schema.json)."""

_OTHER: Final = re.compile(r"[^a-z0-9.-]+")


def valid_name(text: str, otherwise: str) -> str:
    """`text` as the name of a host or guest: in lower case, with ``-`` for what may not stand there.

    Where nothing is left of it, `otherwise`, which is a valid name.
    """
    return _OTHER.sub("-", text.lower()).strip("-.")[:LONGEST].rstrip("-.") or otherwise


def guest_names(uuids: Iterable[str], vm_names: Mapping[str, str]) -> dict[str, str]:
    """A name for each of `uuids`: that of its virtual machine, else ``guest-`` and the first digits of the uuid.

    Args:
        uuids: of the devices; the names do not depend on their order.
        vm_names: the virtual machine of a device, by uuid.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for uuid in sorted(uuids):
        base = valid_name(vm_names.get(uuid, ""), f"guest-{uuid[:8]}")
        names[uuid] = next(name for name in _candidates(base, uuid) if name not in taken)
        taken.add(names[uuid])
    return names


def _candidates(base: str, uuid: str) -> Iterator[str]:
    yield base
    for suffix in (uuid[:8], uuid):
        yield _joined(base, suffix)
    for number in count(2):
        yield _joined(base, str(number))


def _joined(base: str, suffix: str) -> str:
    return f"{base[: LONGEST - 1 - len(suffix)].rstrip('-.')}-{suffix}"
