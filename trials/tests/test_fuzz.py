"""A sample of the fuzz campaign; and the campaign notices what it is there for."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from reconciler.cli import failures
from reconciler.model import printable
from trials import fuzz
from trials.fuzz import Campaign, Found, Report, judged, prepared, unsafe_part
from trials.fuzz_kinds import Ran, Try
from trials.fuzz_large import FOLDERS, TEXTS, Large

SEED = 1
INPUTS = {"manifests": 80, "records": 60, "plans": 40, "xml": 50, "boot": 40, "simulated": 40, "trees": 5}
PART = 0.05


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    """A campaign, whose large inputs are small ones."""
    with prepared():
        made = Campaign(tmp_path, SEED, PART)
        yield made
        made.close()
    subprocess.run(["rm", "-rf", tmp_path], check=True)


def wrong(every: list[Found]) -> list[Found]:
    """Those with which something is wrong."""
    return [one for one in every if one.wrong]


@pytest.mark.parametrize("kind", INPUTS)
def test_inputs_of_every_kind_end_in_a_message(campaign: Campaign, kind: str) -> None:
    """No traceback, no unsafe character, within bounds."""
    assert wrong([campaign.tried(number, kind) for number in range(INPUTS[kind])]) == []


@pytest.mark.parametrize("name", [*TEXTS, *FOLDERS, "cycles"])
def test_large_inputs_stay_within_bounds(tmp_path: Path, name: str) -> None:
    """At a small part of their largest size."""
    with prepared():
        made = Large(tmp_path, fuzz.run, PART).one(name, Random(SEED))
        assert wrong([judged(0, "large", made)]) == []
    subprocess.run(["rm", "-rf", tmp_path], check=True)


def test_an_input_can_be_made_again(tmp_path: Path) -> None:
    """From the seed and its number, in whatever order others are made."""
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    with prepared():
        first, second = (Campaign(folder, SEED) for folder in folders)
        for number in range(5):
            first.tried(number, "manifests")
        assert first.tried(7, "manifests").size == second.tried(7, "manifests").size
        assert {first.kind_of(number) for number in range(3000)} == set(fuzz.SHARES)


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[1m",
        "a\rb",
        "\u202e",
        "\u200b",
        "\U000e0041",
        "\ufe0f",
        "\udce9",
        "\x85",
        "\u2028",
        "x\n  ::error ::y",
        "##[group]",
    ],
    ids=ascii,
)
def test_unsafe_output_is_noticed(text: str) -> None:
    """Whatever the function that makes output printable thinks of it."""
    assert unsafe_part(f"a\n{text}")
    assert not unsafe_part("plain\ttext, \u00e4\u00f6, \u4e2d\u6587, a::b, ##x\n")
    assert not unsafe_part(printable.escaped_lines(text))


def ends(code: int = 0, out: str = "", err: str = "") -> Found:
    """What is found of an input that ends like this."""
    return judged(0, "manifests", Try(0, lambda: Ran(code, out, err)))


def test_what_must_not_be_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception, an exit code, a bug, JSON that is none, too much time, too much memory, what a kind checks."""

    def fails() -> Ran:
        raise KeyError("x")

    assert ends().wrong == ()
    assert "KeyError" in judged(0, "xml", Try(0, fails)).wrong[0]
    assert ends(code=77).wrong
    assert ends(err="error: this is a bug in reconcile, please report it\n").wrong
    assert ends(out="{'a': 1}\n").wrong
    assert judged(0, "plans", Try(0, lambda: Ran(0, "", ""), lambda _: "applied")).wrong == ("applied",)
    monkeypatch.setattr(fuzz, "MEGABYTES", 20)
    assert judged(0, "large", Try(0, lambda: Ran(0, "", str(len(bytearray(64 << 20)))))).wrong == ("more than 20 MB",)
    monkeypatch.setattr(fuzz, "SECONDS", 0.05)

    def endless() -> Ran:
        while True:
            pass

    (reason,) = judged(0, "large", Try(0, endless)).wrong
    assert "CPU time" in reason


def test_a_bug_in_the_hook_is_noticed() -> None:
    """The hook reports everything in one line; a bug must not hide there."""

    def fails() -> Ran:
        return Ran(0, failures.reason_of(KeyError("x"), None), "")  # type: ignore[arg-type]

    with prepared():
        assert "KeyError" in judged(0, "xml", Try(0, fails)).wrong[0]
    assert failures.reason_of.__module__ == "reconciler.cli.failures"


def test_what_was_wrong_is_told_once_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """With how to make it again; the slowest and the largest of each kind."""
    bad = Found(17, "xml", 9, 1.5, 2.0, ("KeyError in x.py:f: 'a'",))
    report = Report(SEED).add(
        [bad, bad._replace(number=18, wrong=("KeyError in x.py:f: 'b'",)), bad._replace(wrong=())]
    )

    assert capsys.readouterr().out.count("./run trials fuzz --seed 1 --only 17") == 1
    assert [len(one) for one in report.wrong.values()] == [2]
    assert "xml              3 tried; slowest   1.50 s (input 17, 9 bytes); largest    2.0 MB" in str(report)
    assert str(report).endswith("3 tried, 2 wrong")
