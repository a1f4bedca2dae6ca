"""The scenes of all trials: a host at the start of a transition, what is remembered of it, and manifests of both."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from reconciler.kernel.sysfs import Sysfs
from reconciler.model.ids import IdSet
from reconciler.model.outcome import Origin, Result
from reconciler.model.steps import Holdings
from reconciler.operations.apply import ApplyResult, Terms, apply
from reconciler.operations.stale_plan import StalePlan
from reconciler.operations.wanted import Manifests
from reconciler.planning.basis import Basis
from reconciler.planning.order import order_steps
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.simulator.state_file import Snapshot, host_from, snapshot_of
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.history import History
from reconciler.transaction.journal import JOURNAL
from reconciler.transaction.lock import LOCK
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.holdings import EVERYTHING_HOST, abilities_of, hardware, held
from testing.transitions import TRANSITIONS

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
"""The boot of this machine: a command that runs in a process of its own has no other."""

NEXT_BOOT_ID: Final = "11111111-2222-4333-8444-555555555555"
_MEMORY: Final = Path("/dev/shm")
_NEVER: Final = Basis(*("no such basis" for _ in Basis._fields))
_ORIGIN: Final = Origin("root", "trial", 0.0)
_CONSENTS: Final = frozenset({"--allow-disruption"})


class Scene(NamedTuple):
    """Where an apply begins, and where it is to lead.

    Attributes:
        name: of the transition.
        profile: of the kernel.
        start: who holds what before, as the host shows it.
        target: the same after.
        before: the manifests of the start.
        after: those of the target.
        host: the host at the start, as `snapshot_of` gives it.
        files: what the state directory has then, by name; None where it does not exist.
    """

    name: str
    profile: str
    start: Holdings
    target: Holdings
    before: Path
    after: Path
    host: Snapshot
    files: Mapping[str, bytes] | None

    def started(self) -> SimulatedHost:
        """A host at the start."""
        return host_from(self.host)

    def held(self, host: Sysfs) -> Holdings:
        """Who holds what on `host`."""
        return held(host, abilities_of(PROFILES[self.profile]))

    @property
    def is_one_way(self) -> bool:
        """Whether its kernel bars the way back: what was killed is finished then."""
        kept = {uuid for uuid, config in self.target.mdevs.items() if self.start.mdevs.get(uuid) == config}
        return bool(order_steps(self.target, self.start, abilities_of(PROFILES[self.profile]), frozenset(kept)).blocked)

    def __str__(self) -> str:
        return f"{self.name} on {self.profile}"


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory that is gone when the block ends, in memory where there is such a place."""
    with TemporaryDirectory(prefix="trials.", dir=_MEMORY if _MEMORY.is_dir() else None) as found:
        yield Path(found)


def scene(folder: Path, name: str, profile: str) -> Scene:
    """The transition `name` on a kernel of `profile`; its manifests are written into `folder`.

    The start is reached as anybody would reach it, by an apply on a host that has just been booted; where it is such a
    host, by none, so that not even the state directory exists.
    """
    before, after = folder / f"{name}.before.yaml", folder / f"{name}.after.yaml"
    transition = TRANSITIONS[name]
    before.write_text(manifests_of(transition.start), encoding="utf-8")
    after.write_text(manifests_of(transition.target), encoding="utf-8")
    host = booted(profile)
    state = folder / "first.state"
    if transition.start != EVERYTHING_HOST:
        applied(before, host, state)
    start = held(host, abilities_of(PROFILES[profile]))
    first, files = snapshot_of(host), files_of(state)
    applied(after, host, state)
    target = held(host, abilities_of(PROFILES[profile]))
    shutil.rmtree(state)
    return Scene(name, profile, start, target, before, after, first, files)


def booted(profile: str) -> SimulatedHost:
    """The host of all scenes, just booted."""
    return SimulatedHost(hardware(), PROFILES[profile])


def manifests_of(holdings: Holdings) -> str:
    """Manifests that ask for exactly `holdings`."""
    host = (
        f"pool: {{adapters: {_ids(~holdings.pool.adapters)}, domains: {_ids(~holdings.pool.domains)}}}",
        "unmanaged: ignore",
    )
    documents = [_document("Host", "lpar7", host)]
    for uuid, config in holdings.mdevs.items():
        guest = (
            "host: lpar7",
            f"uuid: {uuid}",
            f"adapters: {_ids(config.adapters)}",
            f"domains: {_ids(config.domains)}",
            f"controlDomains: {_ids(config.control_domains)}",
        )
        documents.append(_document("Guest", f"guest{int(uuid[-12:], 16)}", guest))
    return "---\n".join(documents)


def _document(kind: str, name: str, spec: tuple[str, ...]) -> str:
    lines = [f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:", *spec]
    return "\n  ".join(lines) + "\n"


def _ids(ids: IdSet) -> str:
    return f"[{', '.join(map(str, ids))}]"


def machine(sysfs: Sysfs, state: Path, boot_id: str = BOOT_ID) -> OpenHost:
    """What a command works on, with a clock that needs no time."""
    return OpenHost(sysfs, FakeClock(), StateDirectory(state), boot_id, "lpar7")


def applied(manifests: Path, sysfs: Sysfs, state: Path, boot_id: str = BOOT_ID) -> ApplyResult:
    """What ``reconcile apply`` does with `manifests`; raises what it raises."""
    where = machine(sysfs, state, boot_id)
    return apply(Manifests((manifests,)), where, NoProgress(), _ORIGIN, Terms(_CONSENTS))


def recovered(manifests: Path, sysfs: Sysfs, state: Path, boot_id: str = BOOT_ID) -> None:
    """Do what every apply does first, and nothing else: put in order what an earlier run has left."""
    where = machine(sysfs, state, boot_id)
    try:
        apply(Manifests((manifests,)), where, NoProgress(), _ORIGIN, Terms(agreed=_NEVER))
    except StalePlan:
        return
    raise AssertionError("a plan on another basis was applied")


def files_of(state: Path) -> dict[str, bytes] | None:
    """What the state directory has, by name below it, but for the lock, which says nothing; None: there is none."""
    if not state.is_dir():
        return None
    return {
        str(one.relative_to(state)): one.read_bytes() for one in state.rglob("*") if one.is_file() and one.name != LOCK
    }


def put_files(state: Path, files: Mapping[str, bytes] | None) -> None:
    """Let the state directory have `files`."""
    if files is None:
        return
    state.mkdir(mode=0o700, exist_ok=True)
    for name, content in files.items():
        (state / name).parent.mkdir(mode=0o700, exist_ok=True)
        (state / name).touch(mode=0o600)
        (state / name).write_bytes(content)


def unfinished(state: Path) -> bool:
    """Whether a transaction has been begun and not ended."""
    return (state / JOURNAL).exists()


def unsettled(state: Path) -> list[str]:
    """The generations of which the history does not know how they ended."""
    found = History(StateDirectory(state)).generations()
    return [f"generation {one.number} is {one.result}" for one in found if one.outcome is None]


DONE: Final = (Result.APPLIED, Result.NOTHING)
