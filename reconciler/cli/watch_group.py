"""``reconcile watch`` and its commands: the unit that keeps ``reconcile --watch`` running."""

import click

from reconciler.cli.tree import Group


@click.group(cls=Group, no_args_is_help=True)
def watch() -> None:
    """Have systemd keep the loop of 'reconcile --watch' running."""


_UNITS = click.option(
    "--directory",
    type=click.Path(file_okay=False),
    default="/etc/systemd/system",
    show_default=True,
    metavar="DIR",
    help="Where systemd looks for units.",
)


@watch.command("install", options_metavar="[--enable] [--directory DIR] --")
@_UNITS
@click.option("--enable", is_flag=True, help="Have systemd run it, now and at every boot, too (systemctl).")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="OPTION...")
@click.pass_context
def watch_install(context: click.Context, /, directory: str, enable: bool, words: tuple[str, ...]) -> int:
    """Write the unit that runs 'reconcile --watch OPTION...'.

    The options are those of --watch, after two dashes, with absolute paths:

    \b
      reconcile watch install --enable -- -f /etc/reconciler --apply
    """  # noqa: D301 - click reads the character
    from reconciler.cli import watch_install

    return watch_install.run_install(context.find_root().command.params, words, directory, enable=enable)


@watch.command("uninstall")
@_UNITS
@click.option(
    "--hooks",
    type=click.Path(file_okay=False),
    default="/etc/libvirt/hooks/qemu.d",
    show_default=True,
    metavar="DIR",
    help="Where libvirt looks for hooks: one of ours may follow the loop.",
)
def watch_uninstall(directory: str, hooks: str) -> int:
    """Remove the unit again."""
    from reconciler.cli import watch_install

    return watch_install.run_uninstall(directory, hooks)
