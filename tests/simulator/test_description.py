import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.kernel.observe import observe
from reconciler.kernel.text_forms import mask_text
from reconciler.model.identity import MachineIdentity
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.simulator.description import host_of, name_of
from reconciler.simulator.fields import FieldError
from reconciler.simulator.hardware import DEFAULT_HARDWARE, SetCard
from reconciler.simulator.kernel_profiles import PROFILES
from testing.host_actions import UUIDS

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "simulated-host.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
A, B, _ = UUIDS
Z16 = "IBM-3931-00000000000829E7"
CARDS = {"adapters": [{"id": 5}, {"id": "0x0a", "type": "CEX8", "mode": "ep11"}], "usageDomains": ["4-6", "0x47"]}


def document(**spec: object) -> dict[str, Any]:
    """A description with two cards, four domains and whatever else is given."""
    return {
        "apiVersion": "reconciler/v1",
        "kind": "SimulatedHost",
        "metadata": {"name": "lpar7"},
        "spec": {**CARDS, **spec},
    }


def test_the_schema_is_one() -> None:
    """It is valid JSON Schema, and knows every profile of the simulator."""
    VALIDATOR.check_schema(SCHEMA)

    assert list(PROFILES) == SCHEMA["properties"]["spec"]["properties"]["kernel"]["enum"]


@pytest.mark.parametrize("example", SCHEMA["examples"])
def test_every_example_of_the_schema_is_a_host(example: dict[str, Any]) -> None:
    """What editors offer can be used as it is."""
    VALIDATOR.validate(example)

    assert host_of(example).list("bus/ap")


def test_the_hardware_of_the_recordings_can_be_described() -> None:
    """The first example is the host that the kernels were recorded on."""
    assert host_of(SCHEMA["examples"][0]).hardware == DEFAULT_HARDWARE


def test_a_host_is_what_its_description_says() -> None:
    """Kernel, masks, devices, virtual machines and busy queues are there from the start."""
    described = document(
        kernel="7.2",
        maxDomain="0x54",
        pool={"domains": ["0-3", "5-255"]},
        mdevs=[{"uuid": A.upper(), "adapters": [5], "domains": [4]}, {"uuid": B}],
        vms=[A],
        busyQueues=["05.0005"],
    )
    host = host_of(described)

    VALIDATOR.validate(described)
    assert name_of(described) == "lpar7"
    assert host.release.startswith("7.2")
    assert host.read("bus/ap/aqmask") == f"{mask_text(ALL_IDS - IdSet([4]))}\n"
    assert host.list("bus/mdev/devices") == [A, B]
    assert host.read(f"bus/mdev/devices/{A}/control_domains") == "0004\n"
    assert host.read("bus/ap/devices/05.0004/status") == "in use\n"
    assert host.read("bus/ap/devices/05.0005/pendingq_count") == "1\n"
    assert host.read("bus/ap/devices/card0a/type") == "CEX8P\n"


def test_devices_of_older_kernels_are_assigned_one_by_one() -> None:
    """Without ap_config a description means the same."""
    described = document(
        kernel="6.1",
        pool={"adapters": ["0x10-0x1f"]},
        mdevs=[{"uuid": A, "adapters": [5, 9], "domains": ["4-5"], "controlDomains": [6]}],
    )
    host = host_of(described)

    assert host.read(f"bus/mdev/devices/{A}/matrix") == "05.0004\n05.0005\n09.0004\n09.0005\n"
    assert host.read(f"bus/mdev/devices/{A}/control_domains") == "0006\n"


def test_scalars_may_be_texts() -> None:
    """A strict YAML reader gives every scalar as text."""
    cards = [{"id": "5", "configured": "false"}, {"id": "6", "checkstopped": "true"}]
    described = document(adapters=cards, vfioAp="false")
    host = host_of(described)

    VALIDATOR.validate(described)
    assert host.read("devices/ap/card05/config") == "0\n"
    assert host.read("devices/ap/card06/chkstop") == "1\n"
    assert "vfio_ap" not in host.list("devices")


@pytest.mark.parametrize(
    ("spec", "identity"),
    [
        ({}, None),
        ({"machineId": Z16}, MachineIdentity(Z16)),
        ({"machineId": Z16.lower(), "lpar": "LPAR7"}, MachineIdentity(Z16, "LPAR7")),
        ({"machineId": Z16, "lpar": "lpar7"}, MachineIdentity(Z16, "lpar7")),
        ({"machineId": Z16, "lpar": "payments 1"}, MachineIdentity(Z16, "PART0007", "payments 1")),
        ({"machineId": Z16, "lpar": "größe"}, MachineIdentity(Z16, "PART0007", "größe")),
    ],
    ids=str,
)
def test_a_host_says_which_machine_and_lpar_it_is(spec: dict[str, Any], identity: MachineIdentity | None) -> None:
    """Through ``/proc/sysinfo`` as a kernel has it, in its tree as well; without a machine there is none."""
    host = host_of(document(**spec))

    VALIDATOR.validate(document(**spec))
    assert observe(host).identity == identity
    assert ("proc" in host.list("")) == (identity is not None)
    if identity:
        assert host.list("proc") == ["sysinfo"]
        assert host.read("proc/sysinfo").encode() == host.sysinfo()
        with pytest.raises(PermissionError):
            host.write("proc/sysinfo", "x")
    else:
        with pytest.raises(FileNotFoundError):
            host.sysinfo()


