"""What the shared options of a command name: the host, its state, the manifests' commit, and who runs it."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.command_lines import changed_line
from reconciler.cli.options import HostOptions
from reconciler.cli.output import say
from reconciler.hosts.opening import STATE, open_host, open_simulated_host, state_of_host, state_of_simulated_host
from reconciler.integrations.repositories import repository_above
from reconciler.kernel import observe
from reconciler.kernel.locks import Patience
from reconciler.manifests.files import FILE_LIMIT, STDIN, find_files
from reconciler.model.commands import ENFORCED, Here
from reconciler.model.errors import ReconcileError, StateError
from reconciler.model.outcome import Actor, Origin
from reconciler.model.printable import shell_line, shortened
from reconciler.model.problems import errors_of
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory

if TYPE_CHECKING:
    from reconciler import HostRecord, Manifests, RecordedHost, Wanted, WantedSource


STDOUT: Final = "-"
"""What stands for standard output in place of a file."""


@contextmanager
def opened(options: HostOptions, *, changes: bool = False, wait: Patience | None = None) -> Iterator[OpenHost]:
    """The host that `options` name; where the block `changes` it, a simulated host is saved afterwards.

    Raises:
        Busy: another command was changing the simulated host until the patience of `wait` came to its end.
    """
    state_dir, here = options.state_dir, options.here
    with (
        open_host(options.sysfs, state_dir=state_dir, here=here)
        if options.simulate is None
        else open_simulated_host(options.simulate, state_dir=state_dir, here=here, changes=changes, wait=wait)
    ) as machine:
        yield machine


def state_of(options: HostOptions) -> tuple[StateDirectory, str]:
    """Where the state of the host that `options` name is kept, and which boot it is in."""
    if options.simulate is None:
        return state_of_host(Path(options.sysfs), options.state_dir)
    return state_of_simulated_host(Path(options.simulate), options.state_dir)


def require_host(options: HostOptions) -> None:
    """Return if the Host that `options` name, if any, is the one whose state this is: for commands without manifests.

    Raises:
        click.UsageError: it is another one.
    """
    if options.host is None:
        return
    known = known_hosts(options)
    if options.host not in known:
        there = ", ".join(sorted(known))
        raise click.UsageError(
            f"--host {shortened(options.host)}: nothing is known of such a Host here; known is {there}"
        )


def known_hosts(options: HostOptions) -> set[str]:
    """What the Host whose state this is may be called: at least one name."""
    state = state_of(options)[0]
    known = {one for one in (_last_applied_host(state), _enforced_host(state)) if one}
    if not known:  # nothing has been applied or enforced yet; then the Host is found by the name of the machine
        with opened(options) as machine:
            known = {machine.name}
    return known


def require_ap_bus(options: HostOptions) -> None:
    """Return if the host that `options` name has an AP bus: before records are kept of a host that is none.

    Raises:
        NoApBus: it has none; ``--simulate`` was probably forgotten.
        UnreadableHost, InvalidManifests: see `require_simulated_host`.
    """
    if options.simulate is None:
        with opened(options) as machine:
            observe.require_ap_bus(machine.sysfs)
    require_simulated_host(options)


def require_simulated_host(options: HostOptions) -> None:
    """Return if what `options` name as a simulated host is one: its records alone would not show a mistyped name.

    Raises:
        UnreadableHost: there is no such file.
        InvalidManifests: it describes no simulated host.
    """
    if options.simulate is not None:
        from reconciler.hosts.simulated import described  # no command on a real host loads the simulator

        described(Path(options.simulate))


def say_whose_records(options: HostOptions, context: click.Context) -> None:
    """Say whose records were read; on a machine that has none of its own, how to read those of a simulated host."""
    say(f"the records are those in {state_of(options)[0].path}")
    try:
        require_ap_bus(options)
    except observe.UnreadableHost:
        line = changed_line(context, sysfs=None, state_dir=None, simulate_file="FILE")
        say(f"  next: {line}    # of the simulated host that FILE describes, as this machine has no AP bus")


def _last_applied_host(state: StateDirectory) -> str:
    from reconciler.transaction.history import History

    history = History(state)
    try:
        numbers = history.numbers()
        return history.get(numbers[-1]).host if numbers else ""
    except (StateError, OSError):
        return ""


def _enforced_host(state: StateDirectory) -> str:
    from reconciler.transaction.loop_records import read_last_good

    try:
        found = read_last_good(state)
    except (StateError, OSError):
        return ""
    return found.desired.host.name if found else ""


def run_directory_of(options: HostOptions) -> Path:
    """Where reports on the machine that `options` name are published."""
    if options.run_dir:
        return Path(options.run_dir).absolute()
    from reconciler.watch.run_directory import RUN

    state = state_of(options)[0].path.absolute()
    return RUN if state == STATE else state.with_name(f"{state.name}.run")


def origin_of(commit: str = "", actor: Actor = Actor.PERSON) -> Origin:
    """Who ran which command, with manifests of `commit`."""
    from reconciler.api import caller

    return caller(commit, actor)._replace(command=command_line())


def manifests_commit(options: HostOptions, say: Callable[[str], object] = say) -> str:
    """The git commit of the manifests; empty where there is none, or where it is not shown; `say` gets the reason."""
    given = [os.path.abspath(path) for path in options.manifests]
    real = os.path.realpath(given[0])
    if not os.path.exists(real) or repository_above(real) is None:
        return ""
    from reconciler.integrations.local_git import (  # what starts other programs costs each apply a while
        Manifests,
        commit_of,
    )

    files, problems = find_files(given)
    found = commit_of(Manifests(given, files, not errors_of(problems)), os.environ)
    if found.refused:
        say(f"warning: {found.refused}")
    return found.id


def with_words(origin: Origin, options: HostOptions) -> Origin:
    """`origin` with what the commit of the manifests that `options` name says of itself."""
    if not origin.commit or options.recorded:
        return origin
    from reconciler.integrations.local_git import words_of

    words = words_of(origin.commit, options.manifests[0], os.environ)
    return origin._replace(**words._asdict())


def wanted_source(options: HostOptions, *, with_commit: bool = True) -> "WantedSource":
    """Where what is wanted is read: the manifests that `options` name, or a record of the loop."""
    from reconciler import Enforced, Refused

    if options.recorded:
        return Enforced(options.host) if options.recorded == ENFORCED else Refused(options.host)
    return manifests_source(options, with_commit=with_commit)


def manifests_source(options: HostOptions, *, with_commit: bool = True) -> "Manifests":
    """The manifests that `options` name; standard input is read now, once."""
    from reconciler import Manifests

    paths, given = named_manifests(options)
    commit = manifests_commit(options) if with_commit and given is None else ""
    return Manifests(paths, options.host, commit, given)


def wanted_here(options: HostOptions) -> "Wanted | None":
    """What the manifests want that `options` name, or that are in the current directory; None where that is unknown."""
    from reconciler import Manifests, Nearest
    from reconciler.planning.status import Source

    source = Manifests(options.paths, options.host) if options.paths else Nearest(".", options.host)
    with suppress(ReconcileError, OSError), opened(options) as machine:
        wanted = source.read(machine)
        return wanted if wanted.compared.source is Source.MANIFESTS else None
    return None


def say_other_host(wanted: "Wanted", machine_name: str, what: str) -> None:
    """Warn where the Host that is `wanted` is not called like the machine, which is `what` was named by an option.

    With the commands that set it right, where the manifests or a simulated host for them are known.
    """
    if not wanted.is_named(machine_name):
        from reconciler.cli.meant.names import for_one_host

        name = wanted.desired.host.name
        say(f"warning: {what} is host {machine_name}; it is compared with the manifests of host {name}")
        say(*(f"  next: {line}" for line in for_one_host(name, wanted.host_named(machine_name))))


def is_unchosen(options: HostOptions, wanted: "Wanted", machine_name: str) -> bool:
    """Whether the simulated host is compared with manifests of a Host of another name that ``--host`` did not choose.

    On a real host the only Host is meant, whatever the machine is called.
    """
    is_asked = options.simulate is not None and options.host is None
    return is_asked and wanted.site is not None and not wanted.is_named(machine_name)


def say_unchosen_host(options: HostOptions, wanted: "Wanted", machine_name: str) -> None:
    """Warn where the simulated host is compared with the manifests of another one; see `is_unchosen`."""
    if is_unchosen(options, wanted, machine_name):
        say_other_host(wanted, machine_name, "the simulated host")


def refuse_unchosen_host(options: HostOptions, source: "WantedSource") -> None:
    """Return if what `source` has is of the simulated host: before an apply, which says itself what else is wrong.

    Raises:
        InvalidManifests: it is of another host, and it was not chosen with ``--host``.
    """
    if options.simulate is None or options.host is not None:
        return
    with opened(options) as machine:
        try:
            wanted = source.read(machine)
        except (ReconcileError, OSError):
            return
        if is_unchosen(options, wanted, machine.name):
            wanted.require_named(machine.name, "the simulated host is")


def by_record(options: HostOptions, file: str, *, but_waiting: bool = False) -> "tuple[RecordedHost, Wanted]":
    """The host that `file` records, and what the manifests want of it; says when it was recorded, and what was left.

    With `but_waiting` it leaves out which apply waited to be confirmed.

    Raises:
        InvalidManifests: they are of another host, and it was not chosen with ``--host``.
    """
    from reconciler import RecordedHost
    from reconciler.cli.apply_progress import show_left
    from reconciler.cli.meant.files import read_record
    from reconciler.render.text import moment

    record = read_record(file)
    recorded = RecordedHost(record, Here(record.options, options.here.manifests))
    wanted = manifests_source(options).read(recorded)
    if options.host is None and _is_named(record):
        wanted.require_named(record.host)
    # Not in the plan: that is byte for byte the plan that the host itself gives.
    say(f"note: host {record.host} as recorded {moment(record.recorded)[:16]} UTC")
    say_other_host(wanted, record.host, "the recorded host")
    show_left(record.left, recorded.here, but_waiting=but_waiting)
    return recorded, wanted


def _is_named(record: "HostRecord") -> bool:
    """Whether the machine's name says which host `record` is of: not without a name, nor for the sysfs of another."""
    return "--sysfs" not in record.options and record.host.partition(".")[0] not in ("", "localhost", "(none)")


