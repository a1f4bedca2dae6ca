"""``reconcile service status``, and ``service install serve`` and ``uninstall``."""

import json
import socket
from pathlib import Path

import pytest

from reconciler.integrations.units import SERVE_NAME, SERVE_SOCKET_NAME, WATCH_NAME
from reconciler.kernel.processes import Done
from testing.commands import Command, example, parsed


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Any command."""
    return example("three-guests", tmp_path, capsys)


def status(command: Command, root: Path, *words: str) -> dict[str, dict[str, object]]:
    """What is said of each service of the machine whose files are below `root`, by name."""
    place = ("--root", str(root), "--directory", str(root / "hooks"))
    ran = command.bare("service", "status", *words, *place, "-o", "json")
    assert ran.code == 0, ran.err
    return {one["name"]: one for one in json.loads(ran.out)["services"]}


def test_nothing_is_installed_at_first(command: Command, tmp_path: Path) -> None:
    """Each is named all the same."""
    found = status(command, tmp_path)

    assert list(found) == ["watch", "boot", "serve", "hook"]
    assert {one["file"] for one in found.values()} == {None}
    assert "watch  not installed\n" in command.bare("service", "status", "--root", str(tmp_path)).out


def test_what_is_installed_is_said(command: Command, tmp_path: Path) -> None:
    """Where it is, and whether it is started at boot; another machine's systemd is not asked."""
    units = tmp_path / "etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (tmp_path / "hooks").mkdir()
    for words in (["watch", "-f", "/etc"], ["boot"], ["serve"]):
        assert command.bare("service", "install", words[0], "--directory", str(units), *words[1:]).code == 0
    (units / "multi-user.target.wants" / WATCH_NAME).symlink_to(units / WATCH_NAME)
    assert command("service", "install", "hook", "--directory", str(tmp_path / "hooks")).code == 0

    found = status(command, tmp_path)

    assert found["watch"] == {"name": "watch", "file": str(units / WATCH_NAME), "enabled": True, "active": None}
    assert found["serve"]["enabled"] is False
    assert found["hook"]["file"] == str(tmp_path / "hooks" / "reconcile")
    text = command.bare("service", "status", "watch", "--root", str(tmp_path)).out
    assert text == f"watch  {units / WATCH_NAME}, started at boot, systemd does not say whether it runs\n"
    assert list(status(command, tmp_path, "boot", "hook")) == ["boot", "hook"]


