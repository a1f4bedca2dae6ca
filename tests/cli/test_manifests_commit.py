"""Which commit a plan says that its manifests come from: never a wrong one, and no program of a repository is run."""

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from testing.commands import EXAMPLES, Command, Ran
from testing.git_repositories import Repository
from testing.git_traps import TRAPS, Trap, trapped
from testing.libvirt import domain_xml, hostdev
from testing.loop_processes import watching

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")

SITE = {name.name: name.read_bytes() for name in (EXAMPLES / "three-guests").glob("*.yaml")}
GUEST = "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: more}\nspec: {adapters: [9], domains: [9]}\n"
STRANGER = 54321


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's settings."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "gitconfig"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository that has manifests in ``site``, and a simulated host beside it."""
    made = Repository(tmp_path / "repository")
    made.commit({f"site/{name}": content for name, content in SITE.items() if name != "simulated-host.yaml"})
    (tmp_path / "simulated-host.yaml").write_bytes(SITE["simulated-host.yaml"])
    return made


Plan = Callable[..., Ran]


@pytest.fixture
def plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Plan:
    """Make a plan of the manifests in some paths."""

    def made(*paths: Path) -> Ran:
        where = [word for path in paths for word in ("-f", str(path))]
        host = ["--simulate", str(tmp_path / "simulated-host.yaml"), "--state-dir", str(tmp_path / "state")]
        return Command(tmp_path, capsys).bare("plan", "-o", "json", *host, *where)

    return made


def commit(ran: Ran) -> str:
    """The commit in a plan, about which nothing is said; ``-`` where there is none."""
    assert ran.code == 0, ran
    assert ran.err == ""
    return json.loads(ran.out)["commit"] or "-"


def refusal(ran: Ran) -> str:
    """Why the commit is not shown, although there is one; the plan is there all the same."""
    assert ran.code == 0, ran
    assert json.loads(ran.out)["commit"] is None
    lines = ran.err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("warning: the commit of the manifests is not shown: ")
    return lines[0]


# As they were committed -----------------------------------------------------------------------------------------------


def _packed(repository: Repository, _: Path) -> None:
    repository.git("gc", "--quiet")


def _detached(repository: Repository, _: Path) -> None:
    repository.git("checkout", "--quiet", "--detach")


def _touched(repository: Repository, _: Path) -> None:
    os.utime(repository.path / "site/host.yaml", (1, 1))
    (repository.path / "site/host.yaml").chmod(0o755)


def _notes(repository: Repository, _: Path) -> None:
    (repository.path / "site/notes.txt").write_text("not read", encoding="utf-8")


def _git_is_a_link(repository: Repository, folder: Path) -> None:
    (repository.path / ".git").rename(folder / "moved")
    (repository.path / ".git").symlink_to(folder / "moved")


def _links_inside(repository: Repository, _: Path) -> None:
    (repository.path / "site/all.d").mkdir()
    (repository.path / "site/again.yaml").symlink_to("host.yaml")
    (repository.path / "site/hidden.txt").write_text(GUEST, encoding="utf-8")
    (repository.path / "site/all.d/shown.yaml").symlink_to("../hidden.txt")
    repository.commit()


def _strange_names(repository: Repository, _: Path) -> None:
    (repository.path / 'site/a\nb "c\\').mkdir()
    (repository.path / 'site/a\nb "c\\/:(top)*\t.yaml').write_text(GUEST, encoding="utf-8")
    repository.commit()


def _no_work_tree_there(repository: Repository, _: Path) -> None:
    repository.git("config", "core.worktree", "/nonexistent")


