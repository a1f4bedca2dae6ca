"""What is wanted of a host, and where that comes from: manifests, the history, or what the loop enforces."""

import os
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from reconciler.manifests.cross_checks import for_host
from reconciler.manifests.files import DiskFiles
from reconciler.manifests.site import Site, names_of_host, not_checked, other_host, placed, read_files, read_site
from reconciler.model.commands import APPLY, HISTORY, LOOP_STATUS, Advised
from reconciler.model.desired import Desired
from reconciler.model.errors import BusyError, ConflictError, InputError, StateError
from reconciler.model.outcome import commit_words
from reconciler.model.printable import error_text
from reconciler.model.problems import InvalidManifests, Problem, in_a_line
from reconciler.model.stopping import NEVER, Abandoned, Deadline, StopToken
from reconciler.planning.status import THE_MANIFESTS, ComparedWith, Source
from reconciler.transaction.open_host import OpenHost

if TYPE_CHECKING:
    from reconciler.manifests.committed import KeptFiles
    from reconciler.transaction.generation_record import Whole


class NothingEnforced(InputError):
    """The loop has no record of what it enforces, or one of another Host; the text says which."""


class NothingWanted(Advised, InputError):
    """Nothing that was recorded says what is wanted of the host.

    Attributes:
        reasons: why, a sentence each.
        is_invalid_here: whether one of these is that there are manifests which cannot be used.
    """

    def __init__(self, text: str, reasons: tuple[str, ...] = (), *, is_invalid_here: bool = False) -> None:
        super().__init__(text, HISTORY)
        self.reasons = reasons
        self.is_invalid_here = is_invalid_here


class Wanted(NamedTuple):
    """What is wanted of one host, as it was read.

    Attributes:
        desired: the Host and its Guests.
        site: the manifests that it was read from; None where it comes from a record.
        commit: the git commit of the manifests; empty where there is none.
        paths: where the manifests were read; empty likewise.
        compared: what this is, for a status that compares the host with it.
        generation: the number of the generation that wanted the same; 0 where it does not come from the history.
        undone: the number of the generation before which all was like this; 0 likewise.
        subject: what the commit says of itself, where it comes from the history; empty otherwise.
        author: the name of the commit's author, likewise.
        parents: the ids of its first two parents, likewise.
    """

    desired: Desired
    site: Site | None = None
    commit: str = ""
    paths: tuple[str | PathLike[str], ...] = ()
    compared: ComparedWith = THE_MANIFESTS
    generation: int = 0
    undone: int = 0
    subject: str = ""
    author: str = ""
    parents: tuple[str, ...] = ()

    @property
    def is_earlier(self) -> bool:
        """Whether it was wanted before, as the history says: no manifest has changed since."""
        return bool(self.generation or self.undone) or self.compared.source is Source.APPLIED

    def is_named(self, machine_name: str) -> bool:
        """Whether the Host is called like the machine with this name."""
        return self.desired.host.name in names_of_host(machine_name)

    def host_named(self, machine_name: str) -> str:
        """The Host in the same manifests that is called like the machine with this name; empty where there is none."""
        names = {one.name for one in self.site.hosts} if self.site else set()
        return next((name for name in names_of_host(machine_name) if name in names), "")

    def require_named(self, machine_name: str, what: str = "the record is of") -> None:
        """Return if the Host is called like the machine: on a host itself the only Host is meant, elsewhere it may not.

        The sentence of the error begins with `what`, before the word host.

        Raises:
            InvalidManifests: it is another host.
        """
        if self.site and not self.is_named(machine_name):
            raise InvalidManifests(placed([other_host(self.desired.host, machine_name, what)], self.site.sources))

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> "Wanted":  # noqa: ARG002 - as every source has it
        """Itself: what was read once may be applied as it is."""
        return self


class Named(Protocol):
    """A host, as far as manifests ask for one: a machine, or a recorded one."""

    @property
    def name(self) -> str:
        """The machine's host name."""


class WantedSource(Protocol):
    """Where what is wanted is read, again each time: an apply reads it under the locks."""

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:
        """What is wanted of the `machine` now; `stop` may end the reading.

        Raises:
            Abandoned: `stop` has ended it.
            InvalidManifests: the manifests cannot be used.
            NoSuchGeneration: the history does not have what is asked for.
            NothingEnforced: the loop enforces nothing, or another Host.
            BadRecord: a record of ours is damaged.
        """


