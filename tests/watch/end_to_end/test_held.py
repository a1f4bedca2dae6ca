"""A held loop in a process of its own, from the first apply on."""

import json
from pathlib import Path

from reconciler.watch.published import PublishedReader
from testing.loop_processes import HOST, LEISURELY, guest, watching


def test_a_held_loop_enforces_what_a_person_has_confirmed(simulated: Path, tmp_path: Path) -> None:
    """It waits for the first apply, leaves what waits to be confirmed alone, and says what mode it is in."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()

    def commit(domains: str) -> None:
        (manifests / "site.yaml").write_text(f"{HOST}---\n{guest(domains=domains)}", encoding="utf-8")

    commit("4")
    state, where = simulated.with_name(f"{simulated.name}.state"), ("--simulate", str(simulated))
    apply = ("apply", "-f", str(manifests), "--yes", "--allow-disruption")
    with watching(state, where, "--apply", "--self-heal", "--held", *LEISURELY[2:]) as loop:
        answer = loop.turn()
        assert (answer["condition"], answer["summary"].partition(";")[0]) == (
            "waiting",
            "nothing was applied to this host yet",
        )
        assert not loop.run(*apply).code
        assert loop.turn()["condition"] == "in-sync"
        commit("4, 5")
        assert (loop.turn()["condition"], loop.run("drift", "--enforced").code) == ("in-sync", 0)
        assert not loop.run(*apply, "--confirm-within", "20m").code
        assert loop.turn()["condition"] == "waiting"
        assert not loop.run("confirm").code
        assert loop.turn()["condition"] == "in-sync"
        rolled_back = loop.run("rollback", "--yes", "--allow-disruption")
        assert not rolled_back.code
        assert "the loop follows them" not in rolled_back.err
        assert loop.turn()["condition"] == "in-sync"

        text = loop.run("status", "--watch").out
        record = json.loads(loop.run("status", "--watch", "-o", "json").out)
        seen = json.loads(loop.run("status", "-o", "json").out)["loop"]
        published = PublishedReader(simulated.with_name(f"{simulated.name}.state.run")).read().report
        assert published
        assert "held: enforces what was applied and confirmed last, and corrects" in text
        assert f"mode          held; following by: {record['changeMode']}" in text
        assert (record["mode"], seen["mode"], published.mode) == ("held", "held", "held")
        assert record["changeMode"] == seen["changeMode"] == published.change_mode
        assert published.change_mode.startswith("reconcile watch")
        assert published.counters.triggers["records"] == 4
        assert published.generation == 3
    kinds = [line.get("kind") for line in loop.lines]
    assert not {"drift", "healed", "applied", "rolled-back"}.intersection(kinds), loop.lines
