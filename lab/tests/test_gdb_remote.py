import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.gdb_remote import GdbError, GdbRemote, GuestEnded, framed, unframed

PAYLOADS = st.binary().filter(lambda payload: b"$" not in payload and b"#" not in payload)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5)
        yield ours, theirs


@pytest.fixture
def remote(ends: tuple[socket.socket, socket.socket]) -> GdbRemote:
    """A client that is connected to `stub`."""
    return GdbRemote(ends[0])


@pytest.fixture
def stub(ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    """The other end of `remote`'s connection."""
    return ends[1]


@given(payload=PAYLOADS, rest=PAYLOADS, before=st.sampled_from([b"", b"+", b"++"]))
def test_what_is_framed_can_be_unframed(payload: bytes, rest: bytes, before: bytes) -> None:
    """A packet is found behind acknowledgements, and what follows it is kept."""
    assert (payload, rest) == unframed(before + framed(payload) + rest)


@given(payload=PAYLOADS, data=st.data())
def test_a_part_of_a_packet_is_no_packet(payload: bytes, data: st.DataObject) -> None:
    """Nothing is taken before the checksum has come."""
    packet = framed(payload)
    cut = data.draw(st.integers(0, len(packet) - 1))

    assert unframed(packet[:cut]) is None


def test_the_checksum_is_the_sum_of_the_payload() -> None:
    """The manual's own example of a packet."""
    assert framed(b"OK") == b"$OK#9a"


def test_memory_goes_over_the_wire_as_hex(stub: socket.socket, remote: GdbRemote) -> None:
    """Reading asks for an address and a length and is acknowledged."""
    stub.sendall(b"+" + framed(b"0a0bff"))

    assert remote.read_memory(0x1000, 3) == b"\x0a\x0b\xff"
    assert stub.recv(100) == framed(b"m1000,3") + b"+"


def test_registers_are_the_psw_address_and_sixteen_general_ones(stub: socket.socket, remote: GdbRemote) -> None:
    """The mask comes first and is left out; access registers and the like follow and are, too."""
    values = [0xAAAA, 0x10F0, *range(100, 116), 7, 7]
    stub.sendall(framed(b"".join(b"%016x" % value for value in values)))

    found = remote.registers()

    assert found.address == 0x10F0
    assert found.gprs == tuple(range(100, 116))


def test_a_negative_value_is_written_as_the_register_holds_it(stub: socket.socket, remote: GdbRemote) -> None:
    """Registers have 64 bits."""
    stub.sendall(framed(b"OK"))

    remote.write_register(4, -5)

    assert stub.recv(100) == framed(b"P4=fffffffffffffffb") + b"+"


def test_an_error_reply_is_raised(stub: socket.socket, remote: GdbRemote) -> None:
    """The stub refuses memory that is not there."""
    stub.sendall(framed(b"E14"))

    with pytest.raises(GdbError, match="E14"):
        remote.read_memory(0, 1)


def test_a_stop_that_comes_before_a_reply_is_kept(stub: socket.socket, remote: GdbRemote) -> None:
    """Stops are told of later, in order, and replies still find their request."""
    stub.sendall(framed(b"T05thread:01;") + framed(b"OK"))

    remote.insert_breakpoint(0x100)

    assert remote.stopped(readable=False)
    assert not remote.stopped(readable=False)


def test_an_acknowledgement_is_no_stop(stub: socket.socket, remote: GdbRemote) -> None:
    """A readable socket alone says nothing."""
    stub.sendall(b"+")

    assert not remote.stopped(readable=True)


def test_a_step_ends_with_its_stop(stub: socket.socket, remote: GdbRemote) -> None:
    """One instruction, and the guest stands still again."""
    stub.sendall(b"+" + framed(b"T05thread:01;"))

    remote.step()

    assert stub.recv(100) == framed(b"s") + b"+"


@pytest.mark.parametrize("last", [framed(b"W00"), framed(b"X0f"), b""])
def test_the_end_of_the_guest_is_raised(stub: socket.socket, remote: GdbRemote, last: bytes) -> None:
    """Whether it says good-bye or just goes."""
    stub.sendall(last)
    stub.shutdown(socket.SHUT_WR)

    with pytest.raises(GuestEnded):
        remote.stopped(readable=True)


def test_writing_to_a_guest_that_is_gone_is_raised(stub: socket.socket, remote: GdbRemote) -> None:
    """The caller need not know which of its calls came too late."""
    stub.close()

    with pytest.raises(GuestEnded):
        remote.resume()