class Manifests(NamedTuple):
    """The manifests in files and directories.

    Attributes:
        paths: of the files and directories.
        host: the name of the Host; None: that of the machine, or the only one.
        commit: the git commit that is checked out there; empty where there is none.
        given: what was read from standard input, as one more manifest; None where nothing was.
    """

    paths: tuple[str | PathLike[str], ...]
    host: str | None = None
    commit: str = ""
    given: bytes | None = None

    def read(self, machine: Named, stop: StopToken = NEVER) -> Wanted:
        """See `WantedSource`; a recorded host will do, if the Host has its name or was chosen."""
        site = read_site(self.paths, stop, given=self.given)
        return self._of(site, machine.name)

    def _of(self, site: Site, machine_name: str) -> Wanted:
        desired = site.desired(self.host, machine_name)
        if not isinstance(desired, Desired):
            name = self.host or names_of_host(machine_name)[1]
            raise _invalid(site, desired, site.readable(self.host, machine_name), name)
        places = [*(os.fspath(path) for path in self.paths), *([] if self.given is None else ["standard input"])]
        compared = ComparedWith(Source.MANIFESTS, f"the manifests in {', '.join(places)}")
        return Wanted(desired, site, self.commit, self.paths, compared)


class NotVerified(ConflictError):
    """Manifests are of no commit that this host takes, or say something else than it does; the text says what."""


class AsCommitted(NamedTuple):
    """Manifests that must say of the host what a commit says of it, which the host has fetched and verified itself.

    Attributes:
        given: the manifests.
        commit: the id of the commit.
        files: its manifests.
    """

    given: Manifests
    commit: str
    files: "KeptFiles"

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:
        """See `WantedSource`.

        Raises:
            NotVerified: they say something else.
        """
        wanted = self.given.read(machine, stop)
        name = wanted.desired.host.name
        found = read_files(self.files, stop).desired(name, machine.name)
        if not isinstance(found, Desired):
            raise NotVerified(f"the manifests of {self.files.where} cannot be used for host {name}")
        if (found.digest, found.places) != (wanted.desired.digest, wanted.desired.places):
            paths = ", ".join(os.fspath(path) for path in self.given.paths)
            raise NotVerified(
                f"the manifests in {paths} do not say of host {name} what {self.files.where} says of it, which this "
                "host has fetched and verified itself"
            )
        return wanted._replace(commit=self.commit)


def _invalid(site: Site, errors: tuple[Problem, ...], readable: Desired | None, name: str = "") -> InvalidManifests:
    """That `site` cannot be used because of `errors`; with its other problems, and the conflicts of what is `readable`.

    What contradicts each other does so whatever the documents with errors say: one run shows both. The advice
    where there is no Host has its `name`; empty where that is not known.
    """
    others = (one for one in site.problems if one not in errors)
    found = () if readable is None else placed(_among(readable), site.sources)
    return InvalidManifests([for_host(one, name) for one in (*errors, *others, *found, *not_checked(site))])


def _among(readable: Desired) -> list[Problem]:
    from reconciler.planning.conflicts import conflicts
    from reconciler.planning.target import pool_of

    derived = pool_of(readable, ())
    mark = f"among the documents of host '{readable.host.name}' that could be read; those with errors are not compared"
    return [
        one._replace(details=(*one.details, mark))
        for one in conflicts(readable, derived.pool if derived else None, (), ())
    ]


class NothingRefused(Advised, InputError):
    """The loop has no record of manifests that it refuses; the text says why."""


class OfGeneration(NamedTuple):
    """What generation `number` of the history wanted."""

    number: int

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:  # noqa: ARG002 - one file is read
        """See `WantedSource`."""
        from reconciler.transaction.history import History

        found = History(machine.state).target(self.number)
        origin = found.generation.origin
        return Wanted(
            found.desired,
            commit=origin.commit,
            compared=ComparedWith(Source.APPLIED, f"what generation {self.number} wanted", self.number),
            generation=self.number,
            subject=origin.subject,
            author=origin.author,
            parents=origin.parents,
        )


class BeforeGeneration(NamedTuple):
    """What there was before generation `number`, where that is not what any generation wanted as a whole."""

    number: int

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:  # noqa: ARG002 - one file is read
        """See `WantedSource`."""
        from reconciler.transaction.history import History

        return Wanted(History(machine.state).start(self.number), undone=self.number)


