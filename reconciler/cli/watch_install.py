"""``reconcile watch install`` and ``uninstall``: how systemd gets to know of the loop."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from reconciler.cli import unit_install
from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import DEFAULT_SYSFS, HostOptions
from reconciler.cli.output import tell
from reconciler.cli.watch_command import check_start
from reconciler.cli.watch_options import WatchOptions
from reconciler.integrations.files import NotOurs
from reconciler.integrations.git_signatures import trust
from reconciler.integrations.libvirt import DIRECTORY, HOOK, follows_loop, options_of
from reconciler.integrations.notifications import secret
from reconciler.integrations.units import (
    STATE,
    WATCH_NAME,
    WATCH_UNIT,
    Needs,
    systemd_version,
    watch_enable_commands,
    watch_unit_text,
)
from reconciler.model.commands import HOOK_INSTALL
from reconciler.model.printable import error_text

PRIVATE: Final = ("/tmp", "/var/tmp")  # noqa: S108 - named, not used
"""Directories of which the unit has others of its own (systemd.exec(5), ``PrivateTmp=``)."""

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where systemd looks for programs, and has a unit look (systemd.exec(5), ``$PATH``)."""

_SECONDS: Final = 10.0
_CONSENTS: Final = ("allow_disruption", "allow_empty", "allow_removals")


def run_install(options: Sequence[click.Parameter], words: Sequence[str], directory: str, *, enable: bool) -> Exit:
    """Write the unit of the loop with `words` into `directory`, and have systemd know of it or tell how.

    Args:
        options: what ``reconcile`` itself understands.
        words: what is to be said after ``reconcile --watch``.
        directory: where systemd looks for units.
        enable: run systemctl, not just tell what to type.
    """
    place = Path(directory).absolute()
    if any(f"{sys.executable}/".startswith(f"{one}/") for one in PRIVATE):
        tell(f"warning: the unit has a /tmp of its own and cannot see {sys.executable}; install reconcile elsewhere")
    try:
        text = watch_unit_text(sys.executable, words, needs(options, words), _systemd())
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    unit_install.install(WATCH_UNIT, place, text)
    return unit_install.systemctl(watch_enable_commands(place), run=enable, when="so that it runs from now on, type:")


def run_uninstall(directory: str, hooks: str) -> Exit:
    """Have no unit of the loop in `directory` any more, and nothing that starts it.

    `hooks` is where libvirt looks for hooks: one that follows the loop then follows a record that no longer changes.
    """
    ended = unit_install.uninstall(
        WATCH_UNIT, directory, ("systemctl", "stop", WATCH_NAME), ("systemctl", "daemon-reload")
    )
    hook = Path(hooks) / HOOK.name
    try:
        text = HOOK.ours(hook)
    except (NotOurs, OSError):
        text = None
    if text is not None and follows_loop(text):
        tell(
            f"{hook} follows what the loop enforces, and without a loop that record no longer changes. "
            "To have it read manifests instead, run:",
            f"  {HOOK_INSTALL.with_flags('-f', 'PATH', *_place(hook.parent), *(options_of(text) or ()))}",
        )
    return ended


def _place(hooks: Path) -> tuple[str, ...]:
    return () if hooks == DIRECTORY else ("--directory", str(hooks.absolute()))


def needs(options: Sequence[click.Parameter], words: Sequence[str], hidden: Sequence[str] = PRIVATE) -> Needs:
    """What a loop with `words` needs of the system.

    Args:
        options: what ``reconcile`` itself understands.
        words: what is to be said after ``reconcile --watch``.
        hidden: directories of which the unit has others of its own.

    Raises:
        click.UsageError: the loop would refuse these words, or systemd could not start it with them.
        click.ClickException: it would write where it cannot, or a file that it needs cannot be used.
    """
    said = _said(options, words)
    host, watching = _host(said), WatchOptions(*(said[name] for name in WatchOptions._fields))
    if host.simulate or os.path.realpath(host.sysfs) != DEFAULT_SYSFS:
        raise click.UsageError("the unit is for this machine: without --simulate and --sysfs")
    for name in ("wants_plan", "apply_file", "out", "yes", "confirm_within", *_CONSENTS):
        if said[name]:
            raise click.UsageError("the loop takes no plan and no plan file, asks nobody, and has no consent to give")
    check_start(host, watching, applies=said["apply_file"] is not None)
    if not host.paths and not watching.git:
        raise click.UsageError("say where the manifests are: -- -f /etc/reconciler, or -- --git URL --branch NAME")
    for name, path in _paths(options, said):
        if not os.path.isabs(path):
            where = os.path.abspath(path)
            raise click.UsageError(f"{name} {path}: systemd starts the loop in no directory of yours; say {where}")
        _refuse_hidden(name, path, hidden)
    _check_files(watching, hidden)
    return _needs(host, watching)


