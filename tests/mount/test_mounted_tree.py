"""The file operations on a mounted host, without libfuse: whatever is asked, there is an answer."""

import errno
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel import paths
from reconciler.kernel.sysfs import PAGE
from reconciler.model.ids import IdSet
from reconciler.simulator.description import host_of
from reconciler.simulator.faults import FaultySysfs, WriteBlocked
from reconciler.simulator.hardware import DEFAULT_HARDWARE
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.mount import MountedTree, Shown
from testing.mounted_hosts import PATIENCE, until
from testing.simulated_hosts import LAB

UUID: Final = "00000000-0000-4000-8000-00000000000a"


class Kernel:
    """Calls the operations of a mounted host, as libfuse does; `signalled` and `left` are for the tests."""

    def __init__(self, *blocked: int) -> None:
        host = SimulatedHost()
        sysfs = FaultySysfs(host, [WriteBlocked(nth, takes_effect=False) for nth in blocked])
        self.tree = MountedTree(Shown(host, sysfs), (0, 0), 0, self)
        self.signalled = self.left = False

    def interrupted(self) -> bool:
        """See `reconciler.simulator.mount.Caller`."""
        return self.signalled

    def leave(self) -> None:
        """See `reconciler.simulator.mount.Caller`."""
        self.left = True

    def write(self, path: str, value: bytes) -> int:
        """Open, write, close."""
        handle = self.tree.open(f"/{path}", os.O_WRONLY)
        try:
            return self.tree.write(None, value, 0, handle)
        finally:
            self.tree.release(None, handle)

    def exists(self, path: str) -> bool:
        """Whether a name is found."""
        try:
            return bool(self.tree.getattr(f"/{path}"))
        except FileNotFoundError:
            return False


def blocked_removal(kernel: Kernel, threads: ThreadPoolExecutor) -> "Future[int]":
    """A write to ``remove`` that waits for a VM."""
    kernel.write(paths.CREATE, UUID.encode())
    kernel.tree.change(lambda host: host.start_vm(UUID))
    removal = threads.submit(kernel.write, f"{paths.mdev(UUID)}/remove", b"1\n")
    until(lambda: not kernel.exists(f"{paths.mdev(UUID)}/remove"))
    assert not removal.done()
    return removal


def errno_of(write: "Future[int]") -> int | None:
    """The errno with which a write ends."""
    with pytest.raises(OSError) as caught:
        write.result(PATIENCE)
    return caught.value.errno


@given(
    st.binary(max_size=40).filter(lambda name: not set(name) & set(b"\0/")),
    st.sampled_from(("bus", paths.AP_DEVICES, paths.MATRIX)),
)
def test_any_name_is_found_or_is_not_there(name: bytes, directory: str) -> None:
    """Whatever is looked up, however it is encoded, there is an answer."""
    assert Kernel().exists(f"{directory}/{os.fsdecode(name)}") in {True, False}


def test_a_blocked_write_returns_when_the_device_is_gone() -> None:
    """Not before, and with what it took."""
    kernel = Kernel()
    with ThreadPoolExecutor() as threads:
        removal = blocked_removal(kernel, threads)
        kernel.write(paths.APMASK, b"-5")
        assert not removal.done()
        kernel.tree.change(lambda host: host.stop_vm(UUID))

        assert 2 == removal.result(PATIENCE)


def test_a_new_host_ends_what_the_old_one_blocked() -> None:
    """The device of the write is gone."""
    kernel = Kernel()
    host = SimulatedHost()
    with ThreadPoolExecutor() as threads:
        removal = blocked_removal(kernel, threads)
        kernel.tree.replace(Shown(host, host))

        assert errno.ENODEV == errno_of(removal)


def test_a_signal_ends_the_wait_and_not_the_removal() -> None:
    """The device goes when the VM lets go of it."""
    kernel = Kernel()
    with ThreadPoolExecutor() as threads:
        removal = blocked_removal(kernel, threads)
        kernel.signalled = True

        assert errno.EINTR == errno_of(removal)
    assert kernel.exists(paths.mdev(UUID))
    kernel.tree.change(lambda host: host.stop_vm(UUID))
    assert not kernel.exists(paths.mdev(UUID))


def test_a_write_that_a_fault_blocks_waits_for_the_end() -> None:
    """Others are served meanwhile; then it ends, and the next name is the last one."""
    kernel = Kernel(1)
    with ThreadPoolExecutor() as threads:
        write = threads.submit(kernel.write, paths.APMASK, b"-5")
        until(lambda: kernel.tree.stores == 1)
        assert 2 == kernel.write(paths.AQMASK, b"-6")
        assert not write.done()
        kernel.tree.end()

        assert errno.ENODEV == errno_of(write)
    assert not kernel.left
    assert not kernel.exists("anything")
    assert kernel.left


def test_an_open_file_is_known_by_its_handle() -> None:
    """Its attributes are told without its name, also when that is gone."""
    kernel = Kernel()
    handle = kernel.tree.open(f"/{paths.APMASK}", os.O_RDONLY)

    assert PAGE == kernel.tree.getattr(None, handle)["st_size"]


def test_the_documented_description_is_the_hardware_of_the_recordings() -> None:
    """Another program that follows the document gets the host that the kernels were recorded on."""
    import yaml

    host = host_of(yaml.safe_load(LAB))

    assert DEFAULT_HARDWARE._replace(cards=dict(DEFAULT_HARDWARE.cards)) == host.hardware
    assert IdSet((4, 5, 6, 0x47)) == host.hardware.usage


def test_every_description_in_the_document_describes_a_host() -> None:
    """Also the one with a history."""
    import yaml

    text = (Path(__file__).parents[2] / "docs" / "simulated-host.md").read_text(encoding="utf-8")
    descriptions = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]

    hosts = [host_of(yaml.safe_load(description)) for description in descriptions]

    assert 2 == len(hosts)
