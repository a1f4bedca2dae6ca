"""``reconcile watch``: puts the loop together and runs it."""

import asyncio
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import click

from reconciler import __version__
from reconciler.cli.exit_codes import Exit, exit_code_of
from reconciler.cli.loop_options import WatchOptions, watch_options
from reconciler.cli.open_host import (
    command_line,
    manifests_commit,
    opened,
    origin_of,
    refuse_to_replace,
    run_directory_of,
    simulation_files,
    state_of,
    with_words,
)
from reconciler.cli.options import HostOptions
from reconciler.cli.output import Printable, say
from reconciler.cli.tree import Plain
from reconciler.integrations.files import NotPrivate
from reconciler.integrations.git_address import NotAnAddress, address
from reconciler.integrations.git_command import CommitWords
from reconciler.integrations.git_signatures import NoTrust, trust
from reconciler.integrations.notifications import MessageCommand, Webhook, secret
from reconciler.integrations.systemd_notify import SystemdNotify
from reconciler.integrations.units import WATCH_NAME as UNIT
from reconciler.kernel.locks import patience
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.manifests.site import ChangedFiles
from reconciler.model.codec import BadRecord
from reconciler.model.commands import HELD_INSTALL, MANIFESTS, WATCH, WATCH_HELD, WATCH_INSTALL, Here, serve_of
from reconciler.model.errors import ReconcileError
from reconciler.model.outcome import Actor, Origin
from reconciler.model.printable import error_text
from reconciler.model.stopping import StopToken
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.loop_records import CommitPolicy, LastGood, read_last_good, write_commit_policy
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.configurations import Configurations
from reconciler.watch.cycle import LOCK_SECONDS, Cycles
from reconciler.watch.decisions import Policy
from reconciler.watch.events import ALL, Kind, Level, Wanted
from reconciler.watch.file_triggers import FileTriggers
from reconciler.watch.git_source import GitPoller, GitSource
from reconciler.watch.host_triggers import host_triggers
from reconciler.watch.hot_plug import authorised_since
from reconciler.watch.log import Format, Log
from reconciler.watch.loop import Watch, WorkerThread, watch
from reconciler.watch.loop_context import EnforcedHost, LoopContext
from reconciler.watch.manifest_sources import FilesSource, GitFiles, HeldSource, ManifestSource
from reconciler.watch.metrics import MetricsFile, NoMetrics
from reconciler.watch.notices import Messenger, Notices
from reconciler.watch.published import LoopPublisher, publish_end
from reconciler.watch.publishing_views import Views
from reconciler.watch.report import Mode
from reconciler.watch.reporter import Reporter
from reconciler.watch.request_triggers import RequestTriggers
from reconciler.watch.requests import AlreadyWatching, is_watched
from reconciler.watch.run_directory import RunDirectory, UnsafeRunDirectory
from reconciler.watch.schedule import RESYNC_SECONDS, UNNOTICED_RESYNC_SECONDS, every
from reconciler.watch.sinks import FanOut, LogProgress, RecordFile, Sinks
from reconciler.watch.status_file import StatusFile, read_kept
from reconciler.watch.trigger_inbox import Inbox, TriggerSources, signals
from reconciler.watch.triggers import TriggerSource

_BUSY_TIMES: Final = 3
"""How often a cycle may use up its time for a plan until the loop counts as hanging: newest, last good, and slack."""

_LATE_SECONDS: Final = 300.0
"""How long a cycle may take beyond its time until the loop counts as hanging: longer than any apply."""

_Record = TypeVar("_Record")
_UNUSABLE: Final = (NotAnAddress, NoTrust, NoMetrics)


class _Command(Plain):
    """The command, which says that no loop runs also where its options cannot even be read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `Plain`."""
        said = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError:
            values, _, _ = self.make_parser(
                click.Context(self, resilient_parsing=True, ignore_unknown_options=True)
            ).parse_args(said)
            simulate, state_dir, run_dir = (values.get(name) for name in ("simulate_file", "state_dir", "run_dir"))
            host = HostOptions((), None, values.get("sysfs") or DEFAULT_SYSFS, simulate, state_dir, run_dir)
            leave_ended(host, values.get("metrics_file"))
            raise


@click.command("watch", cls=_Command)
@watch_options
def watch_command(options: WatchOptions) -> Exit:
    """Look again whenever something changes, until a signal ends it; with --apply keep the host as the manifests say.

    It asks no person and gives no consent: what needs consent waits for 'reconcile apply'.
    """
    host = options.host
    try:
        check_start(options)
        _check_programs(options.notify_command)
        with ExitStack() as stack:
            asyncio.run(_watch(host, options, stack, applies=options.applies))
    except click.UsageError:
        leave_ended(host, options.metrics_file)
        raise
    except _UNUSABLE as error:
        leave_ended(host, options.metrics_file)
        raise click.UsageError(str(error)) from error
    except (AlreadyWatching, NotPrivate) as error:
        say(f"error: {error}")
        return Exit.BUSY
    except KeyboardInterrupt:  # a signal that came before the loop listened to signals ends it, as any later one does
        pass
    return Exit.DONE


