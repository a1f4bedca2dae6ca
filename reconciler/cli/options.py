"""Options that several commands share: which manifests, which host, which format."""

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import click

from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.model.commands import ENFORCED, REFUSED, Command, Here

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
        paths = tuple(map(os.path.abspath, self.paths))
        return HostOptions(paths, self.host, os.path.abspath(self.sysfs), simulate, state_dir, run_dir, self.recorded)

    def line(self, command: Command) -> str:
        """`command` for a shell, so that it meets the same host, state and manifests."""
        return self.here.line(command)

    def over(self, outer: "HostOptions") -> "HostOptions":
        """These options, completed by those given before the command's name."""
        return HostOptions(
            self.paths or outer.paths,
            self.host or outer.host,
            self.sysfs if self.sysfs != DEFAULT_SYSFS else outer.sysfs,
            self.simulate or outer.simulate,
            self.state_dir or outer.state_dir,
            self.run_dir or outer.run_dir,
        )


def _given(options: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    return tuple(word for name, value in options if value for word in (name, value))


class Said:
    """What the shared options of one run say, as far as they have been read: also those before the command's name.

    Attributes:
        host: what they say.
        context: of the innermost command that has them; None before there is one.
    """

    def __init__(self) -> None:
        self.host = HostOptions((), None, DEFAULT_SYSFS, None, None)
        self.context: click.Context | None = None


def host_options(function: _Function) -> _Function:
    """Add the options that say which manifests and which host; the function gets them as ``host``."""

    def with_host(*args: Any, **kwargs: Any) -> Any:
        given = HostOptions(
            kwargs.pop("file"),
            kwargs.pop("host_name"),
            kwargs.pop("sysfs"),
            kwargs.pop("simulate_file"),
            kwargs.pop("state_dir"),
            kwargs.pop("run_dir"),
        )
        context = click.get_current_context()
        said = context.ensure_object(Said)
        said.context = context
        said.host = given.over(said.host)
        return function(*args, **kwargs, host=said.host)

    with_host.__name__ = function.__name__
    with_host.__doc__ = function.__doc__
    with_host.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    # What cannot be read is reported where it is read, with the command to run next.
    for option in (
        click.option(
            "--run-dir", type=click.Path(file_okay=False, readable=False), help="Where reports are published."
        ),
        click.option("--state-dir", type=click.Path(file_okay=False, readable=False), help="Where to keep state."),
        click.option(
            "--simulate",
            "simulate_file",
            type=click.Path(dir_okay=False, readable=False),
            metavar="FILE",
            help="Use the simulated host that FILE describes; its state is kept beside FILE.",
        ),
        click.option("--sysfs", default=DEFAULT_SYSFS, metavar="ROOT", help="The sysfs root.", show_default=True),
        click.option("--host", "host_name", metavar="NAME", help="The Host to work on."),
        click.option(
            "-f",
            "--file",
            multiple=True,
            type=click.Path(readable=False),
            metavar="PATH",
            help="A manifest or a directory of manifests; may be given again. Default: the current directory.",
        ),
    ):
        with_host = option(with_host)
    return with_host  # type: ignore[return-value]


def recorded_options(function: _Function) -> _Function:
    """Add the options for what the loop has recorded; to be used below `host_options`, whose ``host`` says which."""

    def with_recorded(*args: Any, host: HostOptions, **kwargs: Any) -> Any:
        given = [option for option in (ENFORCED, REFUSED) if kwargs.pop(option.removeprefix("--"))]
        if len(given) > 1 or (given and host.paths):
            raise click.UsageError(f"choose one of {', '.join([*given, *(['-f'] if host.paths else [])])}")
        host = host._replace(recorded=given[0]) if given else host
        click.get_current_context().ensure_object(Said).host = host
        return function(*args, **kwargs, host=host)

    with_recorded.__name__ = function.__name__
    with_recorded.__doc__ = function.__doc__
    with_recorded.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option, text in (
        (REFUSED, "Read what the loop has refused last, instead of files."),
        (ENFORCED, "Read what the loop enforces, instead of files."),
    ):
        with_recorded = click.option(option, is_flag=True, help=text)(with_recorded)
    return with_recorded  # type: ignore[return-value]


def format_option(*formats: str) -> Callable[[_Function], _Function]:
    """Add ``--format`` with these formats, the first being the default."""
    return click.option(
        "--format", type=click.Choice(formats), default=formats[0], show_default=True, help="How to print."
    )


_CONSENTS = (
    ("--allow-disruption", "Interrupt running guests where the plan says so."),
    ("--allow-empty", "Remove all of our mediated devices where the plan says so."),
    ("--allow-removals", "Remove more than half of them at once where the plan says so."),
)


def consent_options(function: _Function) -> _Function:
    """Add the options that give consent for one run; the function gets the set of those given as ``consents``."""

    def with_consents(*args: Any, **kwargs: Any) -> Any:
        given = {flag for flag, _ in _CONSENTS if kwargs.pop(flag.removeprefix("--").replace("-", "_"))}
        return function(*args, **kwargs, consents=frozenset(given))

    with_consents.__name__ = function.__name__
    with_consents.__doc__ = function.__doc__
    with_consents.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for flag, text in reversed(_CONSENTS):
        with_consents = click.option(flag, is_flag=True, help=text)(with_consents)
    return with_consents  # type: ignore[return-value]


def lock_option(function: _Function) -> _Function:
    """Add ``--lock-timeout``; the function gets seconds as ``lock_timeout``."""
    return click.option(
        "--lock-timeout",
        type=click.IntRange(min=0),
        default=60,
        show_default=True,
        metavar="SECONDS",
        help="How long an apply or rollback waits for other commands that are at work; 0: not at all.",
    )(function)
