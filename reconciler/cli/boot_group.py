"""The options of ``reconcile boot`` and its commands."""

import click

from reconciler.cli.options import HostOptions, host_options
from reconciler.cli.tree import Group


@click.group(cls=Group, invoke_without_command=True)
@click.option(
    "--wait",
    type=click.IntRange(0, 600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until the AP bus has bound its queues.",
)
@click.option("--masks-only", is_flag=True, hidden=True, help="End where vfio_ap has to be loaded.")
@host_options
@click.pass_context
def boot(context: click.Context, /, wait: int, masks_only: bool, host: HostOptions) -> int | None:
    """Make the host as it was applied last, where its manifests say 'persistence: service': what the boot unit runs.

    It waits for the AP bus, sets the masks, loads vfio_ap, and applies the last generation of the history, whatever
    the manifests say by now.
    """
    if context.invoked_subcommand:
        return None
    from reconciler.cli import boot_command

    return boot_command.run(host, wait=wait, masks_only=masks_only)


_UNITS = click.option(
    "--directory",
    type=click.Path(file_okay=False),
    default="/etc/systemd/system",
    show_default=True,
    metavar="DIR",
    help="Where systemd looks for units.",
)


@boot.command("install")
@_UNITS
@click.option("--enable", is_flag=True, help="Have systemd read it and run it at every boot, too (systemctl).")
@host_options
def boot_install(directory: str, enable: bool, host: HostOptions) -> int:
    """Write the unit that runs 'reconcile boot' before libvirt is started."""
    from reconciler.cli import boot_install

    return boot_install.run_install(host, directory, enable=enable)


@boot.command("uninstall")
@_UNITS
def boot_uninstall(directory: str) -> int:
    """Remove the unit again."""
    from reconciler.cli import boot_install

    return boot_install.run_uninstall(directory)
