"""``reconcile hmc-changes``: what has to be changed on the HMC, against nothing, a commit, or what is live."""

import json
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from testing.commands import EXAMPLES, Command, Ran, example
from testing.git_repositories import Repository
from testing.manifests import MACHINE_ID, OTHER_ID, host_text, machine_text

SCHEMA: Final = json.loads((EXAMPLES.parent / "schemas/hmc-changes.schema.json").read_text(encoding="utf-8"))
LPAR7: Final = "{name: LPAR7, adapters: [5, 6], usageDomains: [4, 0x47]}"
ZOS1: Final = "{name: ZOS1, adapters: [5], usageDomains: [9]}"


class Site:
    """Machines in a git repository, and the command that is run beside them."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self.repository = Repository(command.directory / "site")
        self.folder = self.repository.path / "machines"
        self.folder.mkdir()

    def write(self, *documents: str) -> None:
        """Let the manifests be these."""
        (self.folder / "cpc.yaml").write_text("---\n".join(documents), encoding="utf-8")

    def commit(self) -> str:
        """The id of a commit of the manifests."""
        return self.repository.commit()

    def run(self, *words: str, path: str = "") -> Ran:
        """``reconcile hmc-changes`` on the folder, or on what is at `path` in it."""
        return self._command.bare("hmc-changes", str(self.folder / path), *words)

    def record(self, *words: str, path: str = "") -> dict[str, Any]:
        """The same as JSON, where there is something to change."""
        ran = self.run("-o", "json", *words, path=path)
        assert ran.code == 2, ran.err
        found: dict[str, Any] = json.loads(ran.out)
        Draft202012Validator(SCHEMA).validate(found)
        return found


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    """Nothing in it yet."""
    return Site(example("conflict", tmp_path, capsys))


def steps(record: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Of each step in `record` what it does, where, and after which."""
    return [
        (one["action"], one["lpar"], one["where"], [(entry["list"], entry["ids"]) for entry in one["lists"]])
        for machine in record["machines"]
        for one in machine["steps"]
    ]


def test_without_anything_to_compare_with_everything_is_listed(site: Site) -> None:
    """In the words of the LPAR Cryptographic Controls, for the running LPAR and for its activation profile."""
    site.write(machine_text("cpc-a", LPAR7))

    ran = site.run()

    assert ran.code == 2
    expected = f"""\
machine cpc-a ({MACHINE_ID}), classic mode: nothing is known of it, so this is all that it is to have

  1. LPAR7: add to the running LPAR and to its activation profile
       cryptographic candidate list  0x05-0x06 (5-6)
       cryptographic online list     0x05-0x06 (5-6)
       control domain index          0x04 (4), 0x47 (71)
       usage domain index            0x04 (4), 0x47 (71)
"""
    assert ran.out.startswith(expected)
    assert "the next activation takes its lists from there" in ran.out
    assert ran.out.endswith(
        "1 step on 1 machine, compared with nothing; made for the 1 LPAR listed: one that is not listed is invisible\n"
    )


def test_a_queue_that_moves_is_removed_before_it_is_added(site: Site) -> None:
    """Compared with a commit, of which nothing is checked out."""
    site.write(machine_text("cpc-a", LPAR7, ZOS1))
    commit = site.commit()
    site.write(machine_text("cpc-a", LPAR7.replace("[4, 0x47]", "[4]"), ZOS1.replace("[9]", "[9, 0x47]")))

    record = site.record("--base", "HEAD")

    domains = [("usage domain index", [71]), ("control domain index", [71])]
    assert steps(record) == [
        ("remove", "LPAR7", ["running", "profile"], domains),
        ("add", "ZOS1", ["running", "profile"], domains[::-1]),
    ]
    assert [one["after"] for one in record["machines"][0]["steps"]] == [[], [1]]
    assert record["comparedWith"] == {"source": "commit", "name": commit}
    assert (
        "ZOS1: add to the running LPAR and to its activation profile, after step 1\n" in site.run("--base", commit).out
    )


def test_dpm_has_adapters_and_domains_with_an_access_mode(site: Site) -> None:
    """A domain that is only controlled from now on stays, with another mode."""
    old = "{name: Web, adapters: [1], usageDomains: [9, 10], controlDomains: [9-12]}"
    new = "{name: Web, adapters: [1, 2], usageDomains: [9, 11], controlDomains: [9-11, 13]}"
    site.write(machine_text("cpc-a", old, mode="dpm"))
    site.commit()
    site.write(machine_text("cpc-a", new, mode="dpm"))

    assert steps(site.record("--base", "HEAD")) == [
        (
            "remove",
            "Web",
            ["partition"],
            [("domains", [12]), ("domains, access mode from control-usage to control", [10])],
        ),
        (
            "add",
            "Web",
            ["partition"],
            [
                ("adapters", [2]),
                ("domains, access mode control", [13]),
                ("domains, access mode from control to control-usage", [11]),
            ],
        ),
    ]


