"""What is found in files of other programs that say who has which queues; `reconciler.operations.importing` writes it.

Names are here as they were found. A reader of such a file takes values of any shape, since other programs and people
write them, and raises `WrongField` for what it cannot use.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from reconciler.model.desired import GivenUp
from reconciler.model.errors import InputError
from reconciler.model.ids import ID_COUNT
from reconciler.model.machines import MachineMode
from reconciler.model.matrix import ApConfig, Matrix, Queue
from reconciler.model.printable import quoted

Path: TypeAlias = tuple[str | int, ...]
"""The way from the value that was read to a part of it: keys, and indexes in lists from 0."""

FIELD: Final = "import-field"
CONFLICT: Final = "import-conflict"

_QUEUE: Final = r"(?a)(?:0x)?([0-9a-fA-F]{1,2})\.(?:0x)?([0-9a-fA-F]{1,4})"


class WrongField(InputError):
    """A part of a value cannot be used.

    Attributes:
        path: where it is.
        message: what is wrong, in one sentence.
        help: what to do.
        id: of the problem.
        other: where what it conflicts with is; None where it conflicts with nothing.
        more: the other parts of the same value that cannot be used either.
    """

    def __init__(self, path: Path, message: str, help: str, id: str = FIELD, other: Path | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.help = help
        self.id = id
        self.other = other
        self.more: tuple[WrongField, ...] = ()


class WrongFields:
    """Collects what cannot be used: each ``with`` block of it ends at its first `WrongField`, and the run goes on."""

    def __init__(self) -> None:
        self._found: list[WrongField] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, WrongField):
            return False
        self._found += (error, *error.more)
        error.more = ()
        return True

    def refuse(self) -> None:
        """Return if nothing was collected; raises the first `WrongField`, with the others in it."""
        if self._found:
            first, *more = self._found
            first.more = tuple(more)
            raise first


class ImportedGuest(NamedTuple):
    """A guest as it was found.

    Attributes:
        name: as it was found, or made of what was found.
        host: the key of its host among the `ImportedHost`s.
        uuid: of its device, lower case with dashes; empty where none is known.
        config: what it has.
        notes: for people.
        is_named: whether the name was found, so that it is said where it has to be another one.
    """

    name: str
    host: str
    uuid: str
    config: ApConfig
    notes: tuple[str, ...] = ()
    is_named: bool = True


class ImportedHost(NamedTuple):
    """A host as it was found.

    Attributes:
        key: different for each host of one file, and part of the name where there are several; may be empty.
        given_up: what it gives up; None: what its guests need.
        notes: for people.
    """

    key: str = ""
    given_up: GivenUp | None = None
    notes: tuple[str, ...] = ()


class ImportedLpar(NamedTuple):
    """An LPAR as it was found: its name, what it has, whether it is active, and notes for people."""

    name: str
    config: ApConfig
    is_active: bool = True
    notes: tuple[str, ...] = ()


class ImportedMachine(NamedTuple):
    """A machine as it was found.

    Attributes:
        name: as it was found; empty where the source does not say.
        id: as ``spec.machineId`` has it; empty where the source does not say.
        mode: how it is managed.
        lpars: in the order of the source.
        notes: for people.
    """

    name: str
    id: str
    mode: MachineMode
    lpars: tuple[ImportedLpar, ...]
    notes: tuple[str, ...] = ()


class Imported(NamedTuple):
    """What one source says, and notes on what of it was not taken over."""

    hosts: tuple[ImportedHost, ...] = ()
    guests: tuple[ImportedGuest, ...] = ()
    machines: tuple[ImportedMachine, ...] = ()
    notes: tuple[str, ...] = ()


def mapping_at(value: Any, path: Path, what: str) -> Mapping[str, Any]:
    """`value`, which is at `path` and must be a mapping; `what` says of what, for people."""
    if not isinstance(value, dict):
        message = missing(value, path) or f"{_shown(value)} stands where {what} should be"
        raise WrongField(path, message, "Check that it is the right file.")
    return value


def list_at(value: Any, path: Path, what: str) -> list[Any]:
    """`value`, which is at `path` and must be a list; `what` says of what, for people."""
    if not isinstance(value, list):
        message = missing(value, path) or f"{_shown(value)} stands where {what} should be"
        raise WrongField(path, message, "Check that it is the right file.")
    return value


def text_at(value: Any, path: Path, what: str) -> str:
    """`value`, which is at `path` and must be text that is not empty; `what` says what it is, for people."""
    if not isinstance(value, str) or not value:
        raise WrongField(path, missing(value, path) or f"{_shown(value)} is no {what}", "Write it as text.")
    return value


def id_at(value: Any, path: Path, what: str) -> int:
    """`value`, which is at `path` and must be a number from 0 to 255; `what` says what it is, for people."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < ID_COUNT:
        message = missing(value, path) or f"{_shown(value)} is no {what}"
        raise WrongField(path, message, f"It is a whole number from 0 to {ID_COUNT - 1}.")
    return value


def queue_at(value: Any, path: Path) -> Queue:
    """The queue that `value`, which is at `path`, stands for as lszcrypt shows it: ``07.0029``, in hex."""
    found = re.fullmatch(_QUEUE, value) if isinstance(value, str) else None
    if found is None or int(found[2], 16) >= ID_COUNT:
        advice = "Write adapter and domain in hex, as lszcrypt shows them: 07.0029."
        if isinstance(value, str) and "{{" in value:
            advice = "Write what the template stands for; it is not known outside of Ansible."
        raise WrongField(path, missing(value, path) or f"{_shown(value)} is no queue", advice)
    return Queue(int(found[1], 16), int(found[2], 16))


def refuse_shared(claims: Iterable[tuple[str, Path, Matrix]]) -> None:
    """Return if no two of `claims`, each a holder, where it stands, and its queues, have a queue in common.

    Raises:
        WrongField: two have.
    """
    holders: dict[Queue, tuple[str, Path]] = {}
    wrong = WrongFields()
    for name, path, matrix in claims:
        with wrong:
            for queue in matrix.queues():
                other, where = holders.setdefault(queue, (name, path))
                if where != path:
                    message = f"{quoted(other)} and {quoted(name)} have the same queue, {queue}"
                    raise WrongField(path, message, "A queue belongs to one of them only.", CONFLICT, where)
    wrong.refuse()


def missing(value: Any, path: Path) -> str:
    """That the key at `path` is missing, where its `value` is None; otherwise empty."""
    return f"{path[-1]} is missing" if value is None and path and isinstance(path[-1], str) else ""


def _shown(value: Any) -> str:
    return "nothing" if value is None else quoted(value)
