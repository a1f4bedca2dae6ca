"""A simulated host from its description file, with the state that is kept beside it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from reconciler.kernel.observe import UnreadableHost
from reconciler.kernel.sysfs import Sysfs
from reconciler.manifests.kinds import kind_of
from reconciler.manifests.pinpoint import pinpoint
from reconciler.manifests.schema import Forms
from reconciler.manifests.strict_yaml import Document, read_documents
from reconciler.model.problems import Place, Position, Problem, Severity
from reconciler.reconcile import InvalidManifests
from reconciler.simulator.description import faults_of, host_of, name_of
from reconciler.simulator.fields import FieldError
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.state_file import StaleState, digest_of, load_state, reset_state, save_state, state_path


class Simulation(NamedTuple):
    """A simulated host, itself and as it is met (with the faults described), and where we keep what we know of it."""

    host: SimulatedHost
    sysfs: Sysfs
    name: str
    state_directory: Path


@contextmanager
def opened_simulation(file: Path, *, changes: bool) -> Iterator[Simulation]:
    """The host that `file` describes, in the state in which the last command left it.

    Args:
        file: the description.
        changes: whether the state is to be saved when the block ends, however it ends. One command at a time does
            that: the state is read and written under a lock.

    Raises:
        InvalidManifests: the description cannot be used.
        UnreadableHost: the state cannot.
    """
    content = _content(file)
    document = _description(content, file)
    with _locked(file) if changes else nullcontext():
        try:
            digest = digest_of(content)
            kept = load_state(state_path(file), digest)
        except (StaleState, ValueError) as error:
            raise UnreadableHost(str(error)) from error
        host = kept or _started(document, content, file)
        try:
            yield Simulation(host, _met(host, document), name_of(document.data), file.with_name(f"{file.name}.state"))
        finally:
            if changes:
                save_state(state_path(file), host, digest)


def reset(file: Path) -> bool:
    """Forget the kept state of the host that `file` describes, and what was applied to it; whether there was any."""
    from shutil import rmtree

    rmtree(file.with_name(f"{file.name}.state"), ignore_errors=True)
    return reset_state(state_path(file))


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnreadableHost(f"the simulated host's description {file} cannot be read: {error.strerror}") from error


def _description(content: bytes, file: Path) -> Document:
    text = content.decode("utf-8", "replace")
    documents, problems = read_documents(text, str(file))
    found = []
    for document in documents:
        kind = kind_of(document.data, document.position)
        if kind == "SimulatedHost":
            found.append(document)
            if not Forms().accepts(document.data, "SimulatedHost"):
                from reconciler.manifests.form_problems import form_problems  # noqa: PLC0415 - only to explain

                problems += form_problems("SimulatedHost", document.data, document.position)
        elif isinstance(kind, Problem):
            problems.append(kind)
    if not problems and len(found) != 1:
        problems = [_not_one(len(found), file)]
    if problems:
        raise InvalidManifests(pinpoint(problems, {str(file): text}))
    return found[0]


def _met(host: SimulatedHost, document: Document) -> Sysfs:
    if not isinstance(document.data, dict) or "faults" not in document.data["spec"]:
        return host
    from reconciler.simulator.faults import FaultySysfs

    return FaultySysfs(host, faults_of(document.data))


def _not_one(count: int, file: Path) -> Problem:
    return Problem(
        "not-one-simulated-host",
        Severity.ERROR,
        f"{file} has {count} documents of kind SimulatedHost instead of one",
        help="Type 'reconcile schema simulated-host' to see what such a document looks like.",
    )


def _started(document: Document, content: bytes, file: Path) -> SimulatedHost:
    try:
        return host_of(document.data)
    except FieldError as error:
        place = Place(Position(str(file), document.position.line, document.position.column), "", error.field)
        problem = Problem("simulated-host", Severity.ERROR, f"this host cannot be: {error.message}", (place,))
        raise InvalidManifests(pinpoint([problem], {str(file): content.decode("utf-8", "replace")})) from error