def test_a_host_stays_the_same_machine_when_it_is_booted_or_its_hardware_changes() -> None:
    """What people do to its cards does not move it."""
    host = host_of(document(machineId=Z16, lpar="LPAR7"))
    host.change_hardware(SetCard(5, configured=False))
    host.boot()

    assert observe(host).identity == MachineIdentity(Z16, "LPAR7")


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"usageDomains": ["010"]}, ("spec", "usageDomains"), "leading zero"),
        ({"usageDomains": ["6-4"]}, ("spec", "usageDomains"), "ends before"),
        ({"usageDomains": "4"}, ("spec", "usageDomains"), "not a list"),
        ({"usageDomains": [256]}, ("spec", "usageDomains"), "0 to 255"),
        ({"usageDomains": [True]}, ("spec", "usageDomains"), "not a number"),
        ({"usageDomains": [85]}, ("spec",), "0 to 84"),
        ({"adapters": [{"id": 5}, {"id": "0x5"}]}, ("spec", "adapters", 1, "id"), "twice"),
        ({"adapters": [{}]}, ("spec", "adapters", 0), "id is missing"),
        ({"adapters": [5]}, ("spec", "adapters", 0), "not a mapping"),
        ({"adapters": [{"id": 5, "type": "CEX9"}]}, ("spec", "adapters", 0, "type"), "card type"),
        ({"adapters": [{"id": 5, "mode": "cex"}]}, ("spec", "adapters", 0, "mode"), "not a mode"),
        ({"adapters": [{"id": 5, "configured": "no"}]}, ("spec", "adapters", 0, "configured"), "neither"),
        ({"kernel": "6.2"}, ("spec", "kernel"), "none of: 5.15"),
        ({"machineId": "IBM-3931-829E7"}, ("spec", "machineId"), "this sequence has 5 characters"),
        ({"machineId": 3931}, ("spec", "machineId"), "not a text"),
        ({"machineId": Z16, "lpar": ""}, ("spec", "lpar"), "no name of an LPAR"),
        ({"machineId": Z16, "lpar": " LPAR7"}, ("spec", "lpar"), "no blank at its ends"),
        ({"machineId": Z16, "lpar": "LP\nAR7"}, ("spec", "lpar"), "printable characters"),
        ({"machineId": Z16, "lpar": "é" * 129}, ("spec", "lpar"), "at most 256 bytes"),
        ({"lpar": "LPAR7"}, ("spec", "lpar"), "add machineId"),
        ({"colour": "red"}, ("spec", "colour"), "unknown field"),
        ({"mdevs": [{"uuid": "a"}]}, ("spec", "mdevs", 0, "uuid"), "not a uuid"),
        ({"mdevs": [{"uuid": 5}]}, ("spec", "mdevs", 0, "uuid"), "not a text"),
        ({"mdevs": [{"uuid": A}, {"uuid": A}]}, ("spec", "mdevs", 1), f"{A}: EEXIST"),
        ({"mdevs": [{"uuid": A, "adapters": [5], "domains": [4]}]}, ("spec", "mdevs", 0), f"{A}: EADDRNOTAVAIL"),
        ({"mdevs": [{"uuid": A, "domains": [85]}]}, ("spec", "mdevs", 0), f"{A}: ENODEV"),
        ({"mdevs": [{"uuid": A}], "vfioAp": False}, ("spec", "mdevs", 0), f"{A}: ENOENT"),
        ({"vms": [A]}, ("spec", "vms", 0), "no VM can start"),
        ({"busyQueues": ["05.0009"]}, ("spec", "busyQueues", 0), "cannot be busy"),
        ({"busyQueues": ["5.9"]}, ("spec", "busyQueues", 0), "cannot be busy"),
    ],
)
def test_what_cannot_be_is_an_error_with_its_place(
    spec: dict[str, Any], field: tuple[str | int, ...], words: str
) -> None:
    """Form, limits and what the kernel would refuse: the error names the field and says why."""
    with pytest.raises(FieldError, match=words) as caught:
        host_of(document(**spec))

    assert field == caught.value.field


def test_overlapping_devices_are_refused_by_name() -> None:
    """The second device that wants a queue is the one in the error."""
    same = {"adapters": [5], "domains": [4]}

    with pytest.raises(FieldError, match=f"{B}: EADDRINUSE"):
        host_of(document(pool={"domains": []}, mdevs=[{"uuid": A, **same}, {"uuid": B, **same}]))


@pytest.mark.parametrize("wrong", [{"kind": "Host"}, {"apiVersion": "v1"}, {"kind": None}])
def test_another_document_is_refused(wrong: dict[str, Any]) -> None:
    """A description says what it is."""
    with pytest.raises(FieldError, match="none of"):
        host_of(document() | wrong)
