"""``reconcile explain``: what a field means, from the terminal."""

import re
import shlex

import pytest
import yaml

from reconciler.cli.explain_command import KINDS, field_lines, read_kinds
from reconciler.cli.main import run

EVERY = [one for kind in read_kinds() for one in kind.every()]


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command shows for `words`."""
    assert run(["explain", *words]) == 0
    return capsys.readouterr().out


def test_without_a_field_the_kinds_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what it is, and what to run next."""
    out = explained(capsys)

    assert [line for line in out.splitlines() if line in KINDS] == list(KINDS)
    assert "A virtual machine as a holder of crypto queues." in out
    assert out.endswith("The fields of one: reconcile explain guest\n")


def test_a_field_with_its_text_default_limits_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """As the schema has them."""
    assert explained(capsys, "guest.spec.domains") == (
        "guest.spec.domains: list (required in some forms)\n"
        "\n"
        "  Usage domains of the guest's queues; on every one of its adapters.\n"
        "\n"
        "  A list of numbers and ranges.\n"
        "\n"
        "  Each entry: number or text. 0 to 255: decimal without leading zero, 0x and hex\n"
        "  digits, or a range of two of them, for example 4-6 or 0xab-0xaf.\n"
        "\n"
        "  Limit    at most 256 entries\n"
        "  Example  [5, 6]\n"
        '  Example  ["0x47", "0xab-0xaf"]\n'
    )
    assert "  Default  active\n" in explained(capsys, "guest.spec.activation")


def test_a_mapping_lists_all_that_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Indented as in a document, with types; the command it ends with works."""
    out = explained(capsys, "host.spec")

    assert re.search(r"\n  pool +mapping \(optional\)\n    adapters +list \(optional\)\n", out)
    found = re.search(r"What one of them means: (reconcile .*)\n", out)
    assert found
    assert run(shlex.split(found[1])[1:]) == 0


@pytest.mark.parametrize("kind", ["guest", "host", "simulated-host"])
def test_the_example_of_a_kind_is_a_document(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be copied into a file."""
    blocks = explained(capsys, kind).split("\nExample\n")[1:]

    assert blocks
    assert all(yaml.safe_load(block)["apiVersion"] == "reconciler/v1" for block in blocks)


def test_every_field_can_be_explained_on_80_columns() -> None:
    """But for what cannot be broken: examples, commands, and values of which there are many."""
    for one in EVERY:
        first, *lines = field_lines(one)
        assert first.startswith(f"{one.name}: ")
        unbroken = ("Example", "one of", "reconcile explain")
        assert all(len(line) <= 80 for line in lines if not any(word in line for word in unbroken)), lines


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("guest.spec.domain", "guest.spec has no field 'domain'. Did you mean: reconcile explain guest.spec.domains"),
        ("gest.spec", "no kind of document is called 'gest'. Did you mean: reconcile explain guest.spec"),
        ("keep", "no kind of document is called 'keep'. Did you mean: reconcile explain host.spec.keep"),
        ("xyzzy", "there are host, guest, machine, simulated-host, plan. Run: reconcile explain"),
        ("guest.spec.uuid.x", "guest.spec.uuid has no field 'x'; it has none. Run: reconcile explain guest.spec.uuid"),
        ("guest.\x1b[2J", "guest has no field '\\x1b[2J'"),
    ],
)
def test_an_unknown_field_is_wrong_usage(word: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With near ones, and a command that works."""
    assert run(["explain", word]) == 64

    err = capsys.readouterr().err
    assert said in err
    command = re.search(r"(?:Did you mean|Run): reconcile (explain[^(\n]*)", err)
    assert command
    assert run(shlex.split(command[1])) == 0
