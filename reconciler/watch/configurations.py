"""Which configuration is enforced: the newest one where it can be used, otherwise the last good one.

Removals wait: a guest that is gone from the files is removed only once nothing writes there any more. A copy into the
directory, such as `rm -rf` and then one file after the other, is not atomic: in its midst some guests are missing for a
moment. A commit of git is atomic and waits for nothing. Pure: time is given.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from reconciler.manifests.pinpoint import guests_in
from reconciler.manifests.site import ChangedFiles, Site, placed
from reconciler.model.commands import APPLY, REFUSED, TRIGGER, Here, resume
from reconciler.model.desired import Activation, Desired
from reconciler.model.machines import WRONG_MACHINE, HostPlace
from reconciler.model.problems import Problem, Severity, errors_of
from reconciler.model.stopping import NEVER, StopToken
from reconciler.operations.wanted import Confirmed, NothingConfirmed, NothingWanted, Wanted
from reconciler.planning.conflicts import conflicts
from reconciler.planning.plan import Consent, Plan, removal_limits
from reconciler.planning.target import pool_of
from reconciler.render.text import counted
from reconciler.transaction.loop_records import LastGood, Refusal, write_refusal
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.cycle_result import CycleResult, Ending
from reconciler.watch.decisions import named
from reconciler.watch.differences import MOST_DIFFERENCES, changes_of
from reconciler.watch.manifest_sources import Offer
from reconciler.watch.report import (
    CONSENT,
    CORRECTION,
    MASKS,
    RESUMPTION,
    Changed,
    Condition,
    Obstacle,
    RefusedConfiguration,
)
from reconciler.watch.triggers import BY_PEOPLE, Noticed, Trigger

QUIET_SECONDS: Final = 5.0
"""For how long the files must not have changed before guests that are gone from them are removed."""

LONGEST_SECONDS: Final = 60.0
"""How long a removal waits at most: files that are touched again and again do not put it off for ever."""


class Look(NamedTuple):
    """What led to a look at the manifests.

    Attributes:
        now: when it is made, in seconds on a monotonic clock.
        is_stirred: whether files have changed since the last one.
        is_asked: whether a person has asked for it, who does not wait.
    """

    now: float
    is_stirred: bool = False
    is_asked: bool = False


def look_after(triggers: Collection[Trigger], now: float) -> Look:
    """The look at `now` to which `triggers` have led."""
    sources = {trigger.source for trigger in triggers}
    return Look(now, Noticed.FILES in sources, not BY_PEOPLE.isdisjoint(sources))


class Removals(NamedTuple):
    """Guests that are enforced and gone from the files.

    Attributes:
        guests: their names.
        content: what identifies this state of the manifests.
        first: when the first of these looks was made.
        last: when the files were last seen to have changed.
        due: when the removal is judged, if nothing changes until then.
        is_over: whether nothing is waited for any more, as long as `content` stays the same.
        unusable: why the manifests cannot be used as they are, so that nothing is removed but they are refused; empty
            where they can.
    """

    guests: tuple[str, ...]
    content: str
    first: float
    last: float
    due: float
    is_over: bool
    unusable: str = ""


def removals_after(
    before: Removals | None,
    guests: tuple[str, ...],
    content: str,
    look: Look,
    *,
    quiet: float = QUIET_SECONDS,
    longest: float = LONGEST_SECONDS,
) -> Removals | None:
    """What is known of removals after `look`; None where no guest is gone.

    Args:
        before: what was known after the look before.
        guests: the names of the guests that are gone.
        content: see `Removals`.
        look: when, and what led to it.
        quiet: see `QUIET_SECONDS`.
        longest: see `LONGEST_SECONDS`.
    """
    if not guests:
        return None
    if before is None or (before.is_over and before.content != content):
        first = last = look.now
        was_over = False
    else:
        first, was_over = before.first, before.is_over
        last = look.now if look.is_stirred or before.content != content else before.last
    due = min(last + quiet, first + longest)
    return Removals(guests, content, first, last, due, was_over or look.is_asked or look.now >= due)


def reported(result: CycleResult, removals: Removals | None, now: float, here: Here) -> CycleResult:
    """`result` with the `removals` that wait at `now`; `here` completes the command that ends the wait."""
    if removals is None or removals.is_over or now >= removals.due:
        return result
    count = len(removals.guests)
    happens = f"when the files have been quiet for {QUIET_SECONDS:.0f} s, or at once by: {here.line(TRIGGER)}"
    text = (
        f"{removals.unusable}; no guest is removed, and the manifests are refused {happens}"
        if removals.unusable
        else f"{counted(count, 'guest')} {'is' if count == 1 else 'are'} gone from the manifests: "
        f"{named(removals.guests)}; removed {happens}"
    )
    condition, summary = result.ending
    ending = (
        Ending(Condition.WAITING, text) if condition is Condition.IN_SYNC else Ending(condition, f"{summary}; {text}")
    )
    left = removals.due - now
    return result._replace(ending=ending, wait=left if result.wait is None else min(left, result.wait))


_MOST_REASONS = 20
_MOST_RESUMED: Final = 8
_MISSING: Final = frozenset({"host-not-chosen", "host-not-found", "no-host", "no-manifests", "path-missing"})
"""The problems of manifests that lack files, and are not wrong otherwise."""


class Configuration(NamedTuple):
    """Manifests that can be read, and their git commit; empty where there is none."""

    wanted: Wanted
    commit: str

    @property
    def good(self) -> LastGood:
        """What is kept of it."""
        return LastGood(self.wanted.desired, self.commit)


class Concerned(NamedTuple):
    """Whom a configuration that is refused concerns; see `RefusedConfiguration`.

    Attributes:
        guests: those that are in the way.
        changes: what it would have changed.
    """

    guests: tuple[str, ...] = ()
    changes: tuple[Changed, ...] = ()


class Configurations:
    """What is enforced, and what is refused."""

    def __init__(self, files: ChangedFiles, host: str | None, last_good: LastGood | None) -> None:
        """Begin with the last good configuration that an earlier run has left.

        Args:
            files: reads manifests.
            host: the Host to work on; None for that of the machine.
            last_good: what was enforced last.
        """
        self._files = files
        self._host = host
        self.enforced = last_good and Configuration(Wanted(last_good.desired, None, last_good.commit), last_good.commit)
        self.refused: RefusedConfiguration | None = None
        self.look = Look(0.0)
        """What led to the cycle; it is set at its begin."""
        self._site: Site | None = None  # what was read last
        self._refused_site: Site | None = None  # what is refused, where it was read
        self.is_recorded = True
        """Whether the state directory has what is refused, or that nothing is."""
        self._is_first = True
        self.removals: Removals | None = None
        """The guests that are gone from the files and enforced still; see `reconciler.watch.configurations`."""

    def newest(self, offer: Offer, machine_name: str, now: float, stop: StopToken = NEVER) -> Configuration | None:
        """The configuration that `offer` has; None where there is none, or where it cannot be read, which is noted.

        Files that are missing, as in the midst of a copy, are waited for first.
        """
        self._site = None
        if offer.files is None:
            if not offer.unreachable:
                self.refuse(offer.commit, offer.refused, now, *offer.obstacles)
            return None
        self._site = site = self._files.read(offer.files, stop)
        desired = site.desired(self._host, machine_name)
        if isinstance(desired, Desired):
            self._place(desired.places)
            return Configuration(Wanted(desired, site, offer.commit), offer.commit)
        if not {one.id for one in desired} <= _MISSING:
            self.removals = None
        elif self._waits_for_removals(offer, frozenset(), str(sorted(site.sources)), errors_of(desired)[0].message):
            return None
        self.refuse(offer.commit, reasons_of(desired), now, concerned=Concerned(guests_in(desired, site.sources)))
        return None

    def confirmed(self, source: Confirmed, machine: OpenHost, stop: StopToken) -> Configuration:
        """What `source` says was confirmed last: that is enforced from now on, whatever its plan is.

        A person has applied it, so that it is neither judged nor refused; and where there is none, nothing is enforced.
        """
        try:
            wanted = source.read(machine, stop)
        except (NothingConfirmed, NothingWanted):
            self.enforced = None
            raise
        newest = Configuration(wanted, wanted.commit)
        self.accept(newest)
        return newest

    def _place(self, places: tuple[HostPlace, ...]) -> None:
        """From now on the host may run in `places`: also what is enforced is enforced nowhere else."""
        if self.enforced:
            wanted = self.enforced.wanted
            self.enforced = self.enforced._replace(
                wanted=wanted._replace(desired=wanted.desired._replace(places=places))
            )

    def is_new(self, newest: Configuration) -> bool:
        """Whether `newest` means something else than what is enforced."""
        return self.enforced is None or newest.wanted.desired.digest != self.enforced.wanted.desired.digest

    def accept(self, newest: Configuration) -> None:
        """From now on `newest` is enforced."""
        if self.refused or self._is_first:
            self.is_recorded = self._is_first = False
        self.enforced, self.refused, self.removals, self._refused_site = newest, None, None, None

    def judge(
        self, newest: Configuration, plan: Plan, offer: Offer, here: Here, now: float, corrected: Plan | None = None
    ) -> bool:
        """Whether `newest`, whose plan this is, may be used without a person; otherwise it is noted why not.

        It is what the source has offered; `here` are the options that lead to this machine, for a command.
        `corrected` is the plan that also corrects the drift which `plan` leaves, where that may be what is in the way.
        """
        if not plan.is_valid:
            reasons, concerned = reasons_of(plan.problems), _with_errors(plan, newest.wanted.site)
            if corrected and corrected.is_valid:
                line = _reading(here, offer).line(APPLY.with_flags(*corrected.flags))
                first = f"{CORRECTION}{line}"
                concerned = Concerned(concerned.guests, changes_of(corrected))
                self.refuse(newest.commit, (first, *reasons), now, Obstacle.DRIFT, command=line, concerned=concerned)
                return False
            held = tuple(dict.fromkeys(name for one in errors_of(plan.problems) for name in one.held_by))
            line = here.line(resume(held[:_MOST_RESUMED])) if held else ""
            reasons = (f"{RESUMPTION}{line}", *reasons) if held else reasons
            self.refuse(newest.commit, reasons, now, *_obstacles(plan.problems), command=line, concerned=concerned)
            return False
        return self._has_consent(newest, plan.consents, offer, here, now, Concerned(changes=changes_of(plan)))

    def may_replace(self, newest: Configuration, offer: Offer, here: Here, now: float) -> bool:
        """Whether `newest` may replace what is enforced, whatever is on the host; else it is noted why not.

        Manifests that contradict each other may not, also where one of their guests is suspended; and removing much
        needs a person, also where nothing of it is there, as after a boot. Guests that are gone from files are waited
        for first.
        """
        site, desired = newest.wanted.site, newest.wanted.desired
        if self._waits_for_removals(offer, frozenset(guest.uuid for guest in desired.guests), desired.digest):
            return False
        derived = pool_of(desired, ())
        among = placed(conflicts(desired, derived and derived.pool, (), ()), site.sources) if site else []
        if errors_of(among):
            concerned = Concerned(guests_in(errors_of(among), site.sources if site else {}))
            self.refuse(newest.commit, reasons_of(tuple(among)), now, concerned=concerned)
            return False
        before, after = _claiming(self.enforced) if self.enforced else {}, _claiming(newest)
        removals = removal_limits(before, after)
        gone = tuple(name for uuid, name in before.items() if uuid not in after)
        return self._has_consent(newest, removals, offer, here, now, Concerned(gone))

    def _waits_for_removals(self, offer: Offer, uuids: frozenset[str], content: str, unusable: str = "") -> bool:
        """Whether guests that are enforced and not among `uuids` are waited for; `content` is what was read.

        `unusable` says why nothing can be removed, as what was read is no configuration.
        """
        enforced = self.enforced.wanted.desired.guests if self.enforced and offer.is_piecemeal else ()
        gone = tuple(guest.name for guest in enforced if guest.uuid not in uuids)
        found = removals_after(self.removals, gone, content, self.look)
        self.removals = found and found._replace(unusable=unusable)
        return self.removals is not None and not self.removals.is_over

    def _has_consent(
        self,
        newest: Configuration,
        needed: Sequence[Consent],
        offer: Offer,
        here: Here,
        now: float,
        concerned: Concerned,
    ) -> bool:
        if not needed:
            return True
        flags = sorted({one.flag for one in needed})
        reasons = [f"{one.holder}: {one.reason}" for one in needed[:_MOST_REASONS]]
        line = _reading(here, offer).line(APPLY.with_flags(*flags))
        holders = tuple(one.holder for one in needed if one.uuid)
        concerned = concerned._replace(guests=(*holders, *concerned.guests))
        self.refuse(
            newest.commit, (f"{CONSENT}{line}", *reasons), now, Obstacle.CONSENT, command=line, concerned=concerned
        )
        return False

    def refuse(
        self,
        commit: str,
        reasons: tuple[str, ...],
        now: float,
        *obstacles: Obstacle,
        command: str = "",
        concerned: Concerned | None = None,
    ) -> None:
        """Note that a configuration is not used; without `obstacles`, because of its manifests."""
        same = self.refused is not None and (self.refused.commit, self.refused.reasons) == (commit, reasons)
        if not same:
            found, (guests, changes) = obstacles or (Obstacle.MANIFESTS,), concerned or Concerned()
            names = dict.fromkeys((*guests, *(one.name for one in changes if one.name != MASKS)))
            some = tuple(names)[:MOST_DIFFERENCES]
            self.refused = RefusedConfiguration(commit, reasons, now, found, command, some, changes)
        self.is_recorded &= same and _texts(self._site) == _texts(self._refused_site)
        self._refused_site = self._site

    def record_refusal(self, state: StateDirectory) -> None:
        """Have in `state` what is refused now, or that nothing is.

        Raises:
            OSError: it cannot be written.
        """
        refused, site = self.refused, self._refused_site
        write_refusal(state, refused and refusal_of(refused, self._host, site))
        self.is_recorded = True


def _texts(site: Site | None) -> object:
    return site and (site.sources, site.unread)


def refusal_of(refused: RefusedConfiguration, host: str | None, site: Site | None) -> Refusal:
    """What is kept of a configuration that is `refused`, of which `site` was read; `host` is the Host to work on."""
    texts, unread = (site.sources, site.unread) if site else ({}, ())
    return Refusal(refused.commit, refused.reasons, host, site is not None, texts, unread)


def _reading(here: Here, offer: Offer) -> Here:
    """`here`, with the manifests of the `offer` that is refused."""
    return here.reading(offer.paths) if offer.paths else here.recorded(REFUSED)


def _with_errors(plan: Plan, site: Site | None) -> Concerned:
    """The guests that the errors of `plan` are about, also suspended ones that have what is needed."""
    errors = errors_of(plan.problems)
    held = (name for one in errors for name in one.held_by)
    return Concerned((*guests_in(errors, site.sources if site else {}), *held))


_OF_THE_MANIFESTS: Final = frozenset(
    {
        *("guest-overlap", "kept-queue", "kept-queue-given-up", "no-pool", "queue-left-to-host", "uuid-would-change"),
        *("lpar-overlap", "both-active", "outside-lpar", "partners-in-one-machine", "partners-differ"),
    }
)
"""The problems of a plan that the manifests have by themselves, and that ``validate`` shows."""


def _obstacles(problems: Iterable[Problem]) -> tuple[Obstacle, ...]:
    """What is in the way where a plan has `problems`, each once."""
    errors = [one for one in problems if one.severity is Severity.ERROR]
    ids = {one.id for one in errors if not one.held_by}
    found = [Obstacle.SUSPENSION] if any(one.held_by for one in errors) else []
    found += [Obstacle.PLACE] if WRONG_MACHINE in ids else []
    found += [Obstacle.MODULE] if "no-vfio-ap" in ids else []
    found += [Obstacle.MANIFESTS] if ids & _OF_THE_MANIFESTS else []
    return (*found, Obstacle.HOST) if ids - _OF_THE_MANIFESTS - {"no-vfio-ap", WRONG_MACHINE} else tuple(found)


def _claiming(one: Configuration) -> dict[str, str]:
    """The names of the guests whose devices are to be there, by the uuids of these."""
    return {guest.uuid: guest.name for guest in one.wanted.desired.guests if guest.activation is Activation.ACTIVE}


def reasons_of(problems: tuple[Problem, ...]) -> tuple[str, ...]:
    """The errors of `problems` in a line each, at most some."""
    errors = errors_of(problems)
    reasons = [f"{_place(one)}{one.message} ({one.id})" for one in errors]
    more = len(reasons) - _MOST_REASONS
    return (*reasons[:_MOST_REASONS], f"and {more} more") if more > 0 else tuple(reasons)


def _place(problem: Problem) -> str:
    first = problem.places[0] if problem.places else None
    return f"{first}: " if first and not first.is_whole else ""
