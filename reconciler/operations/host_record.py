"""The record of a host: everything that a plan rests on besides the manifests, as a file that leaves the host.

``reconcile observe`` writes it, ``reconcile plan --observed`` plans from it, without rights and without the host: for
a pull request, a support case, a test. The plan is the host's own, since both are made by the same function of the same
values. A record has digests of what it says, so that one that was changed or cut off is refused; and it names what
could not be read when it was made.
"""

import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar

from reconciler.integrations.files import write_named
from reconciler.integrations.mdevctl import uuid_of
from reconciler.integrations.persistence import NOT_DEFINITIONS, BootFiles, read_boot_files
from reconciler.kernel.text_forms import parse_queue
from reconciler.model.codec import BadRecord, Codec, Form, NewerRecord
from reconciler.model.commands import NOWHERE, OBSERVE, OF_MACHINE, Advised, Here
from reconciler.model.desired import Desired
from reconciler.model.errors import InputError, StateError
from reconciler.model.ids import ID_COUNT, require_uuid
from reconciler.model.matrix import Queue
from reconciler.model.observed import MOVE_AWAY, Lpar, Observed, ObservedCard, ObservedMdev, Unread
from reconciler.model.printable import error_text
from reconciler.model.problems import several
from reconciler.operations.plan import observe_host
from reconciler.planning.basis import HostBasis, host_basis_of
from reconciler.planning.planner import NOTHING_APPLIED, Applied, inventory_words
from reconciler.render.plan_json import without_commands
from reconciler.transaction.confirmation import Awaited
from reconciler.transaction.journal import Journal
from reconciler.transaction.loop_records import Suspensions, read_suspensions
from reconciler.transaction.open_host import OpenHost, awaited
from reconciler.transaction.records import TEXTS

LARGEST_RECORD: Final = 64 << 20
"""The most bytes of a record that are read; that of a host with 10,000 guests has about 25 MB."""

_MODE: Final = 0o640
"""The permissions of the file: its group may read which VMs there are and what they have."""

_MOST_LINES: Final = 1000
_VERSION: Final = 1
_Value = TypeVar("_Value")


_RECORDS: Final = OBSERVE.with_flags("--out", "host.json")


class BadHostRecord(Advised, InputError):
    """The file is no record of a host, or not as it was written; the text says which field and why."""


class LeftBehind(NamedTuple):
    """What earlier applies have left on a host.

    Attributes:
        unfinished: whether one was begun and not ended.
        awaited: the one that waits to be confirmed; None where none does.
        degraded: what one left that was neither start nor target, a sentence each.
    """

    unfinished: bool
    awaited: Awaited | None
    degraded: tuple[str, ...]


NOTHING_LEFT: Final = LeftBehind(unfinished=False, awaited=None, degraded=())


class HostRecord(NamedTuple):
    """A host as it was recorded.

    Attributes:
        host: the machine's host name, which picks the Host among several.
        recorded: when, in seconds since 1970. Suspensions that had an end are those of then.
        options: those that lead a command in any directory to this host, such as ``("--state-dir", "/srv/state")``;
            mostly none.
        observed: what was found, with who has which device open, and the names of VMs.
        applied: what was applied last.
        suspensions: what was suspended; None where that could not be read.
        boot: the files that it boots from; None where it is not known where they are.
        left: what earlier applies have left.
        unread: what could not be read. Where there is anything, a plan says so and cannot be saved.
        basis: digests of what a plan rests on, as a plan from it has them.
        content_digest: SHA-256 (hex) of everything else.
    """

    host: str
    recorded: float
    options: tuple[str, ...]
    observed: Observed
    applied: Applied
    suspensions: Suspensions | None
    boot: BootFiles | None
    left: LeftBehind
    unread: tuple[Unread, ...]
    basis: HostBasis
    content_digest: str


