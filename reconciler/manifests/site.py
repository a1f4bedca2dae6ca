"""All manifests of a site: every host and guest in them, and every problem in one run."""

import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Final, NamedTuple, TypeGuard

from reconciler.manifests.characters import decoded
from reconciler.manifests.cross_checks import Population, cross_checked
from reconciler.manifests.data import Data, PlainScalars
from reconciler.manifests.digest import digest_of
from reconciler.manifests.documents import DocumentReader
from reconciler.manifests.files import TOTAL_LIMIT, FoundFile, content_of, find_files, too_much
from reconciler.manifests.kinds import kind_of
from reconciler.manifests.places import error, limited
from reconciler.manifests.schema import Accepted, Forms
from reconciler.manifests.similar import did_you_mean
from reconciler.manifests.strict_yaml import documents_of
from reconciler.model.desired import Desired, DesiredGuest, DesiredHost
from reconciler.model.problems import Position, Problem, errors_of

if TYPE_CHECKING:
    from reconciler.manifests.form_problems import FormProblems

_LIKE_A_HOST: Final = re.compile(r"""\bkind["']?:\s*["']?Host\b""")


class Site(NamedTuple):
    """Everything that was read.

    Attributes:
        hosts: in the order in which they were found.
        guests: likewise, each with its host and uuid.
        problems: errors and warnings, with exact places, in the order of these.
        sources: the text of each file, by the name that places have.
    """

    hosts: tuple[DesiredHost, ...]
    guests: tuple[DesiredGuest, ...]
    problems: tuple[Problem, ...]
    sources: Mapping[str, str]

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
        return Desired(host, guests, digest_of(host, guests))

    def _host(self, host_name: str | None, machine_name: str) -> DesiredHost | Problem:
        hosts = {host.name: host for host in self.hosts}
        if host_name is not None:
            return hosts.get(host_name) or _no_such_host(host_name, sorted(hosts))
        for name in (machine_name, machine_name.partition(".")[0]):
            if name.lower() in hosts:
                return hosts[name.lower()]
        return self.hosts[0] if len(hosts) == 1 else _host_not_chosen(machine_name, sorted(hosts))


def placed(problems: list[Problem], sources: Mapping[str, str]) -> list[Problem]:
    """`problems` with their exact places; most sites have none, and need not load what finds them."""
    if not problems:
        return []
    from reconciler.manifests.pinpoint import pinpoint

    return pinpoint(problems, sources)


def read_site(paths: Sequence[str | PathLike[str]], read: "Callable[[FoundFile], FileReading] | None" = None) -> Site:
    """All manifests in `paths`, files or directories; `read` reads one of them, anew where nothing else is given."""
    found, problems = find_files(paths)
    read = read or Reading().file
    files: list[FileReading] = []
    left = TOTAL_LIMIT
    for file in found:
        one = read(file)
        left -= one.size
        if left < 0:
            files.append(Reading().of(file.name, too_much(file)))
            break
        files.append(one)
    return _joined(problems, files)


class FileReading(NamedTuple):
    """What one file says, by itself.

    Attributes:
        name: as places have it.
        text: its text; None where it cannot be read.
        population: its hosts and guests.
        problems: what is wrong with it; places name fields still.
        size: in bytes.
    """

    name: str
    text: str | None
    population: Population
    problems: tuple[Problem, ...]
    size: int


class Reading:
    """Reads files one by one; what they share, such as the compiled schemas, is made once."""

    def __init__(self) -> None:
        self._documents = DocumentReader()
        self._forms = Forms()
        self._form_problems: FormProblems | None = None
        self._scalars = PlainScalars()
        self._population = Population()
        self._problems: list[Problem] = []

    def file(self, file: FoundFile) -> FileReading:
        """What `file` says."""
        return self.of(file.name, content_of(file))

    def of(self, name: str, content: bytes | Problem) -> FileReading:
        """What the file `name` says, of which this is the `content`, or why there is none."""
        self._population, self._problems, self._documents.problems = Population(), [], []
        text = decoded(content, name) if isinstance(content, bytes) else content
        if isinstance(text, Problem):
            self._problems.append(text)
            self._population.may_lack_hosts = True
        else:
            self._add_text(text, name)
        problems = (*self._problems, *self._documents.problems)
        size = len(content) if isinstance(content, bytes) else 0
        return FileReading(name, text if isinstance(text, str) else None, self._population, problems, size)

    def _add_text(self, text: str, file: str) -> None:
        problems: list[Problem] = []
        hosts = 0
        for data, position in documents_of(text, file, self._scalars, problems):
            hosts += self._add_document(data, position) == "Host"
        if problems:
            self._problems += problems
            self._population.may_lack_hosts |= len(_LIKE_A_HOST.findall(text)) > hosts

    def _add_document(self, data: Data, position: Position) -> str | Problem:
        kind = kind_of(data, position)
        if isinstance(kind, Problem):
            self._problems.append(kind)
            self._population.note_unknown(data)
        elif kind == "Guest":
            self._add_guest(data, position)
        elif kind == "Host":
            self._add_host(data, position)
        return kind

    def _add_guest(self, data: Data, position: Position) -> None:
        if self._has_form(data, "Guest", position):
            guest = self._documents.guest(data, position)
            if guest is not None:
                self._population.guests.append(guest)

    def _add_host(self, data: Data, position: Position) -> None:
        host = self._documents.host(data, position) if self._has_form(data, "Host", position) else None
        if host is None:
            self._population.refuse_host(data)
        else:
            self._population.hosts.append(host)

    def _has_form(self, data: Data, kind: str, position: Position) -> TypeGuard[Accepted]:
        if self._forms.accepts(data, kind):
            return True
        from reconciler.manifests.form_problems import FormProblems

        self._form_problems = self._form_problems or FormProblems()
        self._problems += limited(self._form_problems.of(kind, data, position))
        return False


def _joined(problems: Sequence[Problem], files: Sequence[FileReading]) -> Site:
    sources = {one.name: one.text for one in files if one.text is not None}
    population = Population.of(one.population for one in files)
    population.may_lack_hosts |= bool(problems)
    guests, whole = cross_checked(population)
    everything = placed([*problems, *(problem for one in files for problem in one.problems), *whole], sources)
    return Site(tuple(population.hosts), guests, tuple(sorted(everything, key=_in_order)), sources)


def _in_order(problem: Problem) -> tuple[bool, Position | tuple[()], str, str]:
    """By place, those without one last: so the order of paths and of the checks does not matter."""
    return (not problem.places, problem.places[0].position if problem.places else (), problem.id, problem.message)


def _no_such_host(name: str, known: list[str]) -> Problem:
    advice = f"{did_you_mean(name, known)}There are: {', '.join(known)}."
    return error("host-not-found", f"no manifest describes a Host {name!r}", (), advice)


def _host_not_chosen(machine_name: str, known: list[str]) -> Problem:
    message = f"there are {len(known)} Hosts, none named like this machine ({machine_name})"
    return error("host-not-chosen", message, (), f"Choose with --host: {', '.join(known)}.")
