"""The manual: a page for each command and one for manifests, which the real mandoc finds nothing wrong with."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

import click
import pytest

from reconciler.cli.exit_codes import MEANINGS, Exit
from reconciler.cli.explain_command import read_kinds
from reconciler.cli.main import cli, run
from reconciler.cli.manual_command import Page, pages
from testing.commands import every_command

DATE: Final = "2026-01-31"
PATIENCE: Final = 60
needs_mandoc = pytest.mark.skipif(
    shutil.which("mandoc") is None, reason="mandoc checks the pages, and is not installed"
)


@pytest.fixture(scope="module")
def manual() -> dict[str, Page]:
    """All pages by name."""
    return {one.name: one for one in pages(cli, DATE)}


def plain(text: str) -> str:
    """What a page says, without fonts and escapes."""
    for escape, character in (("\\-", "-"), ("\\(aq", "'"), ("\\(dq", '"'), ("\\&", "")):
        text = text.replace(escape, character)
    return re.sub(r"\\f[BIR]", "", text)


def mandoc(output: str, text: str) -> str:
    """What mandoc says of a page, or shows of it."""
    done = subprocess.run(
        ["mandoc", f"-T{output}"], input=text.encode(), capture_output=True, timeout=PATIENCE, check=False
    )
    return (done.stdout + done.stderr).decode()


@needs_mandoc
def test_mandoc_finds_nothing_wrong(manual: dict[str, Page]) -> None:
    """Neither an error, nor a warning, nor a matter of style."""
    assert {name: found for name, page in manual.items() if (found := mandoc("lint", page.text))} == {}


def test_each_command_has_a_page_with_its_options(manual: dict[str, Page]) -> None:
    """Those of groups, too; each option with its help."""
    for context in every_command():
        text = plain(manual[context.command_path.replace(" ", "-")].text)
        words = " ".join(text.split())
        for parameter in context.command.get_params(context):
            record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
            if record:
                assert f"\n{record[0]}\n" in text
                assert " ".join(record[1].split()) in words


def test_manifests_have_a_page_with_each_field(manual: dict[str, Page]) -> None:
    """Of hosts, guests and simulated hosts, with all texts."""
    page = manual["reconcile-manifests"]
    text = plain(page.text)
    words = " ".join(text.split())

    assert (page.section, page.file) == (5, "man5/reconcile-manifests.5")
    for kind in read_kinds(("host", "guest", "simulated-host")):
        for field in kind.every():
            assert f"\n{'.'.join(field.path[1:])}\n" in text or field is kind
            assert all(" ".join(one.split()) in words for one in field.texts)


def test_the_page_of_the_whole_explains_the_exit_codes(manual: dict[str, Page]) -> None:
    """All that there are."""
    assert list(MEANINGS) == list(Exit)
    assert all(f"\n{code.value}\n" in plain(manual["reconcile"].text) for code in Exit)


def test_pages_are_of_narrow_ascii_lines(manual: dict[str, Page]) -> None:
    """Whatever the terminal and the program that shows them."""
    lines = [line for page in manual.values() for line in page.text.splitlines()]

    assert all(line.isascii() and len(line) <= 80 for line in lines if not line.startswith((".", "\\&  ")))


@needs_mandoc
@pytest.mark.parametrize(
    "text",
    [
        ".SH no heading",
        "'br no break, it's text",
        "a \\fBbackslash\\fP and \\(em no dash",
        '--option=`tick` ~tilde ^hat "quoted"',
        "dots × … and ü",
    ],
)
def test_no_text_is_taken_for_a_request(text: str) -> None:
    """It is shown as it is, as a paragraph and line by line."""

    @click.command(help=f"Act.\n\n{text}\n\n\b\n{text}\n  {text}\n", epilog="")
    def act() -> None: ...

    page = next(iter(pages(act, DATE)))
    shown = " ".join(mandoc("utf8", page.text).replace("-\N{BACKSPACE}-", "-").split())

    assert mandoc("lint", page.text) == ""
    assert shown.count(" ".join(text.split())) == 3


@pytest.mark.parametrize(
    "name", ["plan", "reconcile-plan", "service install watch", "service-install-watch", "manifests"]
)
def test_a_page_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By what a person calls it."""
    assert run(["man", name]) == 0
    assert capsys.readouterr().out.startswith(".TH ")


def test_pages_are_listed(capsys: pytest.CaptureFixture[str], manual: dict[str, Page]) -> None:
    """By name and section."""
    assert run(["man"]) == 0

    listed = capsys.readouterr().out.splitlines()
    assert listed == [f"{one.name}({one.section})" for one in manual.values()]
    assert {"reconcile(1)", "reconcile-service-install-watch(1)", "reconcile-manifests(5)"} <= set(listed)


@pytest.mark.parametrize(("name", "command"), [("aply", "reconcile man apply"), ("xyzzy", "reconcile man")])
def test_an_unknown_page_is_wrong_usage(name: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command to run instead."""
    assert run(["man", name]) == 64

    said = capsys.readouterr().err
    assert said.endswith(f"{command}\n")
    assert run(shlex.split(command)[1:]) == 0


def test_pages_are_written_below_a_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As man(1) looks for them, with the date of a build that is repeated."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    folder = tmp_path / "share" / "man"

    assert run(["man", "--directory", str(folder)]) == 0
    assert run(["man", "--directory", str(folder)]) == 0
    text = (folder / "man1" / "reconcile.1").read_text()
    assert (folder / "man5" / "reconcile-manifests.5").is_file()
    assert ' 1 1970-01-02 "reconcile ' in text
    assert f"next: man -M {folder} reconcile" in capsys.readouterr().out


def test_what_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the system's reason; a page and a directory are not asked for together."""
    (tmp_path / "man1").write_text("")

    assert run(["man", "--directory", str(tmp_path)]) == 1
    assert "error: " in capsys.readouterr().err
    assert run(["man", "plan", "--directory", str(tmp_path)]) == 64
