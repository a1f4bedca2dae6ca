"""What is wanted of a host, and where that comes from: manifests, the history, or what the loop enforces."""

from os import PathLike
from typing import NamedTuple, Protocol

from reconciler.manifests.site import Site, read_files, read_site
from reconciler.model.commands import LOOP_STATUS, Advised
from reconciler.model.desired import Desired
from reconciler.model.errors import InputError
from reconciler.model.problems import InvalidManifests
from reconciler.model.stopping import NEVER, StopToken
from reconciler.transaction.machine import Machine


class NothingEnforced(InputError):
    """The loop has no record of what it enforces, or one of another Host; the text says which."""


class Wanted(NamedTuple):
    """What is wanted of one host, as it was read.

    Attributes:
        desired: the Host and its Guests.
        site: the manifests that it was read from; None where it comes from a record.
        commit: the git commit of the manifests; empty where there is none.
        paths: where the manifests were read; empty likewise.
    """

    desired: Desired
    site: Site | None = None
    commit: str = ""
    paths: tuple[str | PathLike[str], ...] = ()

    def read(self, machine: Machine, stop: StopToken = NEVER) -> "Wanted":  # noqa: ARG002 - as every source has it
        """Itself: what was read once may be applied as it is."""
        return self


class Named(Protocol):
    """A host, as far as manifests ask for one: a machine, or a recorded one."""

    @property
    def name(self) -> str:
        """The machine's host name."""


class WantedSource(Protocol):
    """Where what is wanted is read, again each time: an apply reads it under the locks."""

    def read(self, machine: Machine, stop: StopToken = NEVER) -> Wanted:
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
    """

    paths: tuple[str | PathLike[str], ...]
    host: str | None = None
    commit: str = ""

    def read(self, machine: Named, stop: StopToken = NEVER) -> Wanted:
        """See `WantedSource`; a recorded host will do."""
        site = read_site(self.paths, stop=stop)
        desired = site.desired(self.host, machine.name)
        if not isinstance(desired, Desired):
            raise InvalidManifests((*desired, *(one for one in site.problems if one not in desired)))
        return Wanted(desired, site, self.commit, self.paths)


class NothingRefused(Advised, InputError):
    """The loop has no record of manifests that it refuses; the text says why."""


class OfGeneration(NamedTuple):
    """What generation `number` of the history wanted."""

    number: int

    def read(self, machine: Machine, stop: StopToken = NEVER) -> Wanted:  # noqa: ARG002 - one file is read
        """See `WantedSource`."""
        from reconciler.transaction.history import History

        return Wanted(History(machine.state).desired(self.number))


class Enforced(NamedTuple):
    """What the loop enforces, as its record says, whether or not a loop runs; `host`: of this Host, or no other."""

    host: str | None = None

    def read(self, machine: Machine, stop: StopToken = NEVER) -> Wanted:  # noqa: ARG002 - one file is read
        """See `WantedSource`."""
        from reconciler.transaction.loop_records import read_last_good

        found = read_last_good(machine.state)
        if found is None:
            raise NothingEnforced(f"no loop has enforced anything yet with the state directory {machine.state.path}")
        if self.host not in (None, found.desired.host.name):
            raise NothingEnforced(
                f"the loop enforces the manifests of host {found.desired.host.name}, not of {self.host}"
            )
        return Wanted(found.desired, None, found.commit)


class Refused(NamedTuple):
    """What the loop refuses, as its record says, whether or not a loop runs; `host` as the loop has it, where None."""

    host: str | None = None

    def read(self, machine: Machine, stop: StopToken = NEVER) -> Wanted:
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
            raise InvalidManifests((*desired, *(one for one in site.problems if one not in desired)))
        return Wanted(desired, site, found.commit)
