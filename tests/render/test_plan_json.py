"""The plan's JSON: an interface for other programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.kernel.observe import observe
from reconciler.manifests.site import read_site
from reconciler.model.desired import Activation, Desired, GivenUp, Keep
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.problems import Position
from reconciler.model.steps import Holdings
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.render.plan_json import plan_json, plan_record
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES, Profile
from testing.holdings import (
    EVERY_PROFILE,
    NEW_PROFILES,
    abilities_of,
    config,
    desired,
    desired_like,
    guest,
    held,
    holdings,
    host_holding,
    matrix,
    uuid,
)
from testing.manifests import guest_text, host_text
from testing.simulated_hosts import VmProcesses

SCHEMA: Any = json.loads((Path(__file__).parents[2] / "schemas/plan.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
ONE = config([5], [4])


def errors(plan: Plan) -> list[str]:
    """What the schema does not accept of the plan's JSON."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(json.loads(plan_json(plan)))]


def test_the_process_of_a_vm_is_in_the_schema() -> None:
    """Where it is known and where nobody has the device open."""
    host = host_holding(Holdings(matrix([], []), {uuid(1): ONE, uuid(2): config([6], [4])}), PROFILES["6.12"])
    host.start_vm(uuid(1))
    plan = make_plan(desired([guest("a", ONE, 1), guest("b", config([6], [4]), 2)]), observe(VmProcesses(host)))

    assert [one["openedBy"] is None for one in plan_record(plan)["guests"]] == [False, True]
    assert errors(plan) == []


def test_the_schema_is_one() -> None:
    """Draft 2020-12, with a title and a description for every property."""
    Draft202012Validator.check_schema(SCHEMA)

    assert [path for path, one in _properties(SCHEMA, "") if not _is_described(one)] == []


def _properties(schema: Any, path: str) -> Sequence[tuple[str, Any]]:
    found = []
    if isinstance(schema, dict):
        for key, one in schema.get("properties", {}).items():
            if isinstance(one, dict):
                found.append((f"{path}.{key}", one))
        for key, one in schema.items():
            found += _properties(one, f"{path}.{key}")
    elif isinstance(schema, list):
        for place, one in enumerate(schema):
            found += _properties(one, f"{path}[{place}]")
    return found


def _is_described(one: Any) -> bool:
    while "$ref" in one and "description" not in one:
        one = SCHEMA["$defs"][one["$ref"].rsplit("/", 1)[-1]]
    return "description" in one or "const" in one


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(data=st.data())
@settings(max_examples=20)
def test_every_plan_is_as_the_schema_says(profile: Profile, data: st.DataObject) -> None:
    """From any state to any other, on every kernel, with VMs that run and devices of others."""
    start = data.draw(holdings())
    if not profile.over_provision:
        mdevs = {one: what for one, what in start.mdevs.items() if what.adapters <= IdSet([5, 6, 7])}
        start = start._replace(mdevs=mdevs)
    host = host_holding(start, profile)
    for one in start.mdevs:
        if data.draw(st.booleans()):
            host.start_vm(one)
    ours = {one: (one, what) for one, what in start.mdevs.items() if data.draw(st.booleans())}

    plan = make_plan(desired_like(data.draw(holdings())), observe(host), Applied(start.pool, ours))

    assert errors(plan) == []


def test_problems_labels_and_foreign_devices_are_as_the_schema_says() -> None:
    """A plan that is forbidden has problems and no steps."""
    guests = [
        guest("a", ONE, 1, labels=(("tenant", "cards"),)),
        guest("b", ONE, 2, activation=Activation.ON_DEMAND),
        guest("c", ONE, 3, activation=Activation.INACTIVE),
    ]
    host = host_holding(Holdings(matrix([], []), {uuid(0xF): ONE}), PROFILES["6.12"])

    plan = make_plan(desired(guests, keep=(Keep(matrix([5], [4]), 0),)), observe(host))

    assert errors(plan) == []
    record = plan_record(plan)
    assert record["problems"]
    assert record["steps"] == []
    assert record["summary"]["valid"] is False
    assert [one["uuid"] for one in record["foreign"]] == [uuid(0xF)]
    assert record["guests"][0]["labels"] == {"tenant": "cards"}


