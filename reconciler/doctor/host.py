"""What is wrong with the host as the kernel shows it, with the kernel itself, and with our own records."""

import re
from collections.abc import Sequence
from typing import Final

from reconciler.doctor.finding import Finding, error, listed, warning
from reconciler.integrations.persistence import configure_cards
from reconciler.kernel.locks import AtWork
from reconciler.machines.location import Elsewhere, Here, Location
from reconciler.model.commands import APPLY, BOOT_INSTALL, PLAN, ROLLBACK, STATUS, ends_of, history_of
from reconciler.model.identity import NO_SYSINFO, MachineIdentity
from reconciler.model.ids import IdSet
from reconciler.model.observed import Observed, ObservedMdev
from reconciler.planning.effect import Bindings, bindings_now, hidden_because
from reconciler.transaction.confirmation import Awaited

_RELEASE: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")

_FILTER_FIXED_IN: Final = {(6, 1): 76, (6, 6): 15, (6, 7): 3}
"""CVE-2024-26620: the stable series with the fix, and the first release that has it; from 6.8 on all have it."""


def identity_line(identity: MachineIdentity | None, unidentified: str) -> str:
    """Where the host runs, or why that is not known; empty where nothing says so, as on a host that is no s390x."""
    if identity:
        return f"This is {identity}."
    return "" if unidentified == NO_SYSINFO else f"Which machine and LPAR this is, is not known: {unidentified}."


def other_manifests(machine_name: str, host: str) -> Finding:
    """That a simulated host called `machine_name` is compared with the manifests of the `host` of another name."""
    return warning(
        "other-manifests",
        f"the simulated host is host {machine_name}, and the manifests are those of host {host}",
        "what is compared with them may say nothing of this host, and an apply refuses",
        f"name the manifests of {machine_name} with -f; if only its name differs, add: --host {host}",
    )


def location_findings(location: Location | None) -> list[Finding]:
    """What is wrong with where a host runs, by its manifests."""
    match location:
        case Elsewhere(identity, declared):
            where = ", ".join(f"{one.lpar} of {one.machine_id}" for one in declared)
            return [
                error(
                    "wrong-machine",
                    f"this is {identity}, and the manifests have the host in {where}",
                    "plan, apply and the loop change nothing here",
                    "correct the Machine, or add this LPAR as a standby (standbyOf)",
                    PLAN,
                )
            ]
        case Here(place, lacks, more):
            findings = []
            if words := lacks.text:
                findings.append(
                    warning(
                        "lpar-lacks",
                        f"the LPAR '{place.name}' does not have {words}, which its Machine lists",
                        "guests that are authorised for it do not see it",
                        "give it to the LPAR on the HMC, online; or correct the Machine",
                    )
                )
            if words := more.text:
                findings.append(
                    warning(
                        "lpar-has-more",
                        f"the LPAR '{place.name}' has {words}, which its Machine does not list",
                        "what is not listed is not proved: another LPAR may be planned to have it",
                        "add it to the Machine, or take it from the LPAR on the HMC",
                    )
                )
            return findings
    return []


def kernel_findings(release: str, *, over_provision: bool) -> list[Finding]:
    """The known faults of a kernel of `release`, for example ``6.1.0-18-s390x`` or ``6.12.107``."""
    found = _RELEASE.match(release)
    if not found:
        return []
    series, patch = (int(found[1]), int(found[2])), int(found[3] or 0)
    findings = []
    if not over_provision:
        findings.append(
            warning(
                "kernel-before-6.0",
                f"kernel {release} cannot authorise absent queues, nor change a device that a VM has open",
                "cards to come are authorised only once they are there; masks are changed without a look at guests",
                "a kernel from 6.0 on can do both",
            )
        )
    if (6, 0) <= series < (6, 8) and patch < _FILTER_FIXED_IN.get(series, 1 << 30):
        findings.append(
            warning(
                "cve-2024-26620",
                f"kernel {release} may filter only the id that was assigned last (CVE-2024-26620)",
                "a guest may see a queue that is not bound to vfio_ap",
                "update to 6.1.76, 6.6.15, 6.7.3 or 6.8, or to your distribution's kernel with the fix",
            )
        )
    if series < (7, 2):
        findings.append(
            warning(
                "vfio-ap-2026-08",
                f"kernel {release} may lack the fixes of August 2026 to vfio_ap",
                "it can crash when the LPAR's configuration changes while a mediated device has no VM, or when the "
                "status of a queue is read while it is probed; the unplugging of a last adapter can be missed",
                "update to your distribution's kernel with these fixes",
            )
        )
    return findings


