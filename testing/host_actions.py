"""Hypothesis strategies for what may happen to a simulated host: writes, changes of the hardware, VMs."""

from functools import partial
from typing import Final, NamedTuple

from hypothesis import strategies as st

from reconciler.kernel import paths
from reconciler.kernel.text_forms import ap_config_text, mask_text
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig
from reconciler.model.steps import Write
from reconciler.simulator.hardware import Card, Mode, Plug, Request, Restore, SetCard, SetDomains, Unplug
from reconciler.simulator.host import SimulatedHost

UUIDS: Final = tuple(f"00000000-0000-4000-8000-00000000000{digit}" for digit in "abc")
ADAPTERS: Final = (5, 6, 7, 9, 99)
"""Some that `DEFAULT_HARDWARE` has, and some that are absent."""

DOMAINS: Final = (4, 5, 6, 80)


class VmStarts(NamedTuple):
    """A VM opens the device."""

    uuid: str


class VmStops(NamedTuple):
    """The VM closes the device."""

    uuid: str


Action = Write | Request | VmStarts | VmStops


def act(host: SimulatedHost, action: Action) -> None:
    """Let `action` happen to `host`; raises whatever the host raises."""
    match action:
        case Write(path, value):
            host.write(path, value)
        case VmStarts(uuid):
            host.start_vm(uuid)
        case VmStops(uuid):
            host.stop_vm(uuid)
        case _:
            host.change_hardware(action)


def writes() -> st.SearchStrategy[Write]:
    """Writes that a tool or a person makes to masks and mediated devices, well formed or not."""
    return st.one_of(_mask_writes(), _mdev_writes(), st.builds(partial(Write, paths.CREATE), st.sampled_from(UUIDS)))


def driver_writes() -> st.SearchStrategy[Write]:
    """Writes that bind, unbind, probe and override queues by hand."""
    queues = st.sampled_from(("05.0004", "05.0005", "06.0004", "0a.0004"))
    files = ("drivers/vfio_ap/bind", "drivers/vfio_ap/unbind", "drivers/cex4queue/bind", "drivers/cex4queue/unbind")
    by_hand = st.builds(
        lambda file, queue: Write(f"{paths.AP_BUS}/{file}", queue), st.sampled_from((*files, "drivers_probe")), queues
    )
    overrides = st.builds(
        lambda queue, driver: Write(f"{paths.AP_DEVICES}/{queue}/driver_override", driver),
        queues,
        st.sampled_from(("vfio_ap", "cex4queue", "nobody", "\n")),
    )
    return st.one_of(by_hand, overrides)


def surroundings() -> st.SearchStrategy[Action]:
    """Changes of the hardware, and virtual machines that come and go."""
    cards = st.tuples(st.sampled_from((13, 14)), st.sampled_from(tuple(Mode)), st.booleans(), st.booleans())
    adapters = st.sampled_from(ADAPTERS)
    requests = st.one_of(
        st.builds(lambda adapter, card: Plug(adapter, Card(*card)), adapters, cards),
        st.builds(Unplug, adapters),
        st.builds(SetCard, adapters, st.booleans(), st.booleans()),
        st.frozensets(st.sampled_from(DOMAINS)).map(lambda domains: SetDomains(usage=IdSet(domains))),
        st.just(Restore()),
    )
    uuids = st.sampled_from(UUIDS)
    return st.one_of(requests, st.builds(VmStarts, uuids), st.builds(VmStops, uuids))


def _mask_writes() -> st.SearchStrategy[Write]:
    items = st.builds(lambda sign, one: f"{sign}{one}", st.sampled_from("+-"), st.sampled_from((*ADAPTERS, *DOMAINS)))
    values = st.one_of(
        st.lists(items, min_size=1, max_size=4).map(",".join),
        st.frozensets(st.sampled_from((*ADAPTERS, *DOMAINS))).map(lambda ids: mask_text(~IdSet(ids))),
        st.sampled_from(("", "\n", "0x0", "-5,garbage", "+256")),
    )
    return st.builds(Write, st.sampled_from((paths.APMASK, paths.AQMASK)), values)


def _mdev_writes() -> st.SearchStrategy[Write]:
    adapters, domains = (st.frozensets(st.sampled_from(ids)).map(IdSet) for ids in (ADAPTERS, DOMAINS))
    numbers = st.sampled_from([str(one) for one in (*ADAPTERS, *DOMAINS, 85, 256)] + ["x", "-1", ""])
    verbs = [f"{verb}_{axis}" for verb in ("assign", "unassign") for axis in ("adapter", "domain", "control_domain")]
    contents = st.one_of(
        st.tuples(st.sampled_from(verbs), numbers),
        st.tuples(st.just("ap_config"), st.builds(ApConfig, adapters, domains, domains).map(ap_config_text)),
        st.tuples(st.just("remove"), st.sampled_from(("0", "1", "no"))),
    )
    return st.builds(
        lambda uuid, content: Write(f"{paths.mdev(uuid)}/{content[0]}", content[1]), st.sampled_from(UUIDS), contents
    )