class RecordedHost(NamedTuple):
    """A host that is planned for by its `record`: a `PlannedHost`; `here` has the options that lead to it."""

    record: HostRecord
    here: Here = NOWHERE

    @property
    def name(self) -> str:
        """The machine's host name."""
        return self.record.host

    @property
    def unread(self) -> tuple[Unread, ...]:
        """See `PlannedHost`."""
        return self.record.unread

    @property
    def damaged(self) -> tuple[BadRecord, ...]:
        """See `PlannedHost`: which files were, `unread` says."""
        return ()

    def host_now(self) -> Observed:
        """See `PlannedHost`."""
        return self.record.observed

    def inventory(self) -> Applied:
        """See `PlannedHost`."""
        return self.record.applied

    def suspensions_now(self) -> Suspensions:
        """See `PlannedHost`."""
        if self.record.suspensions is None:
            raise BadRecord(next((one.reason for one in self.unread if one.what == _SUSPENSIONS), "it was not read"))
        return self.record.suspensions.at(self.record.recorded)

    def boot_files(self) -> BootFiles | None:
        """See `PlannedHost`."""
        return self.record.boot

    def applied_last(self, applied: Applied) -> Desired | None:  # noqa: ARG002 - the history stays on the host
        """See `PlannedHost`."""
        return None


_SUSPENSIONS: Final = "what is suspended"


def _how_to_move(error: Exception) -> str:
    """The command that moves the damaged file away, without what that costs; empty where `error` is something else."""
    remedy = error.remedy.partition("    #")[0] if isinstance(error, BadRecord) else ""
    return f"{MOVE_AWAY}{remedy}" if remedy else ""


def record_host(machine: OpenHost) -> HostRecord:
    """The host as it is now, with everything that a plan for it rests on.

    Raises:
        UnreadableHost: the host itself cannot be read. Whatever else cannot be is named in the record.
    """
    unread: list[Unread] = []

    def known(what: str, read: Callable[[], _Value], otherwise: _Value) -> _Value:
        try:
            return read()
        except (StateError, OSError) as error:
            unread.append(Unread(what, f"{error_text(error)}{_how_to_move(error)}"))
            return otherwise

    journal = Journal(machine.state, machine.boot_id)
    observed = observe_host(machine)
    unread += machine.unseen([one.uuid for one in observed.mdevs])
    applied = known("what was applied last", journal.applied, NOTHING_APPLIED)
    suspensions = known(_SUSPENSIONS, lambda: read_suspensions(machine.state), None)
    root = machine.root
    boot = None if root is None else known("what the host boots from", lambda: read_boot_files(root), None)
    if boot and boot.denied:
        unread.append(Unread("files that the host boots from", several(boot.unusable[name] for name in boot.denied)))
    left = LeftBehind(
        unfinished=known("an apply that was not finished", lambda: journal.unfinished() is not None, False),
        awaited=known("an apply that waits to be confirmed", lambda: awaited(machine), None),
        degraded=known("what an apply has left", journal.left_degraded, ()),
    )
    made = HostRecord(
        host=machine.name,
        recorded=machine.clock.time(),
        options=_from_anywhere(machine.here.machine),
        observed=observed,
        applied=applied,
        suspensions=suspensions,
        boot=boot,
        left=left,
        unread=tuple(unread),
        basis=host_basis_of(observed, inventory_words(applied)),
        content_digest="",
    )
    return sealed(made)


def _from_anywhere(options: Sequence[str]) -> tuple[str, ...]:
    """`options`, names and paths in turn, for a reader in any directory."""
    return tuple(os.path.abspath(one) if number % 2 else one for number, one in enumerate(options))


def sealed(record: HostRecord) -> HostRecord:
    """`record` with the digest of what it says now."""
    return record._replace(content_digest=_digest_of(record))


def record_text(record: HostRecord) -> str:
    """The file that holds `record`: JSON in ASCII, ended by a newline."""
    return without_commands(json.dumps({"formatVersion": _VERSION, **_RECORD.plain(record)}, indent=2)) + "\n"


def write_host_record(record: HostRecord, file: str | os.PathLike[str]) -> None:
    """Have `record` in `file` (0640): the whole of it on disk, or nothing and `file` as it was.

    Raises:
        CannotWrite: it cannot be written.
    """
    write_named(os.fspath(file), record_text(record).encode("ascii"), mode=_MODE)


