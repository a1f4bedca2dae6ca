"""All manifests of a site: every host, guest and machine in them, and every problem in one run.

A loop reads a site again and again; only files that have changed are parsed anew then.
"""

import os
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Final, NamedTuple, TypeGuard

from reconciler.manifests.cross_checks import Population, cross_checked
from reconciler.manifests.data import Data, PlainScalars, error, limited
from reconciler.manifests.documents import DocumentReader, digest_of
from reconciler.manifests.files import NAME_IT, Amount, DiskFiles, Files, FoundFile, amount_of, too_much
from reconciler.manifests.lpar_checks import resolved
from reconciler.manifests.schema import Accepted, Forms, Unclear, kind_of
from reconciler.manifests.skipped import begins_like_ours
from reconciler.manifests.strict_yaml import document_count, documents_of
from reconciler.manifests.yaml_stream import decoded
from reconciler.model.desired import Desired, DesiredGuest, DesiredHost
from reconciler.model.machines import DesiredMachine, host_places
from reconciler.model.printable import shortened
from reconciler.model.problems import (
    FOREIGN_FILES,
    NO_MANIFESTS,
    TOO_MUCH,
    Place,
    Position,
    Problem,
    ProblemList,
    Severity,
    errors_of,
    several,
)
from reconciler.model.similar import did_you_mean
from reconciler.model.stopping import NEVER, StopToken

if TYPE_CHECKING:
    from reconciler.manifests.form_problems import FormProblems

_LIKE_A_HOST: Final = r"""\bkind["']?:\s*["']?Host\b"""


class Site(NamedTuple):
    """Everything that was read.

    Attributes:
        hosts: in the order in which they were found.
        guests: likewise, each with its host and uuid; one with several hosts (``spec.hosts``) once for each.
        problems: errors and warnings, with exact places, in the order of these.
        sources: the text of each file, by the name that places have.
        machines: in the order in which they were found; standbys have what their originals have.
        unread: those of the problems that texts alone do not show: of paths, and of files without a text.
        unread_documents: how many documents could not be read; a file that could not be is one.
    """

    hosts: tuple[DesiredHost, ...]
    guests: tuple[DesiredGuest, ...]
    problems: tuple[Problem, ...]
    sources: Mapping[str, str]
    unread: tuple[Problem, ...] = ()
    machines: tuple[DesiredMachine, ...] = ()
    unread_documents: int = 0

    @property
    def guest_count(self) -> int:
        """How many guests there are; one with several hosts counts once."""
        return len({guest.position for guest in self.guests})

    def desired(self, host_name: str | None, machine_name: str) -> Desired | tuple[Problem, ...]:
        """What is wanted of one host, or the errors that prevent it.

        The host is `host_name`; where that is None, the one named like this machine (`machine_name`, with or without
        its domain name), or else the only one.
        """
        if errors := errors_of(self.problems):
            return tuple(errors)
        host = self._host(host_name, machine_name)
        if isinstance(host, Problem):
            return (host,)
        guests = tuple(sorted((guest for guest in self.guests if guest.host == host.name), key=lambda one: one.name))
        return Desired(host, guests, digest_of(host, guests), host_places(host.name, self.machines))

    def readable(self, host_name: str | None, machine_name: str) -> Desired | None:
        """What could be read of one host, whatever else is wrong; None where not even the Host could be.

        Of guests with the same uuid the first is taken; for the other arguments see `desired`.
        """
        guests = {(one.host, one.uuid): one for one in reversed(self.guests)}
        found = self._replace(guests=tuple(guests.values()), problems=()).desired(host_name, machine_name)
        return found if isinstance(found, Desired) else None

    def _host(self, host_name: str | None, machine_name: str) -> DesiredHost | Problem:
        hosts = {host.name: host for host in self.hosts}
        if host_name is not None:
            return hosts.get(host_name) or _no_such_host(host_name, sorted(hosts))
        for name in names_of_host(machine_name):
            if name in hosts:
                return hosts[name]
        return self.hosts[0] if len(hosts) == 1 else _host_not_chosen(machine_name, sorted(hosts))


def names_of_host(machine_name: str) -> tuple[str, str]:
    """What the Host of the machine called `machine_name` may be called: with or without its domain name."""
    name = machine_name.lower()
    return name, name.partition(".")[0]


def other_host(host: DesiredHost, machine_name: str, what: str = "the record is of") -> Problem:
    """That the only `host` is not `what` was named by an option, whose machine is called `machine_name`."""
    message = f"{what} host {machine_name!r}, and the manifests describe only host {host.name!r}"
    other = f"Take the record of {host.name}" if "record" in what else f"Name the manifests of {machine_name} with -f"
    advice = f"{other}. If only the machine's name differs, add: --host {host.name}"
    return error("other-host", message, (Place(host.position, field=("metadata", "name")),), advice)