def _refuse_hidden(name: str, path: str, hidden: Sequence[str]) -> None:
    for one in hidden:
        for seen in (os.path.abspath(path), os.path.realpath(path)):
            if f"{seen}/".startswith(f"{one}/"):
                raise click.UsageError(
                    f"{name} {path}: the unit has a {one} of its own (PrivateTmp=), so that it would not see this; "
                    "move it, for example to /etc/reconciler"
                )


def _check_files(watching: WatchOptions, hidden: Sequence[str]) -> None:
    """See that the files are there without which the loop starts, but does not do what it is for."""
    if watching.require_signature:
        trusted = trust(watching.require_signature, watching.revoked_keys or "")
        if problem := trusted.problem():
            raise click.ClickException(f"--require-signature: {problem}; no commit could be checked")
    if watching.notify_token_file:
        try:
            secret(Path(watching.notify_token_file))
        except (ValueError, OSError) as error:
            why = error_text(error)
            raise click.ClickException(f"--notify-token-file: {why}") from error
    for command in watching.notify_command:
        program = shlex.split(command)[0]
        found = shutil.which(program, path=_PATH)
        if found is None:
            raise click.ClickException(
                f"--notify-command: there is no program {program}; name one by its absolute path, or in {_PATH}"
            )
        _refuse_hidden("--notify-command", found, hidden)
    if watching.git and watching.git.startswith(("/", "file:///")):
        _refuse_hidden("--git", watching.git.removeprefix("file://"), hidden)


def _needs(host: HostOptions, watching: WatchOptions) -> Needs:
    listens = watching.listen or ""
    socket = listens if listens.startswith("/") else ""
    files = [one for one in (watching.metrics_file, socket) if one and not one.startswith("/run/reconciler/")]
    talks = watching.git or watching.notify_webhook_file or watching.notify_command
    return Needs(
        state=os.path.normpath(host.state_dir or STATE),
        written=tuple(dict.fromkeys(map(_folder, files))),
        git=bool(watching.git),
        network=bool(talks or (listens and not socket)),
    )


def _said(options: Sequence[click.Parameter], words: Sequence[str]) -> dict[str, Any]:
    """What `words` say: the value of each option by the name that click has for it."""
    return click.Command("reconcile", params=list(options)).make_context("reconcile", ["--watch", *words]).params


def _host(said: dict[str, Any]) -> HostOptions:
    return HostOptions(said["file"], said["host_name"], said["sysfs"], said["simulate_file"], said["state_dir"])


def _paths(options: Sequence[click.Parameter], said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each option that names a file or directory of this machine, with the path."""
    for option in options:
        value = said.get(option.name or "") if isinstance(option.type, click.Path) else None
        for path in value if isinstance(value, tuple) else (value,) if value else ():
            yield option.opts[-1], path
    form, _, keys = (said["require_signature"] or "").partition(":")
    if form:
        yield f"--require-signature {form}", keys


def _folder(file: str) -> str:
    """The directory of `file`, which the loop has to be able to write to."""
    folder = os.path.dirname(os.path.normpath(file))
    if not os.path.isdir(folder):
        raise click.ClickException(f"there is no directory {folder} for {file}; make it first")
    if os.stat(folder).st_uid != os.geteuid():
        raise click.ClickException(
            f"{folder} belongs to somebody else, and the unit has no right to write where others do; "
            f"name another one, or type: chown root {folder}"
        )
    return folder


def _systemd() -> int:
    """The version of systemd; 0 where it does not tell."""
    try:
        done = subprocess.run(
            ["systemctl", "--version"],  # noqa: S607 - from the administrator's PATH
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return systemd_version(done.stdout)
