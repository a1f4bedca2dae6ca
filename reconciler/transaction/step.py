"""Executes one step: check what must be there, write, read back.

The step's own precondition is read again immediately before the write, so that a change made by another program since
the plan was made is found before anything is overwritten.
"""

from collections.abc import Iterable
from errno import EAGAIN, ENODEV, ENOENT
from typing import Final, NamedTuple

from reconciler.kernel import paths
from reconciler.kernel.observe import Clock, read_config, wait_for_rebinding
from reconciler.kernel.sysfs import Sysfs
from reconciler.kernel.text_forms import UnknownText, parse_mask
from reconciler.kernel.writes import refusal_text, writes_of
from reconciler.model.errors import HostError
from reconciler.model.ids import ID_COUNT, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.observed import Abilities, ObservedQueue
from reconciler.model.steps import MASK_ACTIONS, Action, Holdings, Step, Write
from reconciler.model.stopping import NEVER, StopToken

_TRIES: Final = 5
_RETRY_SECONDS: Final = 0.2


class StepFailed(HostError):
    """A step could not be done; the text says which write and why; before that, the kernel took `writes` writes."""

    def __init__(self, text: str, writes: int = 0) -> None:
        super().__init__(text)
        self.writes = writes


class Host(NamedTuple):
    """What executing a step needs: the host, time, and what is known of both.

    Attributes:
        sysfs: the host.
        clock: time.
        abilities: of the kernel.
        queues: present queues that are to have a driver in the end, for the wait after a mask write.
        stop: counts the writes as progress; whether to stop is asked between steps, not here.
    """

    sysfs: Sysfs
    clock: Clock
    abilities: Abilities
    queues: tuple[ObservedQueue, ...]
    stop: StopToken = NEVER


def execute(step: Step, host: Host) -> int:
    """Do `step`; how many writes that took.

    Raises:
        StepFailed: the host is not as the step expects, the kernel refused or did not finish, or did something else.
    """
    writes = 0
    try:
        # The order of the plan is safe only from the state that it was made for (I1 to I3). The kernel has no
        # compare-and-set, so that a moment is left in which another program can write; reading back finds that.
        _require(step, step.before, host, "changed since the plan was made")
        if step.action is Action.REMOVE:
            _require_closed(step, host)
        for write in writes_of(step, host.abilities):
            _make(write, host)
            writes += 1
        _require(step, step.after, host, "is not as it was written")
        if step.action in MASK_ACTIONS:
            # The bus may bind queues to their new drivers only after the write has returned, and what comes next rests
            # on queues that are bound.
            _await_drivers(host)
    except UnknownText as error:
        raise StepFailed(f"{_what(step)}: the kernel answered in an unknown form: {error}", writes) from error
    except HostError as error:
        raise StepFailed(str(error), writes) from error
    except OSError as error:
        raise StepFailed(f"{_what(step)}: {error.strerror or error}", writes) from error
    return writes


def held_queues(queues: Iterable[ObservedQueue], holdings: Holdings) -> tuple[ObservedQueue, ...]:
    """Those of `queues` that have a holder in `holdings`: all others may stay without a driver."""
    held = dict.fromkeys(range(ID_COUNT), 0)
    for matrix in (holdings.pool, *(config.matrix for config in holdings.mdevs.values())):
        for adapter in matrix.adapters:
            held[adapter] |= matrix.domains.bits
    return tuple(one for one in queues if held[one.queue.adapter] >> one.queue.domain & 1)


def current_value(step: Step, host: Host, expected: IdSet | ApConfig | None) -> IdSet | ApConfig | None:
    """What is there now of what `step` changes, in the form of its ``before`` and ``after``; perhaps as `expected`."""
    if step.action in MASK_ACTIONS:
        return parse_mask(host.sysfs.read(paths.APMASK if step.action is Action.APMASK else paths.AQMASK))
    try:
        likely = expected if isinstance(expected, ApConfig) else None
        return read_config(host.sysfs, step.uuid, host.abilities, likely)[0]
    except OSError as error:
        if error.errno in (ENOENT, ENODEV):
            return None
        raise


def _require(step: Step, wanted: IdSet | ApConfig | None, host: Host, otherwise: str) -> None:
    found = current_value(step, host, wanted)
    if found != wanted:
        raise StepFailed(f"{_what(step)} {otherwise}: expected {value_text(wanted)}, found {value_text(found)}")


def _require_closed(step: Step, host: Host) -> None:
    # The write would block until the VM ends, and take the device's attributes away at once.
    opened = host.sysfs.opened([step.uuid])
    if step.uuid in opened:
        process = opened[step.uuid]
        raise StepFailed(f"{_what(step)} was opened by {process or 'a VM'} meanwhile; stop the VM first")


def _make(write: Write, host: Host) -> None:
    for attempt in range(_TRIES):
        try:
            count = host.sysfs.write(write.path, write.value)
        except OSError as error:
            if error.errno == EAGAIN and attempt < _TRIES - 1:
                host.clock.sleep(_RETRY_SECONDS)
                continue
            raise StepFailed(f"writing {write.path}: {refusal_text(write, error, host.abilities)}") from error
        if count != len(write.value):
            raise StepFailed(f"writing {write.path}: the kernel took {count} of {len(write.value)} bytes")
        host.stop.advance()
        return


def _await_drivers(host: Host) -> None:
    pool = Matrix(parse_mask(host.sysfs.read(paths.APMASK)), parse_mask(host.sysfs.read(paths.AQMASK)))
    wait_for_rebinding(host.sysfs, host.clock, pool, (one.queue for one in host.queues if one.driver))


def _what(step: Step) -> str:
    return step.action.value if step.action in MASK_ACTIONS else f"mediated device {step.uuid}"


def value_text(value: IdSet | ApConfig | None) -> str:
    """A mask or a configuration for people."""
    if value is None:
        return "no such device"
    if isinstance(value, IdSet):
        return str(value)
    return f"adapters {value.adapters}; domains {value.domains}; control domains {value.control_domains}"
