"""What this host and its kernel cannot do, whoever asks for it, and what its drift stands in the way of."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from reconciler.kernel.text_forms import MOST_SHOWN
from reconciler.model.commands import DOCTOR
from reconciler.model.desired import Activation, Desired, DesiredGuest, Presence
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import Observed, its_vm
from reconciler.model.problems import Place, Problem, Severity, explained
from reconciler.planning.conflicts import guest_place, resumed, some_queues
from reconciler.planning.effect import Bindings, control_lacking, effective, hidden_because
from reconciler.planning.host_pool import Blocked, PoolReason
from reconciler.planning.target import Target, Untouched

_MOST_REASONS: Final = 8


def host_problems(desired: Desired, observed: Observed, target: Target, after: Bindings) -> list[Problem]:
    """Problems of `desired` with this host and its kernel.

    Args:
        desired: the manifests of one host.
        observed: the host.
        target: what is aimed at.
        after: the bindings once the plan is done.
    """
    claiming = [guest for guest in desired.guests if guest.activation is not Activation.INACTIVE]
    return [
        *_beyond_machine(claiming, observed),
        *_required_absent(claiming, after),
        *_cards_in_trouble(claiming, observed),
        *_empty_pool(desired, observed, target),
        *_overrides(desired, observed, target),
        *_missing_driver(desired, observed, target),
        *_running_on_old_kernel(desired, observed, target),
        *_unreadable(desired, observed, target),
    ]


def _beyond_machine(guests: Iterable[DesiredGuest], observed: Observed) -> Iterator[Problem]:
    adapters = _above(observed.lpar.max_adapter)
    domains = _above(observed.lpar.max_domain)

    def beyond() -> Iterator[tuple[DesiredGuest, str, str, IdSet, int]]:
        for guest in guests:
            config = guest.config
            if config.adapters.isdisjoint(adapters) and (config.domains | config.control_domains).isdisjoint(domains):
                continue
            for axis, noun, ids, limit in (
                ("adapters", "adapter", config.adapters & adapters, observed.lpar.max_adapter),
                ("domains", "domain", config.domains & domains, observed.lpar.max_domain),
                ("controlDomains", "control domain", config.control_domains & domains, observed.lpar.max_domain),
            ):
                if ids and not (axis == "controlDomains" and ids <= config.domains):
                    yield guest, axis, noun, ids, limit

    return explained(beyond(), _beyond)


def _beyond(found: tuple[DesiredGuest, str, str, IdSet, int]) -> Problem:
    guest, axis, noun, ids, limit = found
    return Problem(
        "beyond-machine",
        Severity.ERROR,
        f"guest '{guest.name}' has {noun} {ids}, but this machine's highest {noun} is 0x{limit:02x} ({limit})",
        (guest_place(guest, "here", axis),),
        (),
        f"The kernel refuses ids that the machine can never have; choose {noun}s up to {limit}.",
    )


def _above(limit: int) -> IdSet:
    return IdSet(range(limit + 1, 256))


def _required_absent(guests: Iterable[DesiredGuest], after: Bindings) -> Iterator[Problem]:
    after = after._replace(unreset={})  # a queue that could not be reset is there all the same

    def problem(guest: DesiredGuest) -> Problem:
        hidden = [one.text for one in hidden_because(guest.config.matrix, after)]
        reasons = [*hidden, *control_lacking(guest.config, after.lpar)]
        more = len(reasons) - _MOST_REASONS
        return Problem(
            "required-absent",
            Severity.ERROR,
            f"guest '{guest.name}' requires all its queues and control domains to be there, and some are not",
            (guest_place(guest, "required here"),),
            (*reasons[:_MOST_REASONS], *((f"and {more} more reasons",) if more > 0 else ())),
            "Plug or configure what is missing, or set spec.presence to 'any' to authorise it in advance.",
        )

    required = (guest for guest in guests if guest.presence is Presence.REQUIRED)
    absent = (
        guest
        for guest in required
        if effective(guest.config.matrix, after) != guest.config.matrix or control_lacking(guest.config, after.lpar)
    )
    return explained(absent, problem)


def _cards_in_trouble(guests: Collection[DesiredGuest], observed: Observed) -> Iterator[Problem]:
    for card in observed.cards:
        whose = [one for one in guests if card.adapter in one.config.adapters] if card.trouble else []
        if whose:
            names = ", ".join(f"'{one.name}'" for one in whose[:_MOST_NAMES])
            more = f" and {len(whose) - _MOST_NAMES} more" if len(whose) > _MOST_NAMES else ""
            yield Problem(
                "card-in-trouble",
                Severity.WARNING,
                f"adapter {IdSet([card.adapter])} {card.trouble}, so that every request on it fails; "
                f"it is claimed by {'guest' if len(whose) == 1 else 'guests'} {names}{more}",
                (guest_place(whose[0], "claimed here", "adapters"),),
                (),
                "The guests keep it, and use it when it works again.",
                advice=DOCTOR,
            )


_MOST_NAMES: Final = 8


def _empty_pool(desired: Desired, observed: Observed, target: Target) -> Iterator[Problem]:
    possible = Matrix(~_above(observed.lpar.max_adapter), ~_above(observed.lpar.max_domain))
    if not target.holdings.pool.meet(possible).is_empty or target.pool_reason is None:
        return
    given = target.pool_reason is PoolReason.GIVEN
    yield Problem(
        "host-without-queues",
        Severity.WARNING if given else Severity.ERROR,
        f"host '{desired.host.name}' is left without a single queue for its own drivers",
        (Place(desired.host.position, "", ("spec", "pool") if given else ("metadata", "name")),),
        (),
        "" if given else "If that is meant, say so: give all domains up with 'pool: {domains: [0-255]}' in the Host.",
    )


def _overrides(desired: Desired, observed: Observed, target: Target) -> Iterator[Problem]:
    pinned = [str(one.queue) for one in observed.queues if one.overridden]
    if pinned and target.holdings.pool != observed.pool:
        yield Problem(
            "driver-override",
            Severity.ERROR,
            "the masks cannot be changed while a queue has a driver_override",
            (Place(desired.host.position, "", ("metadata", "name")),),
            (f"overridden: {', '.join(pinned[:8])}{' …' if len(pinned) > 8 else ''}",),
            "Clear each one: write a newline to bus/ap/devices/QUEUE/driver_override, unbind it, and write its name "
            "to bus/ap/drivers_probe.",
        )


def _missing_driver(desired: Desired, observed: Observed, target: Target) -> Iterator[Problem]:
    if target.holdings.mdevs and not observed.vfio_ap:
        yield Problem(
            "no-vfio-ap",
            Severity.ERROR,
            "the vfio_ap driver is not loaded, so no mediated device can be made",
            (Place(desired.host.position, "", ("metadata", "name")),),
            (),
            "Run: modprobe vfio_ap",
        )


def _running_on_old_kernel(desired: Desired, observed: Observed, target: Target) -> Iterator[Problem]:
    if observed.abilities.over_provision:
        return
    guests = {guest.uuid: guest for guest in desired.guests}
    for mdev in observed.mdevs:
        wanted = target.holdings.mdevs.get(mdev.uuid)
        if mdev.in_use and wanted != mdev.config:
            guest = guests.get(mdev.uuid)
            name = f"guest '{guest.name}'" if guest else f"mediated device {mdev.uuid}"
            yield Problem(
                "vm-runs",
                Severity.ERROR,
                f"{name} must change, but {its_vm(mdev.opened_by)} runs, and kernels before 6.0 refuse any change "
                "meanwhile",
                (guest_place(guest, "wanted here"),) if guest else (),
                (),
                "Stop the VM and apply again.",
            )


def _unreadable(desired: Desired, observed: Observed, target: Target) -> Iterator[Problem]:
    for guest in desired.guests:
        wanted = target.holdings.mdevs.get(guest.uuid)
        if wanted and wanted.matrix.size > MOST_SHOWN and not observed.abilities.ap_config:
            yield Problem(
                "matrix-cut",
                Severity.ERROR,
                f"guest '{guest.name}' has {wanted.matrix.size:,} queues, more than this kernel shows of a device, "
                "so that they could not be verified",
                (guest_place(guest, "here"),),
                (),
                f"Kernels before 6.10 show at most {MOST_SHOWN} queues of a device: give the guest fewer, or update "
                "the kernel.",
            )
    for mdev in observed.mdevs:
        if not mdev.complete:
            yield Problem(
                "matrix-cut",
                Severity.ERROR,
                f"mediated device {mdev.uuid} has more queues than this kernel shows, so that it is not known which",
                (Place(desired.host.position, "", ("metadata", "name")),),
                (),
                f"Kernels before 6.10 show at most {MOST_SHOWN} queues of a device: make it smaller by hand, or update "
                "the kernel.",
            )


def given_up_text(pool: Matrix) -> str:
    """The field of a Host that asks for `pool`: ``spec.pool: {domains: [4, 0xab-0xaf]}``."""
    axes = (("adapters", ~pool.adapters), ("domains", ~pool.domains))
    fields = [f"{axis}: [{_id_list(ids)}]" for axis, ids in axes if ids]
    return f"spec.pool: {{{', '.join(fields)}}}"


def _id_list(ids: IdSet) -> str:
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ids.ranges())


def unreachable_problems(blocked: Iterable[Blocked], desired: Desired, pool: Matrix) -> Iterator[Problem]:
    """Problems of a legal target that a running kernel refuses to be led to (from 6.19).

    Args:
        blocked: the devices in the way that must not be touched.
        desired: the manifests of one host.
        pool: the host pool as it is.
    """
    for one in blocked:
        yield Problem(
            "unreachable",
            Severity.ERROR,
            f"the host cannot get {one.ids} back while mediated device {one.uuid} has a queue "
            "there: this kernel refuses the mask write",
            (Place(desired.host.position, "", ("spec", "pool") if desired.host.given_up else ("metadata", "name")),),
            (),
            "The target itself is legal: it can be reached at boot, masks first, or after that device is removed."
            + ("" if desired.host.given_up else f" To leave the masks as they are, write {given_up_text(pool)}."),
        )


def one_way_problems(barring: Iterable[Blocked], desired: Desired) -> Iterator[Problem]:
    """Warnings of a change that a running kernel does not let us take back (from 6.19).

    Args:
        barring: untouched devices that bar the masks of a rollback.
        desired: the manifests of one host.
    """
    for one in barring:
        yield Problem(
            "no-way-back",
            Severity.WARNING,
            f"once the host has given up {one.ids} there is no rollback while mediated device {one.uuid} has a queue "
            "there",
            (Place(desired.host.position, "", ("spec", "pool") if desired.host.given_up else ("metadata", "name")),),
            (),
            "If a later step fails, the masks stay as they are then and the outcome is degraded; the next apply goes "
            "on from there.",
        )


def drift_conflicts(
    desired: Desired,
    target: Target,
    observed: Observed,
    last: Mapping[str, tuple[str, ApConfig]],
    held: Mapping[str, Untouched],
) -> Iterator[Problem]:
    """What the manifests change and cannot have, since drift of the host's masks is not corrected.

    Args:
        desired: the manifests of one host.
        target: what is aimed at.
        observed: the host.
        last: how each device of ours was applied last, by uuid.
        held: the devices that are left as they are, by uuid.
    """
    pool, host = target.holdings.pool, desired.host
    for name in target.contested:
        yield Problem(
            "masks-drifted",
            Severity.ERROR,
            f"the {name} of host '{host.name}' has to change, and another program has changed it since the last apply",
            (Place(host.position, "", ("spec", "pool") if host.given_up else ("metadata", "name")),),
            (),
            _BY_HAND,
        )
    if pool != target.wanted_pool and not target.contested:
        needing = (
            guest
            for guest in desired.guests
            if guest.activation is Activation.ACTIVE
            and last.get(guest.uuid, ("", None))[1] != guest.config
            and guest.config.matrix.overlaps(pool)
        )
        yield from explained(needing, lambda guest: _needs_masks(guest, guest.config.matrix.meet(pool)))
    if pool != observed.pool:
        # A given pool that takes from a device without a manifest is a conflict of the manifests already.
        known = {mdev.uuid for mdev in target.foreign} if host.given_up else ()
        for mdev in observed.mdevs:
            if mdev.uuid in held and mdev.uuid not in known and mdev.config.matrix.overlaps(pool):
                yield _pool_takes_held(held[mdev.uuid], mdev.config.matrix.meet(pool), desired)


_BY_HAND: Final = "Apply the manifests by hand, which corrects the masks as well."


def _needs_masks(guest: DesiredGuest, common: Matrix) -> Problem:
    return Problem(
        "masks-drifted",
        Severity.ERROR,
        f"guest '{guest.name}' claims {some_queues(common)} that the host's drivers have, since another program has "
        "changed the host's masks after the last apply",
        (guest_place(guest, f"claimed by '{guest.name}' here"),),
        (common.text,),
        _BY_HAND,
    )


def _pool_takes_held(left: Untouched, common: Matrix, desired: Desired) -> Problem:
    return Problem(
        "held-meanwhile",
        Severity.ERROR,
        f"the host gets {some_queues(common)} back that the device of guest '{left.name}' has, which is left as it "
        f"is: {left.why}",
        (Place(desired.host.position, "", ("spec", "pool") if desired.host.given_up else ("metadata", "name")),),
        (common.text,),
        f"Apply the manifests by hand, which corrects '{left.name}' as well.",
        **resumed(left),
    )
