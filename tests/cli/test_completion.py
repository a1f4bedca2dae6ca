"""Completion: what a shell offers at a prompt, quickly and without a word of anything else."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from reconciler.cli import completing
from reconciler.cli.main import run
from reconciler.simulator.requests import FORMS, request_of
from testing.commands import EXAMPLES, AtTerminal, Command, every_command, example, in_session
from testing.manifests import HOST, machine_text

PATIENCE: Final = 60
GUESTS: Final = ["guest1", "guest2", "guest3", "spare"]
Offers = Callable[..., list[str]]


PROGRAM: Final = f"""
from reconciler.cli import completing
from reconciler.cli.main import main
completing._SECONDS = {PATIENCE}
main()
"""
"""`reconcile`, which waits for as long as a busy machine takes."""

SPARE: Final = """
apiVersion: reconciler/v1
kind: Guest
metadata: {name: spare}
spec: {adapters: [5], domains: [4], activation: inactive}
"""


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The example with three guests, applied, then once more with one that has no device; run from elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    made = example("three-guests", tmp_path, capsys)
    assert made("apply", "--yes").code == 0
    (made.directory / "spare.yaml").write_text(SPARE)
    assert made("apply", "--yes").code == 0
    return made


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests wait for as long as a busy machine takes."""
    monkeypatch.setattr(completing, "_SECONDS", PATIENCE)


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Offers:
    """What is offered for the last of some words, which may be empty."""

    def offered(*words: str, shell: str = "bash") -> list[str]:
        line = ["reconcile", *words]
        monkeypatch.setenv("_RECONCILE_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(line))
        monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words)))
        capsys.readouterr()
        assert run([]) == 0
        out, err = capsys.readouterr()
        monkeypatch.delenv("_RECONCILE_COMPLETE")
        assert err == ""
        return [one.partition(",")[2] for one in out.splitlines()]

    return offered


def at(command: Command) -> tuple[str, ...]:
    """The options that lead to the host of `command`, and to no manifests."""
    return ("--simulate", str(command.simulated_host))


def test_machines_are_offered(offers: Offers) -> None:
    """Those in the manifests."""
    assert offers("report", "-f", str(EXAMPLES / "two-lpars/fixed"), "--machine", "cpc-") == ["cpc-a", "cpc-b"]


