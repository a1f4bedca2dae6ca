"""``reconcile fleet``: a commit to several hosts, all of which are changed, or none."""

from typing import Final

import click

from reconciler.cli.tree import Group, Lazy, Sections

SECTIONS: Final[Sections] = {
    "Several hosts": {
        "plan": Lazy(
            "fleet_plan_command",
            "fleet_plan_command",
            "Ask every host what a commit would do there, and save that for 'fleet apply'.",
        ),
        "apply": Lazy(
            "fleet_apply_command",
            "fleet_apply_command",
            "Do what FILE says, which 'fleet plan --out FILE' has saved: on all its hosts, or on none.",
        ),
        "status": Lazy(
            "fleet_status_command",
            "fleet_status_command",
            "Show how the hosts stand, which queues are still to come, and who was left out.",
        ),
        "history": Lazy(
            "fleet_status_command",
            "fleet_history_command",
            "List the commits to several hosts that the hosts remember.",
        ),
    }
}


@click.group("fleet", cls=Group, sections=SECTIONS, no_args_is_help=False)
def fleet_group() -> None:
    """Plan and apply a commit to several hosts: all of them are changed, or none."""
