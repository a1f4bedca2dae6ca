"""A branch that a loop follows: what is pushed, and what becomes of it."""

import json
import os
import signal
from pathlib import Path

import pytest

from reconciler.cli.exit_codes import Exit
from testing.deep_folders import deep_commit
from testing.git_repositories import Repository, SshKey
from testing.loop_processes import BROKEN, Loop, following, guest


def effective(loop: Loop) -> int:
    """How many queues the guest payments sees."""
    status = json.loads(loop.run("status", "--watch", "-o", "json").out)
    return int(next(one["effective"] for one in status["guests"] if one["name"] == "payments"))


def newest(loop: Loop) -> dict[str, object]:
    """The newest generation."""
    return dict(json.loads(loop.run("history", "-o", "json").out)["generations"][-1])


def test_a_commit_that_is_pushed_is_applied_and_named_wherever_it_is_told(
    repository: Repository, simulated: Path
) -> None:
    """In the answer's turn already; in the generation, its plan, the log from the first step on, and the status."""
    with following(repository, simulated) as loop:
        loop.turn()
        assert effective(loop) == 1
        commit = repository.commit({"payments.yaml": guest(domains="4, 5")})
        answer = loop.turn()
        assert (answer["condition"], "refused" in answer) == ("in-sync", False)
        assert loop.until("commit")["commit"] == commit[:12]
        applied = loop.until("applied")
        assert (applied["commit"], applied["generation"]) == (commit[:12], 2)
        steps = [line for line in loop.lines if line["event"] == "step" and line["transaction"] == 2]
        assert [(line["commit"], line["host"]) for line in steps] == [(commit[:12], "lpar7")]
        shown = loop.run("history", "show", "2").out
        assert commit in shown
        assert json.loads(loop.run("history", "show", "2", "-o", "json").out)["commit"] == commit
        assert effective(loop) == 2
        status = loop.run("status", "--watch").out
    assert "lpar7: in sync for " in status
    assert f"commit        {commit}\n" in status
    assert not any(line["level"] in {"warning", "error", "critical"} for line in loop.lines)


def test_sighup_asks_the_repository_as_a_request_does(repository: Repository, simulated: Path) -> None:
    """As `systemctl reload` sends it."""
    with following(repository, simulated) as loop:
        commit = repository.commit({"payments.yaml": guest(domains="4, 5")})
        loop.process.send_signal(signal.SIGHUP)
        loop.until("commit")
        assert loop.until("applied")["commit"] == commit[:12]


def test_a_commit_that_breaks_the_manifests_is_refused_until_it_is_mended(
    repository: Repository, simulated: Path
) -> None:
    """The last good one is enforced meanwhile, and who waits is told, with the place in the repository."""
    good = repository.head()
    with following(repository, simulated) as loop:
        bad = repository.commit({"payments.yaml": BROKEN})
        ran = loop.run("trigger", "--wait")
        assert ran.code == Exit.REFUSED
        assert ran.out.endswith(": in sync: the host is as the manifests say\n")
        assert "because: payments.yaml:3:" in ran.err
        refused = loop.until("refused")
        assert (refused["level"], refused["commit"]) == ("error", bad[:12])
        assert bad in refused["event"]
        assert refused["details"][0].startswith("payments.yaml:3:")
        text = loop.run("status", "--watch").out
        assert f"commit        {good}\n" in text
        assert f"refused       commit {bad}, for " in text
        status = json.loads(loop.run("status", "--watch", "-o", "json").out)
        assert (status["source"]["commit"], status["source"]["refused"]["commit"]) == (good, bad)
        assert newest(loop)["number"] == 1
        mended = repository.commit({"payments.yaml": guest(domains="4, 5")})
        assert "refused" not in loop.turn()
        assert loop.until("accepted")["commit"] == mended[:12]
        assert newest(loop)["commit"] == mended


def test_a_conflict_is_refused_and_a_revert_ends_it(repository: Repository, simulated: Path) -> None:
    """As every refused commit; the reasons name both guests."""
    with following(repository, simulated) as loop:
        repository.commit({"web.yaml": guest(name="web", adapters="5")})
        answer = loop.turn()
        assert answer["condition"] == "in-sync"
        assert "payments" in answer["refused"][0]
        assert "web" in answer["refused"][0]
        repository.git("revert", "--no-edit", "HEAD")
        assert "refused" not in loop.turn()


def test_what_needs_consent_waits_for_a_person_and_says_what_to_type(repository: Repository, simulated: Path) -> None:
    """That command, as it stands, gives it; then the loop goes on from that commit."""
    for name, domain in (("a", 10), ("b", 11), ("c", 12), ("d", 13)):
        repository.commit({f"{name}.yaml": guest(name=name, adapters="5", domains=str(domain))})
    with following(repository, simulated) as loop:
        for name in "abcd":
            (repository.path / f"{name}.yaml").unlink()
        commit = repository.commit()
        answer = loop.turn()
        assert answer["condition"] == "in-sync"
        told = answer["refused"][0]
        assert told.startswith("it needs a person's consent; to give it: reconcile apply ")
        typed = told.partition("reconcile ")[2].split()
        ran = loop.run(*typed, "--yes")
        assert not ran.code, ran.err
        assert "refused" not in loop.turn()
        assert loop.until("accepted")["commit"] == commit[:12]
        assert newest(loop)["commit"] == commit