def test_guests_are_offered(command: Command, offers: Offers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were applied, each once; those in the manifests where no state is."""
    assert offers("suspend", *at(command), "") == GUESTS
    assert offers("suspend", *at(command), "guest1", "") == GUESTS[1:]
    assert offers("status", *at(command), "gu") == GUESTS[:3]
    assert offers("suspend", *at(command), "x") == []
    nowhere = ("--state-dir", str(command.directory / "none"))
    assert offers("matrix", *nowhere, "-f", str(command.directory), "") == GUESTS
    monkeypatch.chdir(command.directory)
    assert offers("matrix", *nowhere, "sp") == ["spare"]


def test_guests_to_confine_a_plan_to_are_those_of_the_manifests(
    command: Command, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was never applied."""
    (command.directory / "new.yaml").write_text(SPARE.replace("spare", "newest"))
    monkeypatch.chdir(command.directory)

    assert offers("plan", *at(command), "--target", "") == ["guest1", "guest2", "guest3", "newest", "spare"]
    assert offers("apply", *at(command), "--target", "ne") == ["newest"]


def test_wherever_a_guest_is_named_guests_are_offered() -> None:
    """Whichever command it is; but not where a guest is named behind its host, which may be any host of a site."""
    unknown = [
        (context.command_path, parameter.name)
        for context in every_command()
        for parameter in context.command.params
        if "GUEST" in (parameter.metavar or "").partition("/")[0] and not parameter._custom_shell_complete
    ]

    assert unknown == []


def test_ids_of_callers_are_offered(command: Command, offers: Offers) -> None:
    """Beside the number, where an id may stand."""
    assert command("apply", "--yes", "--id", "deploy-42").code == 0
    (command.directory / "spare.yaml").unlink()
    assert command("apply", "--yes", "--id", "deploy-43").code == 0

    assert offers("confirm", *at(command), "deploy") == ["deploy-43", "deploy-42"]
    assert "deploy-43" in offers("history", *at(command), "show", "")
    assert "deploy-43" in offers("rollback", *at(command), "")


def test_what_is_suspended_is_offered_for_resuming(command: Command, offers: Offers) -> None:
    """Nothing else."""
    assert command("suspend", "guest2", "--reason", "work").code == 0

    assert offers("resume", *at(command), "") == ["guest2"]


def test_generations_are_offered(command: Command, offers: Offers) -> None:
    """The newest first; shells that show more get when and how they were applied."""
    assert offers("rollback", *at(command), "") == ["2", "1"]
    assert offers("confirm", *at(command), "") == ["2", "1"]
    assert offers("cancel", *at(command), "1") == ["1"]
    assert offers("history", *at(command), "") == ["show", "diff", "state"]
    assert offers("history", *at(command), "diff", "2", "") == ["1"]
    assert offers("history", *at(command), "--since", "") == ["today", "yesterday", "2h", "3d"]
    assert offers("history", *at(command), "show", "") == ["2", "1"]
    assert re.fullmatch(
        r"2\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, nothing to do", offers("rollback", *at(command), "", shell="fish")[0]
    )


def test_requests_of_the_simulated_host_are_offered(command: Command, offers: Offers) -> None:
    """What can be said next."""
    first = offers("simulate", *at(command), "")
    assert [form.verb for form in FORMS] == first
    assert offers("simulate", *at(command), "start", "guest") == GUESTS[:3]
    assert "5" in offers("simulate", *at(command), "unplug", "")
    assert "5" not in offers("simulate", *at(command), "plug", "")
    assert "9" in offers("simulate", *at(command), "plug", "")
    assert offers("simulate", *at(command), "boot", "") == []


def test_fields_of_a_card_are_offered_with_their_values(command: Command, offers: Offers) -> None:
    """All that is offered can be said; those given are left out."""
    plug = ("simulate", *at(command), "plug", "9")
    offered = offers(*plug, "")

    assert {"type=CEX8", "mode=ep11", "configured=false"} <= set(offered)
    assert all(request_of(["plug", "9", one]) for one in offered)
    assert all(request_of(["set", "5", one]) for one in offers("simulate", *at(command), "set", "5", ""))
    assert not any(one.startswith("type") for one in offers(*plug, "type=CEX8", ""))
    assert offers("simulate", *at(command), "domains", "") == ["usage=", "control="]


def test_values_are_offered_where_bash_takes_words_apart(command: Command, offers: Offers) -> None:
    """It makes three words of ``type=CEX8``; other shells leave it whole."""
    plug = ("simulate", *at(command), "plug", "9")

    assert offers(*plug, "mode", "=") == ["cca", "ep11", "accelerator"]
    assert offers(*plug, "mode", "=", "e") == ["ep11"]
    assert offers(*plug, "mode=e", shell="fish") == ["mode=ep11"]
    assert offers(*plug, "mode", "=", "ep11", "conf") == ["configured=true", "configured=false"]


def test_fields_pages_and_commands_are_offered(offers: Offers) -> None:
    """Also behind a word that stands for a command."""
    assert offers("explain", "guest.spec.act") == ["guest.spec.activation"]
    assert offers("man", "service-install-w") == ["service-install-watch"]
    assert offers("expl") == ["explain"]
    assert "--yes" in offers("--apply", "--y")


SILENT: Final = [
    ["nosuch", ""],
    ["service", "nosuch", ""],
    ["--nonsense", ""],
    ["suspend", "--nonsense", "x", ""],
    ["rollback", "--state-dir", "/dev/null", ""],
    ["suspend", "--state-dir", "/proc/self/mem", ""],
    ["suspend", "--simulate", "/dev/null", ""],
    ["suspend", "--simulate", "\0", ""],
    ["simulate", "unplug", ""],
    ["simulate", "--simulate", "/nowhere", "set", ""],
    ["history", "show", "--state-dir", "/nowhere", ""],
    ["rollback", "x", ""],
]


@pytest.mark.parametrize("words", SILENT, ids=str)
def test_nothing_is_said_where_nothing_is_found(words: list[str], offers: Offers, tmp_path: Path) -> None:
    """Neither an error nor a traceback, and nothing that does not fit."""
    (tmp_path / "empty").mkdir()
    offers(*[word.replace("\0", "'" * 3) for word in words])


def test_damaged_records_are_passed_over(command: Command, offers: Offers) -> None:
    """What can be read is offered still."""
    state = next(one for one in command.directory.iterdir() if one.name.endswith(".state"))
    for file in state.glob("*.json"):
        file.write_bytes(b'{"no": \xff')

    assert offers("suspend", *at(command), "-f", str(command.directory), "") == GUESTS
    offers("rollback", *at(command), "")


@pytest.mark.parametrize(
    "environment", [{}, {"COMP_CWORD": "x"}, {"COMP_WORDS": "reconcile 'a \\"}, {"_RECONCILE_COMPLETE": "x"}]
)
def test_a_shell_that_asks_wrongly_gets_no_answer(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no message either."""
    asked = {"_RECONCILE_COMPLETE": "bash_complete", "COMP_WORDS": "reconcile ", "COMP_CWORD": "1"} | environment
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    if not environment:
        monkeypatch.delenv("COMP_WORDS")

    assert run([]) == 0
    assert capsys.readouterr().err == ""


def test_a_prompt_does_not_wait(
    tmp_path: Path, command: Command, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes longer is given up, and what was found until then is offered."""
    monkeypatch.setattr(completing, "_SECONDS", 0.2)
    monkeypatch.setattr(completing, "_in_manifests", lambda _: os.read(os.pipe()[0], 1))

    assert offers("suspend", *at(command), "-f", str(command.directory), "") == GUESTS


# Real shells ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that has `reconcile`."""
    program = tmp_path / "bin" / "reconcile"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{PROGRAM}")
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path), "TERM": "dumb"}


