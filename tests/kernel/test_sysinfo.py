"""``/proc/sysinfo``: what machines and a kernel print, what nobody should believe, and round trips."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.sysfs import PAGE
from reconciler.kernel.sysinfo import LARGEST_SYSINFO, parse_sysinfo, sysinfo_text
from reconciler.kernel.text_forms import UnknownText
from reconciler.model.codec import BadRecord, Codec
from reconciler.model.identity import MachineIdentity, VirtualMachine, machine_id_of
from reconciler.model.printable import escaped, is_printable

Z16: Final = "IBM-3931-00000000000829E7"
LAB: Final = (Path(__file__).parent / "transcripts" / "sysinfo.txt").read_bytes()
"""As all three kernels print it in the lab, whose machine is QEMU's."""

MACHINE: Final = """\
Manufacturer:         IBM             \n\
Type:                 3931
LIC Identifier:       012345ab6789012c
Model:                704              A01             \n\
Sequence Code:        00000000000829E7
Plant:                02  \n\
Model Capacity:       704              00003128
Capacity Adj. Ind.:   100
Capacity Ch. Reason:  0
Capacity Transient:   0
Type 1 Percentage:    0
Type 2 Percentage:    0

CPU Topology HW:      0 0 4 2 8 8
CPU Topology SW:      0 0 4 2 8 8
CPUs Total:           208
CPUs Configured:      1
CPUs Standby:         0
CPUs Reserved:        207
Capability:           821 821
Secondary Capability: 416
"""
ADJUSTMENTS: Final = "".join(
    f"Adjustment {number:02d}-way:    {64000 - number} {64000 - number}\n" for number in range(2, 209)
)
LPAR: Final = """
LPAR Number:          21
LPAR Characteristics: Shared \n\
LPAR Name:            LPAR7   \n\
LPAR Adjustment:      235
LPAR CPUs Total:      16
LPAR CPUs Configured: 16
LPAR CPUs Standby:    0
LPAR CPUs Reserved:   0
LPAR CPUs Dedicated:  0
LPAR CPUs Shared:     16
LPAR CPUs G-MTID:     0
LPAR CPUs S-MTID:     1
LPAR CPUs PS-MTID:    1
"""
CLASSIC: Final = MACHINE + ADJUSTMENTS + LPAR
"""A z16 in classic mode. Its text is longer than a page: the LPAR comes after a line for each CPU of the machine."""

BLANK: Final = "LPAR Extended Name:   \nLPAR UUID:            01a2b345-67cd-89e0-1f23-456789012345\n"
"""What a machine in classic mode may add."""
DPM: Final = "LPAR Extended Name:   payments production 1\nLPAR UUID:            01a2b345-67cd-89e0-1f23-456789012345\n"
ZVM: Final = """
VM00 Name:            LINUX123
VM00 Control Program: z/VM    7.4.0   \n\
VM00 Adjustment:      500
VM00 CPUs Total:      1
VM00 CPUs Configured: 1
VM00 CPUs Standby:    0
VM00 CPUs Reserved:   0
"""
KVM: Final = """
VM00 Name:            k8s_9ab8
VM00 Control Program: KVM/Linux       \n\
VM00 Adjustment:      1000
VM00 CPUs Total:      1
VM00 CPUs Configured: 1
VM00 CPUs Standby:    0
VM00 CPUs Reserved:   0
VM00 Extended Name:   k8s_9ab8_worker
VM00 UUID:            01a2b345-67cd-89e0-1f23-456789012345
"""
KVM_ON_ZVM: Final = KVM + ZVM.replace("VM00", "VM01")


