"""The end of a rollback: that the manifests want otherwise still, and what is run so that nothing brings it back."""

import getpass
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.cli import loop_seen
from reconciler.hosts import opening
from reconciler.watch.report import NO_REPORT
from testing.clocks import NoTimer
from testing.commands import EXAMPLES, Command, Ran
from testing.git_repositories import Repository

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

SITE = (EXAMPLES / "three-guests/guests.yaml").read_text(encoding="utf-8")


class Site:
    """A repository of manifests, and the command on it."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.repository = Repository(folder / "manifests")
        for name, place in (("host.yaml", "manifests"), ("guests.yaml", "manifests"), ("simulated-host.yaml", ".")):
            shutil.copy(EXAMPLES / "three-guests" / name, folder / place)
        self._command = Command(folder, capture)
        self.commits = [self.repository.commit(message="Begin")]

    def command(self, *words: str) -> Ran:
        """Run ``reconcile`` with `words` here."""
        return self._command(*words, manifests=self.repository.path)

    def bare(self, *words: str) -> Ran:
        """Run ``reconcile`` with `words` and nothing else."""
        return self._command.bare(*words)

    def commit(self, adapters: str, message: str = "Take a card away") -> str:
        """The id of a commit in which the first guest has `adapters`."""
        self.edit(adapters)
        self.commits.append(self.repository.commit(message=message))
        return self.commits[-1]

    def edit(self, adapters: str) -> None:
        """Give the first guest `adapters`."""
        text = SITE.replace("adapters: [5, 6]", f"adapters: {adapters}", 1)
        (self.repository.path / "guests.yaml").write_text(text, encoding="utf-8")

    def apply(self, *words: str) -> None:
        """Apply what there is."""
        assert self.command("apply", "--yes", *words).code == 0

    def host(self) -> str:
        """The host as it is."""
        return self.command("simulate").out

    def runs(self, line: str) -> None:
        """Run the command `line` in the repository, as a person would, who commits what it leaves to commit."""
        words = shlex.split(line, comments=True)
        assert words[0] == "git"
        self.repository.git(*words[1:])
        if "restore" in words:
            assert "then commit" in line
            self.repository.git("commit", "--quiet", "-am", "As before")


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    """One generation is applied, of the first commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    made = Site(tmp_path / "site", capsys)
    made.apply()
    return made


def reverts(line: str, commit: str) -> bool:
    """Whether the command `line` reverts this one commit."""
    words = shlex.split(line, comments=True)
    return words[0] == "git" and words[-3:] == ["revert", "--no-edit", commit[:12]]


def steps(ran: Ran) -> list[str]:
    """The commands that the end of a rollback leads to."""
    assert ran.code == 0, ran.err
    assert "still say otherwise" in ran.err
    return [line.removeprefix("  next: ") for line in ran.err.splitlines() if line.startswith("  next: ")]


@pytest.mark.parametrize("words", [("rollback", "--yes"), ("rollback", "1", "--yes")])
def test_the_commit_to_revert_is_named_and_reverting_it_leaves_nothing_to_do(
    site: Site, words: tuple[str, ...]
) -> None:
    """With its subject and author."""
    before = site.host()
    commit = site.commit("[6]")
    site.apply()

    ran = site.command(*words)

    assert site.host() == before
    assert f"commit {commit[:12]} (Take a card away, by Kim)" in ran.err
    (line,) = steps(ran)
    assert reverts(line, commit)
    assert "the next apply brings it back" in line
    site.runs(line)
    assert "Nothing to do" in site.command("plan").out


def test_every_commit_since_is_reverted(site: Site) -> None:
    """Also one that was never applied by itself, and however many there are."""
    for adapters in ("[6]", "[5]"):
        site.commit(adapters)
        site.apply()
    site.commit("[5, 6, 7]", "Never applied")
    site.commit("[6, 7]", "The last one")
    site.apply()

    ran = site.command("rollback", "1", "--yes")

    assert "(The last one, by Kim)" in ran.err
    site.runs(steps(ran)[0])
    assert "Nothing to do" in site.command("plan").out


def test_what_was_never_committed_is_no_commit_to_revert(site: Site) -> None:
    """A change was tried, cancelled and committed then: one commit is all there is."""
    site.edit("[6]")
    site.apply("--confirm-within", "5m")
    assert site.command("cancel").code == 0
    commit = site.commit("[6]")
    site.apply()

    ran = site.command("rollback", "--yes")

    assert "others" not in ran.err
    assert reverts(steps(ran)[0], commit)


