"""An apply that waits to be confirmed, beside a loop in a process of its own."""

from pathlib import Path

from reconciler.watch.published import PublishedReader
from testing.loop_processes import HOST, LEISURELY, Loop, guest, watching


def records(simulated: Path) -> int:
    """How many cycles a change of the records has led to, as the loop has published that."""
    found = PublishedReader(simulated.with_name(f"{simulated.name}.state.run")).read().report
    assert found
    return found.counters.triggers.get("records", 0)


def begun(loop: Loop, folder: Path) -> None:
    """A person applies something else than the loop enforces, to be confirmed."""
    ran = loop.run("apply", "-f", str(folder), "--yes", "--allow-disruption", "--confirm-within", "20m")
    assert not ran.code, ran.err
    waiting = loop.turn()
    assert waiting["condition"] == "waiting"
    assert "waits to be confirmed until" in waiting["summary"]


def test_nothing_is_done_about_it_and_its_end_leads_to_one_cycle(simulated: Path, tmp_path: Path) -> None:
    """The loop hears of it at once, waits, and does what its manifests say once that was cancelled, expired or kept."""
    manifests, persons = tmp_path / "manifests", tmp_path / "persons"
    for folder, domains in ((manifests, "4"), (persons, "4, 5")):
        folder.mkdir()
        (folder / "site.yaml").write_text(f"{HOST}---\n{guest(domains=domains)}", encoding="utf-8")
    where, source = ("--simulate", str(simulated)), ("-f", str(manifests), "--apply", "--self-heal")
    with watching(simulated.with_name(f"{simulated.name}.state"), where, *source, *LEISURELY[2:]) as loop:
        begun(loop, persons)
        assert records(simulated) == 1
        assert not loop.run("cancel").code
        assert (loop.turn()["condition"], records(simulated)) == ("in-sync", 2)

        begun(loop, persons)
        before = records(simulated)
        assert before == 3
        assert not loop.run("confirm", "--extend", "1s").code
        for condition in ("waiting", "in sync", "waiting", "in sync"):
            assert loop.until("condition")["event"].partition(":")[0] == condition
        assert loop.turn()["condition"] == "in-sync"
        assert records(simulated) - before in (1, 2)  # more time is a change of the records, too

        begun(loop, persons)
        before = records(simulated)
        applied = sum(line.get("kind") == "applied" for line in loop.lines)
        assert not loop.run("confirm").code
        assert (loop.turn()["condition"], records(simulated)) == ("in-sync", before + 1)
    assert not any(line.get("kind") in ("drift", "healed") for line in loop.lines), loop.lines
    assert sum(line.get("kind") == "applied" for line in loop.lines) == applied + 1, loop.lines
