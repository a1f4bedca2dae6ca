"""Turns one step into the writes that carry it out on a kernel of given abilities."""

from typing import Final

from reconciler.kernel import paths
from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig
from reconciler.model.observed import Abilities
from reconciler.model.steps import Action, Step, Write

_AXES: Final = ("adapter", "domain", "control_domain")


def writes_of(step: Step, abilities: Abilities) -> tuple[Write, ...]:
    """The writes of `step`, in the order in which they are to be made."""
    match step.action:
        case Action.APMASK | Action.AQMASK:
            assert isinstance(step.after, IdSet)
            return (Write(paths.APMASK if step.action is Action.APMASK else paths.AQMASK, mask_text(step.after)),)
        case Action.CREATE:
            return (Write(paths.CREATE, step.uuid),)
        case Action.REMOVE:
            return (Write(f"{paths.mdev(step.uuid)}/remove", "1"),)
        case _:
            before, after = step.before, step.after
            assert isinstance(before, ApConfig)
            assert isinstance(after, ApConfig)
            if abilities.ap_config:
                return (Write(f"{paths.mdev(step.uuid)}/ap_config", ap_config_text(after)),)
            return _single_writes(step.uuid, before, after)


def _single_writes(uuid: str, before: ApConfig, after: ApConfig) -> tuple[Write, ...]:
    # Everything that goes is taken away before anything is added: in between, the product is within old and new and
    # never less than what they share, while any other order gives queues that nobody chose.
    mdev = paths.mdev(uuid)
    return tuple(
        Write(f"{mdev}/{verb}_{axis}", f"0x{one:02x}")
        for verb, first, second in (("unassign", before, after), ("assign", after, before))
        for axis, ids, others in zip(_AXES, first, second, strict=True)
        for one in ids - others
    )
