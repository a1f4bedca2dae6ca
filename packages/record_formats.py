"""The formats of the state directory as one word: two versions with the same word read each other's files.

The word is made of the types themselves, so that no change can be forgotten: of a field, its name or its type.
"""

from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, get_args, get_origin, get_type_hints

from reconciler.model.desired import Desired
from reconciler.planning.planner import Applied
from reconciler.transaction.apply_ids import _FleetApplies, _Ids
from reconciler.transaction.confirmation import Pending
from reconciler.transaction.generation_record import Begun, Ended, ShownPlan
from reconciler.transaction.journal import FirstLine, _Degraded
from reconciler.transaction.loop_records import CommitPolicy, LastGood, Refusal, Suspensions
from reconciler.transaction.setup_record import SetUp
from reconciler.transaction.suspension_log import SuspensionLog
from reconciler.watch.status_file import Kept

_KEPT: Final[tuple[Any, ...]] = (
    Applied, Begun, CommitPolicy, Desired, Ended, FirstLine, LastGood, Pending, SetUp, ShownPlan, SuspensionLog,
    Suspensions, _Degraded, _FleetApplies, _Ids,
)  # fmt: skip
_REMADE: Final[tuple[Any, ...]] = (Kept, Refusal)
KINDS: Final[dict[str, tuple[Any, ...]]] = {"kept": _KEPT, "remade": _REMADE}
"""What the files of the state directory hold: those that an update must be able to read, and those that a loop writes
again when they are missing (``watch.json``, ``refused.json``)."""


def formats_text() -> str:
    """A line for each of the `KINDS`, with its word."""
    return "".join(f"{name} {_fingerprint(name)}\n" for name in KINDS)


def _fingerprint(name: str) -> str:
    return sha256("\n".join(description(name)).encode()).hexdigest()[:16]


def description(name: str) -> list[str]:
    """A line for each type that the files of this one of the `KINDS` have, in alphabetical order."""
    found: dict[type, str] = {}
    for kind in KINDS[name]:
        _describe(kind, found)
    return sorted(found.values())


def _describe(kind: Any, found: dict[type, str]) -> None:
    for inner in get_args(kind):
        _describe(inner, found)
    if get_origin(kind) is not None or not isinstance(kind, type) or kind in found:
        return
    members = dict(_members(kind))
    if not members:
        return
    found[kind] = f"{kind.__qualname__}: " + ", ".join(f"{member} {_text(one)}" for member, one in members.items())
    for one in members.values():
        _describe(one, found)


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    if issubclass(kind, StrEnum):
        yield from ((one.value, None) for one in kind)
    elif issubclass(kind, tuple):
        yield from get_type_hints(kind, include_extras=True).items()


def _text(kind: Any) -> str:
    arguments = get_args(kind)
    name = getattr(get_origin(kind) or kind, "__qualname__", str(kind))
    return f"{name}[{', '.join(map(_text, arguments))}]" if arguments else name