def check_start(options: WatchOptions) -> None:
    """See that the loop would start with these options; nothing is started, made or bound.

    Raises:
        click.UsageError: it would refuse them.
    """
    check(options)
    release = __version__
    try:
        if options.git:
            address(options.git, options.branch or "", options.path or "")
        if options.require_signature:
            trust(options.require_signature, options.revoked_keys or "")
        metrics_file(options, release)
        messengers(options)
    except _UNUSABLE as error:
        raise click.UsageError(str(error)) from error


def _check_programs(commands: Sequence[str]) -> None:
    # The installation says more of them, and by the unit's PATH (`reconciler.cli.watch_install`).
    for program in (shlex.split(command)[0] for command in commands):
        if shutil.which(program) is None:
            raise click.UsageError(
                f"--notify-command: there is no program {program} that can be run here; correct its name, or its mode"
            )


def leave_ended(host: HostOptions, file: str | None) -> None:
    """Publish that no loop runs, also in the metrics file: one with wrong options is not started again."""
    with suppress(click.ClickException, OSError):
        if is_watched(state_of(host)[0].path):
            return
        with suppress(UnsafeRunDirectory, OSError):
            publish_end(RunDirectory(run_directory_of(host)), time, Exit.USAGE, "its options are wrong")
        with suppress(NoMetrics):
            if file:
                _metrics_file(file, __version__).close()


def check(options: WatchOptions) -> None:
    """See that the options go together.

    Raises:
        click.UsageError: they do not.
    """
    if options.listen:
        line = serve_of(options.listen, str(run_directory_of(options.host)))
        raise click.UsageError(f"the loop opens no port. To answer at {options.listen}, run beside it: {line}")
    if options.self_heal and not options.applies:
        raise click.UsageError("--self-heal goes with --apply")
    if options.held and ((options.git and not options.require_signature) or options.host.paths):
        source = "-f" if options.host.paths else "--git"
        more = " With --require-signature, --git says which commits may come to several hosts." if options.git else ""
        raise click.UsageError(
            f"--held goes without {source}: a held loop reads no manifests, it enforces what was applied and confirmed "
            f"last; leave one of them out.{more}"
        )
    if "-" in options.host.paths:
        raise click.UsageError("-f -: the loop reads manifests again and again, which standard input cannot be")
    if options.git and options.host.paths:
        raise click.UsageError("choose one of --git and -f")
    if options.git and not options.branch:
        raise click.UsageError("--git needs --branch")
    without_git = [
        name for name in ("branch", "path", "require_signature") if getattr(options, name) and not options.git
    ]
    if without_git:
        raise click.UsageError(f"--{without_git[0].replace('_', '-')} goes with --git")
    if options.revoked_keys and not options.require_signature:
        raise click.UsageError("--revoked-keys goes with --require-signature")
    if options.metrics_file and not options.metrics_file.endswith(".prom"):
        raise click.UsageError("--metrics-file: the node exporter reads files whose name ends in .prom")
    if options.observed_file:
        _check_observed_file(options.observed_file, options)
    if options.notify_token_file and not options.notify_webhook_file:
        raise click.UsageError("--notify-token-file goes with --notify-webhook-file")


def _check_observed_file(file: str, options: WatchOptions) -> None:
    if file.endswith((".yaml", ".yml")):
        raise click.UsageError(f"--observed-file {file}: it would be taken for a manifest; name it .json, for example")
    folder = os.path.dirname(os.path.abspath(file))
    if not os.path.isdir(folder):
        raise click.UsageError(f"--observed-file {file}: the folder {folder} is not there; make it first")
    if os.path.lexists(file) and (os.path.islink(file) or not os.path.isfile(file)):
        raise click.UsageError(f"--observed-file {file}: it is no regular file; remove it, or choose another name")
    refuse_to_replace("--observed-file", file, options.host, manifests=not options.git)


