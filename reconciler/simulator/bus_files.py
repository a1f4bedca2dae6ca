"""The directories of the AP bus and its drivers: ``/sys/bus/ap`` (ap_bus.c)."""

from collections.abc import Callable
from functools import partial

from reconciler.kernel.text_forms import mask_text
from reconciler.model.ids import IdSet
from reconciler.simulator.ap_bus import scan, write_apmask, write_aqmask, write_default_domain
from reconciler.simulator.binding import bind_by_hand, probe_by_hand, unbind_by_hand
from reconciler.simulator.device_files import device_path
from reconciler.simulator.devices import CARD_DRIVER, HOST_DRIVER, VFIO_AP, card_name
from reconciler.simulator.nodes import Directory, Entry, File, Link, changing, constant, fixed, trigger
from reconciler.simulator.numbers import bounded_decimal
from reconciler.simulator.state import HostState


def ap_bus_directory(state: HostState) -> Directory:
    """``/sys/bus/ap``: masks, what the LPAR has, links to all devices, the drivers."""
    profile = state.profile
    entries: dict[str, Entry] = {
        **_masks(state),
        **_settings(state),
        "ap_interrupts": constant("0\n"),
        "ap_max_adapter_id": File(0o444, lambda: f"{state.hardware.max_adapter}\n"),
        "ap_max_domain_id": File(0o444, lambda: f"{state.hardware.max_domain}\n"),
        "bindings": File(0o444, lambda: _bindings(state)),
        "devices": Directory(
            lambda: [*map(card_name, state.cards), *map(str, state.queues)],
            lambda name: _link(device_path(state, name), "../../../"),
        ),
        "drivers": _drivers(state),
        "drivers_autoprobe": constant("1\n", 0o644),
        "drivers_probe": File(0o200, None, partial(probe_by_hand, state)),
        "scans": _scans(state),
        "uevent": trigger(),
    }
    if profile.features:
        entries["features"] = constant("APSC APXA\n")
    if profile.driver_override:
        entries["bindings_complete_count"] = File(0o444, lambda: f"{state.completions}\n")
    return fixed(entries)


def _masks(state: HostState) -> dict[str, File]:
    def mask(ids: Callable[[], IdSet]) -> Callable[[], str]:
        return lambda: f"{mask_text(ids())}\n"

    return {
        "apmask": File(0o644, mask(lambda: state.pool.adapters), partial(write_apmask, state)),
        "aqmask": File(0o644, mask(lambda: state.pool.domains), partial(write_aqmask, state)),
        "ap_adapter_mask": File(0o444, mask(lambda: state.lpar.adapters)),
        "ap_usage_domain_mask": File(0o444, mask(lambda: state.lpar.domains)),
        "ap_control_domain_mask": File(0o444, mask(lambda: state.control)),
    }


def _settings(state: HostState) -> dict[str, File]:
    def number(field: str, lowest: int, highest: int) -> File:
        def store(text: str) -> None:
            state.settings = state.settings._replace(**{field: bounded_decimal(text, lowest, highest)})

        return File(0o644, lambda: f"{getattr(state.settings, field)}\n", store)

    return {
        "ap_domain": File(0o644, lambda: f"{state.settings.domain}\n", partial(write_default_domain, state)),
        "config_time": number("config_time", 5, 120),
        "poll_thread": number("poll_thread", 0, 1),
        "poll_timeout": number("poll_timeout", 1, 120_000_000_000),
    }


def _scans(state: HostState) -> File:
    show = lambda: f"{state.scans}\n"  # noqa: E731 - the two files differ only in the store
    return File(0o644, show, lambda _: scan(state)) if state.profile.scans_writable else File(0o444, show)


def _bindings(state: HostState) -> str:
    count = len(state.queues)
    return f"{count - state.driverless}/{count}{'' if state.driverless else ' (complete)'}\n"


def _drivers(state: HostState) -> Directory:
    always = {
        CARD_DRIVER: _driver(state, CARD_DRIVER, "zcrypt_cex4"),
        HOST_DRIVER: _driver(state, HOST_DRIVER, "zcrypt_cex4"),
    }
    vfio_ap = _driver(state, VFIO_AP, VFIO_AP)
    return changing(lambda: {**always, VFIO_AP: vfio_ap} if state.vfio_ap else always)


def _driver(state: HostState, driver: str, module: str) -> Directory:
    files: dict[str, Entry] = {
        "bind": File(0o200, None, partial(bind_by_hand, state, driver)),
        "module": Link(f"../../../../module/{module}"),
        "uevent": trigger(),
        "unbind": File(0o200, None, partial(unbind_by_hand, state, driver)),
    }

    def names() -> list[str]:
        if driver == CARD_DRIVER:
            return [*files, *map(card_name, state.cards)]
        return [*files, *(str(queue) for queue, device in state.queues.items() if device.driver == driver)]

    def find(name: str) -> Entry | None:
        return files.get(name) or (_link(device_path(state, name), "../../../../") if name in names() else None)

    return Directory(names, find)


def _link(path: str | None, up: str) -> Link | None:
    return Link(f"{up}{path}") if path else None