@pytest.mark.parametrize(
    "make",
    [
        None, _packed, _detached, _touched, _notes, _git_is_a_link, _links_inside, _strange_names, _no_work_tree_there,
    ],
)  # fmt: skip
@pytest.mark.parametrize("given", ["site", ".", "site/host.yaml"])
def test_manifests_as_they_were_committed(
    make: Callable[[Repository, Path], None] | None, given: str, repository: Repository, plan: Plan, tmp_path: Path
) -> None:
    """The whole id, for a directory and for a file, however it is kept, and whatever else is there."""
    if make:
        make(repository, tmp_path)
    repository.environment["GIT_WORK_TREE"] = str(repository.path)

    assert commit(plan(repository.path / given)) == repository.head()


def test_the_work_trees_of_an_honest_person(repository: Repository, plan: Plan, tmp_path: Path) -> None:
    """A linked one, a submodule, a shallow clone, and a deploy directory that is reached through a link."""
    head = repository.head()
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    outer = Repository(tmp_path / "outer")
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", repository.url, "inner")
    outer.commit()
    outer.git("clone", "--quiet", "--depth", "1", repository.url, str(tmp_path / "shallow"))
    (tmp_path / "current").symlink_to(repository.path / "site")

    assert commit(plan(tmp_path / "linked/site")) == head
    assert commit(plan(tmp_path / "outer/inner/site")) == head
    assert commit(plan(tmp_path / "shallow/site")) == head
    assert commit(plan(tmp_path / "current")) == head
    assert commit(plan(tmp_path / "outer")) == f"{outer.head()}+"  # the outer commit does not have these files


def test_a_repository_with_sha256(tmp_path: Path, plan: Plan, repository: Repository) -> None:
    """Longer ids, and other objects."""
    other = Repository(tmp_path / "sha256", "--object-format=sha256")
    shutil.copytree(repository.path / "site", other.path / "site")
    head = other.commit()

    assert len(head) == 64
    assert commit(plan(other.path / "site")) == head
    (other.path / "site/more.yaml").write_text(GUEST, encoding="utf-8")
    assert commit(plan(other.path / "site")) == f"{head}+"


def test_more_paths_than_one(repository: Repository, plan: Plan, tmp_path: Path) -> None:
    """All of them have to be the commit's."""
    head = repository.head()
    site = repository.path / "site"
    (tmp_path / "more.yaml").write_text(GUEST, encoding="utf-8")

    assert commit(plan(site / "host.yaml", site)) == head
    assert commit(plan(site, tmp_path / "more.yaml")) == f"{head}+"


# Not as they were committed -------------------------------------------------------------------------------------------


def _changed(site: Path, _: Repository) -> None:
    (site / "guests.yaml").write_bytes((site / "guests.yaml").read_bytes() + b"# changed\n")


def _same_size_and_time(site: Path, repository: Repository) -> None:
    file = site / "guests.yaml"
    was = file.stat()
    repository.git("update-index", "--refresh")
    file.write_bytes(file.read_bytes().replace(b"guest1", b"guest9"))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


def _untracked(site: Path, _: Repository) -> None:
    (site / "more.yaml").write_text(GUEST, encoding="utf-8")


def _ignored(site: Path, repository: Repository) -> None:
    (repository.path / ".git/info/exclude").write_text("*.yaml\n", encoding="utf-8")
    _untracked(site, repository)


def _ignored_below(site: Path, repository: Repository) -> None:
    (repository.path / ".git/info/exclude").write_text("deep\n", encoding="utf-8")
    (site / "deep").mkdir()
    (site / "deep/more.yaml").write_text(GUEST, encoding="utf-8")


def _assumed_unchanged(site: Path, repository: Repository) -> None:
    repository.git("update-index", "--assume-unchanged", "site/guests.yaml")
    _changed(site, repository)


def _skipped(site: Path, repository: Repository) -> None:
    repository.git("update-index", "--skip-worktree", "site/guests.yaml")
    _changed(site, repository)


def _deleted(site: Path, _: Repository) -> None:
    (site / "guests.yaml").unlink()


def _sparse(site: Path, repository: Repository) -> None:
    repository.git("update-index", "--skip-worktree", "site/guests.yaml")
    _deleted(site, repository)


def _staged(site: Path, repository: Repository) -> None:
    _changed(site, repository)
    repository.git("add", "--all")


