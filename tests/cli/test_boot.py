"""``reconcile boot``: a host that was booted becomes as it was applied last."""

import json
import re
from collections.abc import Callable
from errno import EADDRINUSE, ENOENT
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.cli.time_limit import TimeIsUp
from reconciler.integrations.kernel_module import CannotLoad
from reconciler.integrations.units import BOOT_NAME
from reconciler.kernel.processes import Done
from reconciler.model.matrix import Queue
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.state_file import digest_of, load_state, save_state
from testing.clocks import FakeClock
from testing.commands import Command, Ran, example

GUEST2 = "7c3b6979-3edc-5d3c-af18-0c54f8134122"
MASKS, DEVICES = 1, 6
"""How many writes the three guests take."""


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """``reconcile`` on a fresh copy of the three guests, whose Host boots by our unit."""
    made = example("three-guests", tmp_path, capsys)
    persist(made, "service")
    return made


def persist(command: Command, how: str) -> None:
    """Have the Host say how it boots."""
    file = command.directory / "host.yaml"
    text = re.sub(r"  persistence: .*\n", "", file.read_text())
    file.write_text(text.replace("\nspec:\n", f"\nspec:\n  persistence: {how}\n"))


def on_host(command: Command, *words: str) -> Ran:
    """Run ``reconcile`` with `words` on the host, without manifests."""
    return command.bare(*words, "--simulate", str(command.simulated_host))


def booted(command: Command) -> Command:
    """The same, applied, and then booted."""
    assert command("apply", "--yes").code == 0
    assert on_host(command, "simulate", "boot").code == 0
    return command


def in_sync(command: Command) -> bool:
    """Whether the host is as the manifests say."""
    return command("plan", "--detailed-exitcode").code == 0


def test_a_booted_host_becomes_as_it_was(command: Command) -> None:
    """In one line; once more there is nothing left to do."""
    booted(command)
    assert not in_sync(command)

    ran = on_host(command, "boot")

    assert ran == (0, "", f"boot: the host is as generation 1 wants: {MASKS + DEVICES} kernel writes\n")
    assert in_sync(command)
    assert on_host(command, "boot").err == "boot: the host is as generation 1 wants: 0 kernel writes\n"


def test_the_unit_does_it_in_two_parts(command: Command) -> None:
    """The masks, while vfio_ap is not loaded; and when it is, the rest."""
    booted(command)

    masks = on_host(command, "boot", "--masks-only")
    before = on_host(command, "simulate").out
    on_host(command, "simulate", "load")
    rest = on_host(command, "boot", "--wait", "0")

    assert masks == (0, "", f"boot: the masks are as generation 1 wants: {MASKS} kernel write\n")
    assert "everything but adapters 0x05-0x06" in before
    assert rest == (0, "", f"boot: the host is as generation 1 wants: {DEVICES} kernel writes\n")
    assert in_sync(command)


def test_a_module_that_is_there_too_early_is_no_harm(command: Command) -> None:
    """Masks and devices then come together."""
    booted(command)
    on_host(command, "simulate", "load")

    masks = on_host(command, "boot", "--masks-only")

    assert masks == (0, "", "boot: vfio_ap is loaded already; the masks are left to what follows\n")
    assert on_host(command, "boot").err.endswith(f"{MASKS + DEVICES} kernel writes\n")
    assert in_sync(command)


def test_what_somebody_is_editing_has_no_part_in_it(command: Command) -> None:
    """The history is what counts."""
    booted(command)
    (command.directory / "guests.yaml").write_text("{")

    assert on_host(command, "boot").err.endswith(f"as generation 1 wants: {MASKS + DEVICES} kernel writes\n")


def test_a_boot_is_no_generation_to_go_back_to(command: Command) -> None:
    """Neither does it become what was applied last."""
    booted(command)
    on_host(command, "boot")

    assert [one["number"] for one in json.loads(on_host(command, "history", "-o", "json").out)["generations"]] == [
        1,
        2,
        3,
    ]
    assert on_host(command, "rollback", "3", "--yes").err.count("of a boot") == 1
    assert "this undoes generation 1, by " in on_host(command, "rollback", "--yes").err


def test_where_nothing_was_applied_nothing_is_done(command: Command) -> None:
    """And nothing is made on the disk."""
    assert on_host(command, "boot") == (0, "", "boot: nothing has been applied yet, so there is nothing to do\n")
    assert not (command.directory / "simulated-host.yaml.state").exists()


def test_a_state_directory_that_is_missing_is_no_empty_history(command: Command, tmp_path: Path) -> None:
    """The unit names it: its file system is not mounted. Nothing is done, and nothing made in its place."""
    state = tmp_path / "var" / "reconciler"

    for flags in (), ("--masks-only",):
        ran = on_host(command, "boot", "--state-dir", str(state), *flags)
        assert ran.code == 1
        assert f"nothing was done: {state} does not exist" in ran.err
    assert not state.parent.exists()
    state.mkdir(parents=True, mode=0o700)
    assert "nothing has been applied yet" in on_host(command, "boot", "--state-dir", str(state)).err


