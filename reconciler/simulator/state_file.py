"""The state of a simulated host, kept in a file beside its description: ``FILE.state.json``.

It makes plan, apply, edit, plan work on a laptop. The file belongs to one content of the description; when that has
changed, what it meant is gone, and a person has to say so (``reconcile simulate reset``). What is kept is complete: a
host that comes back from it answers everything as the one that it was made from would.
"""

import os
from collections.abc import Mapping
from errno import EEXIST
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.kernel.own_files import replace_file
from reconciler.kernel.text_forms import parse_queue
from reconciler.model.codec import BadRecord, Codec, Form
from reconciler.model.errors import InputError
from reconciler.model.ids import ID_COUNT, NO_IDS, IdSet, Uuid
from reconciler.model.matrix import Matrix, Queue
from reconciler.simulator.fields import id_list
from reconciler.simulator.hardware import CARD_TYPES, Card, Hardware, HardwareError, checked
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from reconciler.simulator.state import (
    HOST_DRIVER,
    INSTANCES,
    VFIO_AP,
    CardDevice,
    HostState,
    Mdev,
    QueueDevice,
    Settings,
)

CONTROL: Final = "control"
"""The name of the control socket in the state directory, there while the host is mounted."""

_STATE: Final = ".state.json"
_BOOT: Final = "boot"
_FIRST_BOOT: Final = "simulated"


class StaleState(InputError):
    """The description has changed since the state was saved."""

    def __init__(self, path: Path) -> None:
        file = path.with_name(path.name.removesuffix(_STATE))
        super().__init__(
            f"{file} was changed after the simulated host was first used; undo the change, or reset the host, which "
            "deletes its mediated devices and its history. Its cards can be changed without that: with 'reconcile "
            "simulate' and plug, unplug or set"
        )
        self.path = path


def state_path(description: Path) -> Path:
    """Where the state of the host described in file `description` is kept."""
    return description.with_name(f"{description.name}{_STATE}")


def state_directory(description: Path) -> Path:
    """Where other things that belong to the host described in file `description` are kept: ``FILE.state/``."""
    return description.with_name(f"{description.name}.state")


def boot_id_of(description: Path) -> str:
    """What names the present boot of the host described in file `description`."""
    try:
        return (state_directory(description) / _BOOT).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return _FIRST_BOOT


def begin_boot(description: Path) -> None:
    """From now on the host described in file `description` is in its next boot, which has another name.

    Raises:
        OSError: that cannot be written.
    """
    number = int(boot_id_of(description).rpartition("-")[2]) if boot_id_of(description) != _FIRST_BOOT else 1
    state_directory(description).mkdir(mode=0o700, exist_ok=True)
    (state_directory(description) / _BOOT).write_text(f"{_FIRST_BOOT}-{number + 1}\n", encoding="ascii")


def digest_of(content: bytes) -> str:
    """What identifies the content of a description: SHA-256 in hex."""
    return sha256(content).hexdigest()


def load_state(path: Path, digest: str) -> SimulatedHost | None:
    """The host whose state is in `path`; None where nothing has been saved.

    Args:
        path: from `state_path`.
        digest: of the description as it is now, from `digest_of`.

    Raises:
        StaleState: the state was saved for another content.
        ValueError: the file is not one of ours, or is damaged.
        OSError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        kept = SNAPSHOTS.read_content(SavedHost, content)
    except BadRecord as error:
        raise ValueError(f"{path} cannot be used: {error}") from None
    if kept.description_digest != digest:
        raise StaleState(path)
    return host_from(kept.host)


def save_state(path: Path, host: SimulatedHost, digest: str) -> None:
    """Keep the state of `host` in `path`: the old file or the new one is there at any moment, never a part.

    Args:
        path: from `state_path`.
        host: the host.
        digest: of the description that it was started from, from `digest_of`.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise FileExistsError(EEXIST, "it is no regular file, and is not replaced by one", str(path))
    replace_file(path, SNAPSHOTS.content(SavedHost(digest, snapshot_of(host))))