def _ends_of_lines(site: Path, repository: Repository) -> None:
    repository.git("config", "core.autocrlf", "true")
    _deleted(site, repository)
    repository.git("checkout", "--", ".")
    assert b"\r\n" in (site / "guests.yaml").read_bytes()


def _smudged(site: Path, repository: Repository) -> None:
    repository.git("config", "filter.shout.smudge", "sed 's/$/ # smudged/'")
    repository.git("config", "filter.shout.clean", "sed 's/ # smudged$//'")
    (repository.path / ".git/info/attributes").write_text("guests.yaml filter=shout\n", encoding="utf-8")
    _deleted(site, repository)
    repository.git("checkout", "--", ".")
    assert repository.git("status", "--porcelain") == ""


def _a_link_instead(site: Path, _: Repository) -> None:
    (site / "guests.yaml").rename(site / "kept.txt")
    (site / "guests.yaml").symlink_to("kept.txt")


def _a_link_more(site: Path, repository: Repository) -> None:
    (site / "hidden.txt").write_text(GUEST, encoding="utf-8")
    repository.commit()
    (site / "more.yaml").symlink_to("hidden.txt")


def _a_link_less(site: Path, repository: Repository) -> None:
    _a_link_more(site, repository)
    repository.commit()
    (site / "more.yaml").unlink()


def _a_link_elsewhere(site: Path, repository: Repository) -> None:
    (site / "other.txt").write_text(GUEST.replace("more", "less"), encoding="utf-8")
    _a_link_more(site, repository)
    repository.commit()
    (site / "more.yaml").unlink()
    (site / "more.yaml").symlink_to("other.txt")


def _a_folder_is_a_link(site: Path, repository: Repository) -> None:
    for name, guest in (("one", "first"), ("two", "second")):
        (site / name).mkdir()
        (site / name / "more.yaml").write_text(GUEST.replace("more", guest), encoding="utf-8")
    repository.commit()
    shutil.rmtree(site / "two")
    (site / "two").symlink_to("one")


@pytest.mark.parametrize(
    "change",
    [
        _changed, _same_size_and_time, _untracked, _ignored, _ignored_below, _assumed_unchanged, _skipped, _deleted,
        _sparse, _staged, _ends_of_lines, _smudged, _a_link_instead, _a_link_more, _a_link_less, _a_link_elsewhere,
        _a_folder_is_a_link,
    ],
)  # fmt: skip
def test_what_is_not_as_it_was_committed_is_marked(
    change: Callable[[Path, Repository], None], repository: Repository, plan: Plan
) -> None:
    """Also where git was told to overlook it, or would think that it is the same."""
    change(repository.path / "site", repository)

    assert commit(plan(repository.path / "site")) == f"{repository.head()}+"


def test_a_link_on_the_way_that_leads_elsewhere_now(repository: Repository, plan: Plan, tmp_path: Path) -> None:
    """The files are the commit's, but not those that the commit has there."""
    (repository.path / "old").mkdir()
    for name, content in SITE.items():
        if name != "simulated-host.yaml":
            (repository.path / "old" / name).write_bytes(content + b"# old\n")
    (repository.path / "current").symlink_to("site")
    head = repository.commit()
    assert commit(plan(repository.path / "current")) == head

    (repository.path / "current").unlink()
    (repository.path / "current").symlink_to("old")

    assert commit(plan(repository.path / "current")) == f"{head}+"
    (tmp_path / "outside").symlink_to(repository.path / "current")
    assert commit(plan(tmp_path / "outside")) == f"{head}+"


# No commit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("git_file", [None, "", "gitdir: nowhere", "gitdir: .", "nonsense"])
def test_elsewhere_there_is_no_commit(git_file: str | None, repository: Repository, plan: Plan, tmp_path: Path) -> None:
    """No repository, or a ``.git`` that is none."""
    shutil.copytree(repository.path / "site", tmp_path / "copy")
    if git_file is not None:
        (tmp_path / "copy/.git").write_text(git_file, encoding="utf-8")

    assert commit(plan(tmp_path / "copy")) == "-"


