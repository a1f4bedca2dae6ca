"""docs/gitops.md shows what really happens, from the empty repository to the enforced host."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

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
    steps = [step["run"] for step in github["jobs"]["plan"]["steps"] if "run" in step]
    for commands in (steps, gitlab["plan"]["script"]):
        assert any(command.startswith("reconcile validate ") for command in commands)
        assert any("-o markdown -f lpar7 --observed lpar7.json" in command for command in commands)
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["always_run"] is True  # otherwise a commit that only deletes files is not checked
    used = yaml.safe_load(FILES[".pre-commit-config.yaml"])["repos"][0]["hooks"][0]
    assert (used["id"], hook["entry"], hook["pass_filenames"]) == (hook["id"], "reconcile validate", False)


def _alike(text: str, home: Path) -> str:
    """`text` with Kim's home, and without what is another each time."""
    text = text.replace(str(home), "/home/kim")
    text = re.sub(r"\b[0-9a-f]{40}\b", "0123456789abcdef0123456789abcdef01234567", text)
    text = re.sub(r"(?<!-)\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b", "0123456789ab", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\d \d\d:\d\d\b", "2027-01-15 08:00", text)
    text = re.sub(r"\b(2027-01-15 08:00):\d\d\b", r"\1:00", text)
    text = re.sub(r"STARTED \(\w+\) *", "STARTED (UTC)     ", text)
    return re.sub(r"\bcycle \d+:", "cycle 2:", text)
