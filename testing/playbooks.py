"""Stands in for ansible-playbook: it reads what a run of ours has prepared, and reports what a test wants."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from testing.fleet_plans import WEB, host_plan


class AnsiblePlaybook:
    """What runs in place of ansible-playbook.

    Attributes:
        answers: by the name of a playbook, what it reports: a value for JSON, or a function that makes it of the
            variables; None: it reports nothing.
        runs: the playbooks that were run, with their variables.
        words: the arguments of the last run.
        environment: of the last run.
        read: the JSON of the file that ``fleet_draft`` or ``fleet_plan`` has named in the last run.
        lines: what is written, a line each.
        code: the exit code.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"fleet_plan": planned_anew}
        self.runs: list[tuple[str, dict[str, Any]]] = []
        self.words: Sequence[str] = ()
        self.environment: Mapping[str, str] = {}
        self.read: dict[str, Any] = {}
        self.lines: list[bytes] = [b"PLAY [hosts] ***", b"", b"ok: \x1b[31m[a]"]
        self.code = 0

    def __call__(
        self,
        words: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        line: Callable[[bytes], object],
    ) -> int:
        """Do as the program does."""
        self.words, self.environment = words, environment
        given = next(word for word in words if word.startswith("@"))
        variables = json.loads(Path(given[1:]).read_text())
        name = words[-1].removeprefix("reconcile.vfio_ap.")
        self.runs.append((name, variables))
        for file in ("fleet_draft", "fleet_plan"):
            if file in variables:
                self.read = json.loads(Path(variables[file]).read_text())
        for one in self.lines:
            line(one)
        answer = self.answers.get(name)
        answer = answer(variables) if callable(answer) else answer
        if answer is not None:
            Path(variables["fleet_result"]).write_text(json.dumps(answer))
        return self.code


def planned_anew(variables: Mapping[str, Any], **instead: Any) -> dict[str, Any]:
    """Every host gets a guest, but those for which `instead` has another answer."""
    plans = {name: {"plan": host_plan(name, after={"m1": WEB})} for name in variables["fleet_hosts"]}
    return {"formatVersion": 1, "hosts": {**plans, **instead}}


def standing(**fields: Any) -> dict[str, Any]:
    """How a host stands that has been a part of no commit and has no guests; `fields` of its last commit instead."""
    last = {
        "formatVersion": 1,
        "id": None,
        "generation": None,
        "state": "unknown",
        "secondsLeft": None,
        "bootId": "boot",
        "fingerprint": None,
        "isDrifted": None,
        "mode": "held",
        "changeMode": None,
        "pending": None,
        "fleet": None,
        **fields,
    }
    return {
        "status": {"formatVersion": 1, "inSync": True, "guests": []},
        "history": {"formatVersion": 1, "generations": []},
        "state": last,
        "fleet": last["fleet"],
    }


def fleet_record(
    id: str, *hosts: str, without: tuple[str, ...] = (), commit: str = "0123456789abcdef"
) -> dict[str, Any]:
    """What the hosts of a commit remember of it."""
    source = {"id": commit, "subject": "Give web a queue"}
    return {"id": id, "hosts": list(hosts), "commit": source, "operator": "operator", "without": list(without)}
