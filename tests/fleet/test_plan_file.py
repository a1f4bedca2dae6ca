"""The plan of a commit to several hosts, as a file."""

import json
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

import pytest

from reconciler.fleet.commit import PlannedHost
from reconciler.fleet.plan_file import (
    FleetPlan,
    Settings,
    commit_of,
    fleet_commit_of,
    fleet_id,
    in_order,
    plan_content,
    read_fleet_plan,
)
from reconciler.model.codec import BadRecord, Codec
from reconciler.model.outcome import FleetCommit
from testing.damaged_json import damaged
from testing.fleet_plans import WEB, fleet_host, fleet_plan, host_plan
from testing.holdings import config


def signed(record: dict[str, Any]) -> bytes:
    """The file with `record`, whose digest fits."""
    rest = {name: one for name, one in record.items() if name != "contentDigest"}
    digest = sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    return json.dumps({**rest, "contentDigest": digest}).encode()


def changed(change: Callable[[dict[str, Any]], object], plan: FleetPlan | None = None) -> bytes:
    """The file with `plan`, or any one, that was changed by a program which knows of its digest."""
    record = json.loads(plan_content(plan or fleet_plan()))
    change(record)
    return signed(record)


def test_a_plan_comes_back() -> None:
    """All of it, also where another program has indented it anew."""
    hosts = [fleet_host(name, host_plan(name, after={"m1": WEB}), is_canary=name == "c") for name in ("c", "a", "b")]
    plan = fleet_plan(*hosts, settings=Settings(120.0, 60.0, 2), without=("d",), consents={"a": ["m1"], "b": "all"})

    content = plan_content(plan)
    assert read_fleet_plan(content)._replace(hosts=plan.hosts) == plan
    assert [one._replace(plan={}) for one in read_fleet_plan(content).hosts] == [
        one._replace(plan={}) for one in plan.hosts
    ]
    assert read_fleet_plan(json.dumps(json.loads(content), indent=4).encode()) == read_fleet_plan(content)
    assert {"formatVersion", "commit", "operator", "settings", "without", "consents", "hosts"} < set(
        json.loads(content)
    )


