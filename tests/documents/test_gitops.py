"""docs/gitops.md shows what really happens, from the empty repository to the enforced host."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
import yaml

from reconciler.cli.main import run as main
from reconciler.watch.requests import LOCK, SOCKET, TriggerRequest, ask
from testing.console_blocks import rerun
from testing.mounted_hosts import until

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/gitops.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Kim's home directory, with nobody's git settings; a loop that was started there is ended."""
    people = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _KIM.items()}
    settings = {"HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    for name, value in {**people, **settings, "SUDO_USER": "kim", "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    yield tmp_path
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        lock = tmp_path / "host.yaml.state" / LOCK
        os.kill(int(lock.read_text(encoding="ascii")), signal.SIGTERM)
        until(lambda: not (tmp_path / "host.yaml.state" / SOCKET).exists())


_KIM = {"NAME": "Kim", "EMAIL": "kim@example.com"}


def test_the_session_prints_what_the_document_shows(home: Path) -> None:
    """Each command in order, in a fresh home, with the files of the document; times and ids of commits may differ."""
    again = _alike(repeated(home), home)

    assert again == _alike(DOCUMENT, home)


def repeated(home: Path) -> str:
    """The document with what its commands print now, in `home`."""
    for name, content in FILES.items():
        file = home / "ap" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")

    def started() -> None:
        state = home / "host.yaml.state"
        until(lambda: (state / SOCKET).exists() and ask(state, TriggerRequest(wait=True), 60) is not None)

    return rerun(DOCUMENT, home / "ap", Path(sys.executable).parent, started)


def test_files_for_other_programs_have_their_form() -> None:
    """They are YAML, and name what is there."""
    assert len(FILES) == 7
    github, gitlab = (yaml.safe_load(FILES[name]) for name in (".github/workflows/reconcile.yml", ".gitlab-ci.yml"))
    assert {"pull-requests": "write", "contents": "read"} == github["permissions"]
    assert gitlab["plan"]["artifacts"]["paths"] == ["comment.md"]
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["always_run"] is True  # otherwise a commit that only deletes files is not checked
    used = yaml.safe_load(FILES[".pre-commit-config.yaml"])["repos"][0]["hooks"][0]
    assert (used["id"], hook["entry"], hook["pass_filenames"]) == (hook["id"], "reconcile validate", False)


ELSEWHERE: Final = ("pipx ", "pip ", "curl ", "gh ")
"""What the jobs do with other machines begins with one of these."""


def steps_of(forge: str) -> list[str]:
    """The scripts of the job on this forge, each run by a shell of its own; without what needs other machines."""
    if forge == "github":
        steps = yaml.safe_load(FILES[".github/workflows/reconcile.yml"])["jobs"]["plan"]["steps"]
        commands = [step["run"] for step in steps if "run" in step]
        return [one for one in commands if not one.startswith(ELSEWHERE)]
    commands = yaml.safe_load(FILES[".gitlab-ci.yml"])["plan"]["script"]
    return ["\n".join(one for one in commands if not one.startswith(ELSEWHERE))]


@pytest.mark.parametrize(("clashes", "code"), [(False, 0), (True, 4)])
@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_the_jobs_show_the_plan_and_how_old_its_record_is(
    forge: str, clashes: bool, code: int, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also of manifests that conflict, with which the job fails."""
    work = home / "work"
    for name in ("lpar7/host.yaml", "lpar7/payments.yaml", "../host.yaml"):
        file = work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FILES[name], encoding="utf-8")
    assert main(["observe", "--out", str(work / "lpar7.json"), "--simulate", str(home / "host.yaml")]) == 0
    if clashes:
        (work / "lpar7/web.yaml").write_text(FILES["lpar7/payments.yaml"].replace("payments", "web"), encoding="utf-8")

    reconcile = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": reconcile, "GITHUB_STEP_SUMMARY": str(work / "summary.md")}
    codes = [
        subprocess.run(["bash", "-e", "-c", one], cwd=work, env=environment, timeout=60, check=False).returncode
        for one in steps_of(forge)
    ]

    assert codes[-1] == code, capfd.readouterr().err
    comment = (work / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith("note: host lpar7 as recorded ")
    assert "### reconcile: host `lpar7`" in comment
    assert ("claim the same 2 queues" in comment) is clashes
    assert forge == "gitlab" or (work / "summary.md").read_text(encoding="utf-8") == comment


@pytest.mark.skipif(shutil.which("gh") is None, reason="gh is not installed")
def test_gh_has_the_options_that_the_job_uses() -> None:
    """Those that write a comment on a request, or write the last one anew."""
    steps = yaml.safe_load(FILES[".github/workflows/reconcile.yml"])["jobs"]["plan"]["steps"]
    (commands,) = [step["run"] for step in steps if step.get("run", "").startswith("gh ")]
    shown = subprocess.run(["gh", "pr", "comment", "--help"], capture_output=True, text=True, timeout=60, check=True)

    options = set(re.findall(r"--[a-z-]+", commands))
    assert options == {"--edit-last", "--body-file"}
    assert options <= set(re.findall(r"--[a-z-]+", shown.stdout))


def _alike(text: str, home: Path) -> str:
    """`text` with Kim's home, and without what is another each time."""
    text = text.replace(str(home), "/home/kim")
    text = re.sub(r"\b[0-9a-f]{40}\b", "0123456789abcdef0123456789abcdef01234567", text)
    text = re.sub(r"(?<!-)\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b", "0123456789ab", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\d \d\d:\d\d\b", "2027-01-15 08:00", text)
    text = re.sub(r"\b(2027-01-15 08:00):\d\d\b", r"\1:00", text)
    text = text.replace("until 2027-01-15 08:00", "until 2027-01-15 10:00")
    text = re.sub(r"STARTED \(\w+\) *", "STARTED (UTC)     ", text)
    return re.sub(r"\bcycle \d+:", "cycle 2:", text)
