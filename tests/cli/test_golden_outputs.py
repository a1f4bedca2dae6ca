"""What commands print, as whole files: at 80 and 120 columns, with and without colour; and on narrow encodings.

Plans, status, matrix and history have files of their own beside their tests.
``REWRITE_GOLDEN=1 ./run tests tests/cli/test_golden_outputs.py`` writes them anew.
"""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from reconciler.cli.main import run
from testing.commands import EXAMPLES
from testing.golden import assert_golden

UNITS: Final = "root/etc/systemd/system"
"""Where systemd finds units of an administrator, below the root of the machine ``root``."""

HOST: Final = ("--simulate", "simulated-host.yaml")
OUTPUTS: Final = {
    "plan": ("three-guests", ("plan", *HOST)),
    "drift": ("three-guests", ("drift", *HOST)),
    "drift-of-a-card": ("applied", ("drift", *HOST)),
    "valid": ("three-guests", ("validate",)),
    "invalid": ("invalid", ("validate",)),
    "conflict": ("conflict", ("validate",)),
    "refused-write": ("refused-write", ("apply", "--yes", *HOST)),
    "simulate": ("applied", ("simulate", *HOST)),
    "import": ("applied", ("import", *HOST)),
    "explain": ("three-guests", ("explain", "guest.spec.domains")),
    "no-loop": ("three-guests", ("status", "--watch", *HOST)),
    "usage": ("three-guests", ("plan", "--no-such-option")),
    "doctor": ("applied", ("doctor", *HOST)),
    "doctor-errors": ("damaged", ("doctor", *HOST)),
    "service-status": ("installed", ("service", "status", "--root", "root", "--directory", "hooks")),
    "service-install": ("three-guests", ("service", "install", "boot", "--directory", "units")),
    "service-install-hook": ("three-guests", ("service", "install", "hook", "--directory", "hooks", *HOST)),
    "service-uninstall": ("installed", ("service", "uninstall", "boot", "--directory", UNITS)),
}


PATH_LENGTH: Final = 200
"""In characters, of the directory in which the commands run."""


class Screen(io.StringIO):
    """A terminal, as far as a program can ask."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def copied(example: str, folder: Path) -> Path:
    """A copy of `example` in `folder`.

    ``applied`` is that of three guests, applied, with a card unplugged since; in ``damaged`` records are damaged since,
    in ``installed`` two services are installed below ``root``.
    """
    source = EXAMPLES / ("three-guests" if example in ("applied", "damaged", "installed") else example)
    shutil.copytree(source, folder / example, ignore=shutil.ignore_patterns("*.state*"))
    return folder / example


def prepare(example: str) -> None:
    """Do in the working directory what `example` needs."""
    if example in ("applied", "damaged"):
        assert run(["apply", "--yes", *HOST]) == 0
        assert run(["simulate", *HOST, "unplug", "5"]) == 0
    if example == "damaged":
        for name in ("inventory.json", "generations/000001.json"):
            (Path("simulated-host.yaml.state") / name).write_text('{"formatVersion"', encoding="utf-8")
    if example in ("three-guests", "installed"):
        for name in ("units", "hooks", UNITS):
            Path(name).mkdir(parents=True)
    if example == "installed":
        assert run(["service", "install", "boot", "--directory", UNITS]) == 0
        assert run(["service", "install", "hook", "--directory", "hooks", *HOST]) == 0


@pytest.mark.parametrize("is_terminal", [False, True], ids=["pipe", "colour"])
@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_it_is_printed_as_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, columns: str, *, is_terminal: bool
) -> None:
    """Standard output first, then standard error."""
    example, words = OUTPUTS[name]
    # Always of the same length, on which it depends where lines are divided.
    directory = copied(example, tmp_path / ("d" * (PATH_LENGTH - len(str(tmp_path / example)) - 1)))
    monkeypatch.chdir(directory)
    prepare(example)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.delenv("NO_COLOR", raising=False)
    out, err = (Screen(), Screen()) if is_terminal else (io.StringIO(), io.StringIO())
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    code = run(words)

    text = f"{out.getvalue()}{err.getvalue()}exit code {int(code)}\n".replace("\r\033[K", "")
    text = text.replace(str(directory), "/site")
    assert_golden(f"commands/{name}-{columns}{'-colour' if is_terminal else ''}.txt", text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1:strict"])
def test_no_encoding_is_too_narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """Our own signs have a form in ASCII, so that no escape is needed, and the exit code is the same."""
    for name, (example, words) in OUTPUTS.items():
        (tmp_path / name).mkdir()
        monkeypatch.chdir(copied(example, tmp_path / name))
        prepare(example)
        wide, narrow = (_ran(words, one) for one in ("utf-8", encoding))

        assert (narrow.returncode, b"Traceback" in narrow.stderr) == (wide.returncode, False), words
        shown = (narrow.stdout + narrow.stderr).decode(encoding.partition(":")[0])
        assert not re.search(r"\\(?:u|x[^3])", shown), words


def _ran(words: tuple[str, ...], encoding: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "reconciler.cli", *words],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


DIRECTORY: Final = "a-directory-with-a-rather-long-name"


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (("apply", "--confirm-within", "5"), ""),
        (("delete", "-f", DIRECTORY, *HOST), f"reconcile plan -f {DIRECTORY} --simulate simulated-host.yaml"),
        (("history", "show", "three"), ""),
        (("trigger", *HOST), "reconcile watch --simulate simulated-host.yaml"),
        (("validate",), ""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_sentences_fit_the_terminal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    whole: str,
    columns: int,
) -> None:
    """Those of errors and of their help; what is to be copied stays on one line."""
    monkeypatch.chdir(copied("invalid" if words == ("validate",) else "three-guests", tmp_path))
    monkeypatch.setenv("COLUMNS", str(columns))

    run(words)

    lines = capsys.readouterr().err.splitlines()
    assert whole in "\n".join(lines)
    assert [one for one in lines if len(one) > columns and "reconcile" not in one and " " in one.strip()] == []
