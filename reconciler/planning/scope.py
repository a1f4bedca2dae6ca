"""How much of a host a plan is about."""

from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from reconciler.model.desired import Desired, Selector
from reconciler.model.problems import several
from reconciler.model.similar import did_you_mean

HOST: Final = "host"
"""Stands for the host's masks where holders are listed; every other holder is the uuid of a device."""

FILES: Final = "files"
"""Stands for the files of other tools that the host boots from."""


class Spared(NamedTuple):
    """Drift that a plan does not correct, as far as the manifests have not changed since the last apply.

    Attributes:
        holders: uuids of devices, `HOST` for the masks, `FILES` for the files that the host boots from; None: every
            device, and the masks.
        strangers: whether devices that others have made since stay where ``unmanaged: remove`` asks to remove them.
    """

    holders: frozenset[str] | None = frozenset()
    strangers: bool = False

    def has(self, holder: str) -> bool:
        """Whether the drift of `holder` is not corrected."""
        return self.holders is None or holder in self.holders


NOTHING_SPARED: Final = Spared()


class Whole(NamedTuple):
    """The whole host, as a person asks for it: suspended guests too, since a suspension holds up the loop only.

    Attributes:
        with_boot: whether the plan also reports who else decides what the host boots into. It always does where the
            manifests say how the host is to boot.
    """

    with_boot: bool = False


class AllBut(NamedTuple):
    """The host but for what stays as it is: what the loop asks for.

    Attributes:
        suspended: the uuids of the devices of suspended guests.
        spared: drift that is not corrected.
    """

    suspended: frozenset[str] = frozenset()
    spared: Spared = NOTHING_SPARED


class VmEvent(NamedTuple):
    """The devices of VMs that start or have ended, and nothing else.

    Attributes:
        starts: the uuids of the mediated devices that have to be there since a VM is about to start.
        ends: the uuids of those that a VM has given up.
        suspended: the uuids of the devices of suspended guests, which keep what they have.
    """

    starts: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    suspended: frozenset[str] = frozenset()


class Targets(NamedTuple):
    """Chosen guests, and nothing else, as a person asks for them: all else stays, and counts, as it is.

    Attributes:
        guests: their names, or the uuids of their devices; of one that has left the manifests, the name that it had.
        labels: guests that have all of these labels are chosen as well; none is where there are no labels.
    """

    guests: frozenset[str] = frozenset()
    labels: Selector = Selector()

    def chosen(self, desired: Desired, ours: Mapping[str, tuple[str, object]]) -> frozenset[str]:
        """The uuids of the guests that are meant, of `desired` and of the devices that are `ours`, by uuid."""
        found = {
            one.uuid
            for one in desired.guests
            if {one.name, one.uuid} & self.guests or (self.labels.pairs and self.labels.takes(one.labels))
        }
        named = {one.uuid for one in desired.guests}
        left = {uuid for uuid, (name, _) in ours.items() if uuid not in named and {name, uuid} & self.guests}
        return frozenset(found | left)

    def unknown(self, desired: Desired, ours: Mapping[str, tuple[str, object]]) -> tuple[str, ...]:
        """Those of `guests` that are neither in `desired` nor among `ours`, ascending."""
        known = {word for one in desired.guests for word in (one.name, one.uuid)}
        known |= {word for uuid, (name, _) in ours.items() for word in (name, uuid)}
        return tuple(sorted(self.guests - known))


class BootStage(Enum):
    """How much of the host one stage of a boot makes: the masks alone, or everything."""

    MASKS = auto()
    WHOLE = auto()


WHOLE: Final = Whole()

Scope: TypeAlias = Whole | AllBut | VmEvent | Targets | BootStage
"""Every scope. A plan for a VM, for chosen guests or for a stage of a boot is no target of the history."""


_MOST_LABELS: Final = 20


def no_label_text(asked: Selector, found: Iterable[Iterable[tuple[str, str]]]) -> str:
    """That no guest has all the labels `asked`, those that were `found`, a set for each, and which may be meant."""
    labels = labels_of(found)
    word = next(iter(wrong_labels(asked, labels)), "")
    what = "the label" if len(asked.pairs) == 1 else "all of the labels"
    there = several(labels, _MOST_LABELS) or "none"
    return f"no guest has {what} {asked}. {did_you_mean(word, labels)}Labels that guests have: {there}"


def labels_of(found: Iterable[Iterable[tuple[str, str]]]) -> list[str]:
    """All labels of the sets `found`, as ``key=value``, ascending."""
    return sorted({f"{key}={value}" for one in found for key, value in one})


def wrong_labels(asked: Selector, labels: Collection[str]) -> list[str]:
    """The labels `asked` that are none of `labels`."""
    return [label for label in (f"{key}={value}" for key, value in asked.pairs) if label not in labels]