@pytest.mark.parametrize("profile", NEW_PROFILES, ids=lambda one: one.name)
@given(data=st.data())
@settings(max_examples=20)
def test_whoever_makes_the_writes_by_hand_gets_the_result(profile: Profile, data: st.DataObject) -> None:
    """The writes in the JSON, in their order and nothing else, lead to what is told as authorised afterwards."""
    host = host_holding(data.draw(holdings()), profile)
    wanted = data.draw(holdings())
    record = json.loads(plan_json(make_plan(desired_like(wanted), observe(host))))

    for step in record["steps"]:
        for write in step["writes"]:
            assert host.write(write["path"], write["value"]) == len(write["value"])

    if record["steps"]:
        now = held(host, abilities_of(profile))
        authorised = {one["uuid"]: one["authorised"]["after"] for one in record["guests"] if one["authorised"]["after"]}
        assert {
            one: {"adapters": list(what[0]), "domains": list(what[1]), "controlDomains": list(what[2])}
            for one, what in now.mdevs.items()
            if one not in {foreign["uuid"] for foreign in record["foreign"]}
        } == authorised
        assert now.pool == wanted.pool


def test_a_file_name_that_is_no_utf_8_does_not_stop_the_output() -> None:
    """On Linux a name is bytes; what is not UTF-8 is shown escaped, so that every program can read the JSON."""
    odd = guest("a", ONE, 1, position=Position("caf\udce9.yaml", 3, 1))

    text = plan_json(make_plan(desired([odd]), observe(SimulatedHost())))

    assert json.loads(text.encode("ascii"))["steps"][1]["reason"]["file"] == "caf\\xe9.yaml"


@given(order=st.permutations(range(4)), split=st.lists(st.booleans(), min_size=4, max_size=4))
@settings(max_examples=25)
def test_the_order_of_documents_changes_no_byte(order: list[int], split: list[bool]) -> None:
    """Wherever the documents stand, the same things are planned in the same order (I6); only lines are told anew."""
    documents = [
        host_text(unmanaged="remove"),
        guest_text("payments", adapters="[5, 6]", domains="[4]"),
        guest_text("billing", adapters="[7]", domains="[4, 0x47]"),
        guest_text("archive", adapters="[200]", domains="[5]", activation="on-demand"),
    ]

    assert _planned([documents[place] for place in order], split) == _planned(documents, [False] * 4)


def _planned(documents: list[str], split: list[bool]) -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        texts = [""]
        for document, new_file in zip(documents, split, strict=True):
            if new_file:
                texts.append("")
            texts[-1] += f"---\n{document}"
        for number, text in enumerate(texts):
            (Path(folder) / f"{number}.yaml").write_text(text, encoding="utf-8")
        wanted = read_site([folder]).desired(None, "lpar7")
        assert isinstance(wanted, Desired), wanted
    record = plan_record(make_plan(wanted, observe(SimulatedHost())))
    for step in record["steps"]:
        del step["reason"]
    return json.dumps(record)


def test_the_plan_tells_what_it_is_for_people_too() -> None:
    """One example in full, as a reader sees it."""
    plan = make_plan(desired([guest("a", ONE, 1)], GivenUp(NO_IDS, IdSet([4]))), observe(SimulatedHost()))
    record = plan_record(plan)

    assert record["summary"]["text"] == "Plan: 1 to create, host pool changes; 3 kernel writes, 0 guests interrupted."
    zeros = "0" * 62
    assert record["steps"][2] == {
        "action": "configure",
        "holder": "a",
        "uuid": uuid(1),
        "reason": {"file": "guests.yaml", "line": 11},
        "precondition": {"exists": True, "ap_config": ",".join([f"0x{'0' * 64}"] * 3)},
        "effect": "gains queues",
        "writes": [
            {
                "path": f"devices/vfio_ap/matrix/{uuid(1)}/ap_config",
                "value": f"0x04{zeros},0x08{zeros},0x08{zeros}",
            }
        ],
    }
    assert record["steps"][0]["precondition"] == {"aqmask": "0x" + "f" * 64}
    assert record["steps"][1]["precondition"] == {"exists": False}
