"""What the manifests ask for, after they have been read and checked."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from reconciler.model.ids import IdSet, Uuid
from reconciler.model.machines import HostPlace
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.problems import Position


class Activation(StrEnum):
    """When a guest's mediated device exists: the answer to over-commitment (docs/architecture.md)."""

    ACTIVE = "active"
    ON_DEMAND = "on-demand"
    INACTIVE = "inactive"


class Presence(StrEnum):
    """Whether the guest's queues may be absent (``any``) or must be there (``required``)."""

    ANY = "any"
    REQUIRED = "required"


class Unmanaged(StrEnum):
    """What becomes of mediated devices that no manifest names and that we did not make."""

    IGNORE = "ignore"
    REMOVE = "remove"


class Persistence(StrEnum):
    """How a host boots into what was applied: not, by our own boot unit, or by the files of mdevctl and chzdev."""

    NONE = "none"
    SERVICE = "service"
    MDEVCTL = "mdevctl"


class Ignored(StrEnum):
    """What of a guest's device may be changed by other programs and is not corrected (``spec.ignoreDrift``)."""

    ADAPTERS = "adapters"
    DOMAINS = "domains"
    CONTROL_DOMAINS = "controlDomains"
    DEVICE = "device"


class Selector(NamedTuple):
    """Labels that a guest must have, each with this value."""

    pairs: tuple[tuple[str, str], ...] = ()

    def takes(self, labels: Iterable[tuple[str, str]]) -> bool:
        """Whether they are among `labels`."""
        return set(self.pairs).issubset(labels)

    def __str__(self) -> str:
        """As it is written behind ``-l``: ``tenant=payments,tier=gold``."""
        return ",".join(f"{key}={value}" for key, value in self.pairs)


class DesiredGuest(NamedTuple):
    """One virtual machine as a holder of queues.

    `position` is where its document starts; `uuid` is lower case with dashes; `queues_listed` says that the
    manifest has ``queues`` instead of ``adapters`` and ``domains``; `disruption_allowed` is consent, given in the
    manifest, to take queues from this guest while its VM runs; `ignored` is what others may change of its device;
    `hosts` are all hosts that it may run on, as they are written, and it is a value of its own for each; none where the
    manifest has no ``hosts``; `uuid_written` says that the manifest has the uuid, which is derived otherwise.
    """

    name: str
    host: str
    uuid: Uuid
    config: ApConfig
    activation: Activation
    presence: Presence
    labels: tuple[tuple[str, str], ...]
    position: Position
    queues_listed: bool = False
    disruption_allowed: bool = False
    ignored: frozenset[Ignored] = frozenset()
    hosts: tuple[str, ...] = ()
    uuid_written: bool = False


class WrittenIds(NamedTuple):
    """An id or a range whose digits are ids in decimal and in hex, and others in each.

    Attributes:
        axis: the list that has it: ``adapters``, ``domains`` or ``controlDomains``.
        text: as it is written: ``47``, ``40-47``, ``0x10``.
        ids: what it is.
        otherwise: what it would be if it were written in the other base.
        is_hex: whether it is written in hex.
    """

    axis: str
    text: str
    ids: IdSet
    otherwise: IdSet
    is_hex: bool = False


class GivenUp(NamedTuple):
    """The ids that the manifest takes from the host's own drivers (``spec.pool``)."""

    adapters: IdSet
    domains: IdSet


class Keep(NamedTuple):
    """Queues that the host's drivers must never lose: entry `number`, from 0, of ``spec.keep``."""

    matrix: Matrix
    number: int


class DesiredHost(NamedTuple):
    """One KVM host; `given_up` is None where the pool is derived from the guests; `labels` ascend by key."""

    name: str
    given_up: GivenUp | None
    keep: tuple[Keep, ...]
    unmanaged: Unmanaged
    position: Position
    persistence: Persistence = Persistence.NONE
    labels: tuple[tuple[str, str], ...] = ()


class Desired(NamedTuple):
    """Everything the manifests say about one host.

    Attributes:
        host: the host.
        guests: its guests, ascending by name.
        places: the LPARs that the host may run in, its original one first; none where no Machine names it.
        digest: SHA-256 (hex) over the meaning of host and guests; the order of files and documents, comments and
            spelling of numbers change nothing.
    """

    host: DesiredHost
    guests: tuple[DesiredGuest, ...]
    digest: str
    places: tuple[HostPlace, ...] = ()
