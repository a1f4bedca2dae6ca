"""What is read in libvirt's XML, and what is refused."""

import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.integrations.domain_xml import DEEPEST, LARGEST, Domain, read_domain
from reconciler.model.problems import Problem
from testing.libvirt import AP_UUID, domain_xml, hostdev, status_xml

CCW = hostdev("9063ba5f-1111-4222-8333-444455556666", "vfio-ccw")


def read(content: bytes) -> Domain:
    """The domain in `content`, which must be one."""
    found = read_domain(content, "vm.xml")
    assert isinstance(found, Domain), found
    return found


def refused(content: bytes) -> Problem:
    """The problem of `content`, which must have one."""
    found = read_domain(content, "vm.xml")
    assert isinstance(found, Problem), found
    assert found.id == "bad-domain-xml"
    assert "\n" not in found.message
    return found


def test_a_domain_has_its_names_and_its_mediated_devices() -> None:
    """Other devices, and what the administrator keeps in the metadata, play no part."""
    found = read(domain_xml(CCW, hostdev(managed="yes")))

    assert (found.name, found.uuid, found.state) == ("payments-db", "0d6a7a2e-54ac-4b0e-9e43-4cd3e3a1f4c8", "")
    assert [(one.uuid, one.model, one.managed) for one in found.mdevs] == [
        ("9063ba5f-1111-4222-8333-444455556666", "vfio-ccw", False),
        (AP_UUID, "vfio-ap", True),
    ]
    assert str(found.mdevs[1].position) == "vm.xml:28:5"


@pytest.mark.parametrize("uuid", [AP_UUID.upper(), AP_UUID.replace("-", ""), f" {AP_UUID} "])
def test_a_uuid_has_many_spellings(uuid: str) -> None:
    """As for libvirt itself; ours is lower case with dashes."""
    assert [one.uuid for one in read(domain_xml(hostdev(uuid))).mdevs] == [AP_UUID]


def test_a_file_of_a_running_machine_tells_its_state() -> None:
    """There the domain stands inside its status."""
    found = read(status_xml(domain_xml(hostdev()), "paused"))

    assert (found.name, found.state, len(found.mdevs)) == ("payments-db", "paused", 1)


def test_a_name_cannot_write_to_the_terminal() -> None:
    """Characters that are not for showing are shown escaped, and a long name is cut."""
    found = read(domain_xml(name="a\u202eb\u009b" + "x" * 500))

    assert found.name.startswith("a\\u202eb\\u009bxxx")
    assert len(found.name) == 200


BILLION = '<!DOCTYPE domain [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
PLAIN = domain_xml(hostdev())
HOSTILE = [
    ("a document type", b"<!DOCTYPE domain>" + PLAIN, "document type"),
    ("entities", BILLION.encode() + PLAIN.replace(b"payments-db", b"&b;"), "document type"),
    ("a file as entity", b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + PLAIN, "document type"),
    ("a parameter entity", b'<!DOCTYPE d [<!ENTITY % x SYSTEM "http://192.0.2.1/"> %x;]>' + PLAIN, "document type"),
    ("an external document type", b'<!DOCTYPE d SYSTEM "http://192.0.2.1/d.dtd">' + PLAIN, "document type"),
    ("an entity that nobody defined", PLAIN.replace(b"payments-db", b"&x;"), "undefined entity"),
    ("too many bytes", PLAIN + b" " * LARGEST, "more than 1,048,576 bytes"),
    ("too deep", b"<domain>" + b"<a>" * DEEPEST, "inside one another"),
    ("Latin-1", b'<?xml version="1.0" encoding="iso-8859-1"?>' + PLAIN, "only UTF-8"),
    ("bytes that are not UTF-8", PLAIN.replace(b"payments-db", b"\xff\xfe"), "not UTF-8"),
    ("UTF-16", PLAIN.decode().encode("utf-16"), "not UTF-8"),
    ("overlong UTF-8", PLAIN.replace(b"payments-db", b"\xc0\xaf"), "not UTF-8"),
    ("NUL", PLAIN.replace(b"payments-db", b"a\0b"), "not well-formed"),
    ("ESC", PLAIN.replace(b"payments-db", b"a&#27;b"), "reference to invalid character"),
    ("nothing", b"", "no element found"),
    ("half of it", PLAIN[: len(PLAIN) // 2], ""),
    ("another root", b"<network><name>default</name></network>", "not 'domain'"),
    ("two roots", PLAIN + PLAIN, "junk after document element"),
    ("two domains", b"<domstatus>" + PLAIN + PLAIN + b"</domstatus>", "two domains"),
    ("two names", PLAIN.replace(b"<title>", b"<name>b</name><title>"), "two elements 'name'"),
    ("no name", b"<domain/>", "no name"),
    ("an attribute twice", PLAIN.replace(b"managed=", b"mode='subsystem' managed="), "duplicate attribute"),
    ("a device without a uuid", domain_xml(hostdev("")), "no uuid"),
    ("a device with another uuid", domain_xml(hostdev("../../../etc/passwd")), "no uuid"),
    ("digits of another script", domain_xml(hostdev(AP_UUID.replace("6", "\u0666"))), "no uuid"),
    ("a device without an address", domain_xml(hostdev().replace("address", "adress")), "no address"),
]


@pytest.mark.parametrize(("content", "reason"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_other_text_is_refused(content: bytes, reason: str) -> None:
    """With one sentence, whatever it is."""
    assert reason in refused(content).message


def test_a_real_libvirt_prints_what_is_read_here(tmp_path: Path) -> None:
    """A machine that the real virsh defines, and prints again, has the same device."""
    virsh = shutil.which("virsh")
    if virsh is None:
        pytest.skip("NOT TESTED: virsh is not installed (apt-get install libvirt-clients)")
    description = tmp_path / "vm.xml"
    text = domain_xml(hostdev(AP_UUID.upper()), CCW).decode().replace("type='kvm'", "type='test'")
    start, _, rest = text.partition("    <emulator>")
    description.write_text(start + rest.partition("</emulator>\n")[2].replace("arch='s390x' ", ""))
    # The test driver keeps its machines as long as the process lives.
    commands = f"define --validate {description}; dumpxml payments-db"
    printed = subprocess.run(
        [virsh, "-q", "-c", "test:///default", commands], capture_output=True, text=True, check=False, timeout=60
    )
    assert printed.returncode == 0, printed.stderr
    found = read(printed.stdout[printed.stdout.index("<domain") :].encode())

    assert found.name == "payments-db"
    assert [(one.uuid, one.model) for one in found.mdevs] == [
        (AP_UUID, "vfio-ap"),
        ("9063ba5f-1111-4222-8333-444455556666", "vfio-ccw"),
    ]
