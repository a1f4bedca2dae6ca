"""Every command of ours that a message prints is one that there is, with the options of this run."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from reconciler.cli.options import ApplyId, HostOptions
from reconciler.model import commands
from reconciler.model.commands import NOWHERE, Takes
from reconciler.model.commands import Command as Advice
from testing.commands import Command, example, parsed

ROOT = Path(__file__).parents[2]
PLACES = HostOptions(("it's here", "-odd"), "lpar7", "/mnt/s y s", "a b.yaml", "/var/lib/$x")
ADVICE = [
    *(one for one in vars(commands).values() if isinstance(one, Advice)),
    commands.cancel_of(7),
    commands.confirm_of(7),
    commands.rollback_to(7),
    commands.history_of(7),
    commands.resume(),
    commands.resume(["payments", "web"]),
    commands.APPLY.with_flags("--allow-empty", "--allow-disruption"),
    commands.APPLY.with_flags("plan.json"),
]


@pytest.mark.parametrize("advice", ADVICE, ids=str)
@pytest.mark.parametrize("host", [PLACES, HostOptions((), None, "/sys", None, None)])
def test_what_messages_lead_to_is_a_command(advice: Advice, host: HostOptions) -> None:
    """With all options of this run, whatever characters are in them."""
    line = host.line(advice)

    parsed(line)
    words = shlex.split(line)
    assert (words.count("--simulate") == 1) is (host.simulate is not None and advice.takes is not Takes.NOTHING)
    assert (words.count("-f") == 2) is (bool(host.paths) and advice.takes is Takes.MANIFESTS)


def _printed() -> list[tuple[str, str]]:
    """The texts of our source, docstrings and comments left out, that write out a command: where, and the command."""
    found = []
    for file in sorted((ROOT / "reconciler").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docs = {
            id(one.body[0].value)
            for one in ast.walk(tree)
            if isinstance(one, ast.Module | ast.ClassDef | ast.FunctionDef)
            and one.body
            and isinstance(one.body[0], ast.Expr)
        }
        for one in ast.walk(tree):
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in docs:
                found += [
                    (f"{file.relative_to(ROOT)}:{one.lineno}", command)
                    for command in re.findall(r"['`(:] ?(reconcile [a-z-][^'`)]*)", one.value)
                ]
    return found


PRINTED = _printed()


@pytest.mark.parametrize(("where", "command"), PRINTED, ids=[f"{where} {command}" for where, command in PRINTED])
def test_a_command_in_a_sentence_begins_with_a_name_that_there_is(where: str, command: str) -> None:
    """Where a sentence speaks of a command, it is one of ours."""
    assert command.split()[1].rstrip(";,.") in {"--help", *commands_of_ours()}, where


def commands_of_ours() -> set[str]:
    """The names in the tree."""
    from reconciler.cli.main import cli

    return {"expire", *cli.list_commands(click.Context(cli))}


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests, in a directory that a shell has to quote."""
    return example("three-guests", tmp_path / "it's here", capsys)


LEADS = r"(?:next:|to undo it:|to keep it:|to see \w+:|Run:|run:) +"
COMMAND = re.compile(LEADS + r"(reconcile .*?)(?:    [(#]|$)", re.MULTILINE)


def advised(told: str) -> list[str]:
    """The commands that `told` leads to."""
    return COMMAND.findall(told)


def _changed(command: Command) -> None:
    text = command.simulated_host.read_text(encoding="utf-8")
    command.simulated_host.write_text(f"{text}# changed\n", encoding="utf-8")


def test_a_changed_description_leads_to_a_reset_of_this_host(command: Command) -> None:
    """With --simulate, and it works."""
    assert command("apply", "--yes").code == 0
    _changed(command)

    ran = command("plan")

    assert ran.code == 1
    (line,) = advised(ran.err)
    assert command.bare(*shlex.split(line)[1:]).code == 0
    assert command("plan").code == 0


@pytest.mark.parametrize(
    "words", [("history", "show", "9"), ("rollback", "9"), ("apply", "--yes"), ("plan",), ("confirm", "9")]
)
def test_a_failure_leads_to_a_command_on_this_host(command: Command, words: tuple[str, ...]) -> None:
    """Each that is printed is parsed, and is for this host."""
    assert command("apply", "--yes", "--confirm-within", "1h").code == 0

    ran = command(*words)

    for line in advised(ran.err):
        parsed(line)
        assert f"--simulate {shlex.quote(str(command.simulated_host))}" in line
    assert words[0] not in {"apply", "history"} or advised(ran.err)
    assert command("rollback", "--yes").code == 0


def test_a_saved_plan_is_applied_by_the_command_that_is_printed(command: Command, tmp_path: Path) -> None:
    """On this host, too."""
    ran = command("plan", "--out", str(tmp_path / "a plan.json"))

    (line,) = advised(ran.err)
    assert command.bare(*shlex.split(line)[1:], "--yes").code == 0
    assert command("plan", "--detailed-exitcode").code == 0


def test_nothing_is_added_where_nothing_was_said() -> None:
    """A short command stays short."""
    assert NOWHERE.line(commands.PLAN) == "reconcile plan"


def test_the_help_of_places_and_ids_names_defaults_and_an_example() -> None:
    """Nobody has to look into the code for where records are, or for how an id is written."""
    from reconciler.cli.apply_command import apply_command
    from reconciler.hosts.opening import STATE, state_of_host
    from reconciler.watch.run_directory import RUN

    helps = {one.name: one.help or "" for one in apply_command.params if isinstance(one, click.Option)}
    example_of_id = re.search(r"such as ([a-z0-9-]+)", helps["apply_id"])

    assert f"Default: {STATE};" in helps["state_dir"]
    for root, usual in (("/sys", STATE), ("/elsewhere", STATE / "roots" / "HASH")):
        path = state_of_host(Path(root))[0].path
        assert re.fullmatch(str(usual).replace("HASH", "[0-9a-f]+"), str(path))
        assert f"{usual}" in helps["state_dir"]
    assert f"Default: {RUN};" in helps["run_dir"]
    assert example_of_id
    assert ApplyId()(example_of_id[1]) == example_of_id[1]


def test_the_help_of_the_history_says_what_each_word_shows() -> None:
    """With an example of each, which can be run."""
    from reconciler.cli.history_command import history_command

    text = history_command.help or ""
    examples = re.findall(r"^ +(reconcile history.*)$", text, re.MULTILINE)

    assert {line.split()[2] for line in examples} >= {"show", "diff", "state"}
    assert all(parsed(line) == "reconcile history" for line in examples)
    assert all(f"'{word} ID" in text for word in ("show", "diff", "state"))


def test_the_help_of_what_the_loop_has_recorded_says_in_place_of_what() -> None:
    """Whose manifests these are, and that files are not read."""
    from reconciler.cli.status_command import status_command

    helps = {one.name: one.help or "" for one in status_command.params if isinstance(one, click.Option)}
    for name in ("enforced", "refused"):
        assert re.search(r"manifests.*the loop.*instead of -f\.$", helps[name])
