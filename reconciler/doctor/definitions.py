"""What is wrong with what mdevctl has written down."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from reconciler.doctor.finding import Finding, error, listed, warning
from reconciler.integrations.mdevctl_definitions import Definitions, Unusable
from reconciler.model.definition import Definition
from reconciler.model.matrix import Matrix

_MOST: Final = 16
"""So many findings of one kind are enough to see what is going on."""


def definition_findings(definitions: Definitions, pool: Matrix) -> list[Finding]:
    """Everything about mdevctl's definitions.

    Args:
        definitions: all of them.
        pool: what the host's drivers have now.
    """
    return [
        *_unusable(definitions.unusable),
        *_overlaps(definitions.found),
        *_with_host([one for one in definitions.found if one.autostart], pool),
    ]


def _unusable(unusable: Sequence[Unusable]) -> list[Finding]:
    if not unusable:
        return []
    return [
        error(
            "broken-definition",
            f"mdevctl cannot use what is written down: {listed(list(map(str, unusable)), _MOST)}",
            "one broken file makes mdevctl fail for all devices, also at boot",
            "mend the file, or move it out of /etc/mdevctl.d",
        )
    ]


def _overlaps(definitions: Sequence[Definition]) -> list[Finding]:
    found = []
    for one, other in combinations(definitions, 2):
        if not one.config.matrix.overlaps(other.config.matrix):
            continue
        both = one.autostart and other.autostart
        make = error if both else warning
        found.append(
            make(
                "overlapping-definitions",
                f"the definitions {one.uuid} and {other.uuid} have queues in common",
                "both are started at boot, and the second one fails"
                if both
                else "only one of them can be started at a time; ap-check does not notice when they are defined",
                "give each its own queues, or make both guests on-demand: reconcile import writes them so",
            )
        )
        if len(found) == _MOST:
            break
    return found


def _with_host(definitions: Sequence[Definition], pool: Matrix) -> list[Finding]:
    return [
        error(
            "definition-of-host-queues",
            f"the definition {one.uuid} is to be started at boot, but the host's drivers have queues of it",
            "it cannot be started as long as the masks are as they are now",
            "take the queues from the host for good: chzdev --type ap, or a manifest",
        )
        for one in definitions
        if one.config.matrix.overlaps(pool)
    ][:_MOST]