def test_a_standby_has_the_lists_of_its_original(site: Site) -> None:
    """It is inactive, so that only its profile is changed."""
    site.write(
        machine_text("cpc-a", LPAR7),
        machine_text("cpc-b", "{name: DR7, standbyOf: cpc-a/LPAR7}", machineId=OTHER_ID),
    )

    assert ("add", "DR7", ["profile"]) in [one[:3] for one in steps(site.record())]


def test_a_takeover_is_two_steps(site: Site) -> None:
    """The original is deactivated, and then the standby activated."""
    pair = "{name: DR7, standbyOf: cpc-a/LPAR7, active: %s}"
    site.write(machine_text("cpc-a", LPAR7, pair % "false"))
    site.commit()
    site.write(machine_text("cpc-a", LPAR7.replace("}", ", active: false}"), pair % "true"))

    assert steps(site.record("--base", "HEAD")) == [("deactivate", "LPAR7", [], []), ("activate", "DR7", [], [])]


def test_a_takeover_by_another_machine_has_an_order(site: Site) -> None:
    """The original is deactivated first, although its machine comes second in the list."""
    original = "{name: LPAR7, adapters: [5], usageDomains: [4], active: %s}"
    standby = "{name: DR7, standbyOf: cpc-b/LPAR7, active: %s}"
    for active, waits in (("true", "false"), ("false", "true")):
        site.write(machine_text("cpc-a", standby % waits), machine_text("cpc-b", original % active, machineId=OTHER_ID))
        site.commit()

    record = site.record("--base", "HEAD~1")

    assert [step["afterElsewhere"] for one in record["machines"] for step in one["steps"]] == [
        [{"machine": "cpc-b", "number": 1}],
        [],
    ]
    assert "  1. DR7: activate the LPAR, after step 1 of machine cpc-b\n" in site.run("--base", "HEAD~1").out


def test_nothing_to_do_exits_with_0(site: Site) -> None:
    """Neither for a path that is a file, nor for a directory; only then."""
    site.write(machine_text("cpc-a", LPAR7))
    site.commit()

    for path in ("", "cpc.yaml"):
        ran = site.run("--base", "main", path=path)

        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("nothing to change on the HMC, compared with commit main;")


def test_what_a_commit_does_not_have_is_compared_with_nothing(site: Site) -> None:
    """And that is said, so that no list of everything is taken for a list of changes."""
    site.repository.commit({"README": "nothing yet"})
    site.write(machine_text("cpc-a", LPAR7))

    record = site.record("--base", "HEAD")

    assert [one["standing"] for one in record["machines"]] == ["new"]
    assert record["notes"] == ["commit HEAD has no manifests there; everything is listed"]


@pytest.mark.parametrize("base", ["nonsense", "--help", "HEAD~9", "HEAD:machines"])
def test_a_commit_that_is_not_there_is_an_error(site: Site, base: str) -> None:
    """Also where its name looks like an option."""
    site.write(machine_text("cpc-a", LPAR7))
    site.commit()

    ran = site.run(f"--base={base}")

    assert ran.code == 1
    assert f"the repository {site.repository.path} has no commit {base}" in ran.err


def test_manifests_outside_of_a_repository_have_no_commit(site: Site, tmp_path: Path) -> None:
    """The message names the path."""
    (tmp_path / "cpc.yaml").write_text(machine_text("cpc-a", LPAR7), encoding="utf-8")

    ran = site._command.bare("hmc-changes", str(tmp_path / "cpc.yaml"), "--base", "HEAD")

    assert ran.code == 1
    assert f"{tmp_path / 'cpc.yaml'} is in no git repository" in ran.err


def test_invalid_manifests_of_a_commit_are_not_compared_with(site: Site) -> None:
    """They are shown, and the exit code is that of invalid manifests."""
    site.write(machine_text("cpc-a", "{name: LPAR7, adapter: [5]}"))
    site.commit()
    site.write(machine_text("cpc-a", LPAR7))

    ran = site.run("--base", "HEAD")

    assert ran.code == 3
    assert "the manifests of commit HEAD are invalid" in ran.err


def test_compared_with_what_is_live_only_known_machines_are_changed(site: Site, tmp_path: Path) -> None:
    """What the file says nothing of is listed as a whole; what the manifests do not describe is not touched."""
    third = "IBM-3931-0000000000000003"
    site.write(machine_text("cpc-a", LPAR7), machine_text("cpc-b", ZOS1, machineId=OTHER_ID))
    live = tmp_path / "live.yaml"
    documents = [machine_text("m1", LPAR7.replace("5, 6", "5")), machine_text("m3", ZOS1, machineId=third)]
    live.write_text("---\n".join(documents), encoding="utf-8")

    record = site.record("--from", str(live))

    assert steps(record)[0] == (
        "add",
        "LPAR7",
        ["running", "profile"],
        [("cryptographic candidate list", [6]), ("cryptographic online list", [6])],
    )
    assert [(one["name"], one["standing"]) for one in record["machines"]] == [("cpc-a", "changed"), ("cpc-b", "new")]
    assert record["notes"] == [
        f"machine m3 ({third}) of {live} is not described here, by its id or its name, and nothing is listed for it",
        f"{live} says nothing of machine cpc-b ({OTHER_ID}); all that it is to have is listed",
    ]