def not_checked(site: Site, left_out: Sequence[str] = ()) -> list[Problem]:
    """A note on what was not checked because of errors, so that more may be found once these are fixed.

    `left_out` are other checks that were left out, a sentence each; without any, and with all documents read, no note.
    """
    unread = site.unread_documents
    if any(one.id == NO_MANIFESTS for one in site.problems) or not (unread or left_out):
        return []
    whose = "its" if unread == 1 else "their"
    compared = [f"{whose} names, uuids and queues were not compared with those of other documents"] if unread else []
    documents = "1 document" if unread == 1 else f"{unread} documents"
    why = f"{documents} could not be read" if unread else "there are errors"
    message, advice = f"{why}, so that not everything was checked", "Fix the errors above, then run again."
    return [Problem("not-checked", Severity.NOTE, message, details=(*compared, *left_out), help=advice)]


def placed(problems: Iterable[Problem], sources: Mapping[str, str]) -> list[Problem]:
    """`problems` with their exact places, and only the first of very many (`ProblemList`).

    Most sites have none, and need not load what finds places.
    """
    few = ProblemList(problems).all
    if not few:
        return []
    from reconciler.manifests.pinpoint import pinpoint

    return pinpoint(few, sources)


def read_site(paths: Sequence[str | PathLike[str]], stop: StopToken = NEVER, *, given: bytes | None = None) -> Site:
    """All manifests in `paths`, files or directories; see `read_files`.

    `given` is what was read from standard input, one more manifest: None where nothing was.
    """
    if given is None:
        return read_files(DiskFiles(paths), stop)
    from reconciler.manifests.committed import WithInput

    return read_files(WithInput(DiskFiles(paths) if paths else None, given), stop)


def read_files(files: Files, stop: StopToken = NEVER, read: "Callable[[FoundFile], FileReading] | None" = None) -> Site:
    """All manifests in `files`, as many as one run reads (`reconciler.manifests.files`).

    `stop` ends it all by raising `Abandoned`; `read` reads one of them, anew where nothing else is given.
    """
    found, problems = files.listing(stop)
    if any(one.id in {TOO_MUCH, FOREIGN_FILES} for one in problems):
        return _joined(problems, [])  # what a part of a wrong directory says is of no use
    reading = Reading(stop)
    read = read or (lambda file: reading.of(file.name, files.content(file)))
    readings: list[FileReading] = []
    amount, balance = Amount(), _Balance()
    for file in found:
        stop.check()
        one = read(file)
        stop.advance()
        amount = amount.plus(one.amount)
        if amount.exceeded:
            readings.append(Reading().of(file.name, too_much(file.name, amount.exceeded)))
            break
        readings.append(one)
        balance.add(one)
        if balance.is_wrong:
            return _joined([balance.problem(files.where, len(found))], [])
    stop.check()
    return _joined([*problems, *_wrong_directory(files.where, readings)], readings)


_MOST_FOREIGN: Final = 100
"""After how many files without a single manifest of ours the directory is taken for the wrong one."""


_FEW: Final = 3
"""Of how many files of other programs beside manifests nothing is said but what is wrong with each."""


_MANY: Final = 10
"""From how many files on those of other programs, and those that repeat others, make a directory the wrong one."""


def _is_foreign(one: "FileReading") -> bool:
    return bool(one.problems) and not begins_like_ours((one.text or "").encode("utf-8", "surrogatepass"))


class _Balance:
    """How many of the files so far are manifests of one site: neither of other programs, nor of what others describe.

    A wrong directory is recognised by their number, not by the time that it takes, so that each machine says the same.
    """

    def __init__(self) -> None:
        self._known: set[tuple[str, ...]] = set()
        self._ours: list[str] = []
        self._foreign = self._repeated = 0

    def add(self, one: "FileReading") -> None:
        described = one.population.described()
        if _is_foreign(one):
            self._foreign += 1
        elif described and described <= self._known:
            self._repeated += 1
        else:
            self._ours.append(one.name)
            self._known |= described

    @property
    def others(self) -> int:
        """How many are not."""
        return self._foreign + self._repeated

    @property
    def ours(self) -> int:
        """How many are."""
        return len(self._ours)

    @property
    def is_wrong(self) -> bool:
        """Whether enough was seen to say that of the whole directory."""
        return self.others >= _MOST_FOREIGN and self.others > self.ours

    def problem(self, where: str, found: int) -> Problem:
        """What is wrong with `where`, in which `found` files are."""
        read = self.others + self.ours
        if self._foreign == read:
            return _no_manifests(where, read, found)
        counts = ((self._foreign, "are for other programs"), (self._repeated, "describe what others of them describe"))
        what = ", and ".join(f"{count:,} {text}" for count, text in counts if count)
        of_them = f"the first {read:,} of its {found:,} YAML files" if read < found else f"its {found:,} YAML files"
        message = f"{where} does not look like a directory of manifests: of {of_them} {what}"
        return error(FOREIGN_FILES, message, _folder_of(where, self._ours), NAME_IT)