def test_a_pipe_is_not_waited_for(repository: Repository, plan: Plan, tmp_path: Path) -> None:
    """Neither as ``.git`` nor as anything that leads to a repository."""
    shutil.copytree(repository.path / "site", tmp_path / "copy")
    os.mkfifo(tmp_path / "copy/.git")

    assert commit(plan(tmp_path / "copy")) == "-"


def test_a_repository_without_a_commit(repository: Repository, plan: Plan, tmp_path: Path) -> None:
    """Nothing is said about it."""
    shutil.copytree(repository.path / "site", tmp_path / "new")
    Repository(tmp_path / "new")

    assert commit(plan(tmp_path / "new")) == "-"


def test_without_git_there_is_no_commit(
    repository: Repository, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is worth knowing, never needed."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert commit(plan(repository.path / "site")) == "-"


def test_a_folder_that_is_named_like_a_checkout_of_the_loop(repository: Repository, plan: Plan) -> None:
    """Whoever can name a folder could otherwise choose the commit that is shown."""
    (repository.path / "checkouts").mkdir()
    (repository.path / "site").rename(repository.path / "checkouts" / ("a" * 40))

    assert commit(plan(repository.path / "checkouts" / ("a" * 40))) == f"{repository.head()}+"


def test_the_environment_names_no_other_repository(
    repository: Repository, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does in every hook of git."""
    other = Repository(tmp_path / "other")
    other.commit()
    trap = Trap(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.fsmonitor'='{trap.program}'")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap.program))
    monkeypatch.setenv("GIT_PAGER", str(trap.program))

    assert commit(plan(repository.path / "site")) == repository.head()
    assert trap.ran == ""


# Repositories that are not trusted ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TRAPS)
@pytest.mark.parametrize("words", [["plan"], ["apply", "--yes"]], ids=["plan", "apply"])
def test_no_command_runs_what_a_repository_names(
    kind: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It plans and applies all the same."""
    trap = Trap(tmp_path)
    directory = trapped(kind, Repository(tmp_path / "repository"), trap, EXAMPLES / "three-guests")

    ran = Command(directory, capsys)(*words)

    assert trap.ran == ""
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("kind", ["config", "bare-in-a-clone", "partial-clone"])
def test_no_loop_runs_what_a_repository_names(kind: str, tmp_path: Path) -> None:
    """Neither at the start nor later; why there is no commit is said once."""
    trap = Trap(tmp_path)
    repository = Repository(tmp_path / "repository")
    directory = trapped(kind, repository, trap, EXAMPLES / "three-guests")
    where = ("--simulate", str(directory / "simulated-host.yaml"), "--state-dir", str(tmp_path / "state"))

    with watching(tmp_path / "state", where, "--apply", "-f", str(directory), "--resync", "1s") as loop:
        loop.turn()
        (directory / "more.yaml").write_text(GUEST, encoding="utf-8")
        assert loop.turn()["condition"] == "in-sync"
        shown = json.loads(loop.run("history", "show", "2", "-o", "json").out)["commit"]

    said = [line["event"] for line in loop.lines if "the commit of the manifests" in line["event"]]
    assert trap.ran == ""
    assert (shown or None, len(said)) == ((None, 1) if kind == "partial-clone" else (f"{repository.head()}+", 0))


@pytest.mark.parametrize("kind", TRAPS)
def test_no_start_of_a_vm_runs_what_a_repository_names(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts all the same."""
    trap = Trap(tmp_path)
    directory = trapped(kind, Repository(tmp_path / "repository"), trap, EXAMPLES / "on-demand")
    where = ["-f", str(directory), "--simulate", str(directory / "simulated-host.yaml")]
    xml = domain_xml(hostdev("3aa99fdc-2dee-5750-9ebd-0a7e3b558c64"), name="vm")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(xml), isatty=lambda: False))

    ran = Command(directory, capsys).bare("hook", "qemu", *where, "--", "vm", "prepare", "begin", "-")

    assert trap.ran == ""
    assert ran.code == 0, ran.err
    assert "day-shift" in Command(directory, capsys).bare("status", *where).out


def _top(repository: Repository) -> Path:
    return repository.path


def _directory(repository: Repository) -> Path:
    return repository.path / ".git"


def _linked_directory(repository: Repository) -> Path:
    (repository.path / ".git").rename(repository.path / "elsewhere")
    (repository.path / ".git").write_text("gitdir: elsewhere", encoding="utf-8")
    return repository.path / "elsewhere"


def _git_file(repository: Repository) -> Path:
    _linked_directory(repository)
    return repository.path / ".git"


def _link(repository: Repository) -> Path:
    (repository.path / ".git").rename(repository.path / "elsewhere")
    (repository.path / ".git").symlink_to("elsewhere")
    return repository.path / ".git"


def _own(folder: Path, user: int = STRANGER) -> None:
    """Give all of `folder` to `user`."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)


def _made_bare(repository: Repository, _: Path) -> None:
    repository.git("config", "core.bare", "true")


def _damaged(repository: Repository, _: Path) -> None:
    (repository.path / ".git/config").write_text("[core\n", encoding="utf-8")


@needs_root
@pytest.mark.parametrize(
    "make",
    [
        None, _packed, _detached, _touched, _git_is_a_link, _links_inside, _strange_names, _no_work_tree_there,
        _made_bare, _damaged,
    ],
)  # fmt: skip
def test_a_repository_of_another_user_is_read_as_data(
    make: Callable[[Repository, Path], None] | None, repository: Repository, plan: Plan, tmp_path: Path
) -> None:
    """However it is kept and whatever its settings say, without a word about ``safe.directory``."""
    if make:
        make(repository, tmp_path)
    head = (repository.git("-c", "core.bare=false", "rev-parse", "HEAD")) if make is not _damaged else ""
    _own(repository.path)
    if (tmp_path / "moved").exists():
        _own(tmp_path / "moved")

    assert commit(plan(repository.path / "site")).startswith(head)
    _changed(repository.path / "site", repository)
    assert commit(plan(repository.path / "site")).endswith("+")


@needs_root
def test_the_work_trees_of_another_user(repository: Repository, plan: Plan, tmp_path: Path) -> None:
    """A linked one, one with ids of SHA-256, one part of which is ours, and one without a commit."""
    head = repository.head()
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    other = Repository(tmp_path / "sha256", "--object-format=sha256")
    shutil.copytree(repository.path / "site", other.path / "site")
    longer = other.commit()
    shutil.copytree(repository.path / "site", tmp_path / "new/site")
    Repository(tmp_path / "new")
    for name in ("repository", "linked", "sha256", "new"):
        _own(tmp_path / name)

    assert commit(plan(tmp_path / "linked/site")) == head
    assert commit(plan(other.path / "site")) == longer
    assert commit(plan(tmp_path / "new")) == "-"
    _own(repository.path / ".git", 0)
    assert commit(plan(repository.path / "site")) == head
    os.chown(repository.path, 0, 0)
    _own(repository.path / ".git")
    assert commit(plan(repository.path / "site")) == head


@needs_root
@pytest.mark.parametrize("kind", TRAPS)
def test_no_command_runs_what_a_repository_of_another_user_names(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It plans and applies all the same, and the history has the commit with its subject."""
    trap = Trap(tmp_path)
    repository = Repository(tmp_path / "repository")
    directory = trapped(kind, repository, trap, EXAMPLES / "three-guests")
    _own(repository.path)

    command = Command(directory, capsys)
    ran = command("apply", "--yes")
    shown = json.loads(command("history", "show", "1", "-o", "json").out)

    assert trap.ran == ""
    assert ran.code == 0, ran.err
    assert shown["subject"] == ("" if kind in {"bare-alone", "bare-beside-an-empty-git", "partial-clone"} else "Change")


@needs_root
def test_another_user_learns_nothing_of_a_repository_of_ours(
    repository: Repository, plan: Plan, tmp_path: Path
) -> None:
    """Neither by a link to a branch of it, nor by a name that leads there."""
    secret = Repository(tmp_path / "secret")
    secret.commit({"secret": "x"}, "Hidden")
    objects = repository.path / ".git/objects/info/alternates"
    objects.write_text(f"{secret.path}/.git/objects\n", encoding="utf-8")
    branch = repository.path / ".git/refs/heads/main"
    branch.unlink()
    branch.symlink_to(secret.path / ".git/refs/heads/main")
    _own(repository.path)
    assert commit(plan(repository.path / "site")) == "-"

    (repository.path / ".git/HEAD").write_text("ref: refs/../../../secret/.git/refs/heads/main\n", encoding="utf-8")
    assert commit(plan(repository.path / "site")) == "-"


@needs_root
def test_branches_that_only_git_can_read_are_said(repository: Repository, plan: Plan) -> None:
    """In a repository of another user."""
    (repository.path / ".git/reftable").mkdir()
    _own(repository.path)

    assert "reftable" in refusal(plan(repository.path / "site"))


@needs_root
def test_an_object_of_another_user_that_is_too_large_is_refused(repository: Repository, plan: Plan) -> None:
    """Before there is memory for it; git names the limit."""
    tree = repository.git("rev-parse", "HEAD^{tree}")
    text = f"tree {tree}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\n".encode() + b"x" * (65 << 20)
    commit = repository.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", given=text)
    (repository.path / ".git/refs/heads/main").write_text(f"{commit}\n", encoding="utf-8")
    _own(repository.path)

    assert "attempting to allocate" in refusal(plan(repository.path / "site"))


@needs_root
@pytest.mark.parametrize("part", [_git_file, _link])
def test_a_repository_of_ours_to_which_another_user_leads_is_not_asked(
    part: Callable[[Repository], Path],
    repository: Repository,
    plan: Plan,
) -> None:
    """They may not be allowed to read it; the message says what to do, and that works."""
    head = repository.head()
    foreign = part(repository)
    os.chown(foreign, STRANGER, STRANGER, follow_symlinks=False)
    directory = repository.path / ("elsewhere" if (repository.path / "elsewhere").exists() else ".git")
    with (directory / "config").open("a", encoding="utf-8") as config:
        config.write("[safe]\n\tdirectory = *\n")  # it cannot vouch for itself

    said = refusal(plan(repository.path / "site"))
    assert f"{foreign} belongs to user {STRANGER}, not to you or root" in said

    command = shlex.split(said.partition("run: ")[2])
    assert command[:4] == ["git", "config", "--system", "--add"]
    subprocess.run(command, check=True)
    assert commit(plan(repository.path / "site")) == head


@needs_root
@pytest.mark.parametrize(
    ("directories", "shown"),
    [
        (["*"], True),
        (["{top}"], True),
        (["{top}/"], True),
        (["{top}/elsewhere"], True),
        (["{parent}/*"], True),
        (["{top}", ""], False),
        (["", "{top}"], True),
        (["{parent}"], False),
        (["{top}/*/"], False),
        (["/nonexistent/*"], False),
    ],
)
def test_safe_directory_is_honoured(
    directories: list[str], shown: bool, repository: Repository, plan: Plan, tmp_path: Path
) -> None:
    """As git-config(1) says."""
    os.chown(_link(repository), STRANGER, STRANGER, follow_symlinks=False)
    values = [one.format(top=repository.path, parent=repository.path.parent) for one in directories]
    lines = "".join(f'\tdirectory = "{value}"\n' for value in values)
    (tmp_path / "gitconfig").write_text(f"[safe]\n{lines}", encoding="utf-8")

    ran = plan(repository.path / "site")

    if shown:
        assert commit(ran) == repository.git("-c", "safe.directory=*", "rev-parse", "HEAD")
    else:
        assert "belongs to user" in refusal(ran)


@needs_root
def test_who_asks_by_sudo_is_trusted(repository: Repository, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """As git does it: a repository in the home of whoever types ``sudo reconcile plan``."""
    head = repository.head()
    os.chown(_link(repository), STRANGER, STRANGER, follow_symlinks=False)
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    assert commit(plan(repository.path / "site")) == head
    monkeypatch.setenv("SUDO_UID", str(STRANGER + 1))
    assert "belongs to user" in refusal(plan(repository.path / "site"))


@pytest.mark.parametrize(
    "lines",
    [
        "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tpartialClone = origin\n",
        '[remote "a.b"]\n\tpromisor\n',
        '[remote "origin"]\n\tpromisor = yes\n',
        '[remote "origin"]\n\tpartialCloneFilter = blob:none\n',
        "[include]\n\tpath = more\n",
    ],
)
def test_a_partial_clone_is_not_asked(lines: str, repository: Repository, plan: Plan) -> None:
    """Git would fetch what is missing, by a program that its configuration names."""
    (repository.path / ".git/more").write_text('[remote "origin"]\n\tpromisor = true\n', encoding="utf-8")
    with (repository.path / ".git/config").open("a", encoding="utf-8") as config:
        config.write(lines)

    assert "is a partial clone" in refusal(plan(repository.path / "site"))


def test_a_remote_that_promises_nothing_is_no_partial_clone(repository: Repository, plan: Plan) -> None:
    """It says so."""
    repository.git("config", "remote.origin.promisor", "false")

    assert commit(plan(repository.path / "site")) == repository.head()


def test_a_bare_repository_has_no_files(repository: Repository, plan: Plan) -> None:
    """What lies around it was never checked out."""
    repository.git("config", "core.bare", "true")

    assert "is a bare repository" in refusal(plan(repository.path / "site"))


@pytest.mark.parametrize("damage", ["[core\n", "[core]\n\trepositoryFormatVersion = 9\n"])
def test_a_repository_that_cannot_be_read_is_said(damage: str, repository: Repository, plan: Plan) -> None:
    """In git's words, without a traceback."""
    with (repository.path / ".git/config").open("a", encoding="utf-8") as config:
        config.write(damage)

    assert refusal(plan(repository.path / "site"))


def test_no_text_has_a_sign_for_uncommitted_changes_that_it_does_not_explain(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every form for people says it in words, or has a note on the sign; programs get the sign."""
    with (repository.path / "site/guests.yaml").open("a", encoding="utf-8") as file:
        file.write("# not committed\n")
    host = ("--simulate", str(tmp_path / "simulated-host.yaml"), "--state-dir", str(tmp_path / "state"))
    where = ("-f", str(repository.path / "site"), *host)
    command, head = Command(tmp_path, capsys), repository.head()
    made = {form: command.bare("plan", "-o", form, *where) for form in ("text", "wide", "diff", "markdown")}
    made["report"] = command.bare("report", "--plan", "--html", "-", *where)
    assert command.bare("apply", "--yes", *where).code == 0
    made["show"] = command.bare("history", "show", "1", *host)
    made["status"] = command.bare("status", *host, "-f", str(tmp_path / "none"))
    listed = command.bare("history", *host)

    for form, ran in made.items():
        text = " ".join((ran.out + ran.err).split())
        assert f"{head[:12]}+" not in text, form
        if head[:12] in text:
            assert "uncommitted changes" in text, form
    assert f"commit {head[:12]} with uncommitted changes: kernel" in made["text"].out
    assert f"<sub>commit `{head}` with uncommitted changes, fingerprint" in made["markdown"].out
    assert f"{head[:12]}+" in listed.out
    assert "note: '+' behind a commit: with uncommitted changes\n" in listed.err
