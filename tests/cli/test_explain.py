"""``reconcile explain``: what a field means, from the terminal."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from reconciler.cli.explain_command import KINDS, field_lines, read_kinds
from reconciler.cli.main import run
from reconciler.cli.problem_pages import explanation_lines, explanations
from reconciler.planning.status import GuestState
from reconciler.watch.report import Condition

ROOT = Path(__file__).parents[2]

EVERY = [one for kind in read_kinds() for one in kind.every()]


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command shows for `words`."""
    assert run(["explain", *words]) == 0
    return capsys.readouterr().out


def test_without_a_field_the_kinds_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what it is, and what to run next."""
    out = explained(capsys)

    assert [line for line in out.splitlines() if line in KINDS] == list(KINDS)
    assert "A virtual machine that gets crypto queues." in out
    assert "\nThe fields of one: reconcile explain guest\n" in out


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
        "  Example  [0x47, 0xab-0xaf]\n"
    )
    assert "  Default  active\n" in explained(capsys, "guest.spec.activation")


def test_a_mapping_lists_all_that_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Indented as in a document, with types; the command it ends with works."""
    out = explained(capsys, "host.spec")

    assert re.search(r"\n  pool +mapping \(optional\)\n(?:      .*\n)+    adapters +list \(optional\)\n", out)
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
    """But for what cannot be broken: commands."""
    for one in EVERY:
        first, *lines = field_lines(one)
        assert first.startswith(f"{one.name}: ")
        assert [line for line in lines if len(line) > 80 and "reconcile explain" not in line] == []


def test_a_mapping_says_what_each_of_its_fields_is_and_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """With the first sentence; the example is a part of a document."""
    out = explained(capsys, "guest.spec")

    assert "\n  host            text (optional)\n      The name of the Host.\n" in out
    assert yaml.safe_load(out.partition("\nExample\n")[2]) == {"host": "lpar7", "adapters": [5, 6], "domains": [4, 71]}


def test_examples_are_written_as_people_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Ids without quotes, queues with them, long ones on lines of their own."""
    assert "  Example  {domains: [4, 0x47, 0xab-0xaf]}\n" in explained(capsys, "host.spec.pool")
    assert '  Example  ["05.0004", "05.0047"]\n' in explained(capsys, "guest.spec.queues")
    assert "\nExample\n  - name: lpar7\n    host: lpar7\n" in explained(capsys, "machine.spec.lpars")
    shown = "".join(line for one in EVERY for line in field_lines(one))
    assert not re.search(r"['\"]0x", shown)


IDS = [one.id for one in explanations()]


def test_every_id_that_is_printed_is_explained_on_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of problems, of findings and of states, with the words of the pages but not their marks."""
    assert len(IDS) > 150
    for one in explanations():
        first, *lines = explanation_lines(one, 80)
        assert first == f"{one.id}: {one.kind}"
        assert len("".join(lines)) > 25
        assert [line for line in lines if len(line) > 80 or line.count("](") or "*Fix" in line] == []
    assert explained(capsys, "leading-zero").endswith("\n\n  Fix: write `10`, or `0x10`.\n")
    assert "* manifests, folders and links: at most 50,000, what is" in explained(capsys, "too-much")


@pytest.mark.parametrize("state", [*GuestState, *Condition])
def test_every_state_that_is_shown_is_explained(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the words of the documentation; a word that is a problem, too, has both."""
    out = explained(capsys, state)

    kind = "state of a guest" if state in list(GuestState) else "condition of a host"
    assert f"{state}: {kind}\n\n  " in out
    assert [line for line in out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("word", ["leading-zero", "error[leading-zero]", "[leading-zero]", "leading-zero]"])
def test_an_id_may_be_copied_with_its_brackets(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As the message has them."""
    assert explained(capsys, word).startswith("leading-zero: problem\n")


def test_the_list_of_kinds_leads_to_the_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """With one that works."""
    assert "What an id such as error[leading-zero] means: reconcile explain leading-zero\n" in explained(capsys)


def test_the_package_has_the_pages_that_explain_ids() -> None:
    """Where they are looked for, beside the schemas."""
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    for name in ("problems.md", "doctor.md", "operations.md"):
        assert included["force-include"][f"docs/{name}"] == f"reconciler/docs/{name}"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("guest.spec.domain", "guest.spec has no field 'domain'. Did you mean: reconcile explain guest.spec.domains"),
        ("guest.domains", "Did you mean: reconcile explain guest.spec.domains\n"),
        ("host.domains", "Did you mean: reconcile explain host.spec.pool.domains\n"),
        ("adapters", "Did you mean: reconcile explain guest.spec.adapters\n"),
        ("gest.spec", "no kind of document is called 'gest'. Did you mean: reconcile explain guest.spec"),
        ("leadng-zero", "no problem has the id 'leadng-zero'. Did you mean: reconcile explain leading-zero"),
        ("domains", "Fields like it: guest.spec.domains, host.spec.pool.domains, host.spec.keep.domains, "),
        ("keep", "no kind of document is called 'keep'. Did you mean: reconcile explain host.spec.keep"),
        ("yaml-anchor", "no problem has the id 'yaml-anchor'. Did you mean: reconcile explain yaml-alias"),
        ("anchor", "Did you mean: reconcile explain yaml-alias"),
        ("error[yaml-anchors]", "no problem has the id 'yaml-anchors'. Did you mean: reconcile explain yaml-alias"),
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


@pytest.mark.parametrize(
    ("word", "what"), [("05.0047", "queue"), ("0A.00fF", "queue"), ("card05", "card"), ("card0a", "card")]
)
def test_what_is_on_a_host_is_shown_by_the_status(word: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no field, and what it is on this host no page knows."""
    assert run(["explain", word]) == 64

    err = " ".join(capsys.readouterr().err.split())
    assert f"{word} is a {what}; explain takes a field, an id or a state" in err
    assert err.endswith(f"next: reconcile status {word} # who has it")


@pytest.mark.parametrize("field", ["guest.spec.nonsense", "guest.spec.adapters.items"])
def test_nothing_of_another_kind_of_document_is_proposed_for_what_is_only_spelt_alike(
    field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there is named instead."""
    assert run(["explain", field]) != 0

    told = capsys.readouterr().err
    assert "plan." not in told
    assert f"explain {field.rpartition('.')[0]}" in told


def test_the_limits_of_labels_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Of keys and of values."""
    text = " ".join(explained(capsys, "guest.metadata.labels").split())

    assert "each key at least 1 character" in text
    assert "each key at most 253 characters" in text
    assert "each value at most 253 characters" in text
