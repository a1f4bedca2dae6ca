"""A story of two LPARs and a standby: a conflict found before the commit, and a failover without surprise."""

import json
from pathlib import Path

import pytest

from reconciler.model.matrix import Queue
from testing.commands import Command, Ran
from testing.manifests import MACHINE_ID, OTHER_ID, guest_text, host_text, machine_text

LPAR8 = "{name: LPAR8, host: lpar8, adapters: [5, 6], usageDomains: [8]}"
STANDBY = "{name: LPAR7DR, standbyOf: cpc-a/LPAR7, adapters: [5, 6], usageDomains: [4]}"
SITE = {
    "cpc-a.yaml": machine_text("cpc-a", "{name: LPAR7, host: lpar7, adapters: [5, 6], usageDomains: [4, 0x47]}", LPAR8),
    "cpc-b.yaml": machine_text("cpc-b", STANDBY, machineId=OTHER_ID),
    "hosts.yaml": "---\n".join([host_text(), host_text("lpar8")]),
    "guests.yaml": "---\n".join(
        [
            guest_text(host="lpar7", adapters="[5, 6]"),
            guest_text("web", host="lpar7", domains="[0x47]"),
            guest_text("batch", host="lpar8", adapters="[5, 6]", domains="[8]"),
        ]
    ),
}
HOSTS = {
    # The simulated host, its host name, where it runs, and the domains that its LPAR has.
    "lpar7.yaml": ("lpar7", MACHINE_ID, "LPAR7", "4, 0x47"),
    "lpar8.yaml": ("lpar8", MACHINE_ID, "LPAR8", "8"),
    "lpar7dr.yaml": ("lpar7", OTHER_ID, "LPAR7DR", "4"),
}


def edit(file: str, old: str, new: str) -> None:
    """Write `new` in place of `old` in a manifest."""
    path = Path("site") / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def queues(matrix: dict[str, list[int]]) -> set[Queue]:
    """The queues of a matrix in JSON."""
    return {Queue(adapter, domain) for adapter in matrix["adapters"] for domain in matrix["domains"]}


def described(name: str, machine: str, lpar: str, domains: str) -> str:
    """A simulated host with two cards."""
    spec = f"machineId: {machine}, lpar: {lpar}, adapters: [{{id: 5}}, {{id: 6}}], usageDomains: [{domains}]"
    return f"apiVersion: reconciler/v1\nkind: SimulatedHost\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` beside the manifests and the three hosts."""
    monkeypatch.chdir(tmp_path)
    Path("site").mkdir()
    for name, text in SITE.items():
        (Path("site") / name).write_text(text, encoding="utf-8")
    for name, host in HOSTS.items():
        Path(name).write_text(described(*host), encoding="utf-8")
    return Command(tmp_path, capsys)


def test_the_story(command: Command) -> None:
    """Each command as a person runs it; what is foreseen is what then happens."""

    def run(line: str) -> Ran:
        return command.bare(*line.split())

    def pending(host: str) -> dict[str, list[str]]:
        """By guest, the queues that it has on `host` and does not see."""
        found = json.loads(run(f"status -f site --simulate {host} -o json").out)["guests"]
        lacking = {one["name"]: queues(one["wanted"]) - queues(one["effective"]) for one in found}
        return {name: sorted(map(str, rest)) for name, rest in lacking.items() if rest}

    # Both hosts are as their manifests say, and nothing contradicts: the repository is proved as a whole.
    assert run("validate -f site").out.endswith("listed of the 2 machines: one that is not listed is invisible\n")
    for host in ("lpar7.yaml", "lpar8.yaml"):
        assert run(f"apply --yes -f site --simulate {host}").code == 0
        assert pending(host) == {}

    # A colleague wants domain 0x47 for lpar8, too. Linux sees no conflict; the check before a commit does.
    edit("cpc-a.yaml", "usageDomains: [8]", "usageDomains: [8, 0x47]")
    refused = run("validate -f site")
    assert refused.code == 4
    assert "the LPARs 'LPAR7' and 'LPAR8' of machine 'cpc-a' are both active and share 2 queues" in refused.err
    assert "05.0047, 06.0047" in refused.err
    edit("cpc-a.yaml", "usageDomains: [8, 0x47]", "usageDomains: [8, 9]")
    assert run("validate -f site").code == 0

    # Before the failover: what would the standby lack? It exits with 2, so that a check in time notices it.
    foreseen = run("compare -f site lpar7 --standby")
    assert foreseen.code == 2
    assert "After a takeover 1 queue would be pending; cpc-b/LPAR7DR lacks something for 1 guest.\n" in foreseen.out
    missing = {
        one["name"]: one["missing"]["queues"]
        for one in json.loads(run("compare -f site cpc-a/lpar7 cpc-b/lpar7dr -o json").out)["guests"]
        if not one["complete"]
    }
    assert missing == {"web": ["05.0047"]}

    # The failover happens all the same: the host starts in its standby, and is as was foreseen.
    taken_over = run("apply --yes -f site --simulate lpar7dr.yaml")
    assert taken_over.code == 0
    assert "it runs in the standby cpc-b/LPAR7DR of cpc-a/LPAR7" in taken_over.out
    assert pending("lpar7dr.yaml") == missing

    # The standby is given the domain on the HMC and in its Machine: nothing is pending any more.
    edit("cpc-b.yaml", "usageDomains: [4]", "usageDomains: [4, 0x47]")
    assert run("simulate --simulate lpar7dr.yaml domains usage=4,0x47 control=4,0x47").code == 0
    assert run("compare -f site lpar7 --standby").code == 0
    assert pending("lpar7dr.yaml") == {}

    # The record of the standby says more than its Machine does: cards, drivers, devices.
    assert run("observe --simulate lpar7dr.yaml --out lpar7dr.json").code == 0
    whole = run("compare -f site lpar7 lpar7dr.json")
    assert whole.code == 0
    assert "After a takeover nothing would be pending: cpc-b/LPAR7DR has all of 2 guests.\n" in whole.out