def parse_record(content: bytes) -> HostRecord:
    """The record in the `content` of a file.

    Raises:
        BadRecord: it is none, or was changed after it was written; names the field.
    """
    made = _RECORD.read_content(HostRecord, content, _VERSION, LARGEST_RECORD)
    if made.basis != host_basis_of(made.observed, inventory_words(made.applied)):
        raise BadRecord("the record was changed or damaged after it was written", "basis")
    if made.content_digest != _digest_of(made):
        raise BadRecord("the record was changed or damaged after it was written", "contentDigest")
    return made


def read_host_record(file: str | os.PathLike[str]) -> HostRecord:
    """The record in `file`; ``-`` stands for standard input.

    Raises:
        BadHostRecord: it is none; names file and field.
        OSError: it cannot be read.
    """
    name = os.fspath(file)
    try:
        if name == "-":
            name, content = "standard input", sys.stdin.buffer.read(LARGEST_RECORD + 1)
        else:
            with open(name, "rb") as stream:
                content = stream.read(LARGEST_RECORD + 1)
        return parse_record(content)
    except NewerRecord as error:
        raise BadHostRecord(f"{name} {error.verdict}: {error}") from error
    except BadRecord as error:
        raise BadHostRecord(f"{name} is no record of a host, or is damaged: {error}", _RECORDS) from error


def _digest_of(record: HostRecord) -> str:
    # Of the values, so that indenting or sorting the file anew, as jq does, changes nothing.
    plain = _RECORD.plain(record._replace(content_digest=""))
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _require(name: str, *, holds: bool, problem: str) -> None:
    if not holds:
        raise BadRecord(problem, name)


def _check_id(name: str, value: int) -> None:
    _require(name, holds=value < ID_COUNT, problem=f"ids are 0 to {ID_COUNT - 1}")


def _check_mdev(one: ObservedMdev) -> None:
    try:
        require_uuid(one.uuid)
    except ValueError as error:
        raise BadRecord(str(error), "uuid") from None


def _check_lpar(one: Lpar) -> None:
    _check_id("maxAdapter", one.max_adapter)
    _check_id("maxDomain", one.max_domain)


def _check_observed(one: Observed) -> None:
    # Decisions rely on each being there once, and on their order.
    _check_ascending("cards", [card.adapter for card in one.cards])
    _check_ascending("queues", [queue.queue for queue in one.queues])
    _check_ascending("mdevs", [mdev.uuid for mdev in one.mdevs])
    fit = all(bits < 1 << 32 for bits in one.functions.values())
    _require("functions", holds=fit, problem="they are 32 bits")
    is_either = (one.identity is None) is bool(one.unidentified)
    _require("unidentified", holds=is_either, problem="either the identity is known, or why it is not")


def _check_ascending(name: str, values: Collection[Any]) -> None:
    _require(name, holds=[*values] == sorted(set(values)), problem="they are not in ascending order, each once")


def _check_boot(one: BootFiles) -> None:
    for name, files in (("definitions", one.definitions), ("unusable", one.unusable)):
        known: Iterable[str] = NOT_DEFINITIONS if name == "unusable" else ()
        for file in files:
            _require(name, holds=file in known or uuid_of(file) is not None, problem="a key is no uuid")
    _require("denied", holds={*one.denied} <= one.unusable.keys(), problem="it names what is not unusable")


def _check_record(one: HostRecord) -> None:
    # All of these are printed.
    for name, lines in (("unread", one.unread), ("left.degraded", one.left.degraded)):
        _require(name, holds=len(lines) <= _MOST_LINES, problem=f"at most {_MOST_LINES} are expected")
    names = one.options[::2]
    is_known = len(one.options) % 2 == 0 and {*names} <= OF_MACHINE
    _require("options", holds=is_known, problem=f"options of {', '.join(sorted(OF_MACHINE))} with values are expected")


_CHECKS: Final[Mapping[Any, Callable[[Any], Any]]] = {
    ObservedMdev: _check_mdev,
    ObservedCard: lambda one: _check_id("adapter", one.adapter),
    Lpar: _check_lpar,
    Observed: _check_observed,
    BootFiles: _check_boot,
    HostRecord: _check_record,
}
_RECORD: Final = Codec(texts={**TEXTS, Queue: Form(str, parse_queue)}, checks=_CHECKS)
