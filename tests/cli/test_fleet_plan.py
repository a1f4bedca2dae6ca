"""``reconcile fleet plan``: what is asked of hosts, what is shown of their answers, and what is saved."""

import json
import os
import shlex
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.fleet.plan_file import Settings, read_fleet_plan
from reconciler.model.outcome import FleetSource
from testing.commands import Command, Ran, parsed
from testing.fleet_plans import WEB, host_plan
from testing.git_repositories import Repository
from testing.holdings import config
from testing.hostile_text import unsafe_output
from testing.playbooks import AnsiblePlaybook, planned_anew

ROOT = Path(__file__).parents[2]
SITE = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: %(name)s, labels: {row: %(row)s}}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: m1}
spec: {host: %(name)s, adapters: [5], domains: [4]}
"""
MACHINE = """\
apiVersion: reconciler/v1
kind: Machine
metadata: {name: cpc}
spec:
  machineId: IBM-3931-00000000000829E7
  lpars:
    - {name: one, host: a, adapters: [5, 6], usageDomains: [4, 5]}
    - {name: two, host: b, adapters: [5, 6], usageDomains: [6, 7]}
"""


@pytest.fixture
def ansible(monkeypatch: pytest.MonkeyPatch) -> AnsiblePlaybook:
    """In place of ansible-playbook."""
    stand_in = AnsiblePlaybook()
    monkeypatch.setattr("reconciler.integrations.playbooks.run_shown", stand_in)
    return stand_in


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a directory with the manifests of three hosts below ``site``."""
    (tmp_path / "site").mkdir()
    for name, row in {"a": "x", "b": "x", "c": "y"}.items():
        (tmp_path / f"site/{name}.yaml").write_text(SITE % {"name": name, "row": row})
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


def plan(fleet: Command, *words: str) -> Ran:
    """``fleet plan`` of the site."""
    return fleet.bare("fleet", "plan", "-f", "site", *words)


def next_line(ran: Ran) -> str:
    """The command that is to be run next, which is one of ours."""
    (line,) = [one for one in ran.err.splitlines() if one.startswith("  next: ")]
    command = line.removeprefix("  next: ").partition("    # ")[0]
    assert parsed(command).startswith("reconcile fleet ")
    return command