def test_what_was_reverted_already_is_no_reason(site: Site) -> None:
    """Something else was committed since, which was not applied: it is that which an apply would bring."""
    commit = site.commit("[6]")
    site.apply()
    assert site.command("rollback", "--yes").code == 0
    site.repository.git("revert", "--no-edit", commit)
    site.commit("[5]", "Another one")

    ran = site.command("rollback", "1", "--yes")

    said = " ".join(ran.err.split())
    assert "say otherwise, and something else than generation 2 wanted" in said
    assert commit[:12] not in said
    assert "git" not in " ".join(line for line in ran.err.splitlines() if line.startswith("  next: "))


def test_a_commit_that_was_reverted_between_is_no_obstacle(site: Site) -> None:
    """Nor is one about other files: the manifests become what they were, in one step without a conflict."""
    commit = site.commit("[6]")
    site.apply()
    assert site.command("rollback", "--yes").code == 0
    site.repository.git("revert", "--no-edit", commit)
    (site.repository.path.parent / "manifests/README").write_text("of the site\n", encoding="utf-8")
    site.repository.git("add", "README")
    site.commit("[5]", "Another one")
    site.apply()

    ran = site.command("rollback", "--yes")

    assert "(Another one, by Kim)" in ran.err
    site.runs(steps(ran)[0])
    assert "Nothing to do" in site.command("plan").out


def test_a_merge_is_reverted_as_one(site: Site) -> None:
    """As pull requests are merged; git wants to know on which side."""
    site.repository.git("checkout", "--quiet", "-b", "change")
    site.commit("[6]")
    site.repository.git("checkout", "--quiet", "main")
    site.repository.git("merge", "--quiet", "--no-ff", "--message", "Merge a request", "change")
    site.apply()

    ran = site.command("rollback", "--yes")

    assert "(Merge a request, by Kim)" in ran.err
    site.runs(steps(ran)[0])
    assert "Nothing to do" in site.command("plan").out


def test_what_was_never_committed_is_said(site: Site) -> None:
    """No commit can be reverted; the command shows what would come back."""
    site.edit("[6]")
    site.apply()

    ran = site.command("rollback", "--yes")

    assert "by changes that were not committed" in ran.err
    (line,) = steps(ran)
    assert line.startswith("reconcile plan ")
    assert "guest1" in site.bare(*shlex.split(line, comments=True)[1:]).out


def test_where_no_commit_is_known_the_manifests_are_named(site: Site) -> None:
    """The manifests are no clone."""
    shutil.rmtree(site.repository.path / ".git")
    site.edit("[6]")
    site.apply()

    ran = site.command("rollback", "1", "--yes")

    assert " still say otherwise: change them, else the next apply brings it back" in ran.err
    (line,) = steps(ran)
    assert line.startswith("reconcile plan ")
    assert "guest1" in site.bare(*shlex.split(line, comments=True)[1:]).out


def test_a_rollback_of_what_waits_to_be_confirmed_says_it_too(site: Site) -> None:
    """By each command that rolls back."""
    commit = site.commit("[6]")
    for words in (("rollback", "--yes"), ("cancel",)):
        site.apply("--confirm-within", "5m")
        assert reverts(steps(site.command(*words))[0], commit)


def test_a_rollback_to_what_the_manifests_say_has_nothing_to_add(site: Site) -> None:
    """To where a rollback came from; and after the commit was reverted."""
    commit = site.commit("[6]")
    site.apply()
    site.command("rollback", "--yes")

    forth = site.command("rollback", "2", "--yes")
    assert forth.code == 0
    assert "otherwise" not in forth.err
    assert reverts(steps(site.command("rollback", "3", "--yes"))[0], commit)
    site.repository.git("revert", "--no-edit", commit)
    site.apply()
    assert "otherwise" not in site.command("rollback", "1", "--yes").err


