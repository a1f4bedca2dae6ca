"""``reconcile service install watch`` and ``uninstall``."""

import os
import sys
from pathlib import Path

import click
import pytest

from reconciler.cli.loop_options import WatchOptions, watch_options
from reconciler.cli.watch_install import needs
from reconciler.integrations.git_signatures import trust
from reconciler.integrations.units import WATCH_NAME, Needs
from reconciler.kernel.processes import Done
from reconciler.model.commands import HELD_INSTALL
from testing.commands import Command, Ran, example
from testing.git_repositories import Repository
from testing.programs import needs as installed

SITE = ("-f", "/etc")  # is there everywhere, and not below /tmp
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC7vsZDZ7X0u1jXmm21o3Co/sPrCf6TGOgY3zd9DI7Cn"
GIT = ("--git", "https://git.example/ap", "--branch", "main")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Any command."""
    return example("three-guests", tmp_path, capsys)


def install(command: Command, directory: Path, *words: str, enable: bool = False) -> Ran:
    """Install the unit of a loop with `words`."""
    options = ("--enable",) if enable else ()
    return command.bare("service", "install", "watch", "--directory", str(directory), *options, *words)


@click.command()
@watch_options
def _given(options: WatchOptions) -> WatchOptions:
    """Give back the options of a loop."""
    return options


def loop(*words: str) -> WatchOptions:
    """The options of the loop that `words` say."""
    options = _given.main(list(words), standalone_mode=False)
    assert isinstance(options, WatchOptions)
    return options


def test_the_unit_comes_and_goes(command: Command, tmp_path: Path) -> None:
    """With what to type so that systemd knows; what starts it goes, too."""
    units = tmp_path / "units"

    new = install(command, units, *SITE)
    (units / "multi-user.target.wants").mkdir()
    (units / "multi-user.target.wants" / WATCH_NAME).symlink_to(units / WATCH_NAME)
    same = install(command, units, *SITE)
    changed = install(command, units, *SITE, "--apply")

    assert [new.code, "installed" in new.out, "as it should be" in same.out, "changed" in changed.out] == [0, 1, 1, 1]
    assert f"systemctl enable {units / WATCH_NAME}\n  systemctl restart {WATCH_NAME}" in new.err
    assert "reconciler.cli watch --apply -f /etc\n" in (units / WATCH_NAME).read_text()
    gone = command.bare("service", "uninstall", "watch", "--directory", str(units))
    assert ("removed" in gone.out, f"systemctl stop {WATCH_NAME}" in gone.err) == (True, True)
    assert "not there" in command.bare("service", "uninstall", "watch", "--directory", str(units)).out
    assert list(units.rglob(WATCH_NAME)) == []


def test_what_somebody_else_made_is_left_alone(command: Command, tmp_path: Path) -> None:
    """Also by an uninstallation."""
    (tmp_path / WATCH_NAME).write_text("[Service]\nExecStart=/bin/true\n")

    assert install(command, tmp_path, *SITE).code == 1
    assert command.bare("service", "uninstall", "watch", "--directory", str(tmp_path)).code == 1
    assert "/bin/true" in (tmp_path / WATCH_NAME).read_text()


def test_systemd_is_told_where_that_is_asked_for(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that runs is started anew, since its options may have changed."""
    ran: list[tuple[str, ...]] = []

    def run(words: tuple[str, ...], _: float) -> Done:
        ran.append(tuple(words))
        return Done(0, "systemd 255 (255.4)\n", "")

    monkeypatch.setattr("reconciler.cli.service_command.run_tool", run)
    monkeypatch.setattr("reconciler.cli.watch_install.run_tool", run)

    assert install(command, tmp_path, *SITE, enable=True).code == 0
    assert ran == [
        ("systemctl", "--version"),
        ("systemctl", "daemon-reload"),
        ("systemctl", "enable", str(tmp_path / WATCH_NAME)),
        ("systemctl", "restart", WATCH_NAME),
    ]
    assert "RestartSteps=" in (tmp_path / WATCH_NAME).read_text()