def reset_state(path: Path) -> bool:
    """Forget the state in `path`; whether there was one.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


class Snapshot(NamedTuple):
    """Everything about a host; the fields are those of `HostState`, `kernel` is the name of its profile."""

    kernel: str
    hardware: Hardware
    initial: Hardware
    lpar: Matrix
    control: IdSet
    pool: Matrix
    cards: Mapping[int, CardDevice]
    queues: Mapping[Queue, QueueDevice]
    mdevs: Mapping[Uuid, Mdev]
    vfio_ap: bool
    settings: Settings
    scans: int
    completions: int
    lost_overrides: int
    delay: int | None


class SavedHost(NamedTuple):
    """A state file: a host, and the digest of the description that it was started from."""

    description_digest: str
    host: Snapshot


def snapshot_of(host: SimulatedHost) -> Snapshot:
    """Everything about `host`, as it is now."""
    state = host.state
    return Snapshot(
        kernel=state.profile.name,
        hardware=state.hardware,
        initial=state.initial,
        lpar=state.lpar,
        control=state.control,
        pool=state.pool,
        cards=dict(state.cards),
        queues=dict(state.queues),
        mdevs=dict(state.mdevs),
        vfio_ap=state.vfio_ap,
        settings=state.settings,
        scans=state.scans,
        completions=state.completions,
        lost_overrides=state.lost_overrides,
        delay=state.delay,
    )


def host_from(snapshot: Snapshot) -> SimulatedHost:
    """The host that `snapshot` was made from."""
    state = HostState(PROFILES[snapshot.kernel], snapshot.initial)
    state.hardware = snapshot.hardware
    state.lpar, state.control, state.pool = snapshot.lpar, snapshot.control, snapshot.pool
    state.vfio_ap, state.settings = snapshot.vfio_ap, snapshot.settings
    state.cards.update(snapshot.cards)
    for queue, device in snapshot.queues.items():
        state.set_queue(queue, device)
    for uuid, mdev in snapshot.mdevs.items():
        state.set_mdev(uuid, mdev)
    state.free_groups()
    state.scans, state.completions = snapshot.scans, snapshot.completions
    state.lost_overrides, state.delay = snapshot.lost_overrides, snapshot.delay
    return SimulatedHost.from_state(state)


def _check_snapshot(snapshot: Snapshot) -> None:
    """Refuse what no host can have been.

    Raises:
        BadRecord: its parts do not fit together.
    """
    if snapshot.kernel not in PROFILES:
        raise BadRecord(f"{snapshot.kernel[:20]!a} is none of {', '.join(PROFILES)}", "kernel")
    # Without a usage domain no card answers, so that none has a device.
    adapters = snapshot.lpar.adapters if snapshot.lpar.domains else NO_IDS
    if set(snapshot.cards) != set(adapters) or set(snapshot.queues) != set(snapshot.lpar.queues()):
        raise BadRecord("cards and queues are not those of the LPAR", "lpar")
    groups: set[int] = set()
    held: list[Matrix] = []
    for uuid, mdev in snapshot.mdevs.items():
        if reason := _doubt(mdev, groups, held):
            raise BadRecord(reason).within(uuid).within("mdevs")
        if not snapshot.vfio_ap:
            raise BadRecord("it cannot exist: the module is not loaded", "vfioAp")
        groups.add(mdev.group)
        held.append(mdev.config.matrix)


def _doubt(mdev: Mdev, groups: set[int], held: list[Matrix]) -> str:
    if mdev.group in groups:
        return "it has the group of another device"
    if mdev.group >= INSTANCES:
        return "it cannot exist: its group is out of range"
    if any(one.overlaps(mdev.config.matrix) for one in held):
        return "it has a queue of another device"
    guest_fits = mdev.guest.adapters <= mdev.config.adapters and mdev.guest.domains <= mdev.config.domains
    if not guest_fits or (mdev.removing and not mdev.running):
        return "it is in a state that no device can be in"
    return ""


def _check_hardware(hardware: Hardware) -> None:
    try:
        checked(hardware)
    except HardwareError as error:
        raise BadRecord(str(error)) from None


def _check_card(card: Card) -> None:
    if card.hwtype not in CARD_TYPES.values():
        raise BadRecord(f"{card.hwtype} is none of {', '.join(map(str, CARD_TYPES.values()))}", "hwtype")


def _check_queue(device: QueueDevice) -> None:
    if device.driver not in (None, HOST_DRIVER, VFIO_AP):
        raise BadRecord(f"{device.driver[:20]!a} is none of {HOST_DRIVER}, {VFIO_AP}", "driver")


def _check_settings(settings: Settings) -> None:
    if settings.domain is not None and settings.domain >= ID_COUNT:
        raise BadRecord("a domain is 0 to 255", "domain")


def _ids_text(ids: IdSet) -> str:
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ids.ranges())


SNAPSHOTS: Final = Codec(
    texts={
        IdSet: Form(_ids_text, lambda text: id_list(text.split(",") if text else ())),
        Queue: Form(str, parse_queue),
    },
    checks={
        Snapshot: _check_snapshot,
        Hardware: _check_hardware,
        Card: _check_card,
        QueueDevice: _check_queue,
        Settings: _check_settings,
    },
)
"""How the state file of a simulated host is read and written."""
