"""``reconcile watch`` as a process of its own: how it ends, what it leaves, and who works beside it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

import reconciler
from reconciler.cli.exit_codes import Exit
from reconciler.kernel.paths import mdev
from reconciler.model.codec import BadRecord
from reconciler.simulator.state_file import state_directory
from reconciler.transaction.history import History
from reconciler.transaction.journal import JOURNAL
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.published import PublishedReader
from reconciler.watch.report import Condition, Report
from reconciler.watch.requests import SOCKET
from reconciler.watch.status_file import read_kept
from testing.mounted_hosts import PATIENCE, mounted_host, until, why_not_mounted
from testing.simulated_hosts import LAB

UUID: Final = "00000000-0000-4000-8000-000000000001"
HOST: Final = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lab}\n---\n"
GATED: Final = """
import pathlib, sys, time
from reconciler.kernel.sysfs import RealSysfs
from reconciler.simulator.host import SimulatedHost

folder, which, count = pathlib.Path(sys.argv.pop(1)), int(sys.argv.pop(1)), 0

def gated(write):
    def waits(self, path, value):
        global count
        count += 1
        if count == which:
            (folder / "writing").touch()
            while not (folder / "go").exists():
                time.sleep(0.005)
        return write(self, path, value)
    return waits

for kind in (RealSysfs, SimulatedHost):
    kind.write = gated(kind.write)

from reconciler.cli.main import main
main()
"""
"""The command, which holds its breath in the midst of its n-th write until it is told to go on."""

PLANNING: Final = """
import pathlib, sys
from reconciler.operations import plan

folder, make_plan = pathlib.Path(sys.argv.pop(1)), plan.make_plan

def again_and_again(*arguments, **options):
    (folder / "planning").touch()
    while not (folder / "go").exists():
        made = make_plan(*arguments, **options)
    return made

plan.make_plan = again_and_again

