"""Every command of another tool that we print or show is one that the tool takes."""

import ast
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from reconciler.model.commands import NOWHERE
from reconciler.watch.report import Condition, Obstacle, RefusedConfiguration, SourceReport
from reconciler.watch.report_text import next_steps
from testing.programs import needs
from testing.reports import NOW, report

ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").rglob("*.yml"),
        *(ROOT / "reconciler").rglob("*.py"),
    ]
)
COMMAND: Final = re.compile(
    r"""(?:[`'"]|^\s*(?:[$#]\ )?|^\s*"\s+)((?:virsh|systemctl|journalctl|udevadm)\ [^`'"|&#\n]+)""",
    re.MULTILINE | re.VERBOSE,
)
REFUSED: Final = re.compile(
    r"unknown|unrecognized|invalid|not supported|failed to parse|requires an argument", re.IGNORECASE
)
SINCE: Final = {"nodedev-update": (10, 1)}
"""Commands of virsh that an older libvirt lacks, as the pages say."""


IN_A_SENTENCE: Final = re.compile(
    r"\b((?:virsh|systemctl|journalctl|udevadm|git|mdevctl)(?: (?:[\w@./:=+-]|\{\})+)+)", re.ASCII
)
"""A command among words; what a reader fills in ends it."""
VERBS: Final = {
    "git": "ls-remote config rev-parse rev-list verify-commit commit revert push fetch clone gc fsck add log show",
    "mdevctl": "start stop modify define undefine list start-parent-mdevs",
}
"""What makes a command of a tool whose name sentences begin with, too: ``git cannot tell``."""


def shown(tool: str) -> list[str]:
    """The commands of `tool` in the pages, the examples and what the code prints, without what a reader fills in."""
    found = {line.strip() for file in FILES for line in COMMAND.findall(file.read_text(encoding="utf-8"))}
    pages = {line for line in found if line.split()[0] == tool and "{" not in line}
    return sorted(pages | {line for text in printed_texts() for line in in_sentences(text) if line.split()[0] == tool})


@cache
def printed_texts() -> tuple[str, ...]:
    """Every text in the code that is no docstring, with ``{}`` for each value of an f-string."""
    return tuple(text for file in (ROOT / "reconciler").rglob("*.py") for text in texts_of(file.read_text("utf-8")))


def texts_of(source: str) -> list[str]:
    """The texts of `source`; those that stand beside one another are one."""
    tree = ast.parse(source)
    parts = {id(part) for one in ast.walk(tree) if isinstance(one, ast.JoinedStr) for part in ast.walk(one)}
    docs = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    found = []
    for one in ast.walk(tree):
        if isinstance(one, ast.JoinedStr):
            values = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in one.values]
            found.append("".join(values))
        elif isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in docs | parts:
            found.append(one.value)
    return found


def in_sentences(text: str) -> list[str]:
    """The commands in `text`, also in the middle of a sentence, as far as they are written out."""
    found = []
    for words in (line.split() for line in IN_A_SENTENCE.findall(text)):
        verbs = VERBS.get(words[0])
        if verbs is not None and words[1] not in verbs.split():
            continue  # a sentence about the tool
        known = words[: next((place for place, word in enumerate(words) if "{" in word), None)]
        found += [" ".join(known).rstrip(".:")] if len(known) > 1 else []
    return found


def git_takes(line: str) -> bool:
    """Whether git has the command and its long options."""
    words = shlex.split(line)[1:]
    usage = subprocess.run(["git", words[0], "-h"], capture_output=True, text=True, check=False, timeout=60)
    told = usage.stdout + usage.stderr
    options = [word.removeprefix("--no-").removeprefix("--") for word in words if word.startswith("--")]
    return "usage: git" in told and all(word.partition("=")[0] in told for word in options)


