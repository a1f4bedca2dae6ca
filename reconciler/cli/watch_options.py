"""Options of ``reconcile --watch``."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from reconciler.cli.durations import Duration

_Function = TypeVar("_Function", bound=Callable[..., Any])


class WatchOptions(NamedTuple):
    """What the options of the loop say; the fields are named for them."""

    self_heal: bool
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
    log_format: str
    notify_webhook_file: tuple[str, ...]
    notify_token_file: str | None
    notify_command: tuple[str, ...]

    @property
    def given(self) -> tuple[str, ...]:
        """The options that were given, for whoever has not asked for the loop."""
        return tuple(
            f"--{name.replace('_', '-')}"
            for name, value in self._asdict().items()
            if value and name not in {"git_interval", "log_format", "plan_timeout"}
        )


def watch_options(function: _Function) -> _Function:
    """Add the options of the loop; the function gets them as ``watching``."""

    def with_watching(*args: Any, **kwargs: Any) -> Any:
        given = WatchOptions(*(kwargs.pop(name) for name in WatchOptions._fields))
        return function(*args, **kwargs, watching=given)

    with_watching.__name__ = function.__name__
    with_watching.__doc__ = function.__doc__
    with_watching.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    file = click.Path(dir_okay=False)
    for option in reversed(
        (
            click.option("--self-heal", is_flag=True, help="With --watch --apply: put back what others change."),
            click.option("--git", metavar="URL", help="With --watch: take manifests from a git repository."),
            click.option("--branch", metavar="NAME", help="With --git: from this branch."),
            click.option("--path", metavar="DIR", help="With --git: from this directory of it."),
            click.option(
                "--require-signature",
                metavar="FORM:FILE",
                help="With --git: use signed commits only; ssh:ALLOWED_SIGNERS or gpg:KEYS.",
            ),
            click.option("--revoked-keys", type=file, metavar="FILE", help="With ssh signatures: keys that are none."),
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
                help="With --watch: how often to look without being told; 5m, or 10s where the host tells nothing.",
            ),
            click.option(
                "--plan-timeout",
                type=Duration(),
                default="1m",
                show_default=True,
                metavar="DURATION",
                help="With --watch: how long reading and planning may take.",
            ),
            click.option("--listen", hidden=True),  # refused with the command that listens
            click.option(
                "--publish-public", is_flag=True, help="With --watch: let everybody read the published report."
            ),
            click.option("--metrics-file", type=file, metavar="FILE", help="With --watch: metrics for node-exporter."),
            click.option(
                "--log-format",
                type=click.Choice(["auto", "console", "json"]),
                default="auto",
                show_default=True,
                help="With --watch: console is for people, json for the journal.",
            ),
            click.option(
                "--notify-webhook-file",
                multiple=True,
                type=file,
                metavar="FILE",
                help="With --watch: send what happens to the URL in FILE.",
            ),
            click.option("--notify-token-file", type=file, metavar="FILE", help="The bearer token for these URLs."),
            click.option(
                "--notify-command",
                multiple=True,
                metavar="COMMAND",
                help="With --watch: run COMMAND with what happens, as JSON, on its standard input.",
            ),
        )
    ):
        with_watching = option(with_watching)
    return with_watching  # type: ignore[return-value]
