"""Reads a host into `Observed`, and waits, bounded, until it is as far as we need.

A host lives while it is read: devices come and go (ENOENT, ENODEV), and a configuration that the kernel is about to
refuse is visible for a moment in ``ap_config`` (docs/kernel-rules.md). So a value is believed when it was read twice
alike, and a host whose devices vanish under the reader is read again from the start. What is waited for are queues that
are bound after a mask write, and the bus that gets ready at boot.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from errno import ENODEV, ENOENT
from typing import Final, NamedTuple, Protocol, TypeVar

from reconciler.kernel import paths
from reconciler.kernel.sysfs import PAGE, KernelBusy, Sysfs
from reconciler.kernel.sysinfo import parse_sysinfo
from reconciler.kernel.text_forms import (
    UnknownText,
    parse_ap_config,
    parse_control_domains,
    parse_mask,
    parse_matrix,
    parse_queue,
)
from reconciler.model.commands import Advised
from reconciler.model.errors import HostError
from reconciler.model.identity import NO_SYSINFO, MachineIdentity
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix, Queue
from reconciler.model.observed import Abilities, Lpar, Observed, ObservedCard, ObservedMdev, ObservedQueue, Process
from reconciler.model.printable import error_text

_TRIES: Final = 5
_GONE: Final = (ENOENT, ENODEV)
_UUID_LENGTH: Final = 36
_HOST_DRIVERS_IDLE: Final = "0"
_FUNCTIONS: Final = "0x[0-9A-Fa-f]{8}"

_Value = TypeVar("_Value")


class UnreadableHost(Advised, HostError):
    """The host cannot be read; the text says what is missing and what to do."""


class NoApBus(UnreadableHost):
    """This is no host with crypto adapters, or another directory than that of its sysfs."""


class _Entries(NamedTuple):
    cards: list[str]
    queues: list[str]
    mdevs: list[str]


class _Use(NamedTuple):
    """What running VMs have: the queues (by adapter, domains as bits), and the devices, with the process if known."""

    queues: dict[int, int]
    devices: Mapping[str, Process | None]


def observe(sysfs: Sysfs, like: Observed | None = None) -> Observed:
    """What is on the host behind `sysfs` now; what is as in `like` is believed at first sight.

    Raises:
        UnreadableHost: it has no AP bus, answers in an unknown form, or does not keep still.
    """
    for _ in range(_TRIES):
        try:
            return _observe_once(sysfs, {one.uuid: one for one in like.mdevs} if like else {})
        except OSError as error:
            if error.errno not in _GONE:
                raise UnreadableHost(f"cannot read the host: {error_text(error)}") from error
            require_ap_bus(sysfs)
        except ValueError as error:
            raise UnreadableHost(f"the kernel answered in an unknown form: {error}") from error
    raise UnreadableHost("devices kept appearing and vanishing while the host was read; try again")


class Seen(NamedTuple):
    """The masks and some mediated devices, ascending by uuid, those that exist; not whether a process has them open."""

    pool: Matrix
    mdevs: tuple[ObservedMdev, ...]


def look_again(sysfs: Sysfs, uuids: Container[str], abilities: Abilities) -> Seen:
    """The masks and the devices `uuids` now.

    Raises:
        UnreadableHost, OSError: see `observe`.
    """
    there = [uuid for uuid in mdev_uuids(sysfs) if uuid in uuids]
    try:
        pool = Matrix(parse_mask(sysfs.read(paths.APMASK)), parse_mask(sysfs.read(paths.AQMASK)))
        return Seen(pool, tuple(_mdev(sysfs, uuid, abilities, _Use({}, {}), None) for uuid in there))
    except ValueError as error:
        raise UnreadableHost(f"the kernel answered in an unknown form: {error}") from error


def require_ap_bus(sysfs: Sysfs) -> None:
    """Return if the host behind `sysfs` has an AP bus.

    Raises:
        NoApBus: it has none, or cannot be read.
    """
    try:
        sysfs.read(paths.APMASK)
    except OSError as error:
        raise NoApBus(
            "no AP bus here (bus/ap/apmask cannot be read): this is no s390x host with crypto adapters, or --sysfs "
            "names the wrong root"
        ) from error


def _observe_once(sysfs: Sysfs, like: Mapping[str, ObservedMdev]) -> Observed:
    entries = _entries(sysfs)
    abilities = probe_abilities(sysfs, entries.mdevs, [_device(name) for name in entries.cards])
    # A card counts the requests of all its queues (ap_card.c), and there are many queues on few cards.
    active = {_adapter(name) for name in entries.cards if _has_requests(sysfs, _device(name))}
    queues = tuple(_queue(sysfs, name, abilities, active) for name in entries.queues)
    use = _Use(_queues_in_use(sysfs, queues), sysfs.opened(entries.mdevs)) if entries.mdevs else _Use({}, {})
    identity, unidentified = identity_of(sysfs)
    return Observed(
        pool=Matrix(parse_mask(sysfs.read(paths.APMASK)), parse_mask(sysfs.read(paths.AQMASK))),
        lpar=_lpar(sysfs),
        cards=tuple(_card(sysfs, name) for name in entries.cards),
        queues=queues,
        mdevs=tuple(_mdev(sysfs, uuid, abilities, use, like.get(uuid)) for uuid in entries.mdevs),
        abilities=abilities,
        release=sysfs.release,
        vfio_ap=has_vfio_ap(sysfs),
        types=_types(sysfs, entries.cards),
        functions=_functions(sysfs, entries.cards),
        identity=identity,
        unidentified=unidentified,
    )


def identity_of(sysfs: Sysfs) -> tuple[MachineIdentity | None, str]:
    """Where the host runs, and why that is not known; the latter is empty where it is."""
    try:
        return parse_sysinfo(sysfs.sysinfo()), ""
    except FileNotFoundError:
        return None, NO_SYSINFO
    except OSError as error:
        return None, f"/proc/sysinfo cannot be read: {error.strerror}"
    except UnknownText as error:
        return None, str(error)


def _types(sysfs: Sysfs, cards: Iterable[str]) -> dict[int, str]:
    # Only the host's card driver shows it (zcrypt_card.c).
    names = ((_adapter(name), _optional(sysfs, f"{_device(name)}/type", "")) for name in cards)
    return {adapter: name for adapter, name in names if name}


def _functions(sysfs: Sysfs, cards: Iterable[str]) -> dict[int, int]:
    # Of the card, which the kernel keeps; for that of a queue it asks the hardware, and there are many queues.
    shown = ((_adapter(name), _optional(sysfs, f"{_device(name)}/ap_functions", "")) for name in cards)
    return {adapter: int(text, 16) for adapter, text in shown if re.fullmatch(_FUNCTIONS, text)}


def _adapter(card: str) -> int:
    return int(card.removeprefix("card"), 16)


def _entries(sysfs: Sysfs) -> _Entries:
    devices = sysfs.list(paths.AP_DEVICES)
    return _Entries(
        cards=[name for name in devices if name.startswith("card")],
        queues=[name for name in devices if not name.startswith("card")],
        mdevs=mdev_uuids(sysfs),
    )


def mdev_uuids(sysfs: Sysfs) -> list[str]:
    """The uuids of all mediated devices of vfio_ap, ascending; empty where the driver is not loaded."""
    try:
        names = sysfs.list(paths.MATRIX)
    except OSError:
        return []
    return [name for name in names if len(name) == _UUID_LENGTH and name.count("-") == 4]


def _device(name: str) -> str:
    return f"{paths.AP_DEVICES}/{name}"


def _lpar(sysfs: Sysfs) -> Lpar:
    return Lpar(
        adapters=_lpar_mask(sysfs, "ap_adapter_mask"),
        domains=_lpar_mask(sysfs, "ap_usage_domain_mask"),
        control_domains=_lpar_mask(sysfs, "ap_control_domain_mask"),
        max_adapter=int(sysfs.read(f"{paths.AP_BUS}/ap_max_adapter_id")),
        max_domain=int(sysfs.read(f"{paths.AP_BUS}/ap_max_domain_id")),
    )


def _lpar_mask(sysfs: Sysfs, name: str) -> IdSet:
    # "not supported": the machine does not say, so nothing can be excluded.
    text = sysfs.read(f"{paths.AP_BUS}/{name}")
    return ALL_IDS if text.startswith("not") else parse_mask(text)


def _card(sysfs: Sysfs, name: str) -> ObservedCard:
    path = _device(name)
    return ObservedCard(
        adapter=_adapter(name),
        hwtype=int(sysfs.read(f"{path}/hwtype")),
        configured=_optional(sysfs, f"{path}/config", "1") == "1",
        checkstopped=_optional(sysfs, f"{path}/chkstop", "0") == "1",
        online=_optional(sysfs, f"{path}/online", "1") == "1",
    )


def _queue(sysfs: Sysfs, name: str, abilities: Abilities, active: Container[int]) -> ObservedQueue:
    path = _device(name)
    queue, driver = parse_queue(name), driver_of(sysfs, path)
    return ObservedQueue(
        queue=queue,
        driver=driver,
        busy=queue.adapter in active and driver not in (None, "vfio_ap") and _has_requests(sysfs, path),
        overridden=abilities.strict_in_use and _optional(sysfs, f"{path}/driver_override", "") not in ("", "(null)"),
    )


def driver_of(sysfs: Sysfs, path: str) -> str | None:
    """The driver that the device at `path` is bound to, or None."""
    try:
        return sysfs.link(f"{path}/driver").rsplit("/", 1)[-1]
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _has_requests(sysfs: Sysfs, path: str) -> bool:
    counters = ("requestq_count", "pendingq_count")
    return any(_optional(sysfs, f"{path}/{counter}", "0") != _HOST_DRIVERS_IDLE for counter in counters)


def _queues_in_use(sysfs: Sysfs, queues: tuple[ObservedQueue, ...]) -> dict[int, int]:
    """By adapter, the domains (as bits) of queues whose ``status`` says that a running VM has them."""
    found: dict[int, int] = {}
    for one in queues:
        if one.driver == "vfio_ap" and _optional(sysfs, f"{paths.AP_DEVICES}/{one.queue}/status", "") == "in use":
            found[one.queue.adapter] = found.get(one.queue.adapter, 0) | 1 << one.queue.domain
    return found


def _mdev(sysfs: Sysfs, uuid: str, abilities: Abilities, use: _Use, like: ObservedMdev | None) -> ObservedMdev:
    path = paths.mdev(uuid)
    config, complete = read_config(sysfs, uuid, abilities, like.config if like else None)
    return ObservedMdev(
        uuid=uuid,
        config=config,
        effective=_effective(sysfs, path, like and like.effective) if abilities.over_provision else None,
        in_use=uuid in use.devices
        or any(use.queues.get(adapter, 0) & config.domains.bits for adapter in config.adapters),
        complete=complete,
        opened_by=use.devices.get(uuid),
    )


def read_config(
    sysfs: Sysfs, uuid: str, abilities: Abilities, expected: ApConfig | None = None
) -> tuple[ApConfig, bool]:
    """The configuration of a mediated device, and whether it is known completely.

    A configuration as `expected` is believed at first sight; any other has to be read twice alike.

    Raises:
        OSError: the device is gone.
        UnknownText: the kernel's answer has an unknown form.
    """
    return _stable(lambda: _config(sysfs, paths.mdev(uuid), abilities), (expected, True))


def _config(sysfs: Sysfs, path: str, abilities: Abilities) -> tuple[ApConfig, bool]:
    if abilities.ap_config:
        return parse_ap_config(sysfs.read(f"{path}/ap_config")), True
    shown, complete = _whole_lines(sysfs.read(f"{path}/matrix"))
    return ApConfig(*shown, parse_control_domains(sysfs.read(f"{path}/control_domains"))), complete


def _whole_lines(text: str) -> tuple[Matrix, bool]:
    # A read returns one page; a longer matrix is cut in it without a sign.
    if len(text) < PAGE - 1:
        return parse_matrix(text), True
    seen = [parse_queue(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return Matrix(IdSet({queue.adapter for queue in seen}), IdSet({queue.domain for queue in seen})), False


def _effective(sysfs: Sysfs, path: str, expected: Matrix | None) -> Matrix | None:
    shown, complete = _stable(lambda: _whole_lines(sysfs.read(f"{path}/guest_matrix")), (expected, True))
    return shown if complete else None


def _stable(read: Callable[[], _Value], expected: object = None) -> _Value:
    """What `read` returns when it returns the same twice in a row, or what is expected."""
    last = read()
    if last == expected:
        return last
    for _ in range(_TRIES):
        again = read()
        if again == last:
            return again
        last = again
    raise UnreadableHost("a mediated device kept changing while it was read; try again")


def has_vfio_ap(sysfs: Sysfs) -> bool:
    """Whether vfio_ap is loaded, so that mediated devices can be made."""
    try:
        sysfs.list(paths.MDEV_TYPE)
    except OSError:
        return False
    return True


def _optional(sysfs: Sysfs, path: str, otherwise: str) -> str:
    """The stripped text of an attribute that not every kernel or state has."""
    try:
        return sysfs.read(path).strip()
    except OSError:
        return otherwise


_OVER_PROVISION_SINCE: Final = (6, 0)


def probe_abilities(sysfs: Sysfs, mdevs: list[str], cards: list[str]) -> Abilities:
    """The abilities of the kernel behind `sysfs`.

    Args:
        sysfs: the host.
        mdevs: the uuids of its mediated devices.
        cards: the directories of its adapters.

    Raises:
        OSError: the AP bus is not there.
    """
    features = _words(sysfs, f"{paths.MATRIX}/features")
    bus = sysfs.list(paths.AP_BUS)
    probe = set(sysfs.list(paths.mdev(mdevs[0]))) if mdevs else set()
    return Abilities(
        ap_config="ap_config" in features or "ap_config" in probe,
        over_provision=bool(features) or "guest_matrix" in probe or (not mdevs and _is_new_bus(sysfs, cards)),
        strict_in_use="bindings_complete_count" in bus,
    )


def _is_new_bus(sysfs: Sysfs, cards: list[str]) -> bool:
    # Without a mediated device nothing of vfio_ap distinguishes 5.x from 6.0; the check-stop state of cards came just
    # before.
    if cards:
        return "chkstop" in sysfs.list(cards[0])
    found = re.match(r"(\d+)\.(\d+)", sysfs.release)
    return found is not None and (int(found[1]), int(found[2])) >= _OVER_PROVISION_SINCE


def _words(sysfs: Sysfs, path: str) -> set[str]:
    try:
        return set(sysfs.read(path).split())
    except OSError:
        return set()


REBIND_SECONDS: Final = 30.0
"""How long re-binding may take: seen 9 to 100 ms a queue on an emulated CPU."""

_POLL_SECONDS: Final = 0.05


class Clock(Protocol):
    """Time as a parameter."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""

    def time(self) -> float:
        """Seconds since 1970, UTC."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


def wait_for_rebinding(sysfs: Sysfs, clock: Clock, pool: Matrix, queues: Iterable[Queue]) -> None:
    """Return when each of `queues` is bound according to `pool`, or is gone.

    Args:
        sysfs: the host.
        clock: time.
        pool: the host pool that is in force.
        queues: present queues that had a driver before the write (others are not re-bound).

    Raises:
        KernelBusy: some queue was not re-bound within `REBIND_SECONDS`.
    """
    waiting = list(queues)
    deadline = clock.monotonic() + REBIND_SECONDS
    while waiting := [queue for queue in waiting if not _is_rebound(sysfs, queue, pool)]:
        if clock.monotonic() >= deadline:
            names = ", ".join(map(str, waiting[:8]))
            raise KernelBusy(f"re-binding {names}{' …' if len(waiting) > 8 else ''}", REBIND_SECONDS)
        clock.sleep(_POLL_SECONDS)


def _is_rebound(sysfs: Sysfs, queue: Queue, pool: Matrix) -> bool:
    driver = driver_of(sysfs, paths.queue(queue))
    if driver is None:
        return not _is_present(sysfs, queue)
    return (driver == "vfio_ap") != pool.has(queue)


def _is_present(sysfs: Sysfs, queue: Queue) -> bool:
    try:
        sysfs.list(paths.queue(queue))
    except OSError:
        return False
    return True


_BOOT_POLL_SECONDS: Final = 0.1
_COMPLETE: Final = "(complete)"


def await_bindings(sysfs: Sysfs, clock: Clock, seconds: float) -> str:
    """Wait until the AP bus has looked at its hardware, and each of its queues has a driver.

    Args:
        sysfs: the host.
        clock: time.
        seconds: for how long. A queue that no driver takes, such as one that the kernel's command line takes from the
            host before vfio_ap is loaded, keeps the bus from ever being done.

    Returns:
        What the bus said last, such as ``12/16``, where it was not done in that time; empty where it was, or where the
        kernel does not say.
    """
    deadline = clock.monotonic() + seconds
    while True:
        try:
            text = sysfs.read(paths.BINDINGS).strip()
        except OSError:
            return ""
        if text.endswith(_COMPLETE):
            return ""
        if clock.monotonic() >= deadline:
            return text
        clock.sleep(_BOOT_POLL_SECONDS)


def await_vfio_ap(sysfs: Sysfs, clock: Clock, seconds: float) -> bool:
    """Wait for at most `seconds` until vfio_ap is there, which was loaded just now; whether it is."""
    deadline = clock.monotonic() + seconds
    while not has_vfio_ap(sysfs):
        if clock.monotonic() >= deadline:
            return False
        clock.sleep(_BOOT_POLL_SECONDS)
    return True
