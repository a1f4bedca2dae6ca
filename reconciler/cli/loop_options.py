"""The options of the loop, and of what serves what it publishes."""

import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from reconciler.cli.options import HOST_OPTIONS, Duration, HostOptions, taken_from, with_options
from reconciler.watch.events import Kind, Level

_Function = TypeVar("_Function", bound=Callable[..., Any])


class WatchOptions(NamedTuple):
    """What the options of the loop say; all but the first two fields are named for their option.

    Attributes:
        host: which manifests, which host.
        applies: whether it applies, or only looks.
    """

    host: HostOptions
    applies: bool

    self_heal: bool
    held: bool
    git: str | None
    branch: str | None
    path: str | None
    require_signature: str | None
    revoked_keys: str | None
    git_interval: float
    resync: float | None
    plan_timeout: float
    listen: str | None
    publish_public: bool
    metrics_file: str | None
    observed_file: str | None
    log_format: str
    notify_webhook_file: tuple[str, ...]
    notify_token_file: str | None
    notify_command: tuple[str, ...]
    notify_level: str
    notify_kind: tuple[str, ...]
    unreachable_after: float


_FILE: Final = click.Path(dir_okay=False)
_WATCH_OPTIONS: Final = (
    click.option("--apply", "applies", is_flag=True, help="Keep the host as the manifests say, not just look."),
    click.option("--self-heal", is_flag=True, help="With --apply: correct what other programs change."),
    click.option("--held", is_flag=True, help="Enforce what was applied and confirmed last; read no manifests."),
    click.option("--git", metavar="URL", help="Take manifests from a git repository."),
    click.option("--branch", metavar="NAME", help="With --git: from this branch."),
    click.option("--path", metavar="DIR", help="With --git: from this directory of it."),
    click.option(
        "--require-signature",
        metavar="FORM:FILE",
        help="With --git: use signed commits only; ssh:ALLOWED_SIGNERS or gpg:KEYS. With --held: where several "
        "hosts are changed together.",
    ),
    click.option("--revoked-keys", type=_FILE, metavar="FILE", help="With ssh signatures: keys not to trust."),
    click.option(
        "--git-interval",
        type=Duration(),
        default="1m",
        show_default=True,
        metavar="DURATION",
        help="With --git: how often to ask the repository.",
    ),
    click.option(
        "--resync",
        type=Duration(),
        metavar="DURATION",
        help="How often to look without a trigger; 5m, or 10s where the host has none.",
    ),
    click.option(
        "--plan-timeout",
        type=Duration(),
        default="1m",
        show_default=True,
        metavar="DURATION",
        help="How long reading and planning may take.",
    ),
    click.option("--listen", hidden=True),  # refused with the command that listens
    click.option("--publish-public", is_flag=True, help="Let everybody read the published report."),
    click.option("--metrics-file", type=_FILE, metavar="FILE", help="Metrics for node-exporter."),
    click.option(
        "--observed-file",
        type=_FILE,
        metavar="FILE",
        help="After each cycle write the record of the host for 'plan --observed' (0640).",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["auto", "console", "json"]),
        default="auto",
        show_default=True,
        help="console is for people, json for the journal.",
    ),
    click.option(
        "--notify-webhook-file",
        multiple=True,
        type=_FILE,
        metavar="FILE",
        help="Send what happens to the URL in FILE.",
    ),
    click.option("--notify-token-file", type=_FILE, metavar="FILE", help="The bearer token for these URLs."),
    click.option(
        "--notify-command",
        multiple=True,
        metavar="COMMAND",
        help="Run COMMAND with what happens, as JSON, on its standard input.",
    ),
    click.option(
        "--notify-level",
        type=click.Choice([one.value for one in Level]),
        default=Level.INFO.value,
        show_default=True,
        help="Send only events of this level or above.",
    ),
    click.option(
        "--notify-kind",
        multiple=True,
        type=click.Choice([one.value for one in Kind]),
        metavar="KIND",
        help="Send only this kind, such as 'drift'; may be given again.",
    ),
    click.option(
        "--unreachable-after",
        type=Duration(),
        default="5m",
        show_default=True,
        metavar="DURATION",
        help="With --git: how long the repository may be unreachable before that is reported.",
    ),
)


def watch_options(function: _Function) -> _Function:
    """Add the options of the loop, those for the host included; the function gets all of them as ``options``."""

    def with_watching(*args: Any, **kwargs: Any) -> Any:
        context = click.get_current_context()
        for option in ("git_interval", "unreachable_after"):
            if not kwargs["git"] and context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{option.replace('_', '-')} goes with --git")
        receivers = kwargs["notify_webhook_file"] or kwargs["notify_command"]
        for option in ("notify_level", "notify_kind"):
            if not receivers and context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
                name = option.replace("_", "-")
                raise click.UsageError(f"--{name} goes with --notify-webhook-file or --notify-command")
        host = taken_from(kwargs)
        given = WatchOptions(host, *(kwargs.pop(name) for name in WatchOptions._fields[1:]))
        return function(*args, **kwargs, options=given)

    return with_options(function, with_watching, (*_WATCH_OPTIONS, *HOST_OPTIONS))


RUN_DIR: Final = "/run/reconciler"
"""Where the loop of a real host publishes its reports."""


class ServeOptions(NamedTuple):
    """What the options of ``reconcile serve`` say, each named for its option.

    Attributes:
        listen: where to listen; None: at the socket in the run directory.
    """

    listen: str | None
    run_dir: str
    only: str | None
    behind_proxy: bool
    allowed_host: tuple[str, ...]

    @property
    def address(self) -> str:
        """Where to listen."""
        socket = os.path.join(os.path.abspath(self.run_dir), "serve.sock")
        return socket if self.listen is None else self.listen


_SERVE_OPTIONS: Final = (
    click.option(
        "--listen",
        metavar="ADDR",
        help="HOST:PORT, [HOST]:PORT or the path of a Unix socket; usually serve.sock in the run directory.",
    ),
    click.option(
        "--run-dir",
        type=click.Path(file_okay=False),
        default=RUN_DIR,
        show_default=True,
        help="Where the loop publishes its reports.",
    ),
    click.option(
        "--only", type=click.Choice(["metrics"]), help="Only /metrics, /healthz and /readyz: no page, no guest's name."
    ),
    click.option("--behind-proxy", is_flag=True, help="A proxy in front of it encrypts, and asks who you are."),
    click.option(
        "--allowed-host",
        multiple=True,
        metavar="NAME",
        help="Answer also where a browser asks for this host; may be given again.",
    ),
)


def serve_options(function: _Function) -> _Function:
    """Add the options of ``reconcile serve``; the function gets all of them as ``options``."""

    def with_serving(*args: Any, **kwargs: Any) -> Any:
        given = ServeOptions(*(kwargs.pop(name) for name in ServeOptions._fields))
        return function(*args, **kwargs, options=given)

    return with_options(function, with_serving, _SERVE_OPTIONS)
