"""The playbooks and the role decide nothing: one pure function does (`reconciler.fleet.run`)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from reconciler.fleet.run import Stage
from testing.collection import plugin_utils
from testing.ssh_hosts import ROOT

COLLECTION: Final = ROOT / "ansible"
FILES: Final = sorted([*COLLECTION.glob("playbooks/*.yml"), *COLLECTION.glob("roles/fleet_commit/**/*.yml")])
CONDITIONS: Final = frozenset(
    {"when", "until", "changed_when", "rescue", "always", "block", "loop", "with_items", "any_errors_fatal", "serial",
     "strategy", "max_fail_percentage", "retries", "ignore_errors", "force_handlers", "assert", "fail", "meta"}
)  # fmt: skip
DECIDES: Final = re.compile(r"\{%|\b(?:if|else|and|or|not|is|in)\b|[=<>!|~+*/(\[-]")
"""What a template may not have: it names a variable, and nothing else."""


def nodes(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each key below `value` with what it has."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield str(name), one
            yield from nodes(one, str(name))
    elif isinstance(value, list):
        for one in value:
            yield from nodes(one, key)
    else:
        yield key, value


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(COLLECTION)))
def test_no_condition_stands_in_yaml(file: Path) -> None:
    """No keyword that decides, and no template that is more than a name."""
    for key, value in nodes(yaml.safe_load(file.read_text(encoding="utf-8"))):
        assert key.rpartition(".")[2] not in CONDITIONS, f"{file}: {key}"
        assert key != "failed_when" or value is False
        if isinstance(value, str):
            for template in re.findall(r"\{\{(.*?)\}\}", value):
                assert not DECIDES.search(template), f"{file}: {key}: {value}"
            assert "{%" not in value


def test_the_stages_of_a_commit_are_plays_on_all_of_its_hosts() -> None:
    """In the order of the stages, each with `throttle` and without what the versions of Ansible do differently."""
    plays = yaml.safe_load((COLLECTION / "playbooks/fleet_commit.yml").read_text(encoding="utf-8"))

    assert [one["roles"][0]["vars"]["fleet_stage"] for one in plays[:-1]] == [one.value for one in Stage]
    assert {one["hosts"] for one in plays} == {"{{ fleet_hosts }}"}
    assert {one["gather_facts"] for one in plays} == {False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subset": "a"}, "--limit cannot be used here"),
        ({"start_at_task": "Go on"}, "--start-at-task cannot be used here"),
        ({"tags": ["x"]}, "--tags cannot be used here"),
        ({"skip_tags": ["x"]}, "--skip-tags cannot be used here"),
        ({"check": True}, "--check cannot be used here"),
        ({"tags": ["all"]}, "the hosts of this play are not those of the plan (missing: c; too many: b)"),
    ],
)
def test_a_run_that_leaves_something_out_is_refused(
    arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it asks a host; the message says why."""
    fleet = plugin_utils("fleet", tmp_path)
    monkeypatch.setattr(fleet.context, "CLIARGS", arguments)

    with pytest.raises(fleet.AnsibleError) as refused:
        fleet.require_whole({"fleet_hosts": ["a", "c"], "ansible_play_hosts_all": ["a", "b"]})

    assert message in str(refused.value)