def test_a_held_loop_needs_no_manifests(command: Command, tmp_path: Path) -> None:
    """The unit is made by the command that a loop says makes it held."""
    assert install(command, tmp_path, *HELD_INSTALL.words[4:]).code == 0
    text = (tmp_path / WATCH_NAME).read_text()
    assert "watch --apply --self-heal --held" in text.replace('"', "")
    assert str(HELD_INSTALL) == "reconcile service install watch --enable --apply --self-heal --held"


def test_without_systemctl_the_unit_is_for_any_systemd(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a disk is prepared for another machine."""
    monkeypatch.setenv("PATH", str(tmp_path / "none"))

    assert install(command, tmp_path, *SITE).code == 0
    assert "RestartSteps=" not in (tmp_path / WATCH_NAME).read_text()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "say where the manifests are"),
        (("-f", "site"), "say /"),
        (("-f", "/x", "--state-dir", "state"), "--state-dir state"),
        (("-f", "/x", "--no-such"), "--no-such"),
        (("--", "-f", "/x"), "Without '--': reconcile service install watch"),
        (("-f", "/x", "status"), "has no place here"),
        (("-f", "/x", "--apply", "--allow-empty"), "--allow-empty"),
        (("-f", "/x", "--self-heal"), "--self-heal goes with --apply"),
        (("-f", "/x", "--apply", "--held"), "--held goes without -f"),
        (("--git", "https://git.example/ap", "--branch", "main", "--held"), "--held goes without --git"),
        (("--held", "--branch", "main"), "--branch goes with --git"),
        (("--git", "https://git.example/ap"), "--git needs --branch"),
        (("-f", "/x", "--plan"), "'--plan' goes first, as a command"),
        (("-f", "/x", "--apply", "/plan.json"), "has no place here"),
        (("-f", "/x", "--simulate", "/host.yaml"), "for this machine"),
        (("-f", "/x", "--sysfs", "/tmp"), "for this machine"),
        (("--git", "http://git.example/ap", "--branch", "main"), "http"),
        (("--git", "https://git.example/ap", "--branch", "a..b"), "a..b"),
        (("--git", "https://git.example/ap", "--branch", "main", "--require-signature", "pgp:/keys"), "pgp:/keys"),
        (("-f", "/x", "--metrics-file", "/nowhere/x.prom"), "/nowhere"),
        (("-f", "/x", "--metrics-file", "/etc/x.txt"), ".prom"),
        (("-f", "/x", "--notify-webhook-file", "/nowhere/url"), "/nowhere/url"),
        (("-f", "/x", "--notify-command", ""), "the value of --notify-command is empty"),
        (("-f", "/x", "--notify-command", "a 'b"), "quotation"),
        (("-f", "/x", "--git-interval", "5m"), "--git-interval goes with --git"),
        (("-f", "/x", "--unreachable-after", "1m"), "--unreachable-after goes with --git"),
        (("-f", "/x", "--notify-level", "error"), "--notify-level goes with --notify-webhook-file or --notify-command"),
        (("-f", "/x", "--notify-kind", "drift"), "--notify-kind goes with --notify-webhook-file or --notify-command"),
        (("-f", "/x", "--notify-command", "true", "--notify-kind", "drfit"), "'drfit' is not one of"),
        (("-f", "/tmp/site"), "a /tmp of its own"),
        (("-f", "/var/tmp/site"), "a /var/tmp of its own"),
        (("-f", "/x", "--state-dir", "/tmp"), "a /tmp of its own"),
        (("--git", "/tmp/repository", "--branch", "main"), "a /tmp of its own"),
        (("--git", "file:///tmp/repository", "--branch", "main"), "a /tmp of its own"),
        (
            (*SITE, "--listen", "[::]:9750"),
            "reconcile serve --only metrics --listen '[::]:9750' --run-dir /run/reconciler",
        ),
        ((*SITE, "--run-dir", "/tmp/run"), "a /tmp of its own"),
        ((*SITE, "--run-dir", "reports"), "systemd starts the loop in no directory of yours"),
        ((*SITE, "--notify-command", "./tell"), "systemd starts the loop in no directory of yours"),
        ((*SITE, "--state-dir", "/proc/x"), "what is in /proc"),
        ((*SITE, "--state-dir", "/sys/x"), "what is in /sys"),
        ((*SITE, "--metrics-file", "/proc/x.prom"), "what is in /proc"),
        ((*SITE, "--observed-file", "lpar7.json"), "systemd starts the loop in no directory of yours"),
        (("-f", "/dev/shm"), "what is in /dev"),
        (("-f", "/proc/self/cwd"), "what is in /proc"),
        (("--git", "/dev/shm/repository", "--branch", "main"), "what is in /dev"),
        (("--git", "https://kim:secret@git.example/ap", "--branch", "main"), "credential.helper"),
        (("--git", "https://token@git.example/ap", "--branch", "main"), "credential.helper"),
        (("--git", "ssh://kim:secret@git.example/ap", "--branch", "main"), "credential.helper"),
        ((*SITE, "--notify-command", "/bin/true https://kim:secret@chat.example/"), "credential.helper"),
    ],
)
def test_words_that_the_loop_would_refuse_are_refused_now(
    command: Command, tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    """Rather than at the next boot."""
    ran = install(command, tmp_path, *words)

    assert (ran.code, why in ran.err) == (64, True), ran.err
    assert not (tmp_path / WATCH_NAME).exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ("--git", "https://git.example/ap", "--branch", "main", "--require-signature", "ssh:/no/signers"),
            "/no/signers",
        ),
        (("-f", "/x", "--notify-command", "/nowhere/tell --all"), "there is no program /nowhere/tell"),
        (("-f", "/x", "--notify-command", "no-such-program"), "there is no program no-such-program"),
        ((*SITE, "--notify-command", "/etc/passwd"), "chmod +x /etc/passwd"),
        ((*SITE, "--notify-command", "/etc"), "there is no program /etc"),
        (("--git", "https://git.example/ap", "--branch", "main", "--require-signature", "ssh:/etc/passwd"), "SSH key"),
        (("--git", "https://git.example/ap", "--branch", "main", "--require-signature", "gpg:/etc/passwd"), "GPG key"),
        (("--git", "/nowhere/repository", "--branch", "main"), "/nowhere/repository"),
        (("--git", "file:///nowhere/repository", "--branch", "main"), "/nowhere/repository"),
        (("--git", "/etc", "--branch", "main"), "--git /etc"),
        ((*SITE, "--state-dir", "/nowhere/state"), "install -d -m 700 /nowhere/state"),
        (("-f", "/nowhere/site"), "-f /nowhere/site"),
        (("-f", "/home/nobody-here/site"), "-f /home/nobody-here/site"),
    ],
)
def test_what_a_loop_needs_is_there_when_it_is_installed(
    command: Command, tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    """Without it the loop would run, and use no commit or notify no person."""
    ran = install(command, tmp_path, *words)

    assert (ran.code, why in ran.err) == (1, True), ran.err
    assert not (tmp_path / WATCH_NAME).exists()


@pytest.mark.parametrize("options", [("--metrics-file", "/etc/x.prom")])
def test_options_whose_packages_are_missing_are_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """Both by the installation and by the loop, in the same words and before anything is done."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    installed = install(command, tmp_path, *SITE, *options)
    started = command.bare("watch", *SITE, *options, "--simulate", str(command.simulated_host))

    assert (64, 64) == (installed.code, started.code)
    assert "pip install '.[web]'" in installed.err
    assert installed.err.splitlines()[-1] == started.err.splitlines()[-1]


def test_words_that_no_unit_can_hold_are_refused(command: Command, tmp_path: Path) -> None:
    """They would be something else in the file."""
    assert install(command, tmp_path, "-f", "/x\ny").code == 1
    assert install(command, tmp_path / "a" / "b", *SITE).code == 1


# What the loop's options need -----------------------------------------------------------------------------------------


def test_what_is_written_may_be_written(tmp_path: Path) -> None:
    """The directories of the metrics file and of the report, which systemd makes in /run."""
    (tmp_path / "records").mkdir()
    files = ("--metrics-file", f"{tmp_path}/reconcile.prom", "--observed-file", f"{tmp_path}/records/lpar7.json")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)

    found = needs(loop(*SITE, *files, "--state-dir", f"{state}/"), ())
    assert found == Needs(str(state), (str(tmp_path), f"{tmp_path}/records"), run=f"{state}.run")
    assert needs(loop(*SITE)) == Needs(run="/run/reconciler")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (SITE, Needs()),
        ((*SITE, "--notify-command", "/bin/true"), Needs(network=True)),
        (("--git", "https://git.example/ap", "--branch", "main"), Needs(git=True, network=True)),
    ],
)
def test_the_network_is_for_who_needs_it(words: tuple[str, ...], expected: Needs) -> None:
    """A repository, a chat."""
    assert needs(loop(*words)) == expected