def named_manifests(options: HostOptions) -> tuple[tuple[str, ...], bytes | None]:
    """The paths of manifests that `options` name, and what standard input has where it is one of them; else None."""
    if STDIN not in options.manifests:
        return options.manifests, None
    if sys.stdin.isatty():
        say("reading manifests from standard input; Ctrl-D ends them")
    return tuple(path for path in options.manifests if path != STDIN), sys.stdin.buffer.read(FILE_LIMIT + 1)


def refuse_standard_output(out: str) -> None:
    """Return if `out`, which names where a plan is saved, is a file.

    Raises:
        click.UsageError: it stands for standard output.
    """
    if out == STDOUT:
        raise click.UsageError("a saved plan is a file, from which it is applied; -o json prints the plan")


def refuse_to_replace(option: str, file: str, options: HostOptions, *, manifests: bool) -> None:
    """Return if nothing that this run reads is lost where `file`, which `option` names, is written.

    Args:
        option: such as ``--out``.
        file: what it names. Other spellings of a name, and links, are seen through.
        options: where the manifests and the simulated host are.
        manifests: whether this run reads manifests.

    Raises:
        click.UsageError: `file` is one of the manifests, or belongs to the simulated host.
    """
    try:
        found = os.stat(file)
    except OSError:
        return  # there is nothing to lose, or the writing says why it cannot be done
    if not stat.S_ISREG(found.st_mode):
        return
    names = ("the description of the simulated host", "the state of the simulated host")
    read = [(str(path), name) for path, name in zip(simulation_files(options), names, strict=False)]
    if manifests:
        read += [(one.path, "one of the manifests") for one in find_files(options.manifests)[0]]
    for path, what in read:
        if _is_same(path, found):
            raise click.UsageError(f"{option} {file}: this is {what}; name another file")


def simulation_files(options: HostOptions) -> tuple[Path, ...]:
    """What the simulated host is kept in: its description and its state; empty for a real host."""
    if options.simulate is None:
        return ()
    from reconciler.simulator.state_file import state_path

    return Path(options.simulate), state_path(Path(options.simulate))


def _is_same(path: str, found: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), found)
    except OSError:
        return False


def command_line() -> str:
    """The command as it was typed."""
    return shell_line(["reconcile", *sys.argv[1:]])