@pytest.mark.parametrize(
    ("text", "identity", "shown"),
    [
        (CLASSIC, MachineIdentity(Z16, "LPAR7"), f"machine {Z16}, LPAR LPAR7"),
        (CLASSIC + BLANK, MachineIdentity(Z16, "LPAR7"), f"machine {Z16}, LPAR LPAR7"),
        (
            CLASSIC + DPM,
            MachineIdentity(Z16, "LPAR7", "payments production 1"),
            f"machine {Z16}, LPAR payments production 1",
        ),
        (
            CLASSIC + ZVM,
            MachineIdentity(Z16, "LPAR7", vm=VirtualMachine("LINUX123", "z/VM 7.4.0")),
            f"machine {Z16}, LPAR LPAR7, virtual machine LINUX123 of z/VM 7.4.0",
        ),
        (
            CLASSIC + BLANK + KVM_ON_ZVM,
            MachineIdentity(Z16, "LPAR7", vm=VirtualMachine("k8s_9ab8_worker", "KVM/Linux")),
            f"machine {Z16}, LPAR LPAR7, virtual machine k8s_9ab8_worker of KVM/Linux",
        ),
        (MACHINE, MachineIdentity(Z16), f"machine {Z16}"),
        (MACHINE.replace("829E7", "829e7"), MachineIdentity(Z16), f"machine {Z16}"),
    ],
    ids=["classic", "classic with a blank extended name", "DPM", "z/VM", "KVM on z/VM", "no LPAR", "lower case"],
)
def test_the_machine_and_the_lpar_are_read(text: str, identity: MachineIdentity, shown: str) -> None:
    """Of classic mode, DPM, and guests, whose innermost virtual machine counts."""
    found = parse_sysinfo(text.encode())

    assert found == identity
    assert str(found) == shown


def test_the_machine_of_the_lab_has_no_sequence_code() -> None:
    """QEMU's emulated machine does not say which one it is; an LPAR of it could be anywhere."""
    with pytest.raises(
        UnknownText, match=r"the Sequence Code in /proc/sysinfo, 'QEMU', has 4 characters instead of 16"
    ):
        parse_sysinfo(LAB)
    numbered = LAB.replace(b"Sequence Code:        QEMU            ", b"Sequence Code:        0000000000000001")

    assert parse_sysinfo(numbered) == MachineIdentity(
        "QEMU-8561-0000000000000001", "QEMU", vm=VirtualMachine("TCGguest", "KVM/Linux")
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "/proc/sysinfo has no Manufacturer"),
        ("\0\n\xff", "/proc/sysinfo has no Manufacturer"),
        (MACHINE.replace("3931", ""), "/proc/sysinfo has no Type"),
        (MACHINE.replace("Sequence", "Serial"), "/proc/sysinfo has no Sequence Code"),
        (MACHINE.replace("Sequence", "VM00 Name:\nSequence"), "/proc/sysinfo has no Sequence Code"),
        (MACHINE.replace("00000000000829E7", "829E7"), "'829E7', has 5 characters instead of 16"),
        (MACHINE.replace("829E7", "829E7F"), "Sequence Code in /proc/sysinfo has more than 16 bytes"),
        (MACHINE.replace("829E7", "82-E7"), "is no machine id"),
        (MACHINE.replace("829E7", "82\x1bE7"), r"82\\x1bE7' is no machine id"),
        (MACHINE.replace("IBM ", "IBM-3931"), "is no machine id"),
        (CLASSIC.replace("LPAR7   ", "LPAR7 LPAR8"), "LPAR Name in /proc/sysinfo has more than 8 bytes"),
        (CLASSIC + DPM + LPAR, "/proc/sysinfo has two lines LPAR Name"),
        (CLASSIC + DPM + "Type: 3932\n", "/proc/sysinfo has two lines Type"),
        (CLASSIC + ZVM + ZVM, "/proc/sysinfo has two lines VM00 Name"),
        (
            CLASSIC + f"LPAR Extended Name:   {'x' * 257}\n",
            "LPAR Extended Name in /proc/sysinfo has more than 256 bytes",
        ),
        (CLASSIC + "\n" * LARGEST_SYSINFO, "/proc/sysinfo has more than 65,536 bytes"),
    ],
)
def test_what_does_not_name_one_machine_clearly_names_none(text: str, reason: str) -> None:
    """The reason says what is missing, too long or there twice, without a character that nobody sees."""
    with pytest.raises(UnknownText, match=reason) as caught:
        parse_sysinfo(text.encode("latin-1"))

    assert all(map(is_printable, str(caught.value)))


