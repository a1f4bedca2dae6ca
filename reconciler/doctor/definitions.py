"""What is wrong with what mdevctl has written down."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from reconciler.doctor.finding import Finding, error, listed, warning
from reconciler.integrations.definition_text import Effect
from reconciler.integrations.mdevctl_definitions import Definitions, Unusable
from reconciler.integrations.tool_commands import give_up, move_away
from reconciler.model.boot_files import Definition
from reconciler.model.commands import IMPORT
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
    by_effect = {effect: [one for one in unusable if one.effect is effect] for effect in Effect}
    return [
        _unusable_finding(effect, listed(list(map(str, these)), _MOST), these[0].file)
        for effect, these in by_effect.items()
        if these
    ]


def _unusable_finding(effect: Effect, files: str, first: str) -> Finding:
    match effect:
        case Effect.STOPS_ALL:
            return error(
                "broken-definition",
                f"mdevctl cannot read what is written down: {files}",
                "one broken file makes mdevctl fail for all devices: it starts none at boot, and changes none",
                f"correct the file, or move it away: {move_away(first)}",
            )
        case Effect.NOT_STARTED:
            return error(
                "definition-not-started",
                f"mdevctl cannot start a device that is written down: {files}",
                "the device is made, the kernel refuses an attribute, and mdevctl removes it; others start",
                f"correct the file: {first}",
            )
        case Effect.PASSED_OVER:
            return warning(
                "definition-passed-over",
                f"mdevctl passes over files in its folder: {files}",
                "it reads regular files only, whose name is a uuid and nothing else; no device is made for another one",
                f"move it away: {move_away(first)}; or make it a file with the uuid of its device as its name",
            )
        case Effect.UNKNOWN:
            return warning(
                "definition-not-understood",
                f"what mdevctl makes of a file is not known here: {files}",
                "which queues such a device has is not known either, nor whom it is in the way of",
                f"give each device one file, with assign_adapter, assign_domain, assign_control_domain: {first}",
            )


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
                "give each its own queues, or make both guests on-demand, as import writes them",
                IMPORT,
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
            f"take the queues from the host for good: {give_up(one.config.matrix.meet(pool))}; or by a manifest",
        )
        for one in definitions
        if one.config.matrix.overlaps(pool)
    ][:_MOST]
