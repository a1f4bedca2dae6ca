"""The history: every apply that changed anything is a generation, numbered from 1.

Two files for each, in ``generations/`` of the state directory: ``000012.json`` is written before the first write to the
host and never changed, ``000012.outcome.json`` when the apply has ended. That of a boot, or of a VM that started or
ended, is called ``000012.vm.json``, that of chosen guests ``000012.partial.json``: there may be many of them, and they
must not push out what can be rolled back to. A generation without an outcome is of an apply that was killed; the next
one finds out what became of it.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from reconciler.model.codec import NewerRecord
from reconciler.model.commands import HISTORY, Advised
from reconciler.model.desired import Desired, Selector
from reconciler.model.errors import InputError, StateError
from reconciler.model.matrix import Matrix
from reconciler.model.outcome import Extent, Generation, Origin, Outcome, Result
from reconciler.model.printable import error_text
from reconciler.transaction.generation_record import (
    SHOWN,
    Begun,
    Ended,
    ShownChanges,
    ShownPlan,
    Whole,
    matrix_of,
    start_of,
    whole_of,
)
from reconciler.transaction.records import naming_file, read_record, write_record
from reconciler.transaction.state_directory import StateDirectory

RETAINED: Final = 100
"""So many of the newest generations are kept, as many of chosen guests, and as many of boots and of VMs."""

LATE: Final = "the process that applied it ended before it could record this"

NOTHING_KNOWN: Final[Mapping[int, bool]] = MappingProxyType({})

_DIRECTORY: Final = "generations"
_NAME: Final = re.compile(r"(\d{6,})(?:\.vm|\.partial)?\.json", re.ASCII)
_TAKEN: Final = re.compile(r"(\d{6,})\..*", re.ASCII | re.DOTALL)


class NoSuchGeneration(Advised, InputError):
    """The generation that is asked for is not there; the text says which are."""


class History:
    """The generations in a state directory."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = StateDirectory(state.path / _DIRECTORY)

    def next_number(self) -> int:
        """The number of the generation that comes next; also that of a file that was moved aside is not used again."""
        return max((int(found[1]) for name in self._names() if (found := _TAKEN.fullmatch(name))), default=0) + 1

    def begin(
        self, number: int, desired: Desired, origin: Origin, plan: Mapping[str, Any], extent: Extent = Extent.WHOLE
    ) -> None:
        """Record that an apply begins; on disk when it returns.

        Args:
            number: of the generation.
            desired: what is wanted.
            origin: who asked for it.
            plan: the plan as `reconciler.render.plan_json` gives it.
            extent: how much of the host the plan is about.

        Raises:
            OSError: it cannot be written.
        """
        self._state.prepare()
        write_record(self._state, _file(number, extent), Begun(number, *origin, desired, plan))
        files = self._files()
        for old in sorted(one for one in files if _extent(files[one]) is extent)[:-RETAINED]:
            self._state.remove(files[old])
            self._state.remove(_outcome_file(old))

    def end(self, number: int, outcome: Outcome, now: float) -> None:
        """Record at `now` (seconds since 1970, UTC) how generation `number` ended; where there is none (0) nothing."""
        if number:
            write_record(self._state, _outcome_file(number), Ended(outcome, now))

    def forget(self, number: int) -> None:
        """Remove what was recorded of generation `number`, which needs no space.

        Raises:
            OSError: it cannot be removed.
        """
        self._state.remove(_outcome_file(number))
        self._state.remove(self._file_of(number))

    def lacks_outcome(self) -> bool:
        """Whether it was not recorded how the newest generation ended; a record that is damaged is one."""
        number = max(self._files(), default=0)
        return bool(number) and _outcome_file(number) not in self._names()

    def close(self, current: int, now: float) -> None:
        """Record how the newest generation ended, where the process ended before it could; only without a journal.

        Args:
            current: the generation that the inventory is of.
            now: seconds since 1970, UTC.
        """
        number = max(self._files(), default=0)
        if self.lacks_outcome():
            result = Result.APPLIED if number == current else Result.ROLLED_BACK
            self.end(number, Outcome(result, notes=(LATE,)), now)

    def numbers(self) -> list[int]:
        """The numbers of all that are kept, ascending."""
        return sorted(self._files())

    @property
    def version(self) -> str:
        """What is another one as soon as a generation has come, has ended or has gone; empty where there is none."""
        try:
            found = os.stat(self._state.path, follow_symlinks=False)
        except FileNotFoundError:
            return ""
        return f"{found.st_ino}.{found.st_mtime_ns}"

    def stamps(self) -> dict[int, tuple[int, ...]]:
        """By the number of each generation, what is another one as soon as its records are."""
        return {
            number: (self._stamp(name), self._stamp(_outcome_file(number))) for number, name in self._files().items()
        }

    def _stamp(self, name: str) -> int:
        try:
            return os.stat(self._state.path / name, follow_symlinks=False).st_mtime_ns
        except FileNotFoundError:
            return 0

    def generations(self, newest: int | None = None) -> list[Generation]:
        """All that are kept, or so many of the `newest`, ascending; one whose file is damaged says so as its result."""
        numbers = self.numbers()
        first = 0 if newest is None else max(0, len(numbers) - newest)
        return [self.look(number) for number in numbers[first:]]

    def touching(self, selector: Selector) -> list[Generation]:
        """Those that changed a guest with the labels of `selector`, as it had them then or before, ascending.

        One whose file is damaged is among them, since nothing is known of it.
        """
        found: list[Generation] = []
        labels: dict[str, tuple[tuple[str, str], ...]] = {}
        for number in self.numbers():
            try:
                whole = self._whole(number)
            except (StateError, OSError):
                found.append(self.look(number))
                continue
            labels.update((one.name, one.labels) for one in whole.desired.guests)
            if any(selector.takes(labels.get(name, ())) for name in whole.generation.guests):
                found.append(whole.generation)
        return found

    def labelled(self, selector: Selector) -> frozenset[str]:
        """The names of the guests that had the labels of `selector` in what any generation wanted."""
        found: set[str] = set()
        for number in self.numbers():
            with suppress(StateError, OSError):  # `touching` passes it over, too
                found.update(one.name for one in self._whole(number).desired.guests if selector.takes(one.labels))
        return frozenset(found)

    def labels(self, number: int) -> frozenset[tuple[tuple[str, str], ...]]:
        """Which labels the guests that generation `number` changed had then, or before if no manifest named them then.

        Raises:
            NoSuchGeneration: it is not there.
            BadRecord: its file is not as we write it.
        """
        whole = self._whole(number)
        found = {one.name: one.labels for one in whole.desired.guests}
        for earlier in reversed([one for one in self.numbers() if one < number]):
            if found.keys() >= set(whole.generation.guests):
                break
            with suppress(StateError, OSError):  # `touching` passes it over, too
                found = {one.name: one.labels for one in self._whole(earlier).desired.guests} | found
        return frozenset(found.get(name, ()) for name in whole.generation.guests)

    def look(self, number: int) -> Generation:
        """Generation `number`; where its file is damaged, that is its result.

        Raises:
            NoSuchGeneration: it is not there.
        """
        # One that is damaged, or cannot be trusted, must not hide the others.
        try:
            return self.get(number)
        except (StateError, OSError) as error:
            is_newer = isinstance(error, NewerRecord)
            unknown = Origin("", "", 0.0)
            return Generation(number, unknown, "", "", error_text(error), None, is_damaged=True, is_newer=is_newer)

    def get(self, number: int) -> Generation:
        """Generation `number`.

        Raises:
            NoSuchGeneration: it is not there.
            BadRecord: its file is not as we write it.
        """
        return self._whole(number).generation

    def desired(self, number: int) -> Desired:
        """What generation `number` wanted.

        Raises:
            NoSuchGeneration: it is not there, or is only of a VM that started or ended, or of a boot.
            BadRecord: its file is not as we write it.
        """
        return self.target(number).desired

    def target(self, number: int) -> "Whole":
        """Generation `number`, as what may be rolled back to.

        Raises:
            NoSuchGeneration: it is not there, or is not about the whole host.
            BadRecord: its file is not as we write it.
        """
        found = self._whole(number)
        if found.generation.extent is Extent.WHOLE:
            return found
        is_partial = found.generation.extent is Extent.PARTIAL
        what = (
            "is partial: it was about some guests only"
            if is_partial
            else "is of a VM that started or ended, or of a boot"
        )
        raise NoSuchGeneration(f"generation {number} {what}; nothing can be rolled back to it", HISTORY)

    def fingerprint(self, number: int) -> str:
        """The fingerprint of the plan of generation `number` (SHA-256, hex); empty where it has none.

        Raises:
            NoSuchGeneration: it is not there.
            BadRecord: its file is not as we write it.
        """
        return str(self._whole(number).record["plan"].get("fingerprint", ""))

    def pool(self, number: int) -> Matrix:
        """The host pool that was planned for generation `number`.

        Raises:
            NoSuchGeneration: it is not there.
            BadRecord: its file is not as we write it.
        """
        plan = self._whole(number).record["plan"]
        return naming_file(
            self._state, self._file_of(number), lambda: matrix_of(SHOWN.read(ShownPlan, plan).pool.after)
        )

    def start(self, number: int) -> Desired:
        """What there was before generation `number` of what it has changed, as something that can be wanted.

        Its guests whose devices were there stay with what they had; all others go. The host pool is as it was.

        Raises:
            NoSuchGeneration: it is not there, or is only of a VM that started or ended, or of a boot.
            BadRecord: its file is not as we write it.
        """
        found = self._whole(number)
        if found.generation.extent is Extent.CONFINED:
            self.target(number)

        def start() -> Desired:
            return start_of(found.desired, SHOWN.read(ShownChanges, found.record["plan"]))

        return naming_file(self._state, self._file_of(number), start)

    def record(self, number: int) -> dict[str, Any]:
        """Everything that is known of generation `number`, as plain values for JSON.

        Raises:
            NoSuchGeneration: it is not there.
            BadRecord: its file is not as we write it.
        """
        return self._whole(number).record

    def _whole(self, number: int) -> "Whole":
        file = self._file_of(number)
        ended = read_record(self._state, _outcome_file(number), Ended)
        found = read_record(self._state, file, Begun)
        if found is None:
            known = self.numbers()
            there = f"there are {known[0]} to {known[-1]}" if known else "nothing has been applied yet"
            raise NoSuchGeneration(f"there is no generation {number}; {there}", HISTORY if known else None)
        return naming_file(self._state, file, lambda: whole_of(found, ended, number, _extent(file)))

    def newest_target(self, before: int | None = None) -> int:
        """The newest generation that was applied, and below `before`.

        Raises:
            NoSuchGeneration: there is none.
        """
        for number in reversed(self.numbers()):
            if (before is None or number < before) and self.look(number).is_target:
                return number
        raise NoSuchGeneration("there is no earlier generation that was applied", HISTORY)

    def newest(self) -> Generation | None:
        """The newest generation, however it ended, but for those of boots and VMs; None where there is none.

        Raises:
            BadRecord: it cannot be read.
        """
        files = self._files()
        wanted = [number for number in files if _extent(files[number]) is not Extent.CONFINED]
        return self.get(max(wanted)) if wanted else None

    def last_target(self, known: Mapping[int, bool] = NOTHING_KNOWN) -> Generation | None:
        """The generation that was applied last, if any. Other than `newest_target` it passes over none that is damaged.

        Args:
            known: by number, whether a generation was applied, where that could not be recorded.

        Raises:
            BadRecord: one that may be it cannot be read.
        """
        files = self._files()
        for number in sorted(files, reverse=True):
            if _extent(files[number]) is Extent.WHOLE and known.get(number, True):
                found = self.get(number)
                if found.is_target or number in known:
                    return found
        return None

    def partial_since(self, number: int) -> tuple["Whole", ...]:
        """The partial generations after `number` that were applied, ascending.

        Raises:
            BadRecord: one that may be among them cannot be read.
        """
        files = self._files()
        later = (one for one in sorted(files) if one > number and _extent(files[one]) is Extent.PARTIAL)
        found = (self._whole(one) for one in later)
        return tuple(one for one in found if one.generation.ended_as in (Result.APPLIED, Result.NOTHING))

    def _files(self) -> dict[int, str]:
        """The name of each generation's file, in no order."""
        return {int(found[1]): name for name in self._names() if (found := _NAME.fullmatch(name))}

    def _names(self) -> list[str]:
        try:
            return self._state.names()
        except FileNotFoundError:
            return []

    def _file_of(self, number: int) -> str:
        return self._files().get(number, _file(number))


_SUFFIXES: Final = {Extent.WHOLE: ".json", Extent.PARTIAL: ".partial.json", Extent.CONFINED: ".vm.json"}


def _file(number: int, extent: Extent = Extent.WHOLE) -> str:
    return f"{number:06}{_SUFFIXES[extent]}"


def _extent(file: str) -> Extent:
    return next(one for one in (Extent.CONFINED, Extent.PARTIAL, Extent.WHOLE) if file.endswith(_SUFFIXES[one]))


def _outcome_file(number: int) -> str:
    return f"{number:06}.outcome.json"