from reconciler.cli.main import main
main()
"""
"""The command, for which planning has no end until it is told to go on."""


class Site:
    """A directory with manifests, a host, and a loop that enforces it."""

    def __init__(self, folder: Path, where: list[str], state: StateDirectory) -> None:
        self.folder = folder
        self.state = state
        self.manifests = folder / "manifests"
        self.manifests.mkdir()
        self._where = where
        assert reconciler.__file__
        search = [str(Path(reconciler.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}

    def write(self, domains: str, *, guests: int = 1) -> None:
        """Write manifests: guest 1 has adapter 5, guest 2 adapter 6, with `domains`."""
        documents = [
            f"apiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: guest{one}}}\n"
            f"spec: {{uuid: {UUID[:-1]}{one}, adapters: [{4 + one}], domains: {domains}}}\n"
            for one in range(1, guests + 1)
        ]
        (self.manifests / ".new").write_text(HOST + "---\n".join(documents))
        (self.manifests / ".new").replace(self.manifests / "site.yaml")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``reconcile`` to its end."""
        command = [sys.executable, "-m", "reconciler.cli", *words, *self._where]
        return subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    @contextmanager
    def loop(self, *words: str, gate: int = 0, plans: bool = False) -> Iterator[subprocess.Popen[str]]:
        """A loop that applies, until the block ends.

        With `gate` it holds its breath in the midst of that write; where it `plans`, it does so and nothing else.
        """
        for left in ("writing", "go"):  # of a loop before
            (self.folder / left).unlink(missing_ok=True)
        start = ["-c", GATED, str(self.folder), str(gate)] if gate else ["-m", "reconciler.cli"]
        start = ["-c", PLANNING, str(self.folder)] if plans else start
        options = ["watch", "--apply", "--resync", "1s", "--log-format", "json", "-f", str(self.manifests), *words]
        with (
            (self.folder / "log").open("a") as log,
            subprocess.Popen(
                [sys.executable, *start, *options, *self._where],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                (self.folder / "go").touch()
                with suppress(ProcessLookupError):
                    process.kill()
                process.wait(PATIENCE)

    def report(self) -> Report | None:
        """The newest report of a loop that runs."""
        try:
            kept = read_kept(self.state)
        except BadRecord:
            return None
        return kept.report if kept and kept.ended is None else None

    def is_in(self, condition: Condition, generation: int | None = None) -> bool:
        """Whether the loop says so."""
        report = self.report()
        return report is not None and report.condition is condition and generation in (None, report.generation)

    def await_in_sync(self, generation: int | None = None) -> None:
        """Return when the loop says that the host is in sync; after the apply of `generation`."""
        until(lambda: self.is_in(Condition.IN_SYNC, generation))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """On a simulated host."""
    description = tmp_path / "host.yaml"
    description.write_text(LAB)
    made = Site(tmp_path, ["--simulate", str(description)], StateDirectory(state_directory(description)))
    made.write("[4]")
    return made


def ended(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    """The exit status of a process that was sent signal `number`."""
    process.send_signal(number)
    status = process.wait(PATIENCE)
    # Its session was its own: nobody of it is left.
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return status


def is_clean(site: Site) -> bool:
    """Whether the state directory is as no process is at work."""
    names = set(site.state.names())
    return not names & {JOURNAL, SOCKET, "pending.json"} and not [one for one in names if one.endswith(".new")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_nothing_left(site: Site, number: signal.Signals) -> None:
    """No process, no socket, no open transaction; exit code 0, and the status file says that it has ended."""
    with site.loop() as process:
        site.await_in_sync(1)
        assert ended(process, number) == Exit.DONE

    assert is_clean(site)
    kept = read_kept(site.state)
    assert kept
    assert kept.ended


def test_the_loop_publishes_a_report_and_how_it_has_ended(site: Site) -> None:
    """Beside its state directory, where another one is used than the usual one."""
    directory = site.state.path.with_name(f"{site.state.path.name}.run")
    with site.loop() as process:
        site.await_in_sync(1)
        until(lambda: (found := PublishedReader(directory).read()).report is not None and found.is_locked)
        assert ended(process) == Exit.DONE

    found = PublishedReader(directory).read()
    assert found.loop
    assert found.loop.ended
    assert found.loop.ended[1:] == (0, "by a signal (SIGTERM or SIGINT)")
    assert found.report
    assert (found.report.condition, found.report.generation) == ("in-sync", 1)


def test_a_run_directory_of_another_user_or_a_link_is_refused(site: Site) -> None:
    """Before anything is done."""
    (site.folder / "link").symlink_to(site.folder)

    ran = site.run("watch", "--apply", "-f", str(site.manifests), "--run-dir", str(site.folder / "link"))

    assert ran.returncode == Exit.FAILURE
    assert "must be a directory, not a link" in ran.stderr


def test_the_option_of_the_port_is_refused_with_the_command_that_listens(site: Site) -> None:
    """Complete, as it is to be run."""
    ran = site.run("watch", "-f", str(site.manifests), "--listen", "127.0.0.1:9750")

    assert ran.returncode == Exit.USAGE
    directory = site.state.path.with_name(f"{site.state.path.name}.run")
    assert f"reconcile serve --only metrics --listen 127.0.0.1:9750 --run-dir {directory}" in ran.stderr


def test_a_changed_file_is_applied(site: Site) -> None:
    """While it runs."""
    with site.loop() as process:
        site.await_in_sync(1)
        site.write("[4, 5]")
        site.await_in_sync(2)
        assert ended(process) == Exit.DONE

    assert site.run("plan", "--detailed-exitcode", "-f", str(site.manifests)).returncode == Exit.DONE


def test_sigterm_in_the_midst_of_an_apply_puts_everything_back(site: Site) -> None:
    """At the end of the write that is under way, which is as long as the kernel takes."""
    with site.loop() as process:
        site.await_in_sync(1)
        assert ended(process) == Exit.DONE
    site.write("[4, 5, 6]", guests=2)
    with site.loop(gate=2) as process:
        until((site.folder / "writing").exists)
        process.send_signal(signal.SIGTERM)
        (site.folder / "go").touch()
        assert ended(process) == Exit.DONE

    assert is_clean(site)
    assert [one.result for one in History(site.state).generations()] == ["applied", "rolled back"]
    site.write("[4]")
    assert site.run("plan", "--detailed-exitcode", "-f", str(site.manifests)).returncode == Exit.DONE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("applied", [0, 1])
def test_a_signal_ends_planning(site: Site, number: signal.Signals, applied: int) -> None:
    """However long it would take, of what is to be applied and of what was: nothing is written, and nothing is left."""
    if applied:
        with site.loop() as process:
            site.await_in_sync(1)
            assert ended(process) == Exit.DONE
    with site.loop(plans=True) as process:
        until((site.folder / "planning").exists)
        assert ended(process, number) == Exit.DONE

    assert is_clean(site)
    assert len(History(site.state).generations()) == applied
    planned = site.run("plan", "--detailed-exitcode", "-f", str(site.manifests))
    assert planned.returncode == (Exit.DONE if applied else Exit.CHANGES)


def test_sighup_in_the_midst_of_an_apply_does_not_interrupt_it(site: Site) -> None:
    """It only asks to look again."""
    with site.loop(gate=2) as process:
        until((site.folder / "writing").exists)
        process.send_signal(signal.SIGHUP)
        (site.folder / "go").touch()
        site.await_in_sync(1)
        assert ended(process) == Exit.DONE

    assert [one.result for one in History(site.state).generations()] == ["applied"]


def test_a_second_loop_is_refused(site: Site) -> None:
    """On the same state directory."""
    with site.loop() as process:
        site.await_in_sync(1)
        second = site.run("watch", "-f", str(site.manifests))
        assert ended(process) == Exit.DONE

    assert second.returncode == Exit.BUSY
    assert str(process.pid) in second.stderr


def test_a_person_applies_beside_it_and_is_followed(site: Site) -> None:
    """What needs consent the loop does not use; who gives it has it enforced from then on."""
    site.write("[4]", guests=1)
    with site.loop() as process:
        site.await_in_sync(1)
        (site.manifests / "site.yaml").write_text(HOST.removesuffix("---\n"))
        until(lambda: bool((report := site.report()) and report.source.refused))
        typed = site.run("apply", "--yes", "--allow-empty", "-f", str(site.manifests))
        assert typed.returncode == Exit.DONE, typed.stderr
        until(lambda: bool((report := site.report()) and not report.source.refused and report.generation == 2))
        assert site.is_in(Condition.IN_SYNC)
        assert ended(process) == Exit.DONE


def test_an_apply_that_waits_to_be_confirmed_is_waited_for(site: Site) -> None:
    """And followed when it is."""
    other = site.folder / "other.yaml"
    with site.loop() as process:
        site.await_in_sync(1)
        other.write_text((site.manifests / "site.yaml").read_text().replace("[4]", "[4, 5]"))
        typed = site.run("apply", "--yes", "--confirm-within", "1h", "-f", str(other))
        assert typed.returncode == Exit.DONE, typed.stderr
        until(lambda: site.is_in(Condition.WAITING))
        assert len(History(site.state).generations()) == 2
        assert site.run("rollback", "--yes").returncode == Exit.DONE
        site.await_in_sync()
        assert ended(process) == Exit.DONE


def test_a_killed_loop_leaves_nothing_that_the_next_one_does_not_put_in_order(tmp_path: Path) -> None:
    """Kill -9 in the midst of an apply, on a host that is as the writes have left it."""
    why_not = why_not_mounted(tmp_path)
    if why_not:
        pytest.skip(f"NOT TESTED: mounting the simulated host ({why_not})")
    with mounted_host(tmp_path, LAB) as host:
        state = StateDirectory(tmp_path / "state")
        site = Site(tmp_path, ["--sysfs", str(host.root), "--state-dir", str(state.path)], state)
        site.write("[4, 5]", guests=2)
        with site.loop(gate=3) as process:
            until((tmp_path / "writing").exists)
            assert ended(process, signal.SIGKILL) == -signal.SIGKILL
        assert (state.path / JOURNAL).exists()
        with site.loop() as process:
            site.await_in_sync(2)
            assert ended(process) == Exit.DONE

        assert is_clean(site)
        assert host.sysfs.read(f"{mdev(UUID)}/matrix") == "05.0004\n05.0005\n"
        assert [one.result for one in History(state).generations()] == ["rolled back", "applied"]