def test_what_was_changed_after_it_was_saved_is_refused() -> None:
    """Also where the result would be a plan."""
    record = json.loads(plan_content(fleet_plan()))

    with pytest.raises(BadRecord, match="contentDigest: it was changed after it was saved"):
        read_fleet_plan(json.dumps({**record, "operator": "another"}).encode())
    with pytest.raises(BadRecord, match="it is no plan for several hosts"):
        read_fleet_plan(b"{}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one["hosts"][1].update(manifests="kind: Host\n"), r"^hosts\[1\]\.sha256: it is not what follows"),
        (lambda one: one["hosts"][0].update(onlyGivesUp=True), r"^hosts\[0\]\.onlyGivesUp: it is not what follows"),
        (lambda one: one["hosts"][0].update(flags=["--allow-empty"]), r"^hosts\[0\]\.flags: it is not what follows"),
        (lambda one: one["hosts"][0].update(hasChanges=False), r"^hosts\[0\]\.hasChanges: it is not what follows"),
        (lambda one: one["hosts"][0].update(fingerprint="x"), r"^hosts\[0\]\.fingerprint: it is not what follows"),
        (lambda one: one["hosts"][0].update(name="z"), r"^hosts: a name is there twice, or they are in another order"),
        (lambda one: one["hosts"].append(one["hosts"][0]), "^hosts: a name is there twice"),
        (lambda one: one["hosts"][2]["plan"].update(host="a"), r"^hosts\[2\]\.plan: it is the plan of host 'a'"),
        (lambda one: one["hosts"][0]["plan"]["summary"].update(valid=False), r"^hosts\[0\]\.plan: the host cannot"),
        (lambda one: one.update(without=["b"]), "^without: host b is also one of the hosts"),
        (lambda one: one.update(without=["../b"]), r"^without\[0\]: the name of a Host is expected"),
        (lambda one: one.update(hosts=[]), "^hosts: 1 to 1000 hosts are expected"),
        (lambda one: one.update(consents={"a": []}), "^consents.a: 'all' or names of guests are expected"),
        (lambda one: one.update(allowed={"a": ["--yes"]}), r"^allowed\.a\[0\]: one of --allow-empty"),
        (lambda one: one["settings"].update(confirmWithin=60), "^settings.confirmWithin: 120 to 604800 seconds"),
        (lambda one: one["settings"].update(batch=0), "^settings.batch: 1 to 1000 hosts are expected"),
        (lambda one: one["settings"].update(soak=1e9), "^settings.soak: at most 604800 seconds"),
        (lambda one: one.update(formatVersion=2), "^formatVersion: 2 is of a newer reconcile"),
        (lambda one: one.pop("operator"), "^operator: missing"),
        (lambda one: one.update(more=1), "^more: not known here"),
    ],
)
def test_nothing_is_believed_that_follows_from_the_rest(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """Also where the program that has changed the file knows of its digest."""
    with pytest.raises(BadRecord, match=message):
        read_fleet_plan(changed(change))


def test_a_plan_without_its_consents_is_refused() -> None:
    """Whatever the file says of flags."""
    host = fleet_host("a", host_plan("a", {"m1": config([5, 6], [4])}, {"m1": WEB}, ("m1",)))

    assert read_fleet_plan(plan_content(fleet_plan(host, consents={"a": ["m1"]}))).hosts[0].only_gives_up
    with pytest.raises(BadRecord, match=r"^hosts\[0\]: consent is missing: m1: "):
        read_fleet_plan(plan_content(fleet_plan(host, consents={"b": "all", "a": ["m2"]})))


def test_damage_is_refused_and_never_a_traceback() -> None:
    """Whatever a disk, an editor or another program did."""
    content = plan_content(fleet_plan(fleet_host("a", host_plan("a", after={"m1": WEB}))))
    plan, random = read_fleet_plan(content), Random(16)

    for _ in range(500):
        broken = damaged(content, random)
        try:
            assert read_fleet_plan(broken) == plan  # only blanks were changed, for instance
        except BadRecord:
            continue


def test_a_plan_is_what_is_decided_about() -> None:
    """In its order; hosts without changes are checked and not recorded as a part of the commit."""
    hosts = [
        fleet_host("b", host_plan("b", {"m1": config([5, 6], [4])}, {"m1": WEB}), is_canary=True),
        fleet_host("a", host_plan("a")),
        fleet_host("c", host_plan("c", after={"m1": WEB})),
    ]
    plan = fleet_plan(*hosts, settings=Settings(240.0, 5.0, 3), without=("d",))

    commit = commit_of(plan)
    prints = [one.fingerprint for one in plan.hosts]
    assert commit.hosts == (
        PlannedHost("b", prints[0], is_canary=True, only_gives_up=True),
        PlannedHost("a", prints[1], has_changes=False),
        PlannedHost("c", prints[2]),
    )
    assert (commit.is_ours, commit.confirm_within, commit.soak, commit.batch) == (True, 240.0, 5.0, 3)
    recorded = fleet_commit_of(plan, "fleet-0")
    assert recorded.hosts == ("b", "c")
    assert Codec().read(FleetCommit, recorded.record) == recorded


def test_canaries_go_first_and_all_else_is_by_name() -> None:
    """So that the same hosts always have the same order."""
    assert in_order(["c", "a", "d", "b"], ["d", "b"]) == ("b", "d", "a", "c")


def test_an_id_is_a_name_and_128_random_bits() -> None:
    """A name that cannot begin an id is refused."""
    assert fleet_id("saturday", bytes(15) + b"\xff") == "saturday-" + 30 * "0" + "ff"
    assert len(fleet_id("a" * 31, bytes(16))) == 64
    for bad in ("", "A", "-a", "a" * 32, "a\n", "ä"):
        with pytest.raises(ValueError, match="1 to 31 letters"):
            fleet_id(bad, bytes(16))