def test_every_host_is_asked_with_its_own_manifests(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """One line for each, then the totals; nothing is saved without a file to save it in."""
    ran = plan(fleet, "-i", "inventory.ini", "-i", "more")

    assert (ran.code, ran.err) == (0, "")
    assert [line.split(maxsplit=2)[:2] for line in ran.out.splitlines()[1:4]] == [
        ["a", "then"],
        ["b", "then"],
        ["c", "then"],
    ]
    assert "Fleet plan: 3 hosts, 3 with changes; 6 kernel writes, 0 guests interrupted." in ran.out
    ((name, variables),) = ansible.runs
    assert (name, variables["fleet_hosts"]) == ("fleet_plan", ["a", "b", "c"])
    assert list(ansible.words[1:5]) == ["-i", "inventory.ini", "-i", "more"]
    assert [one["name"] for one in ansible.read["hosts"]] == ["a", "b", "c"]
    assert "site/b.yaml:1\n---\n" in ansible.read["hosts"][1]["manifests"]
    assert "name: a" not in ansible.read["hosts"][1]["manifests"]


def test_ansible_finds_the_collection_and_our_package(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """In a directory that only this user can read, and that is gone afterwards."""
    folders: list[Path] = []

    def looked(variables: dict[str, Any]) -> dict[str, Any]:
        folder = Path(variables["fleet_result"]).parent
        folders.append(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        first = Path(ansible.environment["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0])
        assert (first / "ansible_collections/reconcile/vfio_ap/galaxy.yml").exists()
        packages = Path(ansible.environment["PYTHONPATH"].split(os.pathsep)[0])
        assert (packages / "reconciler/fleet/commit.py").exists()
        return planned_anew(variables)

    ansible.answers["fleet_plan"] = looked
    assert plan(fleet).code == 0
    assert not folders[0].exists()


def test_what_is_saved_is_what_was_shown(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """Only its owner can read it; the command that follows names it."""
    ran = plan(
        fleet, "--out", "fleet.json", "-i", "hosts", "--canary", "c", "--soak", "10m", "--batch", "2", "--without", "b"
    )

    assert ran.code == 0
    assert ran.err == "saved: fleet.json\n  next: reconcile fleet apply fleet.json -i hosts    # does exactly this\n"
    file = fleet.directory / "fleet.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    saved = read_fleet_plan(file.read_bytes())
    assert [(one.name, one.is_canary) for one in saved.hosts] == [("c", True), ("a", False)]
    assert saved.settings == Settings(1800.0, 600.0, 2)
    assert saved.without == ("b",)
    assert saved.commit is None
    site, out = fleet.directory / "site", fleet.directory / "fleet.json"
    words = ("--canary", "c", "--soak", "10m", "--batch", "2", "--out", str(out), "-f", str(site), "-i", "hosts")
    assert saved.command == ("--without", "b", *words)
    assert "left out: b" in ran.out


def test_a_plan_can_be_written_anywhere(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """Only a file can be applied; one whose name begins with a dash is named so that it is no option."""
    ran = plan(fleet, "--out", "/dev/null")
    assert (ran.code, ran.err) == (0, "written to /dev/null, from which it cannot be applied\n")
    ran = plan(fleet, "--out=-x.json")
    assert ran.err == "saved: -x.json\n  next: reconcile fleet apply ./-x.json    # does exactly this\n"


def test_labels_choose_hosts(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """Those with all of them; without any, that is said."""
    plan(fleet, "-l", "row=x")
    assert ansible.runs[-1][1]["fleet_hosts"] == ["a", "b"]

    ran = plan(fleet, "-l", "row=z")
    assert ran.code == 64
    assert "there is no Host with -l row=z to ask. The manifests have: a, b, c" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("--without", "d"),
        ("--canary", "d"),
        ("--canary", "a", "--without", "a"),
        ("--allow-disruption", "d/m1"),
        ("--allow-empty", "d"),
        ("--allow-disruption", "a/"),
        ("--confirm-within", "119s"),
        ("--batch", "0"),
        ("--out", "site/a.yaml"),
        ("--out", "-"),
        ("--without", "a", "--without", "b", "--without", "c"),
    ],
)
def test_what_no_host_is_meant_by_is_wrong_usage(
    fleet: Command, ansible: AnsiblePlaybook, words: tuple[str, ...]
) -> None:
    """No host is asked."""
    assert plan(fleet, *words).code == 64
    assert not ansible.runs
    assert not (fleet.directory / "-").exists()


def test_errors_in_any_manifest_end_it_before_a_host_is_asked(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """Also those that only all machines together show."""
    (fleet.directory / "site/cpc.yaml").write_text(MACHINE.replace("[6, 7]", "[5, 7]"))
    ran = plan(fleet, "-l", "row=y")
    assert ran.code == 4
    assert "lpar-overlap" in ran.err
    assert "no host was asked" in ran.err

    (fleet.directory / "site/a.yaml").write_text("kind: Guest\n")
    assert plan(fleet).code == 3
    assert not ansible.runs


def test_changes_have_an_exit_code_of_their_own(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """Where it is asked for."""
    assert plan(fleet, "--detailed-exitcode").code == 2
    ansible.answers["fleet_plan"] = {"formatVersion": 1, "hosts": {one: {"plan": host_plan(one)} for one in "abc"}}
    ran = plan(fleet, "--detailed-exitcode")
    assert ran.code == 0
    assert "3 hosts, 0 with changes" in ran.out


@pytest.mark.parametrize(
    ("answer", "code", "shown"),
    [
        ({"unreachable": "No route to host"}, 1, "it cannot be reached: No route to host"),
        ({"refusal": "following", "why": ""}, 8, "its loop follows manifests of its own"),
        ({"refusal": "busy", "why": "apply x waits"}, 8, "another apply waits there or is at work: apply x waits"),
        ({"refusal": "invalid", "why": "no such card"}, 4, "it cannot do this: no such card"),
        ({"refusal": "state", "why": "damaged"}, 1, "it has refused (state): damaged"),
        ({"plan": {"host": "b"}}, 4, "it cannot do this: its answer is no plan: fingerprint: missing"),
        ({"plan": host_plan("a", after={"m1": WEB})}, 4, "its answer is no plan: plan: it is the plan of host 'a'"),
    ],
)
def test_a_host_without_a_plan_keeps_all_from_being_saved(
    fleet: Command, ansible: AnsiblePlaybook, answer: dict[str, Any], code: int, shown: str
) -> None:
    """It is named with the reason, and with the command that leaves it out."""
    ansible.answers["fleet_plan"] = lambda variables: planned_anew(variables, b=answer)
    ran = plan(fleet, "--out", "fleet.json", "-l", "row=x")

    assert ran.code == code
    assert shown in ran.out
    assert not (fleet.directory / "fleet.json").exists()
    assert next_line(ran) == "reconcile fleet plan --without b --out fleet.json -f site -l row=x"
    assert ("reconcile service install watch" in ran.err) is (answer.get("refusal") == "following")


def test_a_host_that_ansible_does_not_know_is_named(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """With the command that shows whether it is in the inventory."""
    ansible.answers["fleet_plan"] = {"formatVersion": 1, "hosts": {one: {"plan": host_plan(one)} for one in "ac"}}
    ran = plan(fleet, "-i", "my hosts")

    assert ran.code == 1
    assert "error: host b is not in the inventory, or Ansible has left it out" in ran.err
    assert "ansible-inventory -i 'my hosts' --host b" in ran.err


def test_consent_is_for_each_host_or_guest(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """What is missing is said with the command that gives it, with all that was said before."""
    taken = {"plan": host_plan("a", {"m1": config([5, 6], [4])}, {"m1": WEB}, ("m1",))}
    ansible.answers["fleet_plan"] = lambda variables: planned_anew(variables, a=taken)

    ran = plan(fleet, "--out", "fleet.json", "--soak", "90s", "--canary", "c")
    assert ran.code == 4
    assert "a: needs consent: m1: " in ran.out
    assert not (fleet.directory / "fleet.json").exists()
    line = next_line(ran)
    assert "--allow-disruption a/m1" in line
    for given in ("a/m1", "a"):
        assert plan(fleet, "--out", "fleet.json", "--allow-disruption", given).code == 0
        saved = read_fleet_plan((fleet.directory / "fleet.json").read_bytes())
        assert saved.consents == {"a": ["m1"] if given == "a/m1" else "all"}
        assert saved.hosts[0].flags == ("--allow-disruption",)
    assert fleet.bare(*shlex.split(line)[1:]).code == 0
    assert plan(fleet, "--out", "fleet.json", "--allow-disruption", "b").code == 4
    assert plan(fleet).code == 0  # it only looks


def test_removing_all_of_a_host_needs_more_than_interrupting_it(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """By an option of its own, and for that host."""
    ansible.answers["fleet_plan"] = lambda variables: planned_anew(
        variables, a={"plan": host_plan("a", {"m1": WEB}, {})}
    )

    ran = plan(fleet, "--out", "fleet.json", "--allow-disruption", "a")
    assert ran.code == 4
    assert "--allow-empty a" in next_line(ran)
    assert fleet.bare(*shlex.split(next_line(ran))[1:]).code == 0
    assert "a     early  Plan: 1 to remove" in plan(fleet).out


def test_where_ansible_fails_its_last_lines_are_shown(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """As text, whatever they have in them; with -v all of them are."""
    ansible.answers.clear()
    ansible.code = 4
    ran = plan(fleet)

    assert ran.code == 1
    assert "ansible-playbook has ended with exit code 4 and no result" in ran.err
    assert "  ansible: ok: \\x1b[31m[a]" in ran.err
    assert not unsafe_output(ran.err)
    ansible.answers["fleet_plan"] = planned_anew
    assert "ansible" not in plan(fleet).err
    assert "  ansible: PLAY [hosts] ***\n" in plan(fleet, "-v").err


@pytest.mark.parametrize(
    "answer", [[], {}, {"formatVersion": 2, "hosts": {}}, {"formatVersion": 1, "hosts": {"a": {}}}]
)
def test_a_result_that_is_none_is_no_traceback(fleet: Command, ansible: AnsiblePlaybook, answer: object) -> None:
    """It says that it cannot be read."""
    ansible.answers["fleet_plan"] = answer
    ran = plan(fleet)

    assert ran.code == 1
    assert "what the collection has reported cannot be read" in ran.err


def test_without_ansible_it_says_how_to_install_it(
    fleet: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beside this Python it is looked for first, then on the PATH."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "empty/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    ran = plan(fleet)

    assert ran.code == 1
    assert "pip install '.[fleet]'" in ran.err
    assert "ansible-core (2.16 or later)" in ran.err


def test_the_program_on_the_path_will_do(fleet: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real program this time: it cannot ask anything, and what it says is shown."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/ansible-playbook"
    program.write_text('#!/bin/sh\nread answer\necho "asked, got $answer, in $PWD"\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    ran = plan(fleet)

    assert ran.code == 1
    assert f"  ansible: asked, got , in {tmp_path}\n" in ran.err


def test_programs_get_the_same_as_json(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """Without the manifests and plans of the hosts."""
    ansible.answers["fleet_plan"] = lambda variables: planned_anew(variables, b={"unreachable": "gone"})
    record = json.loads(plan(fleet, "-o", "json", "--canary", "c").out)

    assert [(one["name"], one["isCanary"], one["refusal"], one["why"]) for one in record["hosts"]] == [
        ("c", True, None, None),
        ("a", False, None, None),
        ("b", None, "unreachable", "gone"),
    ]
    assert record["hosts"][0]["summary"]["kernelWrites"] == 2
    assert record["settings"] == {"confirmWithin": 1800.0, "soak": 0.0, "batch": None}


def test_the_work_on_the_hmc_is_kept_with_the_plan(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """For the machines of the hosts that are chosen."""
    (fleet.directory / "site/cpc.yaml").write_text(MACHINE)
    assert plan(fleet, "--out", "fleet.json").code == 0
    saved = read_fleet_plan((fleet.directory / "fleet.json").read_bytes())
    assert saved.hmc
    assert saved.hmc["changes"]["steps"] == 2
    assert plan(fleet, "--out", "fleet.json", "-l", "row=y").code == 0
    assert read_fleet_plan((fleet.directory / "fleet.json").read_bytes()).hmc is None


def test_the_work_on_the_hmc_is_what_differs_from_a_commit(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """A queue is removed from one LPAR before another one gets it; the commit of the manifests is recorded."""
    repository = Repository(fleet.directory)
    (fleet.directory / "site/cpc.yaml").write_text(MACHINE)
    repository.git("add", "site")
    repository.git("commit", "--quiet", "-m", "Share out cards")
    moved = MACHINE.replace("usageDomains: [4, 5]", "usageDomains: [4]").replace("[6, 7]", "[5, 6, 7]")
    (fleet.directory / "site/cpc.yaml").write_text(moved)
    repository.git("commit", "--quiet", "-am", "Move domain 5")

    assert plan(fleet, "--base", "main~1", "--out", "fleet.json").code == 0
    saved = read_fleet_plan((fleet.directory / "fleet.json").read_bytes())
    assert saved.hmc
    (machine,) = saved.hmc["changes"]["machines"]
    assert [(one["action"], one["lpar"]) for one in machine["steps"]] == [("remove", "one"), ("add", "two")]
    assert saved.commit == FleetSource(repository.git("rev-parse", "main").strip(), "Move domain 5")
    assert plan(fleet, "--base", "nowhere").code == 1


def test_the_collection_travels_in_the_wheel() -> None:
    """Where it is looked for, as the build back end collects it."""
    builders = pytest.importorskip("hatchling.builders.wheel", reason="NOT TESTED: the wheel, without hatchling")
    found = {one.distribution_path for one in builders.WheelBuilder(str(ROOT)).recurse_included_files()}

    for name in ("galaxy.yml", "playbooks/fleet_commit.yml", "plugins/action/fleet_next.py"):
        assert f"reconciler/ansible/{name}" in found