def lock_findings(holder: AtWork | None, *, lives: bool) -> list[Finding]:
    """What to say of the lock of ap-check and chzdev.

    Args:
        holder: who has it; None where it is free.
        lives: whether that process is there.
    """
    if holder is None:
        return []
    if not holder.process:
        return [
            warning(
                "foreign-tools-lock",
                "the lock of ap-check and chzdev is there, but names no process",
                "a tool has only just made it, or another program has: tools that need it wait, two minutes at most "
                "where it is an empty file",
                "look again in two minutes; if it is still there, see who made it: ls -l /run/lock/s390apconfig.lock",
            )
        ]
    if not lives:
        return [
            warning(
                "stale-tools-lock",
                f"the lock of ap-check and chzdev was left behind by process {holder.process}, which has ended",
                "the next tool that needs it takes it over; nothing waits for it",
                "nothing: the next apply clears it away",
            )
        ]
    return [
        warning(
            "held-tools-lock",
            f"the lock of ap-check and chzdev is held: {holder}",
            "applies, mdevctl and chzdev wait for it",
            f"wait until it is done; if it hangs, end it: kill {holder.process}",
        )
    ]


def obstacle_findings(obstacle: str) -> list[Finding]:
    """What to say where nothing can be recorded; `obstacle` says why, and is empty otherwise."""
    if not obstacle:
        return []
    return [
        error(
            "state-not-writable",
            f"nothing can be recorded: {obstacle}",
            "no apply begins, and the end of one that was begun is not recorded; "
            "a boot makes the host as it was applied last all the same",
            "free space, or make the file system writable again; then whatever waits for it is recorded",
        )
    ]


def interruption_findings(number: int, names: Sequence[str]) -> list[Finding]:
    """What to say where rolling generation `number` back took queues from the running guests `names`."""
    if not names:
        return []
    return [
        warning(
            "interrupted-guests",
            f"rolling generation {number} back took queues from running VMs, of: {', '.join(names)}",
            "requests to the crypto queues that are gone fail in these VMs",
            "look in each VM whether its AP queues are there (lszcrypt), and restart what used those that are gone",
            history_of(number),
        )
    ]


def _awaited_finding(awaited: Awaited) -> Finding:
    if awaited.rolled_back:
        return error(
            "unrecorded-rollback",
            str(awaited),
            "no other apply begins before it is recorded; the host is as it was before that generation",
            "the timer and the next apply try to record it again; to do it now",
            ROLLBACK,
        )
    if not awaited.seconds_left:
        return error(
            "not-rolled-back",
            f"{awaited}, and is not rolled back yet",
            "the host has what no person confirmed, and no other apply begins before it is rolled back",
            "the timer tries again; to do it now",
            ROLLBACK,
        )
    return warning(
        "awaits-confirmation",
        str(awaited),
        "it is rolled back when its time is over, and no other apply begins before",
        "keep it, or undo it",
        *(command for command, _ in ends_of(awaited.generation)),
    )._replace(remarks=tuple(what for _, what in ends_of(awaited.generation)))


def left_findings(*, unfinished: bool, awaited: Awaited | None, differences: Sequence[str]) -> list[Finding]:
    """What to say of what earlier applies have left.

    Args:
        unfinished: whether a journal was not closed.
        awaited: the apply that waits to be confirmed; None where none does.
        differences: what an apply that failed could not roll back.
    """
    found = []
    if unfinished:
        found.append(
            error(
                "unfinished-apply",
                "an apply was killed before it was done",
                "the host may be between what was there before and what was wanted",
                "the next apply first rolls it back, or closes it",
                APPLY,
            )
        )
    if awaited:
        found.append(_awaited_finding(awaited))
    if differences:
        found.append(
            error(
                "degraded",
                f"an apply failed and could not roll everything back: {'; '.join(differences)}",
                "what is there is neither what was there before nor what was wanted",
                "the plan shows what an apply would do about it",
                PLAN,
                APPLY,
            )
        )
    return found


_BINDINGS: Final = re.compile(r"(\d+)/(\d+)( \(complete\))?")
_MOST_DEVICES: Final = 16


def host_findings(observed: Observed, bindings: str) -> list[Finding]:
    """Everything about the AP bus, its queues and the mediated devices.

    Args:
        observed: the host.
        bindings: the text of ``bus/ap/bindings``; empty where the kernel has none.
    """
    return [
        *_module(observed),
        *_bindings(bindings),
        *_unbound(observed),
        *_overrides(observed),
        *_cards(observed),
        *_cut(observed),
        *_hidden(observed),
    ]


