"""The loop on a simulated host, turn by turn, for tests: with real files, and a clock and a source that tests own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from reconciler.kernel.sysfs import Sysfs
from reconciler.manifests.files import DiskFiles
from reconciler.manifests.site import ChangedFiles
from reconciler.model.identity import MachineIdentity
from reconciler.model.outcome import Actor, Origin
from reconciler.model.steps import Write
from reconciler.model.stopping import StopToken
from reconciler.operations.apply import ApplyResult, Terms, apply
from reconciler.operations.wanted import Manifests
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.transaction.apply import NoProgress
from reconciler.transaction.loop_records import Suspension, Suspensions, read_last_good, write_suspensions
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.recovery import Recovered
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.configurations import Configurations
from reconciler.watch.cycle import Cycles
from reconciler.watch.cycle_result import CycleResult
from reconciler.watch.decisions import Policy
from reconciler.watch.hot_plug import authorised_since
from reconciler.watch.loop_context import EnforcedHost, LoopContext
from reconciler.watch.manifest_sources import ManifestSource, Offer
from reconciler.watch.triggers import Trigger
from testing.clocks import FakeClock
from testing.holdings import hardware, uuid
from testing.recording_sysfs import RecordingSysfs
from testing.stop_tokens import SetAt

BOOT_ID: Final = "11111111-2222-4333-8444-555555555555"
EVERY_CONSENT: Final = frozenset({"--allow-disruption", "--allow-empty", "--allow-removals", "--allow-suspended"})
HOST: Final = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"


def guest_document(number: int, adapters: list[int], domains: list[int], **spec: str) -> str:
    """A Guest called ``guest1``, for instance, whose uuid is `worlds.uuid` of that number."""
    more = "".join(f"  {key}: {value}\n" for key, value in spec.items())
    return (
        f"apiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: guest{number}}}\n"
        f"spec:\n  uuid: {uuid(number)}\n  adapters: {adapters}\n  domains: {domains}\n{more}"
    )


class Branch:
    """A source whose newest commit a test makes."""

    location = "the branch"

    def __init__(self) -> None:
        self.offered = Offer(None)
        self.asked: list[bool] = []
        self.enforced: list[str] = []

    def offer(self) -> Offer:
        """See `reconciler.watch.manifest_sources.ManifestSource`."""
        return self.offered

    def ask(self, *, allow_older: bool) -> None:
        """See `reconciler.watch.manifest_sources.ManifestSource`."""
        self.asked.append(allow_older)

    @property
    def is_coming(self) -> bool:
        """See `reconciler.watch.manifest_sources.ManifestSource`."""
        return False

    def accepted(self, commit: str) -> None:
        """See `reconciler.watch.manifest_sources.ManifestSource`."""
        self.enforced.append(commit)


class Looped:
    """A loop and everything around it."""

    def __init__(
        self,
        folder: Path,
        *,
        profile: str = "6.12",
        applies: bool = True,
        self_heal: bool = False,
        identity: MachineIdentity | None = None,
    ) -> None:
        """A host that has just been booted; nothing is offered yet."""
        self.folder = folder
        self.clock = FakeClock()
        self.host = SimulatedHost(hardware()._replace(identity=identity), PROFILES[profile])
        self.sysfs = RecordingSysfs(self.host)
        self.met: Sysfs = self.sysfs
        """The host as the loop meets it; a test may put faults before it."""
        self.state = StateDirectory(folder / "state")
        self.branch = Branch()
        self.source: ManifestSource = self.branch
        """Where the loop has its manifests from, when it is started."""
        self.root: Path | None = None
        """What precedes the paths of other tools' files; None where they are not known."""
        self.recovered: list[Recovered] = []
        self.unforeseen: list[Exception] = []
        self.stop = StopToken()
        """Ends a cycle; set when the loop ends."""
        self._policy = Policy(applies, self_heal)
        self._manifests = folder / "manifests"
        self._manifests.mkdir()
        self._commits = 0
        self.start()

    @property
    def writes(self) -> list[Write]:
        """Every write since the boot, whoever made it through the loop's eyes."""
        return self.sysfs.writes

    def start(self) -> None:
        """Start the loop, or another one where it has ended."""
        self.state.prepare()
        host = EnforcedHost(
            opened=self.opened,
            origin=lambda commit: Origin("root", "reconcile watch", self.clock.time(), commit, Actor.LOOP),
            authorised_since=authorised_since(self.state),
        )
        context = LoopContext(
            host=host,
            source=self.source,
            configurations=Configurations(ChangedFiles(), None, read_last_good(self.state)),
            policy=self._policy,
            clock=self.clock,
            observer=_Kept(self.recovered, self.unforeseen),
            stop=self.stop,
        )
        self.loop = Cycles(context)

    def commit(self, *documents: str) -> str:
        """Offer a commit with a Host and `documents`; its id."""
        return self.commit_whole(HOST, *documents)

    def commit_whole(self, *documents: str) -> str:
        """Offer a commit with `documents`; its id."""
        (self._manifests / "new").write_text("---\n".join(documents), encoding="utf-8")
        (self._manifests / "new").replace(self._manifests / "site.yaml")
        self._commits += 1
        paths = (str(self._manifests),)
        self.branch.offered = Offer(DiskFiles(paths, self.clock.time), f"{self._commits:040x}", paths=paths)
        return self.branch.offered.commit

    def turn(self, *sources: str, after: float = 1.0, what: str = "") -> CycleResult:
        """One turn, `after` seconds, that was led to by triggers of `sources`: of the kernel where none is given."""
        self.clock.sleep(after)
        triggers = [Trigger(source, what) for source in sources or ("kernel",)]
        self.loop.ask(triggers)
        turn = self.loop.run_cycle(triggers)
        with suppress(OSError):
            self.loop.rest()
        assert self.unforeseen == []
        return turn

    def turns(self, most: int = 10) -> CycleResult:
        """Turns until one asks for no other one; the last."""
        turn = self.turn()
        while turn.wait is not None and most:
            turn = self.turn(after=turn.wait)
            most -= 1
        return turn

    def typed(self, **terms: Any) -> ApplyResult:
        """Somebody types ``reconcile apply`` with every consent."""
        given: dict[str, Any] = {"consents": EVERY_CONSENT, "lock_seconds": 1.0, **terms}
        paths = given.pop("paths", (self._manifests,))
        origin = Origin("root", "reconcile apply", self.clock.time())
        return apply(Manifests(paths), self.machine(), NoProgress(), origin, Terms(**given))

    def stop_before(self, step: int) -> None:
        """Have the loop end when the next apply is about to make its step `step`."""
        self.stop = SetAt(step)
        self.start()

    def suspend(self, *guests: str, seconds: float | None = None) -> None:
        """Leave `guests` alone, or the whole host where none is given."""
        until = None if seconds is None else self.clock.time() + seconds
        one = Suspension("maintenance", "root", until)
        write_suspensions(self.state, Suspensions(None if guests else one, dict.fromkeys(guests, one)))

    def machine(self) -> OpenHost:
        """What loop and commands work on."""
        return OpenHost(
            self.met, self.clock, self.state, BOOT_ID, "lpar7", root=self.root, timer=_Timer(), stop=self.stop
        )

    @contextmanager
    def opened(self, _changes: bool) -> Iterator[OpenHost]:
        """See `reconciler.watch.loop_context.EnforcedHost`."""
        yield self.machine()


class Unobserved(NoProgress):
    """Nothing is observed."""

    def begins(self) -> None:
        """See `reconciler.watch.loop_context.Observer`."""

    def enforcing(self, host: str, commit: str) -> None:
        """See `reconciler.watch.loop_context.Observer`."""

    def transaction(self, number: int) -> None:
        """See `reconciler.watch.loop_context.Observer`."""

    def unforeseen(self, error: Exception) -> None:
        """See `reconciler.watch.loop_context.Observer`: no bug is passed over."""
        raise AssertionError from error


class _Kept(Unobserved):
    """Keeps what was recovered, and bugs."""

    def __init__(self, recovered: list[Recovered], unforeseen: list[Exception]) -> None:
        self._recovered = recovered
        self._unforeseen = unforeseen

    def recovered(self, found: Sequence[Recovered]) -> None:
        self._recovered.extend(found)

    def unforeseen(self, error: Exception) -> None:
        self._unforeseen.append(error)


class _Timer:
    """Never rings: tests do what it would."""

    def arm(self, generation: int, seconds: float) -> None:
        """See `reconciler.integrations.timers.Timer`."""