def test_the_unit_is_installed_with_a_state_directory(command: Command, tmp_path: Path) -> None:
    """So that it is missing at a boot only where it is not mounted."""
    state = tmp_path / "state"

    assert install(command, tmp_path, "--state-dir", str(state)).code == 0

    assert state.stat().st_mode & 0o777 == 0o700
    assert "nothing has been applied yet" in on_host(command, "boot", "--state-dir", str(state)).err


def test_a_first_apply_that_failed_is_none(command: Command) -> None:
    """It was put back."""
    host = command.simulated_host
    host.write_text(host.read_text() + "  faults: [{write: 3, errno: EADDRINUSE}]\n")
    booted_after = command("apply", "--yes")

    assert booted_after.code == 6
    assert on_host(command, "boot").err == "boot: nothing has been applied yet, so there is nothing to do\n"


def test_a_host_that_boots_otherwise_is_left_alone(command: Command) -> None:
    """Nothing is done, and the unit fails, so that somebody notices."""
    persist(command, "none")
    booted(command)

    ran = on_host(command, "boot")

    assert ran.code == 4
    assert "generation 1) has 'persistence: none'" in ran.err
    assert ran.err.count("\n") == 1
    assert "everything\n" in on_host(command, "simulate").out


def test_what_needed_no_step_was_applied_nevertheless(command: Command) -> None:
    """As where the manifests only say how to boot, or take over what is there."""
    persist(command, "none")
    command("apply", "--yes")
    persist(command, "service")
    assert "Nothing to do" in command("apply", "--yes").out
    on_host(command, "simulate", "boot")

    assert on_host(command, "boot").err == f"boot: the host is as generation 2 wants: {MASKS + DEVICES} kernel writes\n"


def test_what_was_not_confirmed_does_not_come_back(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host went down before anybody had confirmed it."""
    command("apply", "--yes")
    monkeypatch.setattr("reconciler.hosts.opening.timer_of", lambda *_: SimpleNamespace(arm=lambda *_: None))
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("0xab", "5"))
    assert command("apply", "--yes", "--confirm-within", "5m").code == 0
    on_host(command, "simulate", "boot")

    ran = on_host(command, "boot")

    assert (ran.code, "generation 1 wants" in ran.err) == (0, True)
    assert "booted since" in ran.err


def test_damage_is_told_instead_of_booting_into_something_older(command: Command) -> None:
    """Nobody can tell what was applied last."""
    command("apply", "--yes")
    guests = command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("0xab", "5"))
    booted(command)
    (command.directory / "simulated-host.yaml.state/generations/000002.json").write_text("{torn")

    ran = on_host(command, "boot")

    assert ran.code == 1
    assert "000002.json" in ran.err


def tinker(command: Command, action: Callable[[SimulatedHost], object]) -> None:
    """Do something to the simulated host that no request does."""
    kept = command.simulated_host.with_name("simulated-host.yaml.state.json")
    digest = digest_of(command.simulated_host.read_bytes())
    host = load_state(kept, digest)
    assert host
    action(host)
    save_state(kept, host, digest)


def test_a_refused_write_is_told_in_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code of an apply; its own part is put back, and the masks stay."""
    booted(command)
    write = SimulatedHost.write

    def refuse(host: SimulatedHost, path: str, value: str) -> int:
        if path.endswith(f"{GUEST2}/ap_config"):
            raise OSError(EADDRINUSE, "in use", path)
        return write(host, path, value)

    monkeypatch.setattr(SimulatedHost, "write", refuse)

    ran = on_host(command, "boot")

    assert ran.code == 6
    assert ran.err.startswith("boot: generation 1 was not applied: step 4 of 6, guest2")
    assert ran.err.count("\n") == 1
    assert "everything but adapters 0x05-0x06" in on_host(command, "simulate").out


def no_module(_: SimulatedHost) -> None:
    """It cannot be loaded."""
    raise CannotLoad("modprobe: FATAL: Module vfio_ap not found")


def is_up(_: SimulatedHost) -> None:
    """It takes too long."""
    raise TimeIsUp


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (no_module, "Module vfio_ap not found"),
        (lambda _: None, "takes no mediated devices"),
        (is_up, "more than 270 s"),
    ],
)
def test_without_the_module_the_masks_stay(
    command: Command, monkeypatch: pytest.MonkeyPatch, load: Callable[[SimulatedHost], None], told: str
) -> None:
    """What can be had of the boot is kept, and why there is no more is told."""
    clock = FakeClock()
    booted(command)
    monkeypatch.setattr(SimulatedHost, "load_vfio_ap", load)
    monkeypatch.setattr("reconciler.hosts.opening.time", clock)

    ran = on_host(command, "boot")

    assert ran.code == 1
    assert told in ran.err
    assert ran.err.count("\n") == 1
    assert "everything but adapters 0x05-0x06" in on_host(command, "simulate").out
    assert clock.now < 40