def _module(observed: Observed) -> list[Finding]:
    if observed.vfio_ap:
        return []
    return [
        error(
            "vfio-ap-not-loaded",
            "the vfio_ap module is not loaded",
            "without it no queue that the host gives up has a driver, and no mediated device can be made",
            "modprobe vfio_ap; for every boot: 'persistence: service' in the Host, and the boot unit",
            BOOT_INSTALL,
        )
    ]


def _bindings(text: str) -> list[Finding]:
    found = _BINDINGS.match(text)
    if not found or found[3] or found[1] == found[2]:
        return []
    return [
        warning(
            "bindings-incomplete",
            f"the AP bus has bound {found[1]} of {found[2]} queues to drivers",
            "until it is done, masks that were set at boot may not be in force for all queues",
            "wait a moment and look again: cat /sys/bus/ap/bindings",
        )
    ]


def _unbound(observed: Observed) -> list[Finding]:
    # Without vfio_ap that is no wonder, and reported already; a pinned queue is a finding of its own.
    loose = [one for one in observed.queues if one.driver is None and not one.overridden]
    for_guests = [str(one.queue) for one in loose if not observed.pool.has(one.queue)]
    for_host = [str(one.queue) for one in loose if observed.pool.has(one.queue)]
    found = []
    if for_guests and observed.vfio_ap:
        found.append(
            error(
                "unbound-queues",
                f"vfio_ap has not taken queues that the host gives up: {listed(for_guests)}",
                "a guest that is authorised for one of them does not see the whole adapter",
                f"{_probe(for_guests)}; cards that are newer than the kernel knows cannot be bound",
            )
        )
    if for_host:
        found.append(
            warning(
                "unbound-host-queues",
                f"no driver of the host has taken queues that are the host's: {listed(for_host)}",
                "neither the host nor a guest can use them",
                _probe(for_host),
            )
        )
    return found


def _probe(queues: list[str]) -> str:
    """Has the bus look for drivers of `queues`."""
    return f"for queue in {' '.join(queues)}; do echo $queue > /sys/bus/ap/drivers_probe; done"


def _overrides(observed: Observed) -> list[Finding]:
    pinned = [str(one.queue) for one in observed.queues if one.overridden]
    if not pinned:
        return []
    return [
        error(
            "driver-override",
            f"queues have a driver_override: {listed(pinned)}",
            "while there is one, this kernel refuses every write to the masks",
            f"for queue in {' '.join(pinned)}; do echo > /sys/bus/ap/devices/$queue/driver_override; "
            "echo $queue > /sys/bus/ap/devices/$queue/driver/unbind; echo $queue > /sys/bus/ap/drivers_probe; done",
        )
    ]


def _cards(observed: Observed) -> list[Finding]:
    standby = IdSet(one.adapter for one in observed.cards if not one.configured)
    stopped = IdSet(one.adapter for one in observed.cards if one.checkstopped)
    found = []
    if standby:
        found.append(
            warning(
                "standby-cards",
                f"{_adapters_are(standby)} in standby",
                _every_request_fails(standby),
                configure_cards(standby),
            )
        )
    if stopped:
        found.append(
            error(
                "checkstopped-cards",
                f"{_adapters_are(stopped)} check-stopped",
                _every_request_fails(stopped),
                "look at the support element or the HMC: the hardware reports a failure",
            )
        )
    return found


def _adapters_are(ids: IdSet) -> str:
    return f"adapter {ids} is" if len(ids) == 1 else f"adapters {ids} are"


def _every_request_fails(ids: IdSet) -> str:
    them = "it" if len(ids) == 1 else "them"
    return f"guests see {them}, but every request on {them} fails"


def _cut(observed: Observed) -> list[Finding]:
    cut = [one.uuid for one in observed.mdevs if not one.complete]
    if not cut:
        return []
    return [
        warning(
            "matrix-cut",
            f"the kernel shows only the first 512 queues of mediated devices {listed(cut, _MOST_DEVICES)}",
            "what else they have is not known, so that they cannot be imported, and plans do not touch them",
            "a kernel from 6.10 on shows all of it (ap_config); or give such a device fewer queues",
        )
    ]


def _hidden(observed: Observed) -> list[Finding]:
    now = bindings_now(observed)
    return [found for one in observed.mdevs for found in _hidden_of(one, now)][:_MOST_DEVICES]


def _hidden_of(mdev: ObservedMdev, now: Bindings) -> list[Finding]:
    reasons = [one.text for one in hidden_because(mdev.config.matrix, now) if not one.is_pending]
    if not reasons:
        return []
    return [
        error(
            "hidden-adapters",
            f"mediated device {mdev.uuid}: {'; '.join(reasons)}",
            "one queue that is missing hides its whole adapter from the guest",
            "see who has the queue; a queue without a driver is a finding of its own",
            STATUS,
        )
    ]
