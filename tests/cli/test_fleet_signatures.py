"""A host that requires signatures takes of a commit to several hosts only what a commit says that it has verified."""

import json
from pathlib import Path

import pytest

from reconciler.hosts import opening
from reconciler.transaction.loop_records import CommitPolicy, read_commit_policy, write_commit_policy
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import NoTimer
from testing.commands import Command, Ran, change, example
from testing.git_repositories import ENVIRONMENT, Repository, SshKey
from testing.loop_processes import LEISURELY, watching

ID = "saturday-0123456789abcdef0123456789abcdef"


class Site:
    """A host whose held loop was told a branch and a key, and a controller that has an archive."""

    def __init__(self, command: Command, folder: Path) -> None:
        self.command = command
        self.repository = Repository(folder / "origin")
        self.key = SshKey(folder)
        self.key.signs(self.repository)
        allowed = folder / "allowed"
        allowed.write_text(self.key.allowed())
        allowed.chmod(0o600)
        self.state = StateDirectory(Path(f"{command.simulated_host}.state"))
        self.state.prepare()
        self.allowed = allowed
        self.policy = CommitPolicy(self.repository.url, "main", "lpar7", f"ssh:{allowed}", "")
        write_commit_policy(self.state, self.policy)

    def commits(self, *options: str) -> str:
        """The id of a commit of what the controller has, in two files; the archive is one."""
        names = ("guests.yaml", "host.yaml")
        files = {f"lpar7/{name}": (self.command.directory / name).read_text() for name in names}
        files["lpar7/host.yaml"] = f"# said otherwise\n{files['lpar7/host.yaml']}"
        return self.repository.commit(files, "Change", *options)

    def fleet(self, commit: str | None) -> str:
        """The file that describes the commit to several hosts."""
        file = self.command.directory / "fleet.json"
        named = commit and {"id": commit, "subject": "Change"}
        file.write_text(json.dumps({"id": ID, "hosts": ["lpar7"], "commit": named, "operator": "kim", "without": []}))
        return str(file)

    def sends(self, commit: str | None, *words: str) -> Ran:
        """Apply the archive as a part of a commit to several hosts."""
        return self.command("apply", "--yes", "--id", ID, "--fleet", self.fleet(commit), "-o", "json", *words)

    def refused(self, commit: str | None) -> str:
        """Why neither a plan nor an apply is made of the archive; nothing was done."""
        planned = self.command("plan", "--fleet", self.fleet(commit), "-o", "json")
        applied = self.sends(commit)
        assert planned.code == applied.code == 4, applied.err
        assert json.loads(planned.out) == json.loads(applied.out)
        record = json.loads(applied.out)
        assert record["refusal"] == "signature"
        assert self.command("history").out == "Nothing has been applied yet.\n"
        return str(record["why"])


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    """One, without a real timer and without a user's settings for git."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return Site(example("three-guests", tmp_path / "host", capsys), tmp_path)


def test_what_a_signed_commit_says_is_applied_and_the_commit_is_recorded(site: Site) -> None:
    """Whatever files it is in: the host has fetched and verified the commit itself."""
    commit = site.commits()
    saved = str(site.command.directory / "saved.plan")

    assert site.command("plan", "--fleet", site.fleet(commit), "--out", saved).code == 0
    assert site.sends(commit, saved).code == 0

    (generation,) = json.loads(site.command("history", "-o", "json").out)["generations"]
    assert (generation["commit"], generation["fleet"]["commit"]["id"]) == (commit, commit)


def test_an_archive_that_says_something_else_is_refused(site: Site) -> None:
    """A controller that changed it on the way, or took another commit."""
    commit = site.commits()
    change(site.command)

    assert "do not say of host lpar7 what lpar7 in commit" in site.refused(commit)


def test_a_commit_without_a_good_signature_is_refused(site: Site) -> None:
    """Also one by a key that the host does not name; the archive is right."""
    unsigned = site.commits("--no-gpg-sign")
    assert site.refused(unsigned).endswith(f"commit {unsigned}: it is not signed")
    change(site.command)
    other = SshKey(site.allowed.parent, "eve@example.com")
    other.signs(site.repository)
    assert f"commit {site.commits()}: " in site.refused(site.repository.head())


def test_a_commit_that_is_not_in_the_branch_is_refused(site: Site) -> None:
    """Whoever signed it; so is a name that is no commit, and none at all."""
    site.commits()
    site.repository.git("checkout", "--quiet", "-b", "other")
    change(site.command)
    other = site.commits()
    for commit in (other, "0" * 40, "main", "--upload-pack=x"):
        assert f"commit {commit} is not in " in site.refused(commit)
    assert "is of no git commit" in site.refused(None)


def test_a_commit_that_is_older_than_what_was_applied_is_refused(site: Site) -> None:
    """An old configuration, although it was signed once; git revert goes back."""
    first = site.commits()
    change(site.command)
    second = site.commits()
    assert site.sends(second).code == 0
    change(site.command, "adapters: [6]", "adapters: [5, 6]")

    ran = site.command("plan", "--fleet", site.fleet(first), "-o", "json")

    assert ran.code == 4
    assert f"commit {first} does not come after {second}" in json.loads(ran.out)["why"]
    site.repository.git("revert", "--no-edit", second)
    assert site.command("plan", "--fleet", site.fleet(site.repository.head())).code == 0


def test_a_repository_that_cannot_be_reached_is_no_verdict(site: Site) -> None:
    """Nothing is taken, and the commit is not called bad."""
    commit = site.commits()
    site.repository.path.rename(site.repository.path.with_name("gone"))

    ran = site.sends(commit)

    assert (ran.code, json.loads(ran.out)["refusal"]) == (1, "host")


def test_a_person_applies_what_they_like(site: Site) -> None:
    """The policy is about what controllers bring."""
    assert site.command("apply", "--yes").code == 0


@pytest.mark.parametrize("requires", [True, False])
def test_the_held_loop_records_what_it_was_told(site: Site, requires: bool) -> None:
    """So that it holds while no loop runs, too; one that is told nothing takes the record away."""
    write_commit_policy(site.state, site.policy._replace(branch="other"))
    told = ("--git", site.repository.url, "--branch", "main", "--path", "lpar7")
    signed = (*told, "--require-signature", f"ssh:{site.allowed}")
    where = ("--simulate", str(site.command.simulated_host))

    with watching(site.state.path, where, "--held", *(signed if requires else ()), *LEISURELY[2:]) as loop:
        assert loop.turn()["condition"] == "waiting"

    assert read_commit_policy(site.state) == (site.policy if requires else None)