def needs(shell: str) -> pytest.MarkDecorator:
    """Skips where `shell` is not installed."""
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def said(words: list[str], environment: dict[str, str], folder: Path) -> str:
    """What a program prints that must say nothing on standard error."""
    done = subprocess.run(
        words, env=environment, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stderr == ""
    return done.stdout


@needs("bash")
def test_bash_completes(command: Command, environment: dict[str, str]) -> None:
    """With the script that we print."""
    script = """
        source <(reconcile completion bash)
        ask() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _reconcile_completion "$1"
            echo "${COMPREPLY[@]}"
        }
        ask reconcile suspend --simulate simulated-host.yaml gu
        ask reconcile rollback --simulate simulated-host.yaml ""
        ask reconcile rollback --simulate = simulated-host.yaml ""
        ask reconcile history --simulate = simulated-host.yaml show ""
        ask reconcile simulate --simulate simulated-host.yaml plug 9 mode = e
        ask reconcile nosuch ""
    """

    shown = said(["bash", "--norc", "-c", script], environment, command.directory)
    assert shown.splitlines() == ["guest1 guest2 guest3", "2 1", "2 1", "2 1", "ep11", ""]


@needs("fish")
def test_fish_completes(command: Command, environment: dict[str, str]) -> None:
    """With what it shows beside each word."""
    script = """
        reconcile completion fish | source
        complete -C "reconcile suspend --simulate simulated-host.yaml gu"
        complete -C "reconcile rollback --simulate simulated-host.yaml "
        complete -C "reconcile simulate --simulate simulated-host.yaml plug 9 mode=e"
        complete -C "reconcile nosuch "
    """

    shown = said(["fish", "--no-config", "-c", script], environment, command.directory).splitlines()
    assert shown[:3] == GUESTS[:3]
    assert [one.partition("\t")[0] for one in shown[3:]] == ["1", "2", "mode=ep11"]


@needs("zsh")
def test_zsh_completes(command: Command, environment: dict[str, str]) -> None:
    """At its own prompt, which has the only completion that it can be asked for."""
    with in_session(["zsh", "-f", "-i"], environment | {"PS1": "ready> "}, command.directory) as person:
        person.sees("ready> ")
        person.enters(
            "autoload -Uz compinit && compinit -u -D && source <(reconcile completion zsh) && echo all-$((1+1))"
        )
        person.sees("all-2")
        completed(person, "reconcile suspend --simulate simulated-host.yaml gu\t", "guest")
        completed(person, "1 --reason x #\n", "")
        completed(person, "reconcile simulate --simulate simulated-host.yaml plug 9 mode=e\t", "mode=ep11")


def completed(person: AtTerminal, keys: str, shown: str) -> None:
    """Type `keys`, and see what the shell makes of them."""
    person.shown = ""
    person.types(keys)
    person.sees(shown)


def test_hosts_and_lpars_are_offered_to_be_compared(offers: Offers, tmp_path: Path) -> None:
    """By name; where none fits the shell offers files, such as records of hosts."""
    lpars = ("{name: LPAR7, host: lpar7, adapters: [5], usageDomains: [4]}", "{name: DR, standbyOf: cpc-a/LPAR7}")
    (tmp_path / "site.yaml").write_text("---\n".join([HOST, machine_text("cpc-a", *lpars)]), encoding="utf-8")
    at = ("-f", str(tmp_path))

    assert offers("compare", *at, "") == ["lpar7", "cpc-a/DR", "cpc-a/LPAR7"]
    assert offers("compare", *at, "lpar7", "cpc-a/") == ["cpc-a/DR", "cpc-a/LPAR7"]
    assert offers("compare", *at, "x") == ["x"]