def test_a_loop_that_applies_is_named_before_and_after(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is quicker than any person: what keeps it from that is said first."""
    monkeypatch.setattr(loop_seen, "loop_seen", lambda *_: loop_seen.LoopSeen(NO_REPORT._replace(applies=True), None))
    site.commit("[6]")
    site.apply()

    ran = site.command("rollback", "--yes")

    _, first, command, *_, last = ran.err.splitlines()
    assert first.endswith("the loop follows them again in its next cycle")
    assert command.startswith("  next: reconcile suspend ")
    assert command.endswith("    # first, to prevent that")
    assert "else the loop brings it back in its next cycle" in last


def test_the_command_is_what_git_understands(site: Site) -> None:
    """It is run as it is printed, in a shell, where no editor opens."""
    site.commit("[6]")
    site.apply()
    (line,) = steps(site.command("rollback", "--yes"))

    environment = {"PATH": "/usr/bin:/bin", "GIT_EDITOR": "true", "HOME": "/nonexistent"}
    people = {f"GIT_{who}_{what}": "kim@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(["sh", "-c", line], cwd=site.repository.path, env=environment | people, check=False)

    assert done.returncode == 0
    assert "Nothing to do" in site.command("plan").out


def test_a_commit_of_which_a_part_stays_is_not_reverted(site: Site) -> None:
    """An earlier apply of some of its guests is not undone with the rest; cancelling and rolling back say the same."""
    site.commit("[6]")
    text = (site.repository.path / "guests.yaml").read_text(encoding="utf-8")
    site.repository.commit({"guests.yaml": text.replace("domains: [0x47, 0xff]", "domains: [0x47]")}, "Both")
    site.apply("--target", "guest1")
    site.apply()

    ran = site.command("rollback", "--yes")

    said = " ".join(ran.err.split())
    assert "generation 2 (guest1) stays, so do not revert it as a whole" in said
    assert "git revert" not in said


@pytest.mark.parametrize("is_newer", [False, True])
def test_a_saved_plan_beside_changes_that_were_not_committed_leads_to_its_manifests(site: Site, is_newer: bool) -> None:
    """Each printed command leads further, and the last one to the plan; nothing is lost."""
    site.commit("[6]")
    file = site.repository.path.parent / "plan.json"
    assert site.command("plan", "--out", str(file)).code == 0
    if is_newer:
        site.commit("[5]")
    (site.repository.path / "guests.yaml").write_text(
        (site.repository.path / "guests.yaml").read_text().replace("0xff", "0xfe")
    )
    apply = ("apply", str(file), "--yes", "--simulate", str(file.with_name("simulated-host.yaml")))

    for _ in range(1 + is_newer):
        ran = site.bare(*apply)
        assert ran.code == 5
        line, anew = [one.removeprefix("  next: ") for one in ran.err.splitlines() if one.startswith("  next: ")]
        words = shlex.split(line)
        assert anew.startswith("reconcile plan --out ")
        assert words[:3] == ["git", "-C", str(site.repository.path)]
        site.repository.git(*words[3:])
    assert site.bare(*apply).code == 0
    assert "stash@{0}" in site.repository.git("stash", "list")


def test_a_saved_plan_of_another_commit_says_which_and_how_to_have_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has changed since; the command leads to the manifests that were planned."""
    planned = site.commit("[6]")
    file = site.repository.path.parent / "plan.json"
    assert site.command("plan", "--out", str(file)).code == 0
    now = site.commit("[5]")

    ran = site.bare("apply", str(file), "--yes", "--simulate", str(file.with_name("simulated-host.yaml")))

    assert ran.code == 5
    there = f"the manifests in {site.repository.path} (-f names others)"
    assert f"the plan is of commit {planned[:12]}, and {there} are of {now[:12]}" in ran.err
    monkeypatch.chdir(site.repository.path)
    inside = site.bare("apply", str(file), "--yes", "--simulate", str(file.with_name("simulated-host.yaml"))).err
    assert f"the plan is of commit {planned[:12]}, and these manifests are of {now[:12]}" in inside
    line, anew = [one.removeprefix("  next: ") for one in ran.err.splitlines() if one.startswith("  next: ")]
    words = shlex.split(line)
    assert anew.startswith("reconcile plan --out ")
    assert words[:2] == ["git", "-C"]
    assert words[3:] == ["checkout", planned[:12]]
    site.repository.git("checkout", "--quiet", words[4])
    assert site.bare("apply", str(file), "--yes", "--simulate", str(file.with_name("simulated-host.yaml"))).code == 0


def test_a_rollback_to_a_generation_names_all_that_it_undoes(site: Site) -> None:
    """The newest first, the others counted; nothing where it undoes nothing."""
    for number in range(5):
        site.commit(("[6]", "[5]")[number % 2])
        site.apply()

    shown = site.bare("rollback", "1", "--simulate", str(site.repository.path.parent / "simulated-host.yaml"))
    (line,) = [one for one in shown.err.splitlines() if one.startswith("this would undo ")]
    named = [f"generation {number}, by {getpass.getuser()}: guest1" for number in (6, 5, 4)]
    assert line.removeprefix("this would undo ") == "; ".join([*named, "and 2 older ones, the oldest generation 2"])
    assert "this undoes" not in site.command("rollback", "6", "--yes").err


def test_one_older_change_alone_can_be_taken_back(site: Site) -> None:
    """By the command that `history show` prints; a later change of another guest stays."""
    site.commit("[6]", message="Take card 5 from guest1")
    site.apply()
    later = site.repository.path / "later.yaml"
    later.write_text(
        "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: later}\n"
        "spec: {host: lpar7, adapters: [5], domains: [5]}\n",
        encoding="utf-8",
    )
    site.repository.commit(message="Add a guest")
    site.apply()

    shown = site.command("history", "show", "2").err
    (line,) = [one.removeprefix("  next: ") for one in shown.splitlines() if one.startswith("  next: git ")]
    assert "takes back this commit alone" in line
    site.runs(line)
    site.apply()

    found = {one["name"] for one in json.loads(site.command("status", "-o", "json").out)["guests"]}
    assert "later" in found
    assert "adapters: [5, 6]" in (site.repository.path / "guests.yaml").read_text(encoding="utf-8")
    assert "next: git" not in site.command("history", "show", "4").err


def test_an_older_change_that_is_in_no_commit_as_it_was_is_taken_back_by_hand(site: Site) -> None:
    """No revert takes back what was applied with uncommitted changes."""
    site.edit("[6]")
    site.apply()
    site.edit("[5]")
    site.apply()

    shown = site.command("history", "show", "2", "-o", "wide").err
    assert "next: git" not in shown
    assert "note: to take back this change alone, edit the manifest of guest1, then apply\n" in shown


def ways_back(site: Site, number: int) -> tuple[list[str], list[str]]:
    """The commands of git, and the notes, with which one change alone is taken back."""
    lines = site.command("history", "show", str(number)).err.splitlines()
    return [one for one in lines if "next: git " in one], [one for one in lines if "take back this change alone" in one]


def test_a_change_that_was_taken_back_is_not_taken_back_again(site: Site) -> None:
    """The revert would fail, and there is nothing to edit."""
    site.commit("[6]")
    site.apply()
    second = site.repository.path / "second.yaml"
    second.write_text(
        "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: second}\n"
        "spec: {host: lpar7, adapters: [5], domains: [5]}\n",
        encoding="utf-8",
    )
    site.repository.commit(message="Add a guest")
    site.apply()
    ((line,), notes) = ways_back(site, 2)
    assert notes == []
    site.runs(line.removeprefix("  next: "))
    site.apply()
    second.write_text(second.read_text(encoding="utf-8").replace("[5]", "[6]"), encoding="utf-8")
    site.repository.commit(message="Another queue")
    site.apply()

    assert ways_back(site, 2) == ([], [])
    assert ways_back(site, 3)[0] != []


def test_a_commit_that_is_more_or_less_than_what_was_applied_is_not_reverted(site: Site) -> None:
    """The first of all, one of two that were applied together, and one of which a part was applied."""
    site.commit("[6]")
    site.commit("[5]", message="The second one")
    site.apply()
    text = (site.repository.path / "guests.yaml").read_text(encoding="utf-8")
    (site.repository.path / "guests.yaml").write_text(text.replace("0xff", "0xfe"), encoding="utf-8")
    site.repository.commit(message="Of two guests")
    site.apply("--target", "guest2")
    site.apply()

    assert [ways_back(site, number)[0] for number in (1, 2, 3)] == [[], [], []]
    (note,) = ways_back(site, 2)[1]
    assert "edit the manifest of guest1, then apply" in note
    (note,) = ways_back(site, 3)[1]
    assert "edit the manifest of guest2, then apply" in note