def _wrong_directory(where: str, readings: "Sequence[FileReading]") -> list[Problem]:
    """That `where` is probably the wrong directory, as the files in it are of other programs: all, or most of them."""
    foreign = sum(one.text is not None and _is_foreign(one) for one in readings)
    ours = [one.name for one in readings if not _is_foreign(one)]
    # What a file without a text is, is not known; nor is a file that was named by itself a wrong directory.
    if readings and foreign == len(readings) and readings[0].name != where:
        return [_no_manifests(where, len(readings), len(readings))]
    if ours and foreign > max(_FEW, len(ours)):
        return [_foreign_files(where, ours, len(readings))]
    balance = _Balance()
    for one in readings:
        balance.add(one)
    return [balance.problem(where, len(readings))] if balance.others > max(_MANY, balance.ours) else []


def _no_manifests(where: str, read: int, found: int) -> Problem:
    """The problem with `where`, of whose `found` YAML files the first that were `read` are all of something else."""
    which = f"none of the first {read} of {found:,} YAML files has" if read < found else "no YAML file in it has"
    message = f"{where} holds no manifests: {which} apiVersion reconciler/v1"
    return error(NO_MANIFESTS, message, (), NAME_IT)


def _foreign_files(where: str, ours: Sequence[str], found: int) -> Problem:
    """The problem with `where`, of whose `found` YAML files only a few, with the names `ours`, are manifests."""
    verb = "has" if len(ours) == 1 else "have"
    message = f"only {len(ours):,} of the {found:,} YAML files in {where} {verb} apiVersion reconciler/v1"
    return error(FOREIGN_FILES, message, _folder_of(where, ours), NAME_IT)


def _folder_of(where: str, ours: Sequence[str]) -> tuple[Place, ...]:
    """The directory below `where` that has all files `ours`; empty where there is none."""
    folders = {os.path.dirname(one) for one in ours}
    is_inside = len(folders) == 1 and not folders & {"", where}
    return tuple(Place(Position(one, 1, 1), is_whole=True) for one in folders if is_inside)


class FileReading(NamedTuple):
    """What one file says, by itself.

    Attributes:
        name: as places have it.
        text: its text; None where it cannot be read.
        population: its hosts and guests.
        problems: what is wrong with it; places name fields still.
        amount: how much it is.
    """

    name: str
    text: str | None
    population: Population
    problems: tuple[Problem, ...]
    amount: Amount


