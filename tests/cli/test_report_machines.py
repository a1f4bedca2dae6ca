"""``reconcile report --machine`` and ``--machines``: the LPARs of machines, as a page or a picture."""

import html
import re
from pathlib import Path

import pytest

from testing.commands import Command, Ran, example
from testing.pictures import parsed, tooltips, words


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the two LPARs."""
    return example("two-lpars", tmp_path, capsys)


def report(command: Command, *options: str, part: str = "conflicts") -> Ran:
    """A report on the machines of a part of the example."""
    return command.bare("report", "-f", str(command.directory / part), *options)


def test_a_conflict_is_in_the_picture(command: Command) -> None:
    """It says which LPARs are active; the exit code is that of a conflict, as for a plan."""
    ran = report(command, "--machine", "cpc-a", "--svg", "-")

    assert ran.code == 4
    assert "error[lpar-overlap]" in ran.err
    assert "05.0047 (5.71) conflict: LPAR7 and LPAR8 are active" in tooltips(ran.out)
    assert "06.0047 (6.71) LPAR7: active" in tooltips(ran.out)
    assert "06.0010 (6.16) no LPAR that is listed has it" in tooltips(ran.out)
    assert {"cpc-a: LPARs listed", "l7!", "conflict: several active LPARs have it"} <= set(words(ran.out))


def test_a_standby_is_marked(command: Command) -> None:
    """It is hatched where it has a queue alone; what it shares with an active LPAR says so."""
    file = command.directory / "fixed/machines.yaml"
    file.write_text(
        file.read_text().replace(
            "{name: ZOS2, adapters: [5], usageDomains: [9]}", "{name: ZOS2, adapters: [5], usageDomains: [4]}"
        )
    )

    ran = report(command, "--machine", "cpc-b", "--svg", "-", part="fixed")

    assert ran.code == 0
    shown = tooltips(ran.out)
    assert "05.0004 (5.4) ZOS2: active; also defined for LPAR7DR, not active" in shown
    assert "06.0004,0047 (6.4,71) LPAR7DR: defined, not active" in shown
    assert "LPAR7DR (inactive, standby of cpc-a/LPAR7)" in words(ran.out)


def test_all_machines_are_in_one_file(command: Command) -> None:
    """As a page and as a picture, in which no id stands twice."""
    target = command.directory / "out.svg"
    ran = report(command, "--machines", "--html", "-", "--svg", str(target))
    drawn = target.read_text()

    for text in (ran.out, drawn):
        ids = re.findall(r'\bid="([^"]*)"', text)
        assert len(ids) == len(set(ids))
        referred = set(re.findall(r"url\(#([^)]*)\)", text))
        assert referred <= set(ids)
    assert {"cpc-a: LPARs listed", "cpc-b: LPARs listed"} <= set(words(drawn))
    assert parsed(drawn).get("width")
    page = html.unescape(ran.out)
    assert re.findall("<h1>(.*?)</h1>", page) == ["2 machines"]
    assert re.findall("<section><h2>(.*?)</h2>", page) == ["Machine cpc-a", "Machine cpc-b"]
    assert "<dt>LPARs listed</dt><dd>3</dd>" in page
    assert "<dt>Machine id</dt><dd>IBM-3931-00000000000829E7</dd>" in page
    assert "cpc-b, LPARs listed: who has which queues" in page
    assert "one that is not listed is invisible" in page


def test_many_standbys_of_a_queue_are_counted(command: Command) -> None:
    """A cell names the first ones: there may be thousands of cells."""
    listed = "".join(
        f"    - {{name: S{number:02}, adapters: [5], usageDomains: [9], active: false}}\n" for number in range(30)
    )
    file = command.directory / "fixed/machines.yaml"
    file.write_text(file.read_text() + listed)

    ran = report(
        command, "--machine", "cpc-b", "--svg", "-", "--html", str(command.directory / "page.html"), part="fixed"
    )

    assert (
        "05.0009 (5.9) ZOS2: active; also defined for S00 and S01 and S02 and S03 and S04 and 25 more, not active"
        in (tooltips(ran.out))
    )
    assert ", S19, 10 more</td>" in (command.directory / "page.html").read_text()


def test_a_redacted_report_names_nothing(command: Command) -> None:
    """No machine, LPAR or host, and no sentence that may have one."""
    ran = report(command, "--machines", "--html", "-", "--redact")

    for name in ("cpc-a", "LPAR7", "lpar7", "ZOS1", "829E7", str(command.directory)):
        assert name not in ran.out
    assert "error[lpar-overlap]" in ran.out


@pytest.mark.parametrize(
    "options",
    [("--plan",), ("--generation", "1"), ("--observed", "x"), ("-l", "a=b"), ("--host", "lpar7"), ("--enforced",),
     ("--simulate", "x")],
)  # fmt: skip
def test_what_is_of_a_host_is_refused(command: Command, options: tuple[str, ...]) -> None:
    """With the option that is to be left out."""
    ran = command.bare("report", "--machines", "--svg", "-", *options)

    assert ran.code == 64
    assert f"leave {options[0]} out" in ran.err


def test_a_machine_that_is_not_there_is_named(command: Command) -> None:
    """With those that are; where none is described, with how one is."""
    ran = report(command, "--machine", "cpc-x", "--svg", "-")
    none = report(command, "--machines", "--svg", "-", part="conflicts/hosts.yaml")

    assert (ran.code, none.code) == (64, 1)
    assert "the manifests describe no such Machine; there are: cpc-a, cpc-b" in ran.err
    assert "reconcile explain Machine" in none.err
