"""Power losses: for every point of an apply, what the disk may hold then is given to a host that has just been booted.

The next apply reaches the target, whatever is left; what the state directory says is the old or the new, never a part.
"""

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.operations.plan import plan
from reconciler.operations.wanted import Manifests
from reconciler.planning.plan import Plan
from reconciler.simulator.faults import FaultySysfs
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.journal import INVENTORY, JOURNAL
from testing.recording_sysfs import RecordingSysfs
from trials.disk import LOST, Disk, Image, restore
from trials.kills import Trial, trials
from trials.scenes import DONE, NEXT_BOOT_ID, Scene, applied, booted, machine, put_files, scratch, unfinished, unsettled
from trials.system_calls import Call, Places, watched
from trials.tally import End, Tally

_STATE: Final = "state"
_INVENTORY: Final = f"{_STATE}/{INVENTORY}"
_JOURNAL: Final = f"{_STATE}/{JOURNAL}"


class Point(NamedTuple):
    """A moment of an apply, and what the disk may hold if the power is lost then.

    Attributes:
        name: the call that is about to be made.
        how: the disk keeps what was not synced.
        image: what it holds.
    """

    name: str
    how: str
    image: Image

    def __str__(self) -> str:
        return f"before {self.name}, {self.how}"


class Recording(NamedTuple):
    """An apply as the disk has seen it: its points, the inventory before and after, and what was wrong meanwhile."""

    points: tuple[Point, ...]
    inventories: tuple[bytes | None, bytes | None]
    wrong: tuple[str, ...]


def tallies(
    chance: random.Random, most: int | None = None, profiles: Sequence[str] = tuple(PROFILES)
) -> Iterator[Tally]:
    """Every trial with a power loss at every call; at most `most` of these points, by chance, of each trial."""
    with scratch() as folder:
        for trial in trials(folder, profiles):
            tally = Tally(str(trial))
            recording = record(trial, folder / "disk")
            if recording.wrong:
                tally.count("the apply itself", End.TARGET, recording.wrong)
            points = recording.points
            for point in points if most is None else chance.sample(points, min(most, len(points))):
                tally.count(point, End.TARGET, _wrong_after(trial.scene, point, recording, folder / "after"))
            yield tally


def record(trial: Trial, folder: Path) -> Recording:
    """Let the apply of `trial` happen on a disk at `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    put_files(folder / _STATE, trial.scene.files)
    disk = Disk(folder)
    points: list[Point] = []
    late: list[str] = []

    calls = count(1)

    def before(call: Call) -> None:
        disk.before(call)
        name = f"call {next(calls)} ({call})"
        points.extend(Point(name, how, image) for how, image in disk.images().items())

    def look(write: object) -> None:
        disk.look()
        images = disk.images()
        if any(image.get(_JOURNAL) != images[LOST].get(_JOURNAL) for image in images.values()):
            late.append(f"the journal was not on disk before {write}")

    first = disk.images()[LOST].get(_INVENTORY)
    host = RecordingSysfs(FaultySysfs(trial.scene.started(), trial.faults), look)
    with watched(Places(folder, Path("/nowhere")), before):
        applied(trial.scene.after, host, folder / _STATE)
    disk.look()
    images = disk.images()
    points.extend(Point("the end", how, image) for how, image in images.items())
    last = next(image.get(_INVENTORY) for how, image in images.items() if how != LOST)
    if images[LOST].get(_INVENTORY) != last:
        late.insert(0, "the new inventory is not on disk when the apply is over")
    distinct = {tuple(sorted(one.image.items())): one for one in reversed(points)}
    return Recording(tuple(reversed(distinct.values())), (first, last), tuple(late[:3]))


def _wrong_after(one: Scene, point: Point, recording: Recording, folder: Path) -> Iterator[str]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    restore(point.image, folder)
    yield from _torn(point.image, recording)
    state, host = folder / _STATE, booted(one.profile)
    try:
        where = machine(host, state, NEXT_BOOT_ID)
        shown = plan(Manifests((one.after,)).read(where), where)
        outcome = applied(one.after, host, state, NEXT_BOOT_ID).outcome
        again = applied(one.after, host, state, NEXT_BOOT_ID).outcome
        yield from unsettled(state)
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not be
        yield f"the next command failed: {error!r} {_problems(error)}"
        return
    if not shown.is_valid:
        yield "the plan is not valid"
    if outcome.result not in DONE or one.held(host) != one.target:
        yield f"the next apply does not reach the target: {outcome}"
    if unfinished(state) or again.writes:
        yield f"the next apply is not the end of it: {again}"


def _problems(error: Exception) -> list[str]:
    made = getattr(error, "plan", None)
    return [one.message for one in made.problems] if isinstance(made, Plan) else []


def _torn(image: Image, recording: Recording) -> Iterator[str]:
    if image.get(_INVENTORY) not in (*recording.inventories, None):
        yield f"the inventory is neither the old nor the new one: {image[_INVENTORY]!r}"
    if _INVENTORY not in image and None not in recording.inventories:
        yield "the inventory is gone"
    for path, content in image.items():
        if content is None or Path(path).name.startswith(".") or ".json" not in path:
            continue
        try:
            json.loads(content.partition(b"\n")[0] if path.endswith(".jsonl") else content)
        except ValueError:
            yield f"{path} is torn: {content[:80]!r}"
