"""The unit of the loop: what ``reconcile watch`` with its options needs of the system, and whether it has that."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from reconciler.cli.loop_options import WatchOptions
from reconciler.cli.open_host import run_directory_of
from reconciler.cli.output import say
from reconciler.cli.watch_command import check_start
from reconciler.integrations.git_address import has_secret, local_path
from reconciler.integrations.git_command import Git, GitFailed
from reconciler.integrations.git_signatures import Trust, trust
from reconciler.integrations.notifications import secret
from reconciler.integrations.units import (
    STATE,
    VOLATILE,
    Needs,
    systemd_version,
    watch_unit_text,
)
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.kernel.processes import Processes, run_tool
from reconciler.model.errors import HostError
from reconciler.model.printable import error_text
from reconciler.transaction.state_directory import StateDirectory, UnsafeState
from reconciler.watch.run_directory import GROUP, RunDirectory, UnsafeRunDirectory, group_id

PRIVATE: Final = ("/tmp", "/var/tmp")  # noqa: S108 - named, not used
"""Directories of which the unit has others of its own (systemd.exec(5), ``PrivateTmp=``)."""

_SYSTEMS: Final = ("/proc", "/sys", "/dev")
"""Directories of the kernel's: nothing that is put there lasts, and the unit has a ``/dev`` of its own."""

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where systemd looks for programs, and has a unit look (systemd.exec(5), ``$PATH``)."""

_SECONDS: Final = 10.0
_GIT_SECONDS: Final = 30.0


def watch_unit(options: WatchOptions, words: Sequence[str]) -> str:
    """The text of the unit that runs ``reconcile watch`` with `options`, which `words` say.

    Raises:
        click.UsageError: the loop would refuse them, or systemd could not start it with them.
        click.ClickException: it would write where it cannot, or a file that it needs cannot be used.
    """
    if any(f"{sys.executable}/".startswith(f"{one}/") for one in PRIVATE):
        say(f"warning: the unit has a /tmp of its own and cannot see {sys.executable}; install reconcile elsewhere")
    try:
        return watch_unit_text(sys.executable, words, needs(options), _systemd())
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def needs(watching: WatchOptions, hidden: Sequence[str] = PRIVATE) -> Needs:
    """What a loop with these options needs of the system.

    Args:
        watching: the options of the loop.
        hidden: directories of which the unit has others of its own.

    Raises:
        click.UsageError: the loop would refuse them, or systemd could not start it with them.
        click.ClickException: it would write where it cannot, or a file that it needs cannot be used.
    """
    host = watching.host
    if host.simulate or os.path.realpath(host.sysfs) != DEFAULT_SYSFS:
        raise click.UsageError("the unit is for this machine: without --simulate and --sysfs")
    check_start(watching)
    if not (host.paths or watching.git or watching.held):
        raise click.UsageError(
            "say where the manifests are: -f /etc/reconciler, or --git URL --branch NAME; "
            "or --held, to enforce what was applied and confirmed last"
        )
    for name, path in _paths(watching):
        if not os.path.isabs(path):
            where = os.path.abspath(path)
            raise click.UsageError(f"{name} {path}: systemd starts the loop in no directory of yours; say {where}")
        _refuse_hidden(name, path, hidden)
    _refuse_secrets((watching.git or "", *watching.notify_command))
    _check_files(watching, hidden)
    if watching.git:
        _check_git(watching.git, watching.branch or "")
    found = _needs(watching)
    _check_state(found.state)
    _check_run_directory(Path(found.run))
    for path in host.paths:
        if not os.path.exists(path):
            raise click.ClickException(f"-f {path}: there is no such file or directory; make it first, or correct -f")
    return found


def _refuse_hidden(name: str, path: str, hidden: Sequence[str]) -> None:
    for one in hidden:
        for seen in (os.path.abspath(path), os.path.realpath(path)):
            if f"{seen}/".startswith(f"{one}/"):
                raise click.UsageError(
                    f"{name} {path}: the unit has a {one} of its own (PrivateTmp=), so that it would not see this; "
                    "move it, for example to /etc/reconciler"
                )
    _refuse_in_system(name, path)


def _refuse_in_system(name: str, path: str) -> None:
    for one in _SYSTEMS:
        for seen in (os.path.abspath(path), os.path.realpath(path)):
            if f"{seen}/".startswith(f"{one}/"):
                raise click.UsageError(
                    f"{name} {path}: what is in {one} is the kernel's, or is gone after a boot; "
                    "name a place on a disk, for example below /etc/reconciler"
                )


def _refuse_secrets(words: Iterable[str]) -> None:
    """Everybody can read a unit, and the words of each process."""
    for word in words:
        if has_secret(word):
            raise click.UsageError(
                "the URL has a password or token in it, which everybody could read in the unit; "
                "leave it out, and have root's git know it: git config --global credential.helper store, "
                "then git ls-remote URL as root asks for it once"
            )


def _check_state(state: str) -> None:
    """See that the unit can be started with this state directory: systemd makes the usual one only."""
    if state == STATE:
        return
    if not os.path.lexists(state):
        line = shlex.join(("install", "-d", "-m", "700", state))
        raise click.ClickException(f"there is no directory {state}, and systemd makes none there; run: {line}")
    try:
        StateDirectory(Path(state)).prepare()
    except UnsafeState as error:
        raise click.ClickException(str(error)) from error


def _check_run_directory(path: Path) -> None:
    """See that the unit can publish in `path`; what is in /run is made by systemd, at each start."""
    if path.is_relative_to(VOLATILE):
        return
    try:
        RunDirectory(path).prepare()
    except UnsafeRunDirectory as error:
        raise click.ClickException(str(error)) from error


def _check_git(url: str, branch: str) -> None:
    """See that git is there, and that a repository on this machine has the branch; others may be out of reach now."""
    if shutil.which("git", path=_PATH) is None:
        raise click.ClickException(f"--git: there is no git in {_PATH}; install it")
    if not local_path(url):
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        git = Git(Path(folder), Processes(Path(folder)), os.environ, bare=False)
        try:
            found = git.over_network("ls-remote", "--quiet", "--", url, f"refs/heads/{branch}", seconds=_GIT_SECONDS)
        except GitFailed as error:
            raise click.ClickException(f"--git {url}: {error}") from error
    if not found:
        raise click.ClickException(f"--git {url}: it has no branch {branch}; make it first, or correct --branch")


def _check_signatures(trusted: Trust) -> None:
    if problem := trusted.problem() or trusted.keyless():
        raise click.ClickException(f"--require-signature: {problem}; no commit could be checked")
    program = "ssh-keygen" if trusted.format == "ssh" else "gpg"
    if shutil.which(program, path=_PATH) is None:
        raise click.ClickException(f"--require-signature: there is no {program} in {_PATH}; install it")


def _check_program(command: str, hidden: Sequence[str]) -> None:
    """See that the unit can run `command`."""
    program = shlex.split(command)[0]
    if "/" in program and not os.path.isabs(program):
        raise click.UsageError(
            f"--notify-command {program}: systemd starts the loop in no directory of yours; "
            f"say {os.path.abspath(program)}"
        )
    found = shutil.which(program, path=_PATH)
    if found is None and os.path.isfile(program):
        line = shlex.join(("chmod", "+x", program))
        raise click.ClickException(f"--notify-command: {program} cannot be executed; if it is a program, run: {line}")
    if found is None:
        raise click.ClickException(
            f"--notify-command: there is no program {program}; name one by its absolute path, or in {_PATH}"
        )
    _refuse_hidden("--notify-command", found, hidden)
    if problem := _not_started(found):
        raise click.ClickException(f"--notify-command: {found} {problem}")


def _not_started(program: str) -> str:
    """Why the kernel would not start the file `program`; empty where it would, as far as its first line says."""
    try:
        with open(program, "rb") as stream:
            first = stream.readline(256)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if first.startswith(b"\x7fELF"):
        return ""
    if not first.startswith(b"#!"):
        return "is no program: a script begins with #! and its interpreter, as #!/bin/sh"
    interpreter = os.fsdecode(first[2:].strip().partition(b" ")[0])
    return "" if os.access(interpreter, os.X_OK) else f"names an interpreter that cannot be executed: {interpreter}"


def _check_files(watching: WatchOptions, hidden: Sequence[str]) -> None:
    """See that the files are there without which the loop starts, but does not do what it is for."""
    if watching.require_signature:
        _check_signatures(trust(watching.require_signature, watching.revoked_keys or ""))
    if watching.notify_token_file:
        try:
            secret(Path(watching.notify_token_file))
        except (ValueError, OSError) as error:
            why = error_text(error)
            raise click.ClickException(f"--notify-token-file: {why}") from error
    for command in watching.notify_command:
        _check_program(command, hidden)


def _needs(watching: WatchOptions) -> Needs:
    files = [file for file in (watching.metrics_file, watching.observed_file) if file]
    talks = watching.git or watching.notify_webhook_file or watching.notify_command
    return Needs(
        state=os.path.normpath(watching.host.state_dir or STATE),
        written=tuple(dict.fromkeys(map(_folder, files))),
        git=bool(watching.git),
        network=bool(talks),
        run=str(run_directory_of(watching.host)),
        group=GROUP if group_id() is not None and not watching.publish_public else "",
    )


def _paths(watching: WatchOptions) -> Iterator[tuple[str, str]]:
    """Each option that names a file or directory of this machine, with the path."""
    named: tuple[tuple[str, Sequence[str | None]], ...] = (
        ("--file", watching.host.paths),
        ("--state-dir", (watching.host.state_dir,)),
        ("--run-dir", (watching.host.run_dir,)),
        ("--revoked-keys", (watching.revoked_keys,)),
        ("--metrics-file", (watching.metrics_file,)),
        ("--observed-file", (watching.observed_file,)),
        ("--notify-webhook-file", watching.notify_webhook_file),
        ("--notify-token-file", (watching.notify_token_file,)),
    )
    yield from ((name, path) for name, paths in named for path in paths if path)
    form, _, keys = (watching.require_signature or "").partition(":")
    if form:
        yield f"--require-signature {form}", keys
    if repository := local_path(watching.git or ""):
        yield "--git", repository


def _folder(file: str) -> str:
    """The directory of `file`, which the loop has to be able to write to."""
    folder = os.path.dirname(os.path.normpath(file))
    if os.stat(folder).st_uid != os.geteuid():
        raise click.ClickException(
            f"{folder} belongs to another user, and the unit has no right to write where others do; "
            f"name another one, or run: chown root {folder}"
        )
    return folder


def _systemd() -> int:
    """The version of systemd; 0 where it does not say."""
    try:
        done = run_tool(["systemctl", "--version"], _SECONDS)
    except (OSError, HostError):
        return 0
    return systemd_version(done.output)