class AppliedLast(NamedTuple):
    """What was applied last, as the history says; `host`: to this Host, or to no other.

    Guests that were applied by themselves since (`apply --target`) are as that wanted them.
    """

    host: str | None = None

    @property
    def otherwise(self) -> str:
        """What is the case where there is none."""
        return "nothing was applied yet"

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:  # noqa: ARG002 - one file is read
        """See `WantedSource`."""
        from reconciler.model.codec import BadRecord
        from reconciler.transaction.history import History, NoSuchGeneration

        history = History(machine.state)
        try:
            number = history.newest_target()
        except NoSuchGeneration:
            if any(one.is_damaged for one in history.generations()):
                raise NothingWanted("the record of what was applied last cannot be used") from None
            raise
        found = history.target(number)
        desired, commit = found.desired, found.generation.origin.commit
        if self.host not in (None, desired.host.name):
            raise NothingWanted(f"generation {number} was applied to host {desired.host.name}, not to {self.host}")
        of_commit = f" of commit {commit_words(commit)}" if commit else ""
        try:
            later = history.partial_since(number)
        except BadRecord as error:
            raise NothingWanted(f"a record of what was applied last {error.verdict}") from None
        words = f"what was applied last: generation {number}{of_commit}{_later_words(later)}"
        desired = _with_partial(desired, later)
        return Wanted(desired, None, commit, compared=ComparedWith(Source.APPLIED, words, number, commit))


class NothingConfirmed(Advised, InputError):
    """Nothing was applied to this host, or nothing of it was confirmed yet; the text says which."""


class NoLongerConfirmed(BusyError):
    """Another apply was confirmed, or a rollback was made, since it was read what was confirmed last."""


class Confirmed(NamedTuple):
    """What was applied last, and confirmed where that was asked for: what a held loop enforces; `host` as elsewhere.

    Guests that were applied by themselves since (`apply --target`) are as that wanted them.
    """

    host: str | None = None

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:  # noqa: ARG002 - a few files are read
        """See `WantedSource`; it raises `NothingConfirmed` where there is none, and passes over no damaged record."""
        from reconciler.transaction.confirmation import Confirmations
        from reconciler.transaction.history import History

        history, pending = History(machine.state), Confirmations(machine.state).pending()
        waiting = pending.generation if pending else 0
        last = history.last_target({waiting: False})
        if last is None:
            what = "nothing was confirmed on this host yet" if waiting else "nothing was applied to this host yet"
            raise NothingConfirmed(f"{what}; the loop is held, and waits for the first apply", APPLY)
        if self.host not in (None, last.host):
            raise NothingWanted(f"generation {last.number} was applied to host {last.host}, not to {self.host}")
        origin = last.origin
        later = [one for one in history.partial_since(last.number) if one.generation.number != waiting]
        desired = _with_partial(history.desired(last.number), later)
        compared = ComparedWith(Source.APPLIED, f"generation {last.number}, confirmed", last.number, origin.commit)
        return Wanted(
            desired,
            commit=origin.commit,
            compared=compared,
            generation=last.number,
            subject=origin.subject,
            author=origin.author,
            parents=origin.parents,
        )

    def still(self, wanted: Wanted) -> "StillConfirmed":
        """`wanted`, as long as it is what was confirmed last; raises `NoLongerConfirmed` when it is read otherwise."""
        return StillConfirmed(self, wanted)


class StillConfirmed(NamedTuple):
    """What is `wanted`, which `source` must still say under the locks: a person has the last word."""

    source: Confirmed
    wanted: Wanted

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:
        """See `WantedSource`."""
        if self.source.read(machine, stop).desired != self.wanted.desired:
            raise NoLongerConfirmed("another apply was confirmed meanwhile; the loop looks again")
        return self.wanted


def _with_partial(desired: Desired, later: Iterable["Whole"]) -> Desired:
    """`desired`, and what each partial generation since then wanted, in their order."""
    for one in later:
        desired = _with_chosen(desired, one.desired, {each["uuid"] for each in one.record["plan"]["guests"]})
    return desired


def _later_words(later: Sequence["Whole"]) -> str:
    numbers = [str(one.generation.number) for one in later]
    if not numbers:
        return ""
    which = f"generation {numbers[0]}" if len(numbers) == 1 else f"generations {numbers[0]} to {numbers[-1]}"
    return f", with the guests that {which} changed by themselves"


def _with_chosen(desired: Desired, chosen: Desired, changed: set[str]) -> Desired:
    """`desired` with the guests that a partial apply has `chosen` and `changed`; it is no other configuration."""
    gone = changed | {one.uuid for one in chosen.guests}
    guests = (*(one for one in desired.guests if one.uuid not in gone), *chosen.guests)
    return desired._replace(guests=tuple(sorted(guests, key=lambda one: one.name)))


class Enforced(NamedTuple):
    """What the loop enforces, as its record says, whether or not a loop runs; `host`: of this Host, or no other."""

    host: str | None = None

    @property
    def otherwise(self) -> str:
        """What is the case where there is no record."""
        return "no loop enforces anything"

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:  # noqa: ARG002 - one file is read
        """See `WantedSource`."""
        from reconciler.transaction.loop_records import read_last_good

        found = read_last_good(machine.state)
        if found is None:
            raise NothingEnforced(f"no loop has enforced anything yet with the state directory {machine.state.path}")
        if self.host not in (None, found.desired.host.name):
            raise NothingEnforced(
                f"the loop enforces the manifests of host {found.desired.host.name}, not of {self.host}"
            )
        of_commit = f": commit {commit_words(found.commit)}" if found.commit else ""
        compared = ComparedWith(Source.ENFORCED, f"what the loop enforces{of_commit}", 0, found.commit)
        return Wanted(found.desired, None, found.commit, compared=compared)