def test_systemd_is_asked_about_this_machine(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own words; where it cannot be asked, that is said."""
    file = Path("/etc/systemd/system") / WATCH_NAME
    monkeypatch.setattr("reconciler.cli.service_command.found_unit", lambda *_: file)
    monkeypatch.setattr("reconciler.cli.service_command.run_tool", lambda *_: Done(0, "activating\n", ""))
    running = command.bare("service", "status", "watch").out
    monkeypatch.setattr("reconciler.cli.service_command.run_tool", lambda *_: Done(1, "", "not booted with systemd"))
    unknown = command.bare("service", "status", "watch").out

    assert running.endswith(", now activating\n")
    assert unknown.endswith(", systemd does not say whether it runs\n")


def test_the_unit_of_the_server_comes_and_goes(command: Command, tmp_path: Path) -> None:
    """It runs without rights, with the options that were given."""
    place = ("--directory", str(tmp_path / "units"))

    new = command.bare("service", "install", "serve", *place, "--listen", "[::1]:9751")

    assert (new.code, "installed" in new.out, f"systemctl restart {SERVE_NAME}" in new.err) == (0, True, True)
    text = (tmp_path / "units" / SERVE_NAME).read_text()
    (line,) = [one for one in text.splitlines() if one.startswith("ExecStart=")]
    words = line.partition(" -m reconciler.cli ")[2]
    assert parsed(f"reconcile {words}") == "reconcile serve"
    assert words == 'serve --listen "[::1]:9751" --run-dir /run/reconciler'
    assert "DynamicUser=yes" in text
    assert [one for one in text.splitlines() if one.startswith("CapabilityBoundingSet=")][
        -1
    ] == "CapabilityBoundingSet="
    assert command.bare("service", "uninstall", "serve", *place).code == 0
    assert not (tmp_path / "units" / SERVE_NAME).exists()


def test_the_server_of_a_unit_listens_at_a_socket_that_systemd_makes(command: Command, tmp_path: Path) -> None:
    """Its user can make no socket in a directory of others; a port that is chosen later replaces it."""
    place = ("--directory", str(tmp_path))
    ran = command.bare("service", "install", "serve", *place)
    assert (ran.code, f"systemctl restart {SERVE_SOCKET_NAME}" in ran.err) == (0, True)
    text = (tmp_path / SERVE_SOCKET_NAME).read_text()
    assert "ListenStream=/run/reconciler/serve.sock\nSocketMode=0660\n" in text
    assert f"Requires={SERVE_SOCKET_NAME}" in (tmp_path / SERVE_NAME).read_text()

    assert command.bare("service", "install", "serve", *place, "--listen", "127.0.0.1:9750").code == 0

    assert {one.name for one in tmp_path.glob("reconcile-*")} == {SERVE_NAME}


@pytest.mark.parametrize(
    "options",
    [
        ("--listen", "0.0.0.0:9750"),
        ("--listen", "[::]:9750", "--behind-proxy"),
        ("--listen", "0.0.0.0:9750", "--allowed-host", "crypto.example"),
    ],
)
@pytest.mark.parametrize("words", [("serve",), ("service", "install", "serve")])
def test_a_page_that_other_machines_can_reach_is_refused(
    command: Command, words: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """With the commands to run instead; each of them would work."""
    ran = command.bare(*words, *options)

    assert (ran.code, "asks for no password" in ran.err) == (64, True)
    lines = [one[len("  next: ") :].partition("    # ")[0] for one in ran.err.splitlines() if "  next: " in one]
    assert [parsed(one) for one in lines] == [" ".join(("reconcile", *words))] * 3
    assert "--listen 127.0.0.1:9750" in lines[0]
    assert "--only metrics" in lines[1]
    assert "--behind-proxy" in lines[2]
    assert "--allowed-host crypto.example" in lines[2]


@pytest.mark.parametrize(
    "options",
    [
        ("--only", "metrics", "--behind-proxy"),
        ("--allowed-host", "http://x"),
        ("--allowed-host", "a b"),
        ("--allowed-host", ""),
    ],
)
def test_options_of_a_server_that_make_no_sense_are_refused(command: Command, options: tuple[str, ...]) -> None:
    """Before anything is bound."""
    assert command.bare("serve", *options).code == 64


def test_a_socket_that_cannot_be_made_leads_to_a_port(command: Command, tmp_path: Path) -> None:
    """Another process listens at it, for example."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "serve.sock"))
        other.listen(1)
        ran = command.bare("serve", "--run-dir", str(tmp_path))

    assert ran.code == 64
    assert "serve.sock: another process does; choose another address with --listen" in ran.err
    (line,) = [one for one in ran.err.splitlines() if one.startswith("  next: ")]
    assert parsed(line[len("  next: ") :].partition("    # ")[0]) == "reconcile serve"


def test_a_server_before_any_loop_says_that_one_is_to_be_started(command: Command, tmp_path: Path) -> None:
    """Each command that it names is one of ours."""
    ran = command.bare("serve", "--run-dir", str(tmp_path / "missing"))

    assert ran.code == 64
    assert f"no loop has published anything in {tmp_path / 'missing'}" in ran.err
    lines = [one[len("  next: ") :] for one in ran.err.splitlines() if one.startswith("  next: ")]
    assert [parsed(one.partition("    # ")[0]) for one in lines] == ["reconcile watch", "reconcile serve"]


@pytest.mark.parametrize("listen", ["foo", "127.0.0.1:99999", "a b:1", "", ":9750", "localhost:x"])
def test_the_unit_of_a_server_that_would_not_start_is_not_installed(
    command: Command, tmp_path: Path, listen: str
) -> None:
    """The server's own check of its start decides."""
    ran = command.bare("service", "install", "serve", "--directory", str(tmp_path), "--listen", listen)

    assert ran.code == 64
    assert not list(tmp_path.glob("*.service"))


@pytest.mark.parametrize(
    ("service", "options", "commands"),
    [
        ("watch", ("-f", "/etc"), [("stop", "reconcile-watch.service"), ("daemon-reload",)]),
        ("boot", (), [("daemon-reload",)]),
        ("serve", (), [("stop", "reconcile-serve.socket", "reconcile-serve.service"), ("daemon-reload",)]),
    ],
)
def test_systemd_forgets_a_unit_at_once_where_that_is_asked_for(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    options: tuple[str, ...],
    commands: list[tuple[str, ...]],
) -> None:
    """Else the commands are shown; where there was no unit there is nothing to forget."""
    ran: list[tuple[str, ...]] = []

    def run(words: tuple[str, ...], _: float) -> Done:
        ran.append(words[1:])
        return Done(0, "", "")

    monkeypatch.setattr("reconciler.cli.service_command.run_tool", run)
    place = ("--directory", str(tmp_path / "units"))
    assert command.bare("service", "install", service, *place, *options).code == 0

    gone = command.bare("service", "uninstall", service, "--now", *place)
    again = command.bare("service", "uninstall", service, "--now", *place)

    assert (gone.code, again.code) == (0, 0)
    assert ran == commands
    assert "so that systemd forgets it" not in gone.err
    assert list((tmp_path / "units").iterdir()) == []