def test_a_bus_that_is_never_done_is_left_after_a_while(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue without a driver keeps it from that."""
    clock = FakeClock()
    monkeypatch.setattr("reconciler.hosts.opening.time", clock)
    booted(command)
    tinker(command, lambda host: host.write("bus/ap/drivers/cex4queue/unbind", "04.0004"))

    ran = on_host(command, "boot", "--wait", "20s")

    assert ran.code == 0
    assert "boot: after 20 s the AP bus has bound 17/18 queues to drivers; going on nevertheless\n" in ran.err
    assert clock.now == pytest.approx(20, abs=1)


def test_a_vm_that_runs_is_not_interrupted(command: Command) -> None:
    """Where somebody runs it later, on a host that has drifted, that needs a person."""
    command("apply", "--yes")
    on_host(command, "simulate", "start", "guest2")
    tinker(command, lambda host: host.write(f"devices/vfio_ap/matrix/{GUEST2}/assign_domain", "5"))

    ran = on_host(command, "boot")

    assert ran.code == 4
    assert ran.err.startswith("boot: not applied: this needs consent: guest2: ")
    assert ran.err.count("\n") == 1


def test_the_hosts_own_requests_do_not_keep_it_from_booting(command: Command) -> None:
    """Who applied it has consented to what it takes from the host."""
    booted(command)
    tinker(command, lambda host: host.set_pending(Queue(5, 4), 1))

    assert on_host(command, "boot").code == 0


def test_a_bus_that_is_missing_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by every command."""
    booted(command)

    def nothing(_: SimulatedHost, path: str) -> str:
        raise FileNotFoundError(ENOENT, "no such file", path)

    monkeypatch.setattr(SimulatedHost, "read", nothing)

    assert (ran := on_host(command, "boot")).code == 1
    assert "no AP bus here" in ran.err


def test_manifests_are_no_business_of_a_boot(command: Command) -> None:
    """Nobody is to believe that they are applied."""
    assert command("boot").code == 64


# The unit ------------------------------------------------------------------------------------------------------------


def install(command: Command, directory: Path, *options: str) -> Ran:
    """Install the unit."""
    return command.bare("service", "install", "boot", "--directory", str(directory), *options)


def test_the_unit_comes_and_goes(command: Command, tmp_path: Path) -> None:
    """With what to type so that systemd knows; what starts it goes, too."""
    units = tmp_path / "units"

    new = install(command, units)
    (units / "multi-user.target.wants").mkdir()
    (units / "multi-user.target.wants" / BOOT_NAME).symlink_to(units / BOOT_NAME)
    same = install(command, units)
    changed = install(command, units, "--state-dir", str(tmp_path / "else where"))

    assert [new.code, "installed" in new.out, "as it should be" in same.out, "changed" in changed.out] == [0, 1, 1, 1]
    assert f"systemctl enable {units / BOOT_NAME}" in new.err
    assert f'"{tmp_path}/else where"' in (units / BOOT_NAME).read_text()
    for said in ("removed", "not there"):
        assert said in command.bare("service", "uninstall", "boot", "--directory", str(units)).out
    assert list(units.rglob(BOOT_NAME)) == []


def test_what_somebody_else_made_is_left_alone(command: Command, tmp_path: Path) -> None:
    """Also by an uninstallation."""
    (tmp_path / BOOT_NAME).write_text("[Service]\nExecStart=/bin/true\n")

    assert install(command, tmp_path).code == 1
    assert command.bare("service", "uninstall", "boot", "--directory", str(tmp_path)).code == 1
    assert "/bin/true" in (tmp_path / BOOT_NAME).read_text()


def test_systemd_is_told_where_that_is_asked_for(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it says counts."""
    ran: list[tuple[str, ...]] = []
    status = 0

    def run(words: tuple[str, ...], _: float) -> Done:
        ran.append(tuple(words))
        return Done(status, "", "")

    monkeypatch.setattr("reconciler.cli.service_command.run_tool", run)

    assert install(command, tmp_path, "--enable").code == 0
    assert ran == [("systemctl", "daemon-reload"), ("systemctl", "enable", str(tmp_path / BOOT_NAME))]
    status = 1
    assert "systemctl daemon-reload ended with status 1" in install(command, tmp_path, "--enable").err


def test_the_unit_is_for_this_machine(command: Command, tmp_path: Path) -> None:
    """A simulated host is booted by nobody, and the manifests are not read."""
    assert install(command, tmp_path, "--simulate", str(command.simulated_host)).code == 64
    assert install(command, tmp_path, "--sysfs", str(tmp_path)).code == 64
    assert install(command, tmp_path, "-f", str(tmp_path)).code == 64
    assert install(command, tmp_path / "a" / "b").code == 1
    assert install(command, tmp_path, "--state-dir", "/x\ny").code == 1