class Refused(NamedTuple):
    """What the loop refuses, as its record says, whether or not a loop runs; `host` as the loop has it, where None."""

    host: str | None = None

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:
        """See `WantedSource`."""
        from reconciler.manifests.committed import Kept, KeptFiles
        from reconciler.transaction.loop_records import read_refusal

        found = read_refusal(machine.state)
        if found is None:
            raise NothingRefused(f"the loop refuses nothing with the state directory {machine.state.path}", LOOP_STATUS)
        if not found.is_read:
            what = f"commit {found.commit} is" if found.commit else "the newest configuration is"
            reasons = "; ".join(found.reasons)
            raise NothingRefused(f"{what} refused, and its manifests were not read: {reasons}", LOOP_STATUS)
        kept = {name: Kept(text.encode("utf-8")) for name, text in found.texts.items()}
        site = read_files(KeptFiles("what the loop refuses", kept, found.unread), stop)
        desired = site.desired(self.host or found.host, machine.name)
        if not isinstance(desired, Desired):
            raise _invalid(site, desired, site.readable(self.host or found.host, machine.name))
        compared = ComparedWith(Source.REFUSED, "what the loop refuses", 0, found.commit)
        return Wanted(desired, site, found.commit, compared=compared)


_SEARCH_SECONDS: Final = 1.0
"""How long a directory that was not named is searched for manifests."""

_OURS: Final = "reconciler/"


class _Unused(NamedTuple):
    """Why the manifests in a directory are not used, and whether there are any."""

    reason: str
    is_invalid: bool = False


class Nearest(NamedTuple):
    """What the host is compared with where nothing is named, so that a status works in every directory.

    That is the manifests in `directory`, without those what was applied last, without that what the loop enforces.
    """

    directory: str | PathLike[str]
    host: str | None = None

    def read(self, machine: OpenHost, stop: StopToken = NEVER) -> Wanted:
        """See `WantedSource`; where there is nothing of all that, it raises `NothingWanted`.

        Where a Host is named that the manifests in the directory do not have, it raises `InvalidManifests`.
        """
        found = self._manifests(machine, stop)
        wanted = found if isinstance(found, Wanted) else None
        because = [found.reason] if isinstance(found, _Unused) else []
        is_invalid = isinstance(found, _Unused) and found.is_invalid
        for source in (AppliedLast(self.host), Enforced(self.host)):
            if wanted is None:
                try:
                    wanted = source.read(machine, stop)
                except NothingWanted as error:
                    because.append(str(error))
                except InputError:
                    because.append(source.otherwise)
                except (StateError, OSError) as error:
                    because.append(error_text(error))
        if wanted is None:
            text, reasons = "nothing says what is wanted of this host", tuple(dict.fromkeys(because))
            raise NothingWanted(text, reasons, is_invalid_here=is_invalid)
        compared = wanted.compared._replace(because=tuple(dict.fromkeys(because)), is_invalid_here=is_invalid)
        return wanted._replace(compared=compared)

    def _manifests(self, machine: OpenHost, stop: StopToken) -> Wanted | _Unused:
        """Those in the directory, or why they cannot be used."""
        source = Manifests((self.directory,), self.host)
        files = DiskFiles(source.paths)
        deadline = Deadline(machine.clock.monotonic() + _SEARCH_SECONDS, "the search took too long")
        try:
            listing = files.listing(stop.by(deadline, machine.clock.monotonic))
        except Abandoned:
            stop.check()
            return _Unused("this directory has too many files to be searched for manifests")
        if not listing.files:
            return _Unused("there are no manifests in this directory")
        site = read_files(files, stop)
        desired = site.desired(self.host, machine.name)
        if isinstance(desired, Desired):
            return source._of(site, machine.name)
        if site.hosts and [one.id for one in desired] == ["host-not-found"]:
            return source._of(site, machine.name)  # a Host that was named and is none is refused, as in a plan
        if any(_OURS in text for text in site.sources.values()):
            count = f" ({len(desired)} errors)" if len(desired) > 1 else ""
            reason = f"the manifests in this directory cannot be used: {in_a_line(desired[0])}{count}"
            return _Unused(reason, is_invalid=True)
        return _Unused("there are no manifests in this directory")