def mdevctl_takes(line: str) -> bool:
    """Whether mdevctl has the command and its options."""
    words = shlex.split(line)[1:]
    ran = subprocess.run(["mdevctl", words[0], "--help"], capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode == 0 and all(word in ran.stdout for word in words if word.startswith("-"))


def test_commands_are_found_in_sentences() -> None:
    """In f-strings, without quotes around them, over two lines of source, and not where a tool is the subject."""
    source = (
        '"""virsh doc"""\nx = f"try virsh domrename {old} {new}, or " "git ls-remote"\n'
        'y = ("so that it runs: systemctl enable " "--now reconcile-watch; git cannot tell")\n'
    )

    found = [line for text in texts_of(source) for line in in_sentences(text)]

    assert sorted(found) == ["git ls-remote", "systemctl enable --now reconcile-watch", "virsh domrename"]


def test_git_has_what_we_print() -> None:
    """Each command and long option."""
    needs("git")
    lines = shown("git")

    assert len(lines) >= 4
    assert [line for line in lines if not git_takes(line)] == []
    assert not git_takes("git commit --amend --no-edits")
    assert not git_takes("git undo HEAD")


def test_mdevctl_has_what_we_print() -> None:
    """Each command and option."""
    needs("mdevctl")
    lines = shown("mdevctl")

    assert lines
    assert [line for line in lines if not mdevctl_takes(line)] == []
    assert not mdevctl_takes("mdevctl modify --by-hand")


def said(*words: str) -> str:
    """What a tool writes on stderr, and nothing where it takes the words."""
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    return ran.stderr


def virsh_takes(line: str) -> bool:
    """Whether virsh has the command and its options."""
    command, *words = shlex.split(line)[1:]
    version = subprocess.run(["virsh", "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    if tuple(map(int, version.split(".")[:2])) < SINCE.get(command, ()):
        return True
    ran = subprocess.run(
        ["virsh", "-c", "test:///default", "help", command], capture_output=True, text=True, check=False, timeout=60
    )
    return ran.returncode == 0 and all(word in ran.stdout for word in words if word.startswith("--"))


def systemctl_takes(line: str, root: Path) -> bool:
    """Whether systemctl has the verb and the options; nothing is started: there is no manager below `root`."""
    options = [word for word in shlex.split(line)[1:] if word.startswith("-")]
    verb, *units = [word for word in shlex.split(line)[1:] if not word.startswith("-")] or ["is-enabled"]
    usage = subprocess.run(["systemctl", "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    if not re.search(rf"^  {re.escape(verb)}\b", usage, re.MULTILINE):
        return False
    return not REFUSED.search(said("systemctl", f"--root={root}", *options, "is-enabled", *units))


def journalctl_takes(line: str, root: Path) -> bool:
    """Whether journalctl takes the options, on a journal without entries."""
    return not REFUSED.search(said("journalctl", "-D", str(root), "--no-pager", *shlex.split(line)[1:]))


def test_virsh_has_what_we_print() -> None:
    """By its own help, of the driver that needs no daemon."""
    needs("virsh")
    lines = shown("virsh")

    assert len(lines) >= 5
    assert [line for line in lines if not virsh_takes(line)] == []
    assert not virsh_takes("virsh nodedev-auto")
    assert not virsh_takes("virsh nodedev-autostart --alive")


def test_systemctl_has_what_we_print(tmp_path: Path) -> None:
    """Each verb, option and name of a unit."""
    needs("systemctl")
    lines = shown("systemctl")

    assert len(lines) >= 6
    assert [line for line in lines if not systemctl_takes(line, tmp_path)] == []
    assert not systemctl_takes("systemctl begin reconcile-watch", tmp_path)
    assert not systemctl_takes("systemctl start --at-once reconcile-watch", tmp_path)


def test_the_units_are_ours_or_of_libvirt() -> None:
    """Nothing else finds a wrong name: systemctl takes any."""
    units = {word for line in shown("systemctl") for word in line.split()[2:] if not word.startswith("-")}

    ours = {"reconcile-watch", "reconcile-boot", "reconcile-serve.socket"}
    assert {unit.removesuffix(".service") for unit in units} <= {*ours, "virtqemud", "daemon-reload"}


def test_journalctl_has_what_we_print(tmp_path: Path) -> None:
    """Options and their values."""
    needs("journalctl")
    lines = shown("journalctl")

    assert len(lines) >= 3
    assert [line for line in lines if not journalctl_takes(line, tmp_path)] == []
    assert not journalctl_takes("journalctl -p grave", tmp_path)
    assert not journalctl_takes("journalctl -o kitten", tmp_path)


def test_udevadm_has_what_we_print() -> None:
    """Each of its commands."""
    needs("udevadm")
    lines = shown("udevadm")

    assert lines
    assert [line for line in lines if said("udevadm", shlex.split(line)[1], "--help")] == []
    assert said("udevadm", "tests", "--help")


class Clone:
    """A clone of a repository with two commits, by a person who can sign."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self._home = folder
        self("git", "init", "-q", "--bare", "-b", "main", str(folder / "origin"), within=folder)
        self("git", "clone", "-q", str(folder / "origin"), str(self.folder), within=folder)
        self("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"), within=folder)
        key = (folder / "key.pub").read_text()
        (folder / "signers").write_text(f"kim@example.org {key}")
        for name, value in (
            ("user.name", "Kim"),
            ("user.email", "kim@example.org"),
            ("gpg.format", "ssh"),
            ("user.signingkey", str(folder / "key")),
            ("gpg.ssh.allowedSignersFile", str(folder / "signers")),
        ):
            self("git", "config", name, value)
        self("git", "switch", "-q", "-c", "main")
        for text in ("first", "second"):
            (self.folder / "guests.yaml").write_text(text)
            self("git", "add", "guests.yaml")
            self("git", "commit", "-q", "-m", text)
        self("git", "push", "-q", "-u", "origin", "main")

    def __call__(self, *words: str, within: Path | None = None) -> str:
        """What a command says; it succeeds."""
        environment = {
            "HOME": str(self._home),
            "PATH": "/usr/bin:/bin",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "false",
        }
        ran = subprocess.run(
            words,
            cwd=within or self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


def advised(obstacle: Obstacle, commit: str) -> str:
    """What is printed against `obstacle`, with the remark behind it."""
    source = SourceReport("ap", "abc", RefusedConfiguration(commit, ("bad",), NOW, (obstacle,)))
    return next_steps(report(condition=Condition.IN_SYNC, source=source), here=NOWHERE)[0]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A clone whose newest commit is to be replaced."""
    needs("ssh-keygen")
    return Clone(tmp_path)


def test_a_commit_is_signed_by_what_we_print(clone: Clone) -> None:
    """The line is run by a shell as it stands; afterwards the branch has a commit with a good signature."""
    before = clone("git", "rev-parse", "HEAD")

    clone("bash", "-c", advised(Obstacle.SIGNATURE, before))

    after = clone("git", "rev-parse", "origin/main")
    assert before != after
    clone("git", "verify-commit", after)
    assert after == clone("git", "ls-remote", "origin", "refs/heads/main").split()[0]


def test_a_commit_is_reverted_by_what_we_print(clone: Clone) -> None:
    """The line is run by a shell as it stands; afterwards the branch has what it had before."""
    clone("bash", "-c", advised(Obstacle.COMMIT, clone("git", "rev-parse", "HEAD")))

    assert clone("git", "show", "origin/main:guests.yaml") == "first"
    assert clone("git", "rev-list", "--count", "origin/main") == "3"