def test_keys_are_named_from_the_root(tmp_path: Path) -> None:
    """Whichever format they have."""
    installed("ssh-keygen")
    git = ("--git", "https://git.example/ap", "--branch", "main", "--require-signature")

    (tmp_path / "allowed").write_text(f"kim@example {KEY}\n")

    assert needs(loop(*git, f"ssh:{tmp_path}/allowed"), ()).git
    with pytest.raises(click.UsageError, match="--require-signature ssh allowed"):
        needs(loop(*git, "ssh:allowed"))


def test_a_place_where_the_unit_cannot_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gave up root's right to write where others do, and systemd starts nothing whose directories are missing."""
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(click.ClickException, match="chown root"):
        needs(loop(*SITE, "--metrics-file", f"{tmp_path}/x.prom"), ())


@pytest.mark.parametrize(
    ("content", "has_key"),
    [
        (b"", False),
        (b"kim@example\n", False),
        (b"-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0W\n-----END PGP SIGNATURE-----\n", False),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\niHUEABYKAB0W\n-----END PGP PUBLIC KEY BLOCK-----\n", False),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n", False),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ0AAABYJ\n-----END PGP PUBLIC KEY BLOCK-----\n", True),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nComment: x\r\n\r\nmDMEZ0AAABYJ\r\n", True),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nab\n\n", False),
        (bytes.fromhex("98330467400000160906"), True),
        (bytes.fromhex("c6330467400000160906"), True),
        (bytes.fromhex("00000020"), False),
    ],
)
def test_a_file_of_gpg_keys_has_one(tmp_path: Path, content: bytes, has_key: bool) -> None:
    """As gpg exports them, in armor or not; what else it holds makes every commit unchecked."""
    file = tmp_path / "keys"
    file.write_bytes(content)

    assert (trust(f"gpg:{file}").keyless() == "") == has_key


