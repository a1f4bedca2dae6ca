"""The services that ``reconcile setup`` proposes: each with the command that installs it, or why there is none."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click

from reconciler.cli.command_lines import line_of
from reconciler.cli.loop_options import RUN_DIR, ServeOptions
from reconciler.cli.options import HostOptions, Said
from reconciler.cli.serve_command import check_server
from reconciler.integrations.files import NotOurs, OurFile
from reconciler.integrations.libvirt import DIRECTORY as HOOKS
from reconciler.integrations.libvirt import HOOK
from reconciler.integrations.units import BOOT_UNIT, SERVE_UNIT, WATCH_UNIT
from reconciler.integrations.units import DIRECTORY as UNITS
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.model.desired import Persistence
from reconciler.transaction.setup_record import InstalledService
from reconciler.watch.run_directory import GROUP, group_id

FILES: Final[dict[str, OurFile]] = {"boot": BOOT_UNIT, "serve": SERVE_UNIT, "watch": WATCH_UNIT, "hook": HOOK}
"""What each service is, in the order of an installation: the loop comes when there is something to enforce."""


class Proposed(NamedTuple):
    """A service that is proposed: what it is for, a clause, and the words of the command that installs it."""

    service: InstalledService
    what: str
    words: tuple[str, ...]


class Left(NamedTuple):
    """A service that is not proposed, and why, a clause; `is_there`: since it is there already."""

    name: str
    why: str
    is_there: bool = False


class Wish(NamedTuple):
    """What the options of a setup say of services.

    Attributes:
        units: where systemd looks for units.
        hooks: where libvirt looks for hooks.
        without: the services that are not wanted.
        applies: whether the loop is to apply.
    """

    units: str = str(UNITS)
    hooks: str = str(HOOKS)
    without: frozenset[str] = frozenset()
    applies: bool = False

    def place(self, name: str) -> str:
        """The directory that has the unit or hook of service `name`."""
        return os.path.abspath(self.hooks if name == "hook" else self.units)


def is_this_machine(host: HostOptions) -> bool:
    """Whether `host` names the machine that this runs on: units and hooks are for no other."""
    return not host.simulate and os.path.realpath(host.sysfs) == DEFAULT_SYSFS


def proposed(host: HostOptions, wish: Wish, persistence: Persistence) -> list[Proposed | Left]:
    """The services for the host that `host` names, with manifests that say how it boots; each of `FILES` once."""
    return [_proposed(name, host, wish, persistence) for name in FILES]


def _proposed(name: str, host: HostOptions, wish: Wish, persistence: Persistence) -> Proposed | Left:
    service = InstalledService(name, wish.place(name))
    if is_there(service):
        return Left(name, "it is there already", is_there=True)
    if why := _why_not(name, host, wish, persistence):
        return Left(name, why)
    usual = str(HOOKS if name == "hook" else UNITS)
    place = () if service.directory == usual else ("--directory", service.directory)
    enable = () if name == "hook" else ("--enable",)
    return Proposed(
        service, _what(name, wish), ("service", "install", name, *enable, *place, *_options(name, host, wish))
    )


def _what(name: str, wish: Wish) -> str:
    return {
        "boot": "at boot the host becomes as it was applied last",
        "watch": "the loop keeps the host as the manifests say"
        if wish.applies
        else "the loop reports where the host differs from the manifests, and changes nothing",
        "serve": "the page, the API and metrics, at a socket",
        "hook": "libvirt makes the devices of on-demand guests when their VMs start",
    }[name]


def _why_not(name: str, host: HostOptions, wish: Wish, persistence: Persistence) -> str:
    """Why service `name` is not proposed; empty where it is."""
    if name in wish.without:
        return f"--without {name}"
    if not is_this_machine(host):
        return "a service is for the machine that it is installed on"
    if name == "boot" and persistence is not Persistence.SERVICE:
        return f"the Host says 'persistence: {persistence}'"
    if name == "hook" and not Path(wish.hooks).absolute().parent.is_dir():
        return "there is no libvirt"
    if name == "serve":
        return _why_no_server(host)
    return ""


def _why_no_server(host: HostOptions) -> str:
    if group_id() is None:
        return f"there is no group {GROUP}, which a package makes"
    try:
        check_server(ServeOptions(None, host.run_dir or RUN_DIR, None, False, ()))
    except (click.UsageError, click.exceptions.Exit):
        return "its Python packages are not here (extra web)"
    return ""


def _options(name: str, host: HostOptions, wish: Wish) -> Sequence[str]:
    state = ("--state-dir", os.path.abspath(host.state_dir)) if host.state_dir else ()
    run = ("--run-dir", os.path.abspath(host.run_dir)) if host.run_dir else ()
    manifests = (*(("-f", host.paths[0])), *(("--host", host.host) if host.host else ()))
    match name:
        case "boot":
            return state
        case "serve":
            return run
        case "watch":
            return (*manifests, *(("--apply",) if wish.applies else ()), *state, *run)
        case _:
            # Only a loop that applies enforces what a hook can follow.
            return (*(() if wish.applies else manifests), *state)


def is_there(service: InstalledService) -> bool:
    """Whether a unit or hook of that name is there, whoever has made it, or systemd starts one at boot."""
    name, place = FILES[service.name].name, Path(service.directory)
    return os.path.lexists(place / name) or any(place.glob(f"*.wants/{name}"))


def is_ours(service: InstalledService) -> bool:
    """Whether what is there was made by ``service install``."""
    try:
        return FILES[service.name].ours(Path(service.directory) / FILES[service.name].name) is not None
    except NotOurs:
        return False


def uninstalling(service: InstalledService) -> tuple[str, ...]:
    """The words of the command that removes `service`."""
    usual = str(HOOKS if service.name == "hook" else UNITS)
    place = () if service.directory == usual else ("--directory", service.directory)
    return ("service", "uninstall", service.name, *(() if service.name == "hook" else ("--now",)), *place)


def run(words: Sequence[str]) -> None:
    """Run ``reconcile`` with `words` in this process.

    Raises:
        click.ClickException: it did not succeed.
        and what the command raises.
    """
    from reconciler.cli.main import cli

    code = cli.main(list(words), prog_name="reconcile", standalone_mode=False, obj=Said())
    if code:
        raise click.ClickException(f"{line_of(words)} ended with {int(code)}")