def test_an_lpar_that_is_live_and_not_described_is_named(site: Site, tmp_path: Path) -> None:
    """It gives everything up, which may not be meant: it may only be missing in the manifests."""
    site.write(machine_text("cpc-a", LPAR7))
    live = tmp_path / "live.yaml"
    live.write_text(machine_text("cpc-a", LPAR7, ZOS1), encoding="utf-8")

    record = site.record("--from", str(live))

    assert [(one[0], one[1]) for one in steps(record)] == [("remove", "ZOS1")]
    assert record["machines"][0]["steps"][0]["standing"] == "gone"
    (note,) = record["notes"]
    assert "ZOS1; add them to its Machine if they are to keep what they have" in note
    shown = site.run("--from", str(live)).out
    assert "the manifests do not have this LPAR, so it gives everything up" in shown


def test_a_new_lpar_of_a_known_machine_is_activated_at_the_end(site: Site) -> None:
    """Unless it is active: nothing is known of it."""
    site.write(machine_text("cpc-a", LPAR7))
    site.commit()
    site.write(machine_text("cpc-a", LPAR7, ZOS1))

    assert (
        "ZOS1: add to the running LPAR and to its activation profile; then activate the LPAR, unless it is active\n"
        in (site.run("--base", "HEAD").out)
    )


@pytest.mark.parametrize("mode", ["classic", "dpm"])
def test_the_mode_changes_words_only(site: Site, mode: str) -> None:
    """The steps and their numbers are the same."""
    site.write(machine_text("cpc-a", LPAR7, mode=mode))

    (step,) = site.record()["machines"][0]["steps"]

    kept = ("action", "lpar", "active", "adapters", "usageDomains", "controlDomains")
    assert [step[one] for one in kept] == ["add", "LPAR7", True, [5, 6], [4, 0x47], [4, 0x47]]


def test_no_list_is_made_for_what_the_hmc_would_refuse(site: Site) -> None:
    """Two active LPARs with a queue: the conflict is shown, and the exit code is that of a conflict."""
    site.write(machine_text("cpc-a", LPAR7, ZOS1.replace("[9]", "[4]")))

    ran = site.run()

    assert (ran.code, ran.out) == (4, "")
    assert "error[lpar-overlap]" in ran.err


def test_manifests_without_a_machine_have_no_list(site: Site) -> None:
    """The message says how one is written; a Host without an LPAR is no other case."""
    site.write(machine_text("cpc-a", LPAR7), host_text("lpar9"))

    ran = site.run("--host", "lpar9")

    assert ran.code == 1
    assert "the manifests describe no Machine with an LPAR of host lpar9" in ran.err


def test_a_host_that_is_nowhere_is_wrong_usage(site: Site) -> None:
    """With what there is."""
    site.write(
        machine_text("cpc-a", LPAR7.replace("name", "host: lpar7, name", 1)), host_text("lpar7"), host_text("lpar9")
    )

    ran = site.run("--host", "lpar8")

    assert ran.code == 64
    assert "--host lpar8: there is no such Host. Did you mean 'lpar" in ran.err
    assert "There are: lpar7, lpar9" in ran.err


def test_what_is_live_may_come_from_standard_input(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``import --from dpm FILE`` writes it; the manifests themselves then come from elsewhere."""
    site.write(machine_text("cpc-a", LPAR7))
    live = machine_text("cpc-a", LPAR7.replace("5, 6", "5"))
    (tmp_path / "live.yaml").write_text(live, encoding="utf-8")
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(live.encode())))

    record = site.record("--from", "-")

    assert steps(record) == steps(site.record("--from", str(tmp_path / "live.yaml")))
    assert record["comparedWith"]["name"] == "standard input"
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(live.encode())))
    ran = site._command.bare("hmc-changes", "-", "--from", "-")
    assert ran.code == 64
    assert "standard input is only one of them" in ran.err


def test_only_the_machines_of_a_host_are_compared(site: Site, tmp_path: Path) -> None:
    """Also where what they are compared with does not say which host runs there."""
    placed = LPAR7.replace("LPAR7,", "LPAR7, host: lpar7,")
    site.write(machine_text("cpc-a", placed), machine_text("cpc-b", ZOS1, machineId=OTHER_ID))
    live = tmp_path / "live.yaml"
    live.write_text(machine_text("cpc-a", LPAR7), encoding="utf-8")

    assert site.run("--from", str(live), "--host", "lpar7").code == 0
    assert [one["name"] for one in site.record("--host", "lpar7")["machines"]] == ["cpc-a"]


def test_the_options_exclude_each_other(site: Site) -> None:
    """One list is compared with one thing."""
    site.write(machine_text("cpc-a", LPAR7))

    assert site.run("--base", "HEAD", "--from", "x").code == 64
    assert site.run("--base", "HEAD", "-f", "-").code == 64