@pytest.mark.parametrize("url", ["{}", "file://{}"])
def test_a_repository_of_this_machine_has_the_branch(tmp_path: Path, url: str) -> None:
    """The loop asks it in the same way."""
    repository = Repository(tmp_path / "repository")
    repository.commit({"site.yaml": ""})
    place = url.format(repository.path)

    assert needs(loop("--git", place, "--branch", "main"), ()).git
    with pytest.raises(click.ClickException, match="no branch other"):
        needs(loop("--git", place, "--branch", "other"), ())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("echo told\n", "is no program"),
        ("#!/no/such/shell\n", "/no/such/shell"),
        ("#!/bin/sh -e\n", ""),
    ],
)
def test_a_script_says_who_reads_it(tmp_path: Path, content: str, why: str) -> None:
    """The kernel starts no other; a shell would."""
    script = tmp_path / "tell"
    script.write_text(content)
    script.chmod(0o755)
    words = (*SITE, "--notify-command", f"{script} --all")

    if not why:
        assert needs(loop(*words), ()).network
        return
    with pytest.raises(click.ClickException, match=why):
        needs(loop(*words), ())


def test_a_state_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """As by the loop."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)

    with pytest.raises(click.ClickException, match="chmod go-w"):
        needs(loop(*SITE, "--state-dir", str(state)), ())


def test_a_command_that_cannot_be_executed_is_told_from_none(tmp_path: Path) -> None:
    """What is missing is the right to execute it."""
    script = tmp_path / "tell"
    script.write_text("#!/bin/sh\n")

    with pytest.raises(click.ClickException, match="chmod"):
        needs(loop(*SITE, "--notify-command", str(script)), ())
