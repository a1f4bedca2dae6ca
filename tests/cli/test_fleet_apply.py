"""``reconcile fleet apply``: what is done with a saved plan, and how the ends of a commit are told apart."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.fleet.plan_file import FleetPlan, plan_content
from testing.commands import Command, Ran, parsed
from testing.fleet_plans import fleet_plan
from testing.hostile_text import unsafe_output
from testing.playbooks import AnsiblePlaybook

HMC = {"changes": {"steps": 1, "machines": []}, "text": "machine cpc\n  1. add adapter 5\n"}


@pytest.fixture
def ansible(monkeypatch: pytest.MonkeyPatch) -> AnsiblePlaybook:
    """In place of ansible-playbook."""
    stand_in = AnsiblePlaybook()
    monkeypatch.setattr("reconciler.integrations.playbooks.run_shown", stand_in)
    return stand_in


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a directory with a saved plan for three hosts."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, fleet_plan(hmc=HMC))
    return Command(tmp_path, capsys)


def saved(folder: Path, plan: FleetPlan) -> None:
    """Have `plan` in a file there."""
    (folder / "fleet.json").write_bytes(plan_content(plan))


def ended(outcome: str, *hosts: tuple[str, str, str]) -> Any:
    """How the commit ends, in a result."""

    def made(variables: dict[str, Any]) -> dict[str, Any]:
        named = [dict(zip(("name", "state", "why"), one, strict=True)) for one in hosts]
        return {"formatVersion": 1, "id": variables["fleet_id"], "outcome": outcome, "hosts": named}

    return made


def apply(fleet: Command, *words: str) -> Ran:
    """``fleet apply`` of the saved plan."""
    return fleet.bare("fleet", "apply", "fleet.json", *words)


def next_line(ran: Ran) -> str:
    """The command that is to be run next, which is one of ours."""
    (line,) = [one for one in ran.err.splitlines() if one.startswith("  next: ")]
    command = line.removeprefix("  next: ").partition("    # ")[0]
    assert parsed(command).startswith("reconcile fleet ")
    return command


def test_the_commit_has_an_id_of_its_own_each_time(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """It begins as a person chose, and has 128 random bits; Ansible gets the plan that was checked."""
    ansible.answers["fleet_commit"] = ended("all")
    assert apply(fleet, "--name", "saturday", "-i", "hosts").code == 0
    assert apply(fleet).code == 0

    (name, first), (_, second) = ansible.runs
    assert name == "fleet_commit"
    assert first["fleet_hosts"] == ["a", "b", "c"]
    assert re.fullmatch("saturday-[0-9a-f]{32}", first["fleet_id"])
    assert re.fullmatch("fleet-[0-9a-f]{32}", second["fleet_id"])
    assert first["fleet_id"][-32:] != second["fleet_id"][-32:]
    assert ansible.read == json.loads((fleet.directory / "fleet.json").read_text())


@pytest.mark.parametrize("name", ["", "Saturday", "-x", "a" * 32, "a b"])
def test_a_name_that_cannot_begin_an_id_is_wrong_usage(fleet: Command, ansible: AnsiblePlaybook, name: str) -> None:
    """No host is asked."""
    assert apply(fleet, f"--name={name}").code == 64
    assert not ansible.runs


@pytest.mark.parametrize(
    ("outcome", "code", "shown", "then"),
    [
        ("all", 0, "all hosts have what was planned", "reconcile fleet status --plan fleet.json --wait -i hosts"),
        ("stale", 5, "no host was touched", "reconcile fleet plan -f /srv/site"),
        ("none", 6, "no host has changed", "reconcile fleet status --plan fleet.json -i hosts"),
        ("degraded", 7, "could not be rolled back", "reconcile fleet status --plan fleet.json -i hosts"),
        ("busy", 8, "another commit or apply is under way", "reconcile fleet status --plan fleet.json -i hosts"),
        ("mixed", 9, "some hosts have changed and others have not", "reconcile fleet apply fleet.json -i hosts"),
    ],
)
def test_each_end_has_its_exit_code_and_what_to_do_next(
    fleet: Command, ansible: AnsiblePlaybook, outcome: str, code: int, shown: str, then: str
) -> None:
    """The hosts that are named are shown with their reason; work on the HMC only where all are confirmed."""
    ansible.answers["fleet_commit"] = ended(outcome, ("b", "unknown", "\x1b[2Jit was \u202e changed"))
    ran = apply(fleet, "-i", "hosts")

    assert ran.code == code
    assert shown in ran.out
    assert re.search(r"(?m)^b +unknown +\\x1b\[2Jit was \\u202e changed$", ran.out)
    assert not unsafe_output(ran.out)
    assert next_line(ran) == then
    assert ("To be done on the HMC now:\n\nmachine cpc\n  1. add adapter 5\n" in ran.out) is (outcome == "all")


def test_a_host_that_follows_a_branch_is_shown_with_the_command_that_changes_that(
    fleet: Command, ansible: AnsiblePlaybook
) -> None:
    """To be run there."""
    ansible.answers["fleet_commit"] = ended("busy", ("b", "unknown", "following: its loop follows a branch"))
    ran = apply(fleet)

    assert ran.code == 8
    assert "host b follows manifests of its own" in ran.err
    assert "  reconcile service install watch --enable --apply --self-heal --held\n" in ran.err


@pytest.mark.parametrize("answer", [None, {"formatVersion": 1, "id": "x", "outcome": "good", "hosts": []}])
def test_without_a_result_running_again_finds_out(fleet: Command, ansible: AnsiblePlaybook, answer: object) -> None:
    """Ansible may have been killed, also after the first confirm."""
    ansible.answers["fleet_commit"] = answer
    ansible.code = 250
    ran = apply(fleet)

    assert ran.code == 9
    assert "it is not known how far the commit has come" in ran.err
    assert next_line(ran) == "reconcile fleet apply fleet.json"


def test_ctrl_c_says_what_becomes_of_the_hosts(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """They roll back by themselves, or running again goes forward."""

    def interrupted(variables: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    ansible.answers["fleet_commit"] = interrupted
    ran = apply(fleet)

    assert ran.code == 9
    assert "stopped; " in ran.err
    assert next_line(ran) == "reconcile fleet apply fleet.json"


def test_an_earlier_commit_comes_first(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """It is ended, and it is said that the plan of this run has not begun."""
    ansible.answers["fleet_commit"] = {"formatVersion": 1, "id": "older-1", "outcome": "all", "hosts": []}
    ran = apply(fleet)

    assert "older-1: all: " in ran.out
    assert "this was an earlier commit, which had not ended" in ran.err
    assert next_line(ran) == "reconcile fleet apply fleet.json"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"formatVersion": 1}', b"\xff"])
def test_what_is_no_plan_touches_no_host(fleet: Command, ansible: AnsiblePlaybook, content: bytes) -> None:
    """Nor does one that was changed; the message says how to make one."""
    file = fleet.directory / "fleet.json"
    changed = file.read_bytes().replace(b'"operator": "operator"', b'"operator": "another"')
    for one in (content, changed):
        file.write_bytes(one)
        ran = apply(fleet)
        assert ran.code == 1
        assert "fleet.json is no plan for several hosts, or is damaged" in ran.err
        assert next_line(ran) == "reconcile fleet plan --out fleet.json"
    file.unlink()
    assert apply(fleet).code == 1
    assert not ansible.runs


def test_programs_get_the_end_as_json(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """With the work on the HMC where there is any to be done."""
    saved(fleet.directory, fleet_plan(hmc=HMC, without=("d",)))
    ansible.answers["fleet_commit"] = ended("all", ("a", "confirmed", ""))
    record = json.loads(apply(fleet, "-o", "json").out)

    assert record["outcome"] == "all"
    assert record["hosts"] == [{"name": "a", "state": "confirmed", "why": ""}]
    assert record["without"] == ["d"]
    assert record["hmc"]["steps"] == 1
    ansible.answers["fleet_commit"] = ended("none")
    assert json.loads(apply(fleet, "-o", "json").out)["hmc"] is None