def test_the_names_of_virtual_machines_cannot_pass_for_the_lpar() -> None:
    """Their administrators choose them freely, with line feeds too."""
    forged = CLASSIC + KVM.replace("_worker", f"\nLPAR Extended Name:   LPAR8\nManufacturer: X\n{LPAR}")
    found = parse_sysinfo(forged.encode())

    assert (found.machine_id, found.lpar, found.extended_lpar) == (Z16, "LPAR7", "")


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([*CLASSIC.splitlines(True), *DPM.splitlines(True), KVM, "\xe9:"])).map(
        lambda some: "".join(some).encode("latin-1")
    )
)
def test_hostile_content_names_a_machine_or_is_refused(content: bytes) -> None:
    """Nothing else is raised; and what is found can be shown, and kept in a file."""
    try:
        found = parse_sysinfo(content)
    except UnknownText:
        return
    codec = Codec()

    assert codec.read_content(MachineIdentity, codec.content(found)) == found
    assert all(map(is_printable, escaped(str(found))))


NAMES = st.text(st.characters(exclude_characters=" \0\n", exclude_categories=["Cs"]), min_size=1, max_size=60)
SHORT = st.text("ABCXYZ0189", min_size=1, max_size=8)
IDS = st.from_regex("[A-Z0-9]{1,16}-[A-Z0-9]{1,4}-[A-Z0-9]{16}", fullmatch=True)


@given(st.builds(MachineIdentity, IDS, SHORT, st.just("") | NAMES, st.none()))
def test_what_a_simulated_host_prints_is_read_as_it_was_meant(identity: MachineIdentity) -> None:
    """Both directions fit, for names of every kind; the text fits into a page, as a mount shows it."""
    text = sysinfo_text(identity).encode()

    assert parse_sysinfo(text) == identity
    assert len(text) < PAGE


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", ""),
        ("IBM-3931", ""),
        ("IBM-3931-829E7", r" \(this sequence has 5 characters\)"),
        ("IBM-3931-00000000000829E7-02", ""),
        ("IBM-39311-00000000000829E7", ""),
        (" IBM-3931-00000000000829E7", ""),
        ("IBM-3931-00000000000829E7\n", r" \(this sequence has 17 characters\)"),
        ("IBM-3931-0000000000082\N{LATIN SMALL LETTER DOTLESS I}E7", ""),
        ("IBM\x1b-3931-00000000000829E7", ""),
    ],
)
def test_what_is_no_machine_id_is_refused(written: str, why: str) -> None:
    """Exactly three parts of letters and digits, the last of 16; the message says what is expected."""
    with pytest.raises(ValueError, match=rf"no machine id: .*exactly 16 of them{why}, for example {Z16}$") as caught:
        machine_id_of(written)

    assert all(map(is_printable, str(caught.value)))


def test_machine_ids_compare_without_case() -> None:
    """They are brought to one form once, where they are read."""
    assert machine_id_of(Z16.lower()) == machine_id_of(Z16) == Z16


def test_an_lpar_is_known_by_its_name() -> None:
    """Classic names have no case; in DPM the partition's own name counts, as it is; nothing matches no name."""
    classic, dpm = MachineIdentity(Z16, "LPAR7"), MachineIdentity(Z16, "PART0007", "Payments")

    assert [classic.is_lpar(name) for name in ("LPAR7", "lpar7", "LPAR", "")] == [True, True, False, False]
    assert [dpm.is_lpar(name) for name in ("Payments", "payments", "PART0007")] == [True, False, False]
    assert not MachineIdentity(Z16).is_lpar("")
    assert str(VirtualMachine("", "z/VM 7.4.0")) == "virtual machine without a name of z/VM 7.4.0"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("machineId", "IBM-3931-00000000000829e7"),
        ("machineId", "IBM"),
        ("lpar", "LPAR7LPAR8"),
        ("extendedLpar", "é" * 129),
        ("vm", {"name": "x" * 257, "controlProgram": ""}),
    ],
)
def test_a_file_with_another_identity_is_refused(field: str, value: object) -> None:
    """What no ``/proc/sysinfo`` gives is not believed from a file either."""
    codec = Codec()
    plain = codec.plain(MachineIdentity(Z16, "LPAR7"))

    with pytest.raises(BadRecord, match=f"^{field}"):
        codec.read(MachineIdentity, {**plain, field: value})