async def _watch(host: HostOptions, options: WatchOptions, stack: ExitStack, *, applies: bool) -> None:
    state, _ = state_of(host)
    state.prepare()
    log = Log(Printable(sys.stderr), time.time, format=Format(options.log_format), environment=os.environ)
    trouble = _once(log.warning)  # without descriptors, for instance, there is one for each client that connects
    asyncio.get_running_loop().set_exception_handler(lambda _, what: trouble(_trouble(what)))
    requests = RequestTriggers(state.path)
    stack.callback(requests.close)
    here = host.findable.here
    write_commit_policy(state, _commit_policy(options))
    source, manifests, described = _source(host, options, state, stack, log, here)
    on_host = host_triggers(Path(host.sysfs), simulation_files(host))
    resync = options.resync or (RESYNC_SECONDS if on_host else UNNOTICED_RESYNC_SECONDS)
    systemd = SystemdNotify(os.environ, os.getpid(), time.monotonic)
    kept = _kept(lambda: read_kept(state), log)
    sinks = FanOut(_sinks(host, options, state, log, systemd), kept and kept.report, here)
    stack.push(lambda _type, error, _trace: sinks.close(time.time(), _how(error), _exit_code(error)))
    last_good: LastGood | None = _kept(lambda: read_last_good(state), log)
    progress = LogProgress(log, systemd, sinks)
    stop = StopToken()
    enforced_host = EnforcedHost(
        opened=lambda changes: _opened(host, changes, progress, stop),
        origin=lambda commit: described(origin_of(commit, Actor.LOOP)),
        authorised_since=authorised_since(state),
        here=here,
    )
    context = LoopContext(
        host=enforced_host,
        source=source,
        configurations=Configurations(ChangedFiles(), host.host, last_good),
        policy=Policy(applies, options.self_heal),
        clock=time,
        observer=progress,
        stop=stop,
        plan_seconds=options.plan_timeout,
    )
    reporter = Reporter(
        source.location,
        kept and kept.report,
        applies=applies,
        heals=options.self_heal,
        words=_words_by(described),
        grace=options.unreachable_after,
        mode=Mode.HELD if options.held else Mode.FOLLOWING,
        change_mode=_changing_mode(options, here),
        ended=kept and kept.ended,
    )
    inbox = Inbox(time.monotonic)
    sources = TriggerSources(filter(None, (requests, manifests, on_host)), inbox, log.warning)
    following = every(resync, Random())  # noqa: S311 - jitter
    with signals(inbox, stop), WorkerThread() as worker:
        async with sources:
            await watch(
                Watch(
                    sources,
                    inbox,
                    requests,
                    Cycles(context),
                    reporter,
                    sinks,
                    systemd,
                    time,
                    resync,
                    following,
                    stop,
                    worker,
                )
            )


def _commit_policy(options: WatchOptions) -> CommitPolicy | None:
    """Which git commits a commit to several hosts may bring; a loop that follows manifests takes part in none."""
    if not options.held or not options.git or not options.require_signature:
        return None
    trusted = trust(options.require_signature, options.revoked_keys or "")
    keys = f"{trusted.format}:{trusted.keys}"
    return CommitPolicy(options.git, options.branch or "", options.path or "", keys, trusted.revoked)


def _trouble(what: Mapping[str, Any]) -> str:
    """What the event loop says of trouble that no caller waits for, in one line."""
    error = what.get("exception")
    return f"{what['message']}: {error_text(error)}" if isinstance(error, OSError) else f"{what['message']}: {error!r}"


@contextmanager
def _opened(host: HostOptions, changes: bool, progress: LogProgress, stop: StopToken) -> Iterator[OpenHost]:
    with opened(host, changes=changes, wait=patience(time, LOCK_SECONDS, progress.waiting, stop)) as machine:
        yield machine._replace(stop=stop)


def _source(
    host: HostOptions,
    options: WatchOptions,
    state: StateDirectory,
    stack: ExitStack,
    log: Log,
    here: Here,
) -> tuple[ManifestSource, TriggerSource | None, Callable[[Origin], Origin]]:
    """Where manifests come from, what notices that there are others, and what adds the words of the commit."""
    if options.held:
        return HeldSource(host.host), None, lambda origin: _confirmed_words(origin, state)
    if options.git is None:
        paths = tuple(os.path.abspath(path) for path in host.manifests)
        once = _once(log.warning)
        files = FilesSource(paths, lambda: manifests_commit(host, once))
        return files, FileTriggers(paths), lambda origin: with_words(origin, host)
    assert options.branch
    trusted = trust(options.require_signature, options.revoked_keys or "") if options.require_signature else None
    where = address(options.git, options.branch, options.path or "")
    directory = state.path / "git"
    git = GitSource(where, directory, os.environ, trusted=trusted, here=here)
    stack.callback(git.close)
    last = _kept(lambda: read_last_good(state), log)
    accepted = last.commit if last else _applied_commit(state, log)
    poller = GitPoller(git, accepted, interval=options.git_interval)

    def described(origin: Origin) -> Origin:
        words = git.words(origin.commit) if origin.commit else CommitWords()
        return origin._replace(**words._asdict())

    return GitFiles(poller, git.location, where.reach), poller, described


def _confirmed_words(origin: Origin, state: StateDirectory) -> Origin:
    """`origin` with what the history knows of its commit, which a person has applied."""
    for one in reversed(History(state).generations()):
        if origin.commit and one.origin.commit == origin.commit:
            return origin._replace(subject=one.origin.subject, author=one.origin.author, parents=one.origin.parents)
    return origin


