"""Options that several commands share: which manifests, which host, which format."""

import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from reconciler.cli.tree import completes
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.model.commands import ENFORCED, REFUSED, Command, Here

if TYPE_CHECKING:
    from reconciler.model.desired import Selector
    from reconciler.planning.scope import Targets

_Function = TypeVar("_Function", bound=Callable[..., Any])


class HostOptions(NamedTuple):
    """What the shared options say.

    Attributes:
        paths: manifests, files or directories; empty where none was named.
        host: the Host to work on, or None.
        sysfs: the sysfs root.
        simulate: the description of a simulated host to use instead, or None.
        state_dir: where to keep state, or None for the usual place.
        run_dir: where reports are published, or None for the usual place.
        recorded: which record of the loop is read instead of manifests, by its option; empty for manifests.
    """

    paths: tuple[str, ...]
    host: str | None
    sysfs: str
    simulate: str | None
    state_dir: str | None
    run_dir: str | None = None
    recorded: str = ""

    @property
    def manifests(self) -> tuple[str, ...]:
        """The manifests to read: the current directory where none was named."""
        return self.paths or (".",)

    @property
    def here(self) -> Here:
        """The options of this run that lead another command to the same place."""
        machine = (
            ("--sysfs", self.sysfs if self.sysfs != DEFAULT_SYSFS else None),
            ("--simulate", self.simulate),
            ("--state-dir", self.state_dir),
            ("--run-dir", self.run_dir),
        )
        manifests = (*(("-f", path) for path in self.paths), ("--host", self.host))
        recorded = (self.recorded,) if self.recorded else ()
        return Here(_given(machine), (*recorded, *_given(manifests)))

    @property
    def findable(self) -> "HostOptions":
        """The same options for readers who may be in another directory."""
        places = (self.simulate, self.state_dir, self.run_dir)
        simulate, state_dir, run_dir = (one and os.path.abspath(one) for one in places)
        paths = tuple(one if one == "-" else os.path.abspath(one) for one in self.paths)
        return HostOptions(paths, self.host, os.path.abspath(self.sysfs), simulate, state_dir, run_dir, self.recorded)

    def line(self, command: Command) -> str:
        """`command` for a shell, so that it meets the same host, state and manifests."""
        return self.here.line(command)


