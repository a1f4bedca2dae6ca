"""``reconcile fleet status`` and ``history``: what is shown of many hosts together."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import fleet_status_command
from reconciler.fleet.plan_file import plan_content
from testing.commands import Command, Ran
from testing.fleet_plans import fleet_host, fleet_plan, host_plan
from testing.hostile_text import unsafe_output
from testing.playbooks import AnsiblePlaybook, fleet_record, standing

COMMIT = "saturday-0"
ONE = {"adapters": [5], "domains": [4, 0x47]}


@pytest.fixture
def ansible(monkeypatch: pytest.MonkeyPatch) -> AnsiblePlaybook:
    """In place of ansible-playbook; every host stands as one that nothing was done on."""
    stand_in = AnsiblePlaybook()
    monkeypatch.setattr("reconciler.integrations.playbooks.run_shown", stand_in)
    answer(stand_in)
    return stand_in


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` in a directory with three Hosts."""
    (tmp_path / "site").mkdir()
    for name in "abc":
        text = f"apiVersion: reconciler/v1\nkind: Host\nmetadata: {{name: {name}}}\n"
        (tmp_path / f"site/{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


def answer(ansible: AnsiblePlaybook, **hosts: Any) -> None:
    """What the hosts report; those that are left out stand as if nothing was done on them."""
    every = {"a": standing(), "b": standing(), "c": standing(), **hosts}
    ansible.answers["fleet_status"] = {"formatVersion": 1, "hosts": every}


def look(fleet: Command, *words: str, name: str = "status") -> Ran:
    """``fleet status`` of the site."""
    return fleet.bare("fleet", name, "-f", "site", *words)


def guest(name: str, effective: Any, *, in_use: bool = False) -> dict[str, Any]:
    """A guest that may have two queues."""
    return {"name": name, "authorised": ONE, "effective": effective, "inUse": in_use}


def waiting_for(queues: Any) -> dict[str, Any]:
    """A host with a guest that sees these queues."""
    one = standing()
    one["status"]["guests"] = [guest("web", queues), guest("done", ONE)]
    return one


def past(number: int, result: str = "applied", fleet: Any = None, **fields: Any) -> dict[str, Any]:
    """An apply in a history."""
    started = f"2026-11-28T22:0{number}:00Z"
    one: dict[str, Any] = {
        "number": number,
        "id": None,
        "started": started,
        "result": result,
        "commit": None,
        "guests": [],
    }
    return {**one, "fleet": fleet, **fields}


def test_each_host_has_a_line(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """What its loop does, the commit that it was a part of last, and how that stands."""
    commit = fleet_record(COMMIT, "a", "b")
    loop = "reconcile service install watch --enable --apply --self-heal --held"
    answer(
        ansible,
        a=standing(state="pending", secondsLeft=61.2, fleet=commit),
        b=standing(state="confirmed", fleet=commit, pending={"id": "other-1", "generation": 7, "secondsLeft": 5.0}),
        c=standing(mode="following", changeMode=loop),
    )
    ran = look(fleet)

    assert (ran.code, ran.err) == (0, "")
    rows = [line.split() for line in ran.out.splitlines()[1:4]]
    assert rows[0] == ["a", "held", COMMIT, "pending", "rolled", "back", "in", "1", "minute", "1", "second"]
    assert rows[1][:4] == ["b", "held", COMMIT, "confirmed"]
    assert rows[2][:4] == ["c", "following", "-", "-"]
    assert f"c: no commit takes it; to change that, run there: {loop}\n" in ran.out
    assert "b: another apply waits to be confirmed, for 5 seconds: other-1\n" in ran.out


def test_a_host_that_does_not_answer_is_shown(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """As one, with the reason, which is text whatever it is; the exit code says that not all is known."""
    answer(ansible, a={"unreachable": "no \x1b[31mroute\n"}, b={"refusal": "busy", "why": "locked"})
    ran = look(fleet)

    assert ran.code == 1
    assert "it cannot be reached: no \\x1b[31mroute\\n" in ran.out
    assert not unsafe_output(ran.out)
    del ansible.answers["fleet_status"]["hosts"]["c"]
    assert "error: host c is not in the inventory, or Ansible has left it out" in look(fleet).err


def test_who_was_left_out_is_shown_until_it_has_caught_up(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """By the same git commit, in a commit of its own or by an apply on the host."""
    commit = fleet_record(COMMIT, "a", "b", without=("c",))
    behind = f"c: left out of {COMMIT} by operator, and has not caught up since\n"

    def shown(*generations: dict[str, Any]) -> bool:
        c = standing()
        c["history"]["generations"] = list(generations)
        answer(ansible, a=standing(fleet=commit), b=standing(fleet=commit), c=c)
        return behind in look(fleet).out

    assert shown()
    assert shown(past(1, commit="0123"))
    assert shown(past(1, "rolled back", commit="0123456789abcdef"))
    assert not shown(past(1, commit="0123456789abcdef"))
    assert not shown(past(1, fleet=fleet_record("later-1", "c")))
    assert shown(past(1, commit="0123456789abcdef"), past(2, commit="0123"))
    assert json.loads(look(fleet, "-o", "json").out)["leftOut"] == [{"host": "c", "id": COMMIT, "operator": "operator"}]


def test_a_vm_in_the_window_is_shown(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """One whose device the pending commit has made or changed; a rollback takes queues from it."""
    one = standing(state="pending", secondsLeft=100.0, fleet=fleet_record(COMMIT, "a"))
    one["status"]["guests"] = [guest("web", ONE, in_use=True), guest("other", ONE, in_use=True), guest("off", ONE)]
    one["history"]["generations"] = [past(1, guests=["web", "off"])]
    answer(ansible, a=one)

    (line,) = [line for line in look(fleet).out.splitlines() if "VM" in line]
    assert line.startswith("a: VM web has its device open, which the pending commit changes")
    assert json.loads(look(fleet, "-o", "json").out)["hosts"]["a"]["inWindow"] == ["web"]


def test_a_saved_plan_says_which_hosts_are_asked(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """Also those that it left out; it is chosen instead of manifests."""
    plan = fleet_plan(fleet_host("a", host_plan("a")), fleet_host("b", host_plan("b")), without=("z",))
    (fleet.directory / "fleet.json").write_bytes(plan_content(plan))

    for name in ("status", "history"):
        fleet.bare("fleet", name, "--plan", "fleet.json")
        assert ansible.runs[-1][1]["fleet_hosts"] == ["a", "b", "z"]
        assert look(fleet, "--plan", "fleet.json", name=name).code == 64


class Clock:
    """Time that only passes while the command sleeps; at each sleep the next of `answers` becomes true."""

    def __init__(self, ansible: AnsiblePlaybook, answers: list[dict[str, Any]]) -> None:
        self.now, self.ansible, self.answers = 0.0, ansible, answers

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        answer(self.ansible, **self.answers.pop(0))


@pytest.mark.parametrize("words", [("--wait",), ("--wait", "10m")])
def test_each_queue_is_reported_when_it_appears(
    fleet: Command, ansible: AnsiblePlaybook, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Once, also where a host does not answer meanwhile; then the command ends."""
    answers = [
        {"a": waiting_for({"adapters": [5], "domains": [4]})},
        {"a": {"unreachable": "gone"}},
        {"a": waiting_for(ONE)},
    ]
    monkeypatch.setattr(fleet_status_command, "time", Clock(ansible, answers))
    answer(ansible, a=waiting_for(None))
    ran = look(fleet, *words)

    assert ran.code == 0
    assert "pending: a: web does not see 05.0004 yet\npending: a: web does not see 05.0047 yet\n" in ran.out
    assert ran.err == "a: web sees 05.0004\na: web sees 05.0047\nevery guest sees every queue that it may have\n"


def test_waiting_ends_with_its_time(fleet: Command, ansible: AnsiblePlaybook, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an exit code of its own; JSON has what is missing."""
    clock = Clock(ansible, [{"a": waiting_for(None)} for _ in range(3)])
    monkeypatch.setattr(fleet_status_command, "time", clock)
    answer(ansible, a=waiting_for(None))
    ran = look(fleet, "--wait", "40s", "-o", "json")

    assert ran.code == 2
    assert ran.err == "2 queues are missing still\n"
    assert clock.now == 40.0
    assert json.loads(ran.out)["hosts"]["a"]["guests"][0] == {"name": "web", "pending": ["05.0004", "05.0047"]}


def test_the_history_has_each_commit_once(fleet: Command, ansible: AnsiblePlaybook) -> None:
    """The newest first, with how it ended on each of its hosts."""
    first, second = fleet_record("friday-0", "a", "b"), fleet_record(COMMIT, "a", "b", "c")
    hosts = {name: standing() for name in "abc"}
    hosts["a"]["history"]["generations"] = [past(1, fleet=first), past(2, "rolled back", fleet=second), past(3)]
    hosts["b"]["history"]["generations"] = [past(1, fleet=first), past(2, fleet=second)]
    hosts["c"] = {"unreachable": "gone"}
    answer(ansible, **hosts)
    ran = look(fleet, name="history")

    assert ran.code == 1
    assert "warning: c has not answered" in ran.err
    heading, newest, oldest = ran.out.splitlines()
    assert heading.split()[0] == "COMMIT"
    assert newest.startswith(f"{COMMIT}  2026-11-28 22:02  operator  1 applied, 1 rolled back, 1 unknown  0123456789ab")
    assert oldest.startswith("friday-0")
    assert len(look(fleet, "-n", "1", name="history").out.splitlines()) == 2
    listed = json.loads(look(fleet, "-o", "json", name="history").out)["commits"]
    assert [(one["id"], one["results"]) for one in listed] == [
        (COMMIT, {"a": "rolled back", "b": "applied", "c": None}),
        ("friday-0", {"a": "applied", "b": "applied"}),
    ]


@pytest.mark.parametrize("name", ["status", "history"])
@pytest.mark.parametrize("bad", [None, [], {"formatVersion": 1, "hosts": {"a": {"status": {}}}}])
def test_what_cannot_be_read_is_no_traceback(fleet: Command, ansible: AnsiblePlaybook, name: str, bad: object) -> None:
    """Nor are manifests with errors, or labels that no Host has."""
    ansible.answers["fleet_status"] = bad
    assert look(fleet, name=name).code == 1
    assert look(fleet, "-l", "row=x", name=name).code == 64
    (fleet.directory / "site/a.yaml").write_text("kind: Host\n")
    assert look(fleet, name=name).code == 3