class Reading:
    """Reads files one by one; what they share, such as the compiled schemas, is made once."""

    def __init__(self, stop: StopToken = NEVER) -> None:
        """Nothing is read yet; `stop` is asked before each document."""
        self._stop = stop
        self._documents = DocumentReader()
        self._forms = Forms()
        self._form_problems: FormProblems | None = None
        self._scalars = PlainScalars()
        self._population = Population()
        self._problems = ProblemList()

    def of(self, name: str, content: bytes | Problem) -> FileReading:
        """What the file `name` says, of which this is the `content`, or why there is none."""
        self._population, self._problems = Population(), ProblemList()
        self._documents.problems = self._problems
        amount = amount_of(content) if isinstance(content, bytes) else Amount()
        text = _text(content, name, amount)
        if isinstance(text, Problem):
            self._problems.add(text)
            self._population.may_lack_hosts = self._population.may_lack_machines = True
            self._population.unread = 1
        else:
            self._add_text(text, name)
        return FileReading(name, text if isinstance(text, str) else None, self._population, self._problems.all, amount)

    def _add_text(self, text: str, file: str) -> None:
        hosts = found = 0
        problems = ProblemList()
        for data, position in documents_of(text, file, self._scalars, problems, self._stop):
            self._stop.check()
            hosts += self._add_document(data, position) == "Host"
            found += 1
        if problems.all:
            self._population.unread += document_count(text) - found
            self._problems.extend(problems.all)
            self._population.may_lack_hosts |= len(re.findall(_LIKE_A_HOST, text)) > hosts
            self._population.may_lack_machines = True

    def _add_document(self, data: Data, position: Position) -> str:
        """Take one more document; returns its kind, empty where that is not clear."""
        kind = kind_of(data, position, self._forms)
        if isinstance(kind, Unclear):
            self._problems.extend(kind.problems)
            self._population.may_lack_machines |= "Machine" in kind.kinds
            if len(kind.kinds) != 1:
                self._population.note_unknown(data, kind.kinds)
                is_foreign = isinstance(data, dict) and not kind.kinds
                self._population.unread += not is_foreign
                self._add_common_problems(kind, data, position)
                return ""
            data, kind = kind.corrected(data, kind.kinds[0]), kind.kinds[0]
        if kind == "Guest":
            self._add_guest(data, position)
        elif kind == "Host":
            self._add_host(data, position)
        elif kind == "Machine":
            self._add_machine(data, position)
        return kind

    def _add_common_problems(self, unclear: Unclear, data: Data, position: Position) -> None:
        """What is wrong with `data` whichever kind it was meant as."""
        if unclear.kinds and not self._problems.is_full():
            readings = {kind: unclear.corrected(data, kind) for kind in unclear.kinds}
            self._problems.extend(limited(self._explaining().common(readings, position)))

    def _add_guest(self, data: Data, position: Position) -> None:
        guest = self._documents.guest(data, position) if self._has_form(data, "Guest", position) else None
        if guest is None:
            self._population.unread += 1
        else:
            self._population.guests.append(guest)

    def _add_host(self, data: Data, position: Position) -> None:
        host = self._documents.host(data, position) if self._has_form(data, "Host", position) else None
        if host is None:
            self._population.refuse_host(data)
            self._population.unread += 1
        else:
            self._population.hosts.append(host)

    def _add_machine(self, data: Data, position: Position) -> None:
        machine = self._documents.machine(data, position) if self._has_form(data, "Machine", position) else None
        if machine is None:
            self._population.may_lack_machines = self._population.has_refused_machines = True
            self._population.unread += 1
        else:
            self._population.machines.append(machine)

    def _has_form(self, data: Data, kind: str, position: Position) -> TypeGuard[Accepted]:
        if self._forms.accepts(data, kind):
            return True
        if self._problems.is_full():
            self._problems.count()  # explaining a document takes a hundred times as long as refusing it
            return False
        self._problems.extend(limited(self._explaining().of(kind, data, position)))
        return False

    def _explaining(self) -> "FormProblems":
        from reconciler.manifests.form_problems import FormProblems

        self._form_problems = self._form_problems or FormProblems()
        return self._form_problems


def _text(content: bytes | Problem, name: str, amount: Amount) -> str | Problem:
    if not isinstance(content, bytes):
        return content
    return too_much(name, amount.exceeded) if amount.exceeded else decoded(content, name)


def _joined(problems: Sequence[Problem], files: Sequence[FileReading]) -> Site:
    sources = {one.name: one.text for one in files if one.text is not None}
    population = Population.of(one.population for one in files)
    population.may_lack_hosts |= bool(errors_of(list(problems)))
    everything = ProblemList(problems)
    for one in files:
        everything.extend(one.problems)
    guests = cross_checked(population, everything)
    machines = resolved(population, everything) if population.machines else ()
    shown = sorted(placed(everything.all, sources), key=_in_order)
    unread = (*problems, *(problem for one in files if one.text is None for problem in one.problems))
    return Site(tuple(population.hosts), guests, tuple(shown), sources, unread, machines, population.unread)


def _in_order(problem: Problem) -> tuple[bool, Position | tuple[()], str, str]:
    """By place, those without one last: so the order of paths and of the checks does not matter."""
    return (not problem.places, problem.places[0].position if problem.places else (), problem.id, problem.message)


def _no_such_host(name: str, known: list[str]) -> Problem:
    advice = f"{did_you_mean(name, known)}There are: {several(known)}."
    return error("host-not-found", f"no manifest describes a Host {shortened(name)!r}", (), advice)


def _host_not_chosen(machine_name: str, known: list[str]) -> Problem:
    message = f"there are {len(known)} Hosts, none named like this machine ({machine_name})"
    return error("host-not-chosen", message, (), f"Choose with --host: {several(known)}.")


class ChangedFiles:
    """Manifests that are read again and again: what is known of each, and of which version of it."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[str, tuple[Hashable, FileReading]] = {}

    def read(self, files: Files, stop: StopToken = NEVER) -> Site:
        """All manifests in `files`, as `read_files` gives them."""
        seen: dict[str, tuple[Hashable, FileReading]] = {}
        reading = Reading(stop)

        def read(file: FoundFile) -> FileReading:
            # By the name that places have; where it was found is no part of what it says.
            version, known = files.version(file), self._known.get(file.name)
            if known is None or known[0] != version:
                found = reading.of(file.name, files.content(file))
                if version is None or found.text is None or version != files.version(file):
                    return found  # it may be changed again, has been meanwhile, or could not be read this time
                known = version, found
            seen[file.name] = known
            return known[1]

        site = read_files(files, stop, read)
        self._known = seen
        return site