def _given(options: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    return tuple(word for name, value in options if value for word in (name, value))


class Said:
    """What the shared options of one run say, once the command has read them.

    Attributes:
        host: what they say.
        context: of the command that has them; None before there is one.
    """

    def __init__(self) -> None:
        self.host = HostOptions((), None, DEFAULT_SYSFS, None, None)
        self.context: click.Context | None = None


def host_options(function: _Function) -> _Function:
    """Add the options that say which manifests and which host; the function gets them as ``host``."""

    def with_host(*args: Any, **kwargs: Any) -> Any:
        host = taken_from(kwargs)
        return function(*args, **kwargs, host=host)

    return with_options(function, with_host, HOST_OPTIONS)


def taken_from(values: dict[str, Any]) -> HostOptions:
    """What the shared options among `values` say; they are taken out of it."""
    files, paths = values.pop("file"), values.pop("paths", ())
    context = click.get_current_context()
    if values["simulate_file"] and context.get_parameter_source("sysfs") is ParameterSource.COMMANDLINE:
        raise click.UsageError("choose one of --sysfs and --simulate")
    if any(not one.endswith((".yaml", ".yml")) and os.path.isfile(one) for one in files):
        from reconciler.cli.meant.commands import refuse_saved_plans

        refuse_saved_plans(context, files)
    if paths:
        from reconciler.cli.meant.commands import refuse_paths

        refuse_paths(context, paths)
    if (files or paths) and _may_be_of_another_kind((*files, *paths)[0]):
        from reconciler.cli.meant.files import refuse_as_manifests

        refuse_as_manifests(context, (*files, *paths))
    said = context.ensure_object(Said)
    said.context = context
    said.host = HostOptions(
        (*files, *paths),
        values.pop("host_name"),
        values.pop("sysfs"),
        values.pop("simulate_file"),
        values.pop("state_dir"),
        values.pop("run_dir"),
    )
    return said.host


def _may_be_of_another_kind(path: str) -> bool:
    """Whether `path` is a file that has no name of a manifest, or describes a simulated host."""
    from reconciler.manifests.skipped import is_simulated_host

    return os.path.isfile(path) and (not path.endswith((".yaml", ".yml")) or is_simulated_host(path))


def unread_host_options(function: _Function) -> _Function:
    """The same for a command that reads no host: those that say which one are taken, but not shown in the help.

    So a command that was typed for a host becomes one about its manifests by its first word alone.
    """

    def with_host(*args: Any, **kwargs: Any) -> Any:
        host = taken_from(kwargs)
        return function(*args, **kwargs, host=host)

    return with_options(function, with_host, (*_MANIFEST_OPTIONS, *_machine_options(is_hidden=True)))


# What cannot be read is reported where it is read, with the command to run next.
_MANIFEST_OPTIONS: Final = (
    click.option(
        "-f",
        "--file",
        multiple=True,
        type=click.Path(readable=False),
        metavar="PATH",
        help="A manifest, a directory of manifests or - (standard input); may be given again. Default: the current "
        "directory.",
    ),
    click.option("--host", "host_name", metavar="NAME", help="The Host to work on."),
)


def _machine_options(*, is_hidden: bool) -> tuple[Callable[[Any], Any], ...]:
    return (
        click.option(
            "--sysfs",
            default=DEFAULT_SYSFS,
            metavar="ROOT",
            help="The sysfs root.",
            show_default=True,
            hidden=is_hidden,
        ),
        click.option(
            "--simulate",
            "simulate_file",
            type=click.Path(dir_okay=False, readable=False),
            metavar="FILE",
            help="Use the simulated host that FILE describes; its state is kept beside FILE.",
            hidden=is_hidden,
        ),
        click.option(
            "--state-dir",
            type=click.Path(file_okay=False, readable=False),
            help="Where to keep the history and all other records. Default: /var/lib/reconciler; with --simulate FILE, "
            "FILE.state; with another --sysfs ROOT than /sys, /var/lib/reconciler/roots/HASH, one for each ROOT.",
            hidden=is_hidden,
        ),
        click.option(
            "--run-dir",
            type=click.Path(file_okay=False, readable=False),
            help="Where reports are published for 'serve' and for users without rights. Default: /run/reconciler; with "
            "another state directory DIR, also that of --simulate, DIR.run.",
            hidden=is_hidden,
        ),
    )


HOST_OPTIONS: Final = (*_MANIFEST_OPTIONS, *_machine_options(is_hidden=False))


def manifest_arguments(function: _Function) -> _Function:
    """Add the manifests as arguments, besides ``-f``; to be used above `host_options`, which takes both together."""
    return click.argument("paths", nargs=-1, type=click.Path(readable=False), metavar="[PATH]...")(function)


def with_options(
    function: _Function, changed: Callable[..., Any], options: Iterable[Callable[[Any], Any]]
) -> _Function:
    """`changed`, with the name, the text and the options of `function`, and with `options` after them."""
    changed.__name__ = function.__name__
    changed.__doc__ = function.__doc__
    changed.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in reversed(tuple(options)):
        changed = option(changed)
    return changed  # type: ignore[return-value]


def recorded_options(function: _Function) -> _Function:
    """Add the options for what the loop has recorded; to be used below `host_options`, whose ``host`` says which."""

    def with_recorded(*args: Any, host: HostOptions, **kwargs: Any) -> Any:
        given = [option for option in (ENFORCED, REFUSED) if kwargs.pop(option.removeprefix("--"))]
        if len(given) > 1 or (given and host.paths):
            raise click.UsageError(f"choose one of {', '.join([*given, *(['-f'] if host.paths else [])])}")
        host = host._replace(recorded=given[0]) if given else host
        click.get_current_context().ensure_object(Said).host = host
        return function(*args, **kwargs, host=host)

    return with_options(
        function,
        with_recorded,
        (
            click.option(
                ENFORCED,
                is_flag=True,
                help="Use the manifests that the loop enforces, its last good ones, instead of -f.",
            ),
            click.option(
                REFUSED, is_flag=True, help="Use the newest manifests, where the loop has refused them, instead of -f."
            ),
        ),
    )


def format_option(*formats: str) -> Callable[[_Function], _Function]:
    """Add ``-o`` with these formats, the first being the default; the function gets it as ``format``."""
    return click.option(
        "-o",
        "--output",
        "format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print.",
    )


class Labels(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 takes no argument
    """Labels as ``key=value``, several after commas; the command gets pairs."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        if isinstance(value, tuple):
            return value
        pairs = tuple(one.partition("=")[::2] for one in re.split(r",(?=[^,=]+=)", str(value)))
        for key, _value in pairs:
            if not key or f"{key}=" not in str(value):
                self.fail(f"{str(value)!r} is no label; write key=value, for example tenant=payments", param, ctx)
        return pairs


def label_option(help: str) -> Callable[[_Function], _Function]:
    """Add ``-l``, described by `help`; the function gets a `Selector` as ``selector``, which may be empty."""

    def with_labels(function: _Function) -> _Function:
        def selecting(*args: Any, **kwargs: Any) -> Any:
            from reconciler.model.desired import Selector

            selector = Selector(tuple(pair for pairs in kwargs.pop("labels") for pair in pairs))
            return function(*args, **kwargs, selector=selector)

        option = click.option("-l", "--label", "labels", multiple=True, type=Labels(), metavar="KEY=VALUE", help=help)
        return with_options(function, selecting, (option,))

    return with_labels


def target_options(function: _Function) -> _Function:
    """Add ``--target`` and ``-l``, which confine a plan to guests; the function gets ``targets``, None for all."""

    def with_targets(*args: Any, selector: "Selector", **kwargs: Any) -> Any:
        guests = frozenset(kwargs.pop("target"))
        targets = None
        if guests or selector.pairs:
            from reconciler.planning.scope import Targets

            targets = Targets(guests, selector)
        return function(*args, **kwargs, targets=targets)

    option = click.option(
        "--target",
        multiple=True,
        metavar="GUEST",
        shell_complete=completes("wanted"),
        help="Only this guest; all else stays as it is. May be given again.",
    )
    chosen = with_options(function, with_targets, (option,))
    return label_option("Only guests with this label; all else stays as it is.")(chosen)


def with_target_flags(command: Command, targets: "Targets | None") -> Command:
    """`command` with the options that confine it to `targets`."""
    if targets is None:
        return command
    flags = [word for one in sorted(targets.guests) for word in ("--target", one)]
    return command.with_flags(*flags, *(["-l", str(targets.labels)] if targets.labels.pairs else []))


_CONSENTS: Final = (
    ("--allow-disruption", "Interrupt running guests where the plan says so."),
    ("--allow-empty", "Remove all of our mediated devices where the plan says so."),
    ("--allow-removals", "Remove all of our devices for other guests, or most of them, where the plan says so."),
    ("--allow-suspended", "Change what is suspended where the plan says so."),
    ("--accept-machine", "Accept the machine and LPAR that the host runs in, whatever the manifests say."),
)


def consent_options(function: _Function) -> _Function:
    """Add the options that give consent for one run; the function gets the set of those given as ``consents``."""

    def with_consents(*args: Any, **kwargs: Any) -> Any:
        given = {flag for flag, _ in _CONSENTS if kwargs.pop(flag.removeprefix("--").replace("-", "_"))}
        return function(*args, **kwargs, consents=frozenset(given))

    options = (click.option(flag, is_flag=True, help=text) for flag, text in _CONSENTS)
    return with_options(function, with_consents, options)


class WholeNumber(click.IntRange):
    """A whole number of a range; a wrong one is refused in plain words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        least = int(self.min or 0)
        bounds = f"of at least {least}" if self.max is None else f"from {least} to {int(self.max)}"
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not what it takes; write a whole number {bounds}", param, ctx)


_PARTS: Final = r"(?a)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?"


LONGEST_DAYS: Final = 9999
"""How long a duration is at most where an option has no other limit."""


def seconds_in(text: str) -> float | None:
    """The duration that `text` is, such as ``1h30m``, in seconds; None where it is none."""
    found = re.fullmatch(_PARTS, text)
    if found is None or not text:
        return None
    days, hours, minutes, rest = (int((part or "0")[:_MOST_DIGITS]) for part in found.groups())
    return float(86400 * days + 3600 * hours + 60 * minutes + rest)


class Duration(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 takes no argument
    """A duration, with a unit behind each number; the command gets seconds."""

    name = "duration"

    def __init__(self, least: int = 1, most: int | None = None) -> None:
        """Take `least` to `most` seconds, both included; without a limit where `most` is None."""
        self.least = least
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        if isinstance(value, float):
            return value
        text = str(value)
        if text == "0" and not self.least:
            return 0.0
        # A bare number is seconds for one program and minutes for another: never guessed where a rollback hangs on it.
        if re.fullmatch(r"(?a)0*[1-9]\d{0,5}", text):
            self.fail(
                f"{text!r} has no unit; write {text}h for hours, {text}m for minutes or {text}s for seconds", param, ctx
            )
        seconds = seconds_in(text)
        if seconds is None:
            self.fail(
                f"{text!r} is no duration; write a unit behind each number, for example 90s, 5m, 1h30m or 2d",
                param,
                ctx,
            )
        if self.most is None and seconds > LONGEST_DAYS * 86400:
            self.fail(f"{text!r} is too long; write at most {LONGEST_DAYS}d", param, ctx)
        if seconds < self.least or (self.most is not None and seconds > self.most):
            limit = f"of at least {self.least}s" if self.most is None else f"from {self.least}s to {self.most}s"
            self.fail(f"{text!r} is out of range; write a duration {limit}, for example 1m", param, ctx)
        return seconds


def lock_option(function: _Function) -> _Function:
    """Add ``--lock-timeout``; the function gets seconds as ``lock_timeout``."""
    return click.option(
        "--lock-timeout",
        type=Duration(least=0),
        default="1m",
        show_default=True,
        metavar="DURATION",
        help="How long an apply or rollback waits for other commands that are at work; 0: not at all.",
    )(function)


_NEW_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)
_KNOWN_ID: Final = re.compile(r"(?!\d+\Z)[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
"""The same for an apply that may have begun with an earlier release, which took an id that begins with a digit."""


class ApplyId(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 takes no argument
    """An id that a caller chooses for an apply; a number is none, so that it is never taken for a generation."""

    name = "id"
    form: re.Pattern[str] = _NEW_ID

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        text = str(value)
        if not self.form.fullmatch(text):
            self.fail(
                f"{text!r} is no id; it is a letter from a to z, then up to 63 letters from a to z, digits "
                "and dashes, for example deploy-42.",
                param,
                ctx,
            )
        return text


class OneApply(ApplyId):
    """One apply of the history, by the number of its generation or by its caller's id; the command gets int or str."""

    name = "apply"
    form = _KNOWN_ID

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        if isinstance(value, int):
            return value
        text = str(value)
        if not (text.isascii() and text.isdigit()):
            return super().convert(value, param, ctx)
        number = int(text) if len(text) < _MOST_DIGITS else 0
        if not number:
            self.fail(f"{text!r} is no number of a generation: they begin with 1.", param, ctx)
        return number


_MOST_DIGITS: Final = 19


class FleetFile(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 takes no argument
    """A file that says which commit to several hosts an apply is a part of; the command gets a `FleetCommit`."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        if not isinstance(value, str):
            return value
        from reconciler.model.codec import BadRecord, Codec, read_json
        from reconciler.model.outcome import FleetCommit
        from reconciler.model.printable import error_text

        try:
            with open(value, "rb") as stream:
                content = stream.read(_LARGEST_FLEET + 1)
            return Codec().read(FleetCommit, read_json(content, _LARGEST_FLEET))
        except OSError as error:
            self.fail(error_text(error), param, ctx)
        except BadRecord as error:
            self.fail(f"{value} does not say which commit to several hosts this is: {error}", param, ctx)


def fleet_option(help: str) -> Callable[[_Function], _Function]:
    """Add ``--fleet``, described by `help`; the function gets a `FleetCommit` or None as ``fleet``."""
    return click.option("--fleet", type=FleetFile(), metavar="FILE", help=help)


_LARGEST_FLEET: Final = 1 << 20
"""In bytes."""
