"""Waiting for the kernel at boot, in time that the tests own."""

from errno import ENOENT

import pytest

from reconciler.kernel.observe import await_bindings, await_vfio_ap
from reconciler.simulator.host import SimulatedHost
from testing.clocks import FakeClock


class Bindings(SimulatedHost):
    """A host whose bus says one text after the other."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = list(texts)

    def read(self, path: str) -> str:
        if path != "bus/ap/bindings":
            return super().read(path)
        if not self.texts:
            raise OSError(ENOENT, "no such file")
        return self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]


@pytest.mark.parametrize(
    ("texts", "told", "seconds"),
    [
        (["16/16 (complete)\n"], "", 0.0),
        (["0/0\n", "12/16\n", "16/16 (complete)\n"], "", 0.2),
        (["12/16\n"], "12/16", 60.0),
        (["16/16\n"], "16/16", 60.0),
        ([], "", 0.0),
    ],
)
def test_the_bus_is_waited_for_within_a_bound(texts: list[str], told: str, seconds: float) -> None:
    """Where it does not say how far it is, nobody waits."""
    clock = FakeClock()

    assert await_bindings(Bindings(*texts), clock, 60) == told
    assert clock.now == pytest.approx(seconds, abs=0.15)


def test_without_patience_the_bus_is_asked_once() -> None:
    """As in the second half of a boot."""
    clock = FakeClock()

    assert await_bindings(Bindings("12/16\n"), clock, 0) == "12/16"
    assert clock.now == 0


class Slow(FakeClock):
    """Time in which a module appears after a second."""

    def __init__(self, host: SimulatedHost) -> None:
        super().__init__()
        self.host = host

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.now >= 1:
            self.host.load_vfio_ap()


def test_a_module_is_waited_for_within_a_bound() -> None:
    """What was loaded is not there at once."""
    host = SimulatedHost(vfio_ap=False)

    assert not await_vfio_ap(host, FakeClock(), 30)
    assert await_vfio_ap(host, Slow(host), 30)
    assert await_vfio_ap(host, FakeClock(), 0)
