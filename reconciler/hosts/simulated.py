"""A simulated host from its description file, with the state that is kept beside it."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.kernel.locks import Patience, wait_for
from reconciler.kernel.observe import UnreadableHost
from reconciler.kernel.own_files import try_flock, wait_for_flock
from reconciler.kernel.sysfs import Sysfs
from reconciler.manifests.schema import API_VERSION, Forms, Unclear, kind_of
from reconciler.manifests.site import placed
from reconciler.manifests.strict_yaml import Document, read_documents
from reconciler.model.commands import RESET
from reconciler.model.problems import NOT_SIMULATED, InvalidManifests, Place, Position, Problem, Severity
from reconciler.simulator.description import faults_of, host_of, name_of
from reconciler.simulator.fields import FieldError
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.state_file import (
    CONTROL,
    StaleState,
    digest_of,
    load_state,
    reset_state,
    save_state,
    state_directory,
    state_path,
)
from reconciler.transaction.state_directory import StateDirectory


class Simulation(NamedTuple):
    """A simulated host, itself and as it is met (with the faults described), and where we keep what we know of it."""

    host: SimulatedHost
    sysfs: Sysfs
    name: str
    state_directory: Path


class Description(NamedTuple):
    """The description of a simulated host as it is read from `file`."""

    file: Path
    content: bytes
    document: Document

    @property
    def state_directory(self) -> Path:
        """Where what is known of the host is kept, beside the file."""
        return state_directory(self.file)

    def started(self) -> Simulation:
        """The host as it is described.

        Raises:
            InvalidManifests: it cannot be.
        """
        return self._simulation(_started(self.document, self.content, self.file))

    def loaded(self) -> Simulation:
        """The host in the state in which the last command left it.

        Raises:
            InvalidManifests: it cannot be as it is described.
            UnreadableHost: the kept state cannot be used.
        """
        try:
            kept = load_state(state_path(self.file), digest_of(self.content))
        except (StaleState, ValueError) as error:
            raise UnreadableHost(str(error), RESET) from error
        return self._simulation(kept) if kept else self.started()

    def save(self, host: SimulatedHost) -> None:
        """Keep the state of `host`.

        Raises:
            OSError: it cannot be written.
        """
        save_state(state_path(self.file), host, digest_of(self.content))

    def _simulation(self, host: SimulatedHost) -> Simulation:
        with _placed_errors(self.document, self.content, self.file):
            met = _met(host, self.document)
        return Simulation(host, met, name_of(self.document.data), self.state_directory)


def described(file: Path) -> Description:
    """The description in `file`.

    Raises:
        UnreadableHost: there is none.
        InvalidManifests: it has not the right form.
    """
    content = _content(file)
    return Description(file, content, _description(content, file))


@contextmanager
def opened_simulation(file: Path, *, changes: bool, wait: Patience | None = None) -> Iterator[Simulation]:
    """The host that `file` describes, in the state in which the last command left it.

    Args:
        file: the description.
        changes: whether the state is to be saved when the block ends, however it ends. One command at a time does
            that: the state is read and written under a lock.
        wait: how long to wait for another command that changes the host; left out, for as long as it takes.

    Raises:
        Busy: it did so all that time.
        InvalidManifests: the description cannot be used.
        UnreadableHost: the state cannot, or the host is mounted, so that another process has the state.
    """
    description = described(file)
    with locked(file, wait) if changes else nullcontext():
        refuse_mounted(file)
        simulation = description.loaded()
        try:
            yield simulation
        finally:
            if changes:
                description.save(simulation.host)


def asked(file: Path, words: Sequence[str]) -> dict[str, Any] | None:
    """The answer of the process that has mounted the host of `file` to a request; None where it is not mounted.

    Raises:
        OSError: the process does not answer.
    """
    directory = state_directory(file)
    if not (directory / CONTROL).exists():
        return None
    from reconciler.simulator.mount_server import ask  # most hosts are not mounted

    return ask(directory, words)


def refuse_mounted(file: Path) -> None:
    """Return if no process has the host of `file` mounted.

    Raises:
        UnreadableHost: one has.
    """
    if found := asked(file, ()):
        raise UnreadableHost(
            f"process {found['pid']} has this host mounted on {found['mount']} and keeps its state: "
            f"use --sysfs {found['mount']} instead of --simulate, or unmount it"
        )


def reset(file: Path) -> bool:
    """Forget the kept state of the host that `file` describes, and what was applied to it; whether there was any.

    Raises:
        UnreadableHost: the host is mounted.
    """
    with locked(file):
        refuse_mounted(file)
        shutil.rmtree(state_directory(file), ignore_errors=True)
        return reset_state(state_path(file))


@contextmanager
def locked(file: Path, wait: Patience | None = None) -> Iterator[None]:
    """Hold the lock under which the state of the host that `file` describes is read and written.

    Raises:
        Busy: another process held it for longer than `wait` allows; left out, there is no waiting.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _no_description(file, error) from error
    try:
        if wait is None:
            wait_for_flock(descriptor)
        else:
            _wait_for(descriptor, file, wait)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, file: Path, wait: Patience) -> None:
    # Who applies something holds our own lock besides, and has left a name there.
    from reconciler.transaction.lock import Busy, holder

    state = StateDirectory(state_directory(file))
    wait_for(
        lambda: try_flock(descriptor) or None,
        lambda: holder(state, wait.clock.monotonic()),
        wait,
        lambda who: Busy(f"another command is changing this simulated host: {who}"),
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _no_description(file, error) from error


def _no_description(file: Path, error: OSError) -> UnreadableHost:
    if isinstance(error, FileNotFoundError):
        return UnreadableHost(f"there is no file {file} that describes a simulated host")
    return UnreadableHost(f"the simulated host's description {file} cannot be read: {error.strerror}")


def _description(content: bytes, file: Path) -> Document:
    text = content.decode("utf-8", "replace")
    documents, problems = read_documents(text, str(file))
    found, forms, is_broken, is_meant = [], Forms(), bool(problems), False
    for document in documents:
        kind, data = kind_of(document.data, document.position, forms), document.data
        if isinstance(kind, Unclear):
            problems += kind.problems
            is_meant = is_meant or "SimulatedHost" in kind.kinds
            if kind.kinds == ("SimulatedHost",):
                data, kind = kind.corrected(data, "SimulatedHost"), "SimulatedHost"
        if kind == "SimulatedHost":
            found.append(document)
            if not forms.accepts(data, "SimulatedHost"):
                from reconciler.manifests.form_problems import form_problems  # only to explain

                problems += form_problems("SimulatedHost", data, document.position)
    if not (is_broken or is_meant or found):  # then nothing else that is wrong with it matters
        problems = [_not_one(0, file)]
    if not problems and len(found) != 1:
        problems = [_not_one(len(found), file)]
    if problems:
        raise InvalidManifests(placed(problems, {str(file): text}))
    return found[0]


def _met(host: SimulatedHost, document: Document) -> Sysfs:
    spec = document.data.get("spec") if isinstance(document.data, dict) else None
    if not isinstance(spec, dict) or "faults" not in spec:
        return host
    from reconciler.simulator.faults import FaultySysfs

    return FaultySysfs(host, faults_of(document.data))


def _not_one(count: int, file: Path) -> Problem:
    return Problem(
        NOT_SIMULATED,
        Severity.ERROR,
        f"{file} has {count} documents of kind SimulatedHost instead of one"
        if count
        else f"{file} does not describe a simulated host",
        help=f"Such a file begins with apiVersion: {API_VERSION} and kind: SimulatedHost. "
        "Run 'reconcile explain simulated-host' to see what it looks like.",
    )


def _started(document: Document, content: bytes, file: Path) -> SimulatedHost:
    with _placed_errors(document, content, file):
        return host_of(document.data)


@contextmanager
def _placed_errors(document: Document, content: bytes, file: Path) -> Iterator[None]:
    """Report a host that cannot be, with the place in its description.

    Raises:
        InvalidManifests: the block has raised FieldError.
    """
    try:
        yield
    except FieldError as error:
        place = Place(Position(str(file), document.position.line, document.position.column), "", error.field)
        problem = Problem("simulated-host", Severity.ERROR, f"this host cannot be: {error.message}", (place,))
        raise InvalidManifests(placed([problem], {str(file): content.decode("utf-8", "replace")})) from error
