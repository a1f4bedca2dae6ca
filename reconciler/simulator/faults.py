"""Things that go wrong, on demand: a wrapper that speaks the protocol of the host.

They are for tests of whatever writes to a host. Writes are counted from 1 over the life of the wrapper.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from reconciler.kernel.sysfs import WRITE_SECONDS, KernelBusy
from reconciler.kernel.text_forms import ap_config_text
from reconciler.model.matrix import ApConfig
from reconciler.model.observed import Process
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.nodes import refusal


class WriteRefused(NamedTuple):
    """The write `nth` fails with errno `code` and has no effect."""

    nth: int
    code: int


class WriteBlocked(NamedTuple):
    """The write `nth` does not come back in time; whether it took effect nevertheless."""

    nth: int
    takes_effect: bool


class ForeignWriter(NamedTuple):
    """Another process acts at the write `nth`: immediately before it, or after it."""

    nth: int
    act: Callable[[], None]
    after: bool = False


class BindingDelayed(NamedTuple):
    """From the write `nth` on, queues that change their driver get it `reads` reads later; None: never."""

    nth: int
    reads: int | None


class ReadRefused(NamedTuple):
    """The read `nth` (from 1) of `path` fails with errno `code`."""

    path: str
    nth: int
    code: int


class CandidateShown(NamedTuple):
    """The read `nth` (from 1) of `path`, an ``ap_config``, shows `config`, which the kernel is still checking."""

    path: str
    nth: int
    config: ApConfig


Fault = WriteRefused | WriteBlocked | ForeignWriter | BindingDelayed | ReadRefused | CandidateShown


class FaultySysfs:
    """A simulated host on which `faults` happen."""

    def __init__(self, host: SimulatedHost, faults: Iterable[Fault]) -> None:
        self._host = host
        self._faults = tuple(faults)
        self._reads: dict[str, int] = {}
        self.write_count = 0

    def read(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        nth = self._reads[path] = self._reads.get(path, 0) + 1
        for fault in self._faults:
            match fault:
                case ReadRefused(where, when, code) if (where, when) == (path, nth):
                    raise refusal(code, path)
                case CandidateShown(where, when, config) if (where, when) == (path, nth):
                    return f"{ap_config_text(config)}\n"
        return self._host.read(path)

    def write(self, path: str, value: str) -> int:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        self.write_count += 1
        now = [
            fault for fault in self._faults if getattr(fault, "path", None) is None and fault.nth == self.write_count
        ]
        for fault in now:
            self._before(fault, path)
        blocked = [fault for fault in now if isinstance(fault, WriteBlocked)]
        count = self._host.write(path, value) if all(fault.takes_effect for fault in blocked) else 0
        for fault in now:
            if isinstance(fault, ForeignWriter) and fault.after:
                fault.act()
        if blocked:
            raise KernelBusy(f"writing {path}", WRITE_SECONDS)
        return count

    def list(self, path: str) -> list[str]:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._host.list(path)

    def link(self, path: str) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._host.link(path)

    def opened(self, uuids: Iterable[str]) -> Mapping[str, Process | None]:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._host.opened(uuids)

    def sysinfo(self) -> bytes:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._host.sysinfo()

    @property
    def release(self) -> str:
        """See `reconciler.kernel.sysfs.Sysfs`."""
        return self._host.release

    def _before(self, fault: Fault, path: str) -> None:
        match fault:
            case WriteRefused(_, code):
                raise refusal(code, path)
            case BindingDelayed(_, reads):
                self._host.delay_binding(reads)
            case ForeignWriter(_, act, after) if not after:
                act()