def test_only_signed_commits_are_used_where_that_is_asked_for(
    repository: Repository, simulated: Path, tmp_path: Path
) -> None:
    """An unsigned one and a stranger's are refused and shown; the next signed one is used."""
    kim, stranger = SshKey(tmp_path), SshKey(tmp_path, "stranger@example.com")
    (tmp_path / "allowed").write_text(kim.allowed(), encoding="utf-8")
    kim.signs(repository)
    good = repository.commit({"payments.yaml": guest()})
    with following(repository, simulated, "--require-signature", f"ssh:{tmp_path / 'allowed'}") as loop:
        loop.turn()
        assert json.loads(loop.run("status", "--watch", "-o", "json").out)["source"]["commit"] == good
        repository.settings = []
        unsigned = repository.commit({"payments.yaml": guest(domains="5")})
        assert unsigned in loop.turn()["refused"][0]
        stranger.signs(repository)
        foreign = repository.commit({"payments.yaml": guest(domains="5")})
        assert foreign in loop.turn()["refused"][0]
        assert newest(loop)["commit"] == good
        kim.signs(repository)
        signed = repository.commit({"payments.yaml": guest(domains="5")})
        assert "refused" not in loop.turn()
        assert newest(loop)["commit"] == signed


def test_a_branch_that_is_set_back_is_refused_unless_a_person_asks_for_it(
    repository: Repository, simulated: Path
) -> None:
    """The reason names the command, which is right as it stands."""
    old = repository.head()
    new = repository.commit({"payments.yaml": guest(domains="4, 5")})
    with following(repository, simulated) as loop:
        repository.git("reset", "--hard", "--quiet", old)
        answer = loop.turn()
        assert old in answer["refused"][0]
        assert f"`reconcile trigger --allow-older{''.join(f' {one}' for one in loop.where)}`" in answer["refused"][0]
        assert newest(loop)["commit"] == new
        assert "refused" not in loop.turn(allow_older=True)
        assert newest(loop)["commit"] == old


def test_without_its_repository_the_loop_goes_on(repository: Repository, simulated: Path) -> None:
    """Also one that is started meanwhile: it enforces what was enforced, and says that nothing newer is known."""
    soon = ("--unreachable-after", "1s")
    with following(repository, simulated, *soon) as loop:
        away = repository.path.rename(repository.path.with_name("away"))
        answer = loop.turn()
        assert (answer["condition"], "unreachable" in answer) == ("in-sync", True)
        loop.until("unreachable")
    with following(repository, simulated, *soon) as loop:
        assert loop.lines[0]["event"].endswith("in sync: the host is as the manifests say")
        loop.until("unreachable")
        loop.run("simulate", "plug", "9")
        assert loop.until("appeared")["event"].startswith("payments now has 09.0004 (authorised since ")
        away.rename(repository.path)
        commit = repository.commit({"payments.yaml": guest(domains="4, 5")})
        assert "unreachable" not in loop.turn()
        loop.until("reachable")
        assert newest(loop)["commit"] == commit


def test_a_card_that_is_plugged_is_reported(repository: Repository, simulated: Path) -> None:
    """With since when it was granted, and without an apply: the kernel gives it."""
    with following(repository, simulated) as loop:
        loop.turn()
        assert effective(loop) == 1
        loop.run("simulate", "plug", "9")
        assert loop.until("appeared")["event"].startswith("payments now has 09.0004 (authorised since ")
        loop.turn()
        assert effective(loop) == 2
        assert newest(loop)["number"] == 1


@pytest.mark.parametrize("depth", [1500, 5000])
def test_a_commit_with_folders_in_folders_stops_no_loop(repository: Repository, simulated: Path, depth: int) -> None:
    """It is refused, the revert is used, and so it is after a restart."""
    good = repository.head()
    with following(repository, simulated) as loop:
        bad = deep_commit(repository, depth)
        answer = loop.turn()
        assert answer["condition"] == "in-sync"
        assert f"is in {depth:,} folders" in str(answer["refused"])
        reverted = repository.git("commit-tree", f"{good}^{{tree}}", "-p", bad, "-m", "Revert")
        repository.git("update-ref", "refs/heads/main", reverted)
        answer = loop.turn()
        assert (answer["condition"], "refused" in answer) == ("in-sync", False)
        assert loop.until("commit")["commit"] == reverted[:12]
    with following(repository, simulated) as loop:
        commit = repository.commit({"payments.yaml": guest(domains="4, 5")})
        answer = loop.turn()
        assert (answer["condition"], "refused" in answer) == ("in-sync", False)
        assert loop.until("applied")["commit"] == commit[:12]
        assert set(os.listdir(loop.state / "git")) == {"lock", "mirror.git"}