def _changing_mode(options: WatchOptions, here: Here) -> str:
    """The command that makes the loop held, or follow the manifests in the usual place, on this machine."""
    machine = here.machine and not (options.host.sysfs == DEFAULT_SYSFS and not options.host.simulate)
    if options.held:
        return here.reading((MANIFESTS,)).line(WATCH) if machine else str(WATCH_INSTALL)
    return here.line(WATCH_HELD) if machine else str(HELD_INSTALL)


def _words_by(described: Callable[[Origin], Origin]) -> Callable[[str], tuple[str, str]]:
    """What a commit says of itself, from what adds that to an origin."""

    def words(commit: str) -> tuple[str, str]:
        found = described(origin_of(commit, Actor.LOOP))
        return found.subject, found.author

    return words


def _once(say: Callable[[str], object]) -> Callable[[str], None]:
    """Have `say` say each sentence once, until there is another one."""
    said = ""

    def once(sentence: str) -> None:
        nonlocal said
        if sentence != said:
            said = sentence
            say(sentence)

    return once


def _applied_commit(state: StateDirectory, log: Log) -> str:
    """The commit that a loop has applied last, as the history says; empty where it has none."""
    history = History(state)
    try:
        number = history.newest_target()
        while not (found := history.get(number).origin).commit or found.actor is not Actor.LOOP:
            number = history.newest_target(before=number)
    except NoSuchGeneration:
        return ""
    except BadRecord as error:
        log.warning("which commit was applied last is not known", reason=str(error))
        return ""
    return found.commit.removesuffix("+")


def _how(error: BaseException | None) -> str:
    """How the loop ends: by a signal, unless `error` ends it."""
    return f"by an error: {type(error).__name__}: {error}" if error else "by a signal (SIGTERM or SIGINT)"


def _exit_code(error: BaseException | None) -> Exit:
    if error is None:
        return Exit.DONE
    return exit_code_of(type(error)) if isinstance(error, ReconcileError) else Exit.FAILURE


def _starting() -> str:
    """What starts this loop again, as a line for a shell in any directory."""
    if "INVOCATION_ID" in os.environ and "NOTIFY_SOCKET" in os.environ:
        return f"systemctl start {UNIT}"
    return f"cd {shlex.quote(os.getcwd())} && {command_line()}"


def _sinks(host: HostOptions, options: WatchOptions, state: StateDirectory, log: Log, systemd: SystemdNotify) -> Sinks:
    metrics = metrics_file(options, __version__)
    found = messengers(options)
    publisher = LoopPublisher(
        RunDirectory(run_directory_of(host), is_public=options.publish_public),
        time,
        _LATE_SECONDS,
        _BUSY_TIMES * options.plan_timeout + LOCK_SECONDS,
    )
    notices = Notices(found, log.warning, wanted=wanted_events(options)) if found else None
    file = options.observed_file
    record = RecordFile(os.path.abspath(file), lambda: opened(host.findable)) if file else None
    status, views = StatusFile(state, os.getpid(), _starting()), Views(state)
    return Sinks(log, status, systemd, metrics, publisher, notices, record, views)


def metrics_file(options: WatchOptions, release: str) -> MetricsFile | None:
    """The file for the node exporter that `options` ask for.

    Raises:
        click.UsageError: it cannot be there.
    """
    return _metrics_file(options.metrics_file, release) if options.metrics_file else None


def _metrics_file(file: str, release: str) -> MetricsFile:
    try:
        return MetricsFile(Path(file), release)
    except ValueError as error:
        raise click.UsageError(f"--metrics-file: {error}") from error


def wanted_events(options: WatchOptions) -> Wanted:
    """Which events are sent: all but commits, if nothing else is said."""
    kinds = frozenset(map(Kind, options.notify_kind)) or ALL.kinds
    return Wanted(Level(options.notify_level), kinds)


def messengers(options: WatchOptions) -> list[Messenger]:
    """Those that carry what happens to others.

    Raises:
        click.UsageError: a file with an address cannot be used, or a command is none.
    """
    token = Path(options.notify_token_file) if options.notify_token_file else None
    try:
        made: list[Messenger] = [Webhook(secret(Path(file)), token) for file in options.notify_webhook_file]
        made += [MessageCommand(shlex.split(command)) for command in options.notify_command]
    except OSError as error:
        raise click.UsageError(error_text(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return made


def _kept(read: Callable[[], _Record], log: Log) -> _Record | None:
    """What an earlier run has kept; a damaged file is reported, and passed over."""
    try:
        return read()
    except BadRecord as error:
        text = f"a file that an earlier run has left {error.verdict} and is not used"
        log.warning(text, reason=str(error), **({"next": error.remedy} if error.remedy else {}))
        return None
