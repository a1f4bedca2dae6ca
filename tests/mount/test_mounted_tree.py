"""The answers to FUSE messages, without a kernel: nothing that it may ask makes the server fall over."""

import errno
import struct
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel import paths
from reconciler.model.ids import IdSet
from reconciler.simulator import fuse_messages as fuse
from reconciler.simulator.description import host_of
from reconciler.simulator.hardware import DEFAULT_HARDWARE
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.mounted_tree import MountedTree, Shown
from reconciler.simulator.node_numbers import NodeNumbers
from simulated_hosts import LAB

UUID: Final = "00000000-0000-4000-8000-00000000000a"
_HEADER: Final = struct.Struct("=IIQQIIIHH")


class Kernel:
    """Asks a mounted tree, as the FUSE driver does."""

    def __init__(self) -> None:
        host = SimulatedHost()
        self.tree = MountedTree(Shown(host, host), (0, 0), 0)
        self._unique = 0

    def ask(self, opcode: int, node: int = fuse.ROOT_NODE, body: bytes = b"") -> tuple[int, bytes] | None:
        """Errno and content of the answer; None where there is none."""
        self._unique += 1
        answers = self.tree.answers(
            _HEADER.pack(_HEADER.size + len(body), opcode, self._unique, node, 0, 0, 0, 0, 0) + body
        )
        return self.answer_in(answers[0]) if answers else None

    @staticmethod
    def answer_in(raw: bytes) -> tuple[int, bytes]:
        """Errno and content of an answer."""
        length, negative, _ = struct.unpack_from("=IiQ", raw)
        assert length == len(raw)
        return -negative, raw[16:]

    def node(self, path: str) -> int:
        """The number of the node at `path`, without links."""
        node = fuse.ROOT_NODE
        for name in path.split("/"):
            answer = self.ask(fuse.LOOKUP, node, f"{name}\0".encode())
            assert answer
            assert answer[0] == 0, path
            (node,) = struct.unpack_from("=Q", answer[1])
        return node

    def open(self, path: str, flags: int) -> tuple[int, int]:
        """Node and handle of the opened file."""
        node = self.node(path)
        answer = self.ask(fuse.OPEN, node, struct.pack("=II", flags, 0))
        assert answer
        assert answer[0] == 0, path
        return node, struct.unpack_from("=Q", answer[1])[0]

    def write(self, path: str, value: bytes) -> tuple[int, bytes] | None:
        """The answer to a write."""
        node, handle = self.open(path, 1)
        return self.ask(fuse.WRITE, node, struct.pack("=QQIIQII", handle, 0, len(value), 0, 0, 0, 0) + value)


def test_a_message_that_is_not_known_is_not_supported() -> None:
    """The kernel then does without, and does not ask again."""
    assert (errno.ENOSYS, b"") == Kernel().ask(4711)


@given(
    st.binary(max_size=40).filter(lambda name: b"\0" not in name),
    st.sampled_from(("bus", paths.AP_DEVICES, paths.MATRIX)),
)
def test_any_name_is_found_or_is_not_there(name: bytes, directory: str) -> None:
    """Whatever is looked up, however it is encoded, there is an answer."""
    kernel = Kernel()

    answer = kernel.ask(fuse.LOOKUP, kernel.node(directory), name + b"\0")

    assert answer
    assert answer[0] in {0, errno.ENOENT}


def test_a_blocked_write_is_answered_when_the_device_is_gone() -> None:
    """Not before, and once."""
    kernel = Kernel()
    kernel.write(paths.CREATE, UUID.encode())
    kernel.tree.host.start_vm(UUID)

    assert kernel.write(f"{paths.mdev(UUID)}/remove", b"1\n") is None
    assert [] == kernel.tree.released()
    kernel.tree.host.stop_vm(UUID)
    (answer,) = kernel.tree.released()
    assert (0, struct.pack("=II", 2, 0)) == Kernel.answer_in(answer)
    assert [] == kernel.tree.released()


def test_a_new_host_ends_what_the_old_one_blocked() -> None:
    """The device of the write is gone."""
    kernel = Kernel()
    kernel.write(paths.CREATE, UUID.encode())
    kernel.tree.host.start_vm(UUID)
    kernel.write(f"{paths.mdev(UUID)}/remove", b"1")
    host = SimulatedHost()

    (answer,) = kernel.tree.replace(Shown(host, host))

    assert (errno.ENODEV, b"") == Kernel.answer_in(answer)


@given(st.lists(st.sampled_from(("bus", "bus/ap", "devices")), max_size=20))
def test_a_node_keeps_its_number_until_it_is_forgotten(found: list[str]) -> None:
    """As often forgotten as found, nothing is left; before that, the number still means the path."""
    nodes = NodeNumbers()
    numbers = [nodes.found(path) for path in found]

    assert found == [nodes.path(number) for number in numbers]
    for number in numbers:
        nodes.forget(number, 1)
    nodes.forget(fuse.ROOT_NODE, 1)
    assert 1 == len(nodes)


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
