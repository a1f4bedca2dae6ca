"""A state directory that cannot be written: what was not confirmed is rolled back all the same, and recorded later."""

import errno
import json
import os
import re
import shlex
import subprocess
import sys
import syslog
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib.util import find_spec, module_from_spec
from pathlib import Path

import pytest

from reconciler.cli import confirm_command
from reconciler.hosts import opening
from reconciler.kernel.paths import mdev
from reconciler.simulator.state_file import digest_of, load_state, save_state
from reconciler.transaction import state_directory
from reconciler.transaction.journal import Journal
from testing.clocks import NoTimer
from testing.commands import Command, Ran, example


class Host:
    """The three guests, with a state directory of their own."""

    def __init__(self, command: Command, state: Path) -> None:
        self._command = command
        self.state = state
        self.manifests = command.directory / "guests.yaml"

    def __call__(self, *words: str) -> Ran:
        """Run ``reconcile`` with this state directory."""
        return self._command(*words, "--state-dir", str(self.state))

    def on_host(self, *words: str) -> Ran:
        """Run ``reconcile`` with this state directory, without manifests."""
        where = () if words[0] == "simulate" else ("--state-dir", str(self.state))
        return self._command.bare(*words, "--simulate", str(self._command.simulated_host), *where)

    @property
    def held(self) -> str:
        """Who holds what."""
        kept = self._command.simulated_host.with_name("simulated-host.yaml.state.json").read_text(encoding="utf-8")
        host = json.loads(kept)["host"]
        return json.dumps([host["pool"], host["mdevs"]], sort_keys=True)

    def begin(self) -> str:
        """Apply something, then something else that waits to be confirmed; who held what before that."""
        assert self("apply", "--yes").code == 0
        before = self.held
        text = self.manifests.read_text(encoding="utf-8")
        self.manifests.write_text(text.replace("adapters: [5, 6]", "adapters: [6]", 1), encoding="utf-8")
        assert self("apply", "--yes", "--confirm-within", "90s").code == 0
        assert self.held != before
        return before

    @property
    def results(self) -> list[str]:
        """How the generations ended."""
        return [one["result"] for one in json.loads(self("history", "-o", "json").out)["generations"]]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    monkeypatch.setattr(confirm_command, "READY", b"")
    return example("three-guests", tmp_path, capsys)


@pytest.fixture(params=["tmpfs", "ext4"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The mount point of a small file system."""
    place = tmp_path / "disk"
    place.mkdir()
    if request.param == "tmpfs":
        words = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "small", str(place)]
    else:
        image = tmp_path / "image"
        with image.open("wb") as stream:
            stream.truncate(8 << 20)
        words = ["mount", "-o", "loop", str(image), str(place)]
        _ran(["mkfs.ext4", "-q", "-m", "0", str(image)])
    _ran(words)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def _ran(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"{words[0]} is not there")
    if done.returncode:
        pytest.skip(f"{' '.join(words[:3])} is not permitted here: {done.stderr.strip()}")


def fill(place: Path) -> Path:
    """Use up all space of a file system, to the last byte; the file that does."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 16, 512, 1):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                continue  # there is room for something smaller
    return filler


class Time:
    """Time that goes by only in sleeps; at each of them something may happen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept: list[float] = []
        self.after: Callable[[], object] = lambda: None
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + sum(self.slept))
        monkeypatch.setattr(time, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if sum(self.slept) > 120:
            self.after()

    def pass_by(self) -> None:
        """Let 91 seconds go by."""
        self.slept.append(91.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time that goes by only in sleeps."""
    return Time(monkeypatch)


def test_what_is_not_confirmed_is_rolled_back_on_a_full_disk(command: Command, small: Path, clock: Time) -> None:
    """The host first; what cannot be recorded is reported, and tried again until there is space."""
    host = Host(command, small / "state")
    before = host.begin()
    filler = fill(small)
    seen: list[str] = []

    def free() -> None:
        seen.append(host.held)
        filler.unlink(missing_ok=True)

    clock.after = free
    ran = host("expire", "2")

    assert ran.code == 6
    assert seen[0] == before
    assert "could not be recorded" in ran.err
    assert "No space left on device" in ran.err
    assert "trying again in 1 s" in ran.err
    assert "trying again in 2 s" in ran.err
    assert max(clock.slept) <= 60
    assert host.results == ["applied", "rolled back"]
    assert not (host.state / "pending.json").exists()
    assert host("apply", "--yes").code == 0


def test_the_timer_is_heard_although_its_log_cannot_be_written(
    command: Command, small: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the system's log meanwhile; once there is space, its own log says so, too."""
    host = Host(command, small / "state")
    host.begin()
    heard: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _priority, line: heard.append(line))
    log = host.state / "expire.log"
    with log.open("w", encoding="utf-8", buffering=1) as stream:
        filler = fill(small)
        clock.after = lambda: filler.unlink(missing_ok=True)
        monkeypatch.setattr(sys, "stderr", stream)
        ran = host("expire", "2")

    assert ran.code == 6
    assert any("generation 2" in line and "rolled back" in line for line in heard)
    assert any("No space left on device" in line for line in heard)
    assert "what it had done was rolled back" in log.read_text()


def test_the_next_apply_records_what_the_timer_could_not(command: Command, small: Path, clock: Time) -> None:
    """It rolls back as well, begins nothing as long as there is no space, and goes on when there is."""
    host = Host(command, small / "state")
    before = host.begin()
    filler = fill(small)
    clock.pass_by()

    refused = host("apply", "--yes")

    assert refused.code == 1
    assert "nothing was begun: what became of generation 2 cannot be recorded" in refused.err
    assert host.held == before
    assert host("confirm", "2").code == 6
    filler.unlink()
    assert host("apply", "--yes").code == 0
    assert host.results == ["applied", "rolled back", "applied"]


@pytest.mark.parametrize("ended_by", ["expire", "rollback"])
def test_a_rollback_that_is_not_recorded_is_said_everywhere(
    command: Command, small: Path, clock: Time, ended_by: str
) -> None:
    """Not that it is applied, or is still to be undone: the host is as before, and space has to be freed."""
    host = Host(command, small / "state")
    before = host.begin()
    filler = fill(small)
    if ended_by == "expire":
        clock.pass_by()
    assert host("rollback", "--yes").code == 0
    unrecorded = f"generation 2 was rolled back, which could not be recorded yet ({host.state}: No space left on device"

    for words in (["status"], ["drift"], ["history"]):
        said = host(*words).err
        assert f"warning: {unrecorded}" in said
        assert "to undo it" not in said
        assert "reconcile rollback" in said
    row = host("history").out.splitlines()[1]
    assert row.startswith("2 ")
    assert " rolled back (not recorded yet) " in row
    shown = json.loads(host("history", "-o", "json").out)["generations"][-1]
    assert (shown["result"], shown["remark"]) == ("rolled back", "not recorded yet")
    assert host("history", "show", "2").out.startswith("Generation 2: rolled back\n")
    found = {one["id"]: one for one in json.loads(host("doctor", "-o", "json").out)["findings"]}
    assert unrecorded in found["unrecorded-rollback"]["what"]
    assert "No space left on device" in found["state-not-writable"]["what"]
    assert "awaits-confirmation" not in found
    for words in (["rollback", "--yes"], ["rollback"]):
        again = host(*words)
        assert "generation 2 was rolled back already; this only records it" in again.err
        assert "this rolls it back" not in again.err
        assert "[Errno" not in again.err
        assert "free space there" in again.err
    assert host.held == before

    filler.unlink()
    assert host("rollback", "--yes").code == 0
    assert host.results == ["applied", "rolled back"]
    assert "not recorded" not in host("history").out
    assert "unrecorded" not in host("doctor").out


def test_what_waits_to_be_confirmed_is_remarked_on_in_the_history(
    command: Command, tmp_path: Path, clock: Time
) -> None:
    """It may still be rolled back, or is late; `doctor` says which."""
    host = Host(command, tmp_path / "state")
    host.begin()
    assert " applied (waits to be confirmed) " in host("history").out.splitlines()[1]
    assert "awaits-confirmation" in host("doctor").out
    clock.pass_by()
    assert " applied (not confirmed in time) " in host("history").out.splitlines()[1]
    assert "not-rolled-back" in host("doctor").out
    assert host("expire", "2").code == 6
    assert host("history").out.splitlines()[1].split("  ")[2:3] != ["applied"]
    assert "not confirmed" not in host("history").out


def test_it_can_be_confirmed_on_a_full_disk(command: Command, small: Path, clock: Time) -> None:
    """Removing a file needs no space, and is all that it takes."""
    host = Host(command, small / "state")
    host.begin()
    after = host.held
    fill(small)

    assert host("confirm", "2").code == 0

    clock.pass_by()
    assert host("expire", "2").code == 0
    assert host.held == after


def test_an_id_that_cannot_be_blocked_is_said_so(command: Command, small: Path) -> None:
    """With the command to run again once there is space."""
    host = Host(command, small / "state")
    host.begin()
    host("confirm")
    filler = fill(small)

    refused = host("cancel", "deploy-42")

    assert refused.code == 1
    assert "error: the id deploy-42 could not be blocked: " in refused.err
    assert refused.err.endswith(" deploy-42    # once the cause is gone\n")
    filler.unlink()
    assert host("cancel", "deploy-42").code == 0


@pytest.mark.parametrize("words", [("rollback", "--yes"), ("cancel",), ("cancel", "2")])
def test_it_can_be_undone_on_a_full_disk(command: Command, small: Path, words: tuple[str, ...]) -> None:
    """As it is rolled back when the time is over; what is gone cannot be confirmed after that."""
    host = Host(command, small / "state")
    before = host.begin()
    filler = fill(small)

    assert host(*words).code == 0

    assert host.held == before
    late = host("confirm", "2")
    assert late.code == 1
    assert "has been rolled back, which could not be recorded yet" in late.err
    filler.unlink()
    assert host("rollback", "--yes").code == 0
    assert host.results[-1] == "rolled back"


def test_more_time_that_cannot_be_recorded_is_not_given(command: Command, small: Path) -> None:
    """The deadline is what was recorded, and the apply can still be confirmed."""
    host = Host(command, small / "state")
    host.begin()
    fill(small)

    ran = host("confirm", "2", "--extend", "1h")
    assert ran.code == 1
    lines = ran.err.splitlines()
    assert f"generation 2 was not given more time: {host.state}/pending.json: No space left on device" in lines[0]
    assert re.fullmatch(r"  it is rolled back in 1 minute [12]\d seconds, as before", lines[1])
    keep, repeat = (line.partition("next: ")[2].partition("    # ")[0] for line in lines[2:])
    assert shlex.split(repeat)[:4] == ["reconcile", "confirm", "--extend", "1h"]
    assert shlex.split(keep)[:3] == ["reconcile", "confirm", "2"]
    assert "--extend" not in keep
    assert host("confirm", "2").code == 0


def test_suspensions_end_on_a_full_disk(command: Command, small: Path) -> None:
    """Of one guest of many as well as of all: what is written for that was set aside when they began."""
    host = Host(command, small / "state")
    host.begin()
    assert host("confirm", "2").code == 0
    assert host("suspend", "guest1", "guest2", "--reason", "x" * 3000).code == 0
    fill(small)

    assert host("resume", "guest1").code == 0
    assert list(json.loads((host.state / "suspended.json").read_text(encoding="utf-8"))["guests"]) == ["guest2"]
    assert host("resume", "--all").code == 0
    assert not (host.state / "suspended.json").exists()


def test_a_read_only_disk_prevents_no_rollback(command: Command, small: Path, clock: Time) -> None:
    """As after an error of the disk; confirming is refused with the reason, since it could not last."""
    host = Host(command, small / "state")
    before = host.begin()
    remount = ["mount", "-o", "remount,{}", str(small)]
    subprocess.run([one.format("ro") for one in remount], check=True)
    try:
        refused = host("confirm", "2")
        assert refused.code == 1
        assert "Read-only file system" in refused.err
        clock.after = lambda: subprocess.run([one.format("rw") for one in remount], check=True)
        ran = host("expire", "2")
    finally:
        subprocess.run([one.format("rw") for one in remount], check=True)

    assert ran.code == 6
    assert "Read-only file system" in ran.err
    assert host.held == before
    assert host.results[-1] == "rolled back"


def test_an_apply_on_a_read_only_disk_rolls_back_first(command: Command, small: Path, clock: Time) -> None:
    """What was not confirmed is rolled back; then it says that nothing else can begin."""
    host = Host(command, small / "state")
    before = host.begin()
    clock.pass_by()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    try:
        refused = host("apply", "--yes")
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)

    assert refused.code == 1
    assert "cannot be recorded" in refused.err
    assert host.held == before
    assert host("apply", "--yes").code == 0


@pytest.fixture(params=["full", "read-only"])
def unusable(request: pytest.FixtureRequest, small: Path) -> Callable[[], AbstractContextManager[object]]:
    """Has the small file system take no records while a block runs."""

    @contextmanager
    def full() -> Iterator[None]:
        filler = fill(small)
        yield
        filler.unlink()

    @contextmanager
    def read_only() -> Iterator[None]:
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)

    return full if request.param == "full" else read_only


def at_boot(command: Command, state: Path) -> Host:
    """The three guests, on a host that our unit boots."""
    file = command.directory / "host.yaml"
    text = file.read_text(encoding="utf-8").replace("\n  persistence: service\n", "\n")
    file.write_text(text.replace("\nspec:\n", "\nspec:\n  persistence: service\n"))
    return Host(command, state)


def test_a_boot_needs_no_disk(
    command: Command, small: Path, unusable: Callable[[], AbstractContextManager[object]]
) -> None:
    """The host is as it was applied last; what could not be recorded is said, and nothing is left to recover from."""
    host = at_boot(command, small / "state")
    assert host("apply", "--yes").code == 0
    before = host.held
    host.on_host("simulate", "boot")
    with unusable():
        masks = host.on_host("boot", "--wait", "0", "--masks-only")
        ran = host.on_host("boot", "--wait", "0")
        again = host.on_host("boot", "--wait", "0")
        doctor = host("doctor")

        assert host.held == before

    assert masks.code == 0  # or the unit would end here
    assert "could not be recorded" in masks.err
    assert ran.code == 1
    told, unrecorded, following = (
        line for line in ran.err.splitlines() if "no report on this is published" not in line
    )
    assert told == "boot: the host is as generation 1 wants: 6 kernel writes"
    assert re.search(r"could not be recorded.*(No space left on device|Read-only file system)", unrecorded)
    assert shlex.split(following.partition("next: ")[2], comments=True)[:2] == ["reconcile", "doctor"]
    assert (again.code, again.err.splitlines()[0]) == (0, "boot: the host is as generation 1 wants: 0 kernel writes")
    assert "a boot makes the host as it was applied last all the same" in " ".join((doctor.out + doctor.err).split())
    assert host.results == ["applied"]
    assert host("apply", "--yes").code == 0
    assert host.held == before


def test_a_boot_without_a_disk_goes_by_what_was_confirmed(
    command: Command, small: Path, unusable: Callable[[], AbstractContextManager[object]]
) -> None:
    """What waited when the host went down was not confirmed, although no file can say so yet."""
    host = at_boot(command, small / "state")
    before = host.begin()
    host.on_host("simulate", "boot")
    with unusable():
        ran = host.on_host("boot", "--wait", "0")

        assert host.held == before

    assert ran.code == 1
    assert ran.err.count("generation 2 was not confirmed in time") == 1
    assert "boot: the host is as generation 1 wants" in ran.err
    assert host.on_host("boot", "--wait", "0").code == 0
    assert host.held == before
    assert host.results == ["applied", "rolled back"]


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_boot_without_a_disk_goes_by_what_was_verified(
    command: Command,
    small: Path,
    unusable: Callable[[], AbstractContextManager[object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What had been verified when the machine went down was applied, although no file can say so yet."""
    host = at_boot(command, small / "state")
    assert host("apply", "--yes").code == 0
    text = host.manifests.read_text(encoding="utf-8")
    host.manifests.write_text(text.replace("adapters: [5, 6]", "adapters: [6]", 1), encoding="utf-8")
    with monkeypatch.context() as dying:
        dying.setattr(Journal, "finish", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            host("apply", "--yes")
    host.on_host("simulate", "boot")
    with unusable():
        ran = host.on_host("boot", "--wait", "0")

        assert "boot: the host is as generation 2 wants" in ran.err

    assert ran.code == 1
    assert host("apply", "--yes").code == 0
    assert host.results == ["applied", "applied"]
    assert host("plan", "--detailed-exitcode").code == 0


def test_while_a_vm_runs_a_boot_needs_a_disk(command: Command, small: Path) -> None:
    """A crash on the way could take queues from a guest for good, so that nothing is begun without a record."""
    host = at_boot(command, small / "state")
    assert host("apply", "--yes").code == 0
    host.on_host("simulate", "boot")
    assert host.on_host("boot", "--wait", "0").code == 0
    running, other = re.findall(r"[0-9a-f-]{36}", host.held)[:2]
    assert host.on_host("simulate", "start", running).code == 0
    kept = command.simulated_host.with_name("simulated-host.yaml.state.json")
    digest = digest_of(command.simulated_host.read_bytes())
    simulated = load_state(kept, digest)
    assert simulated
    simulated.write(f"{mdev(other)}/remove", "1")
    save_state(kept, simulated, digest)
    before = host.held
    fill(small)

    assert host.on_host("boot", "--wait", "0").code not in (0, None)
    assert host.held == before


CALLS = ("open", "write", "fsync", "replace")


class BadDisk:
    """Stands for `os` in the state directory; one call that changes something fails, or all from that one on."""

    def __init__(self, nth: int, *, for_good: bool) -> None:
        self._nth, self._for_good = nth, for_good
        self.calls = 0

    def __getattr__(self, name: str) -> object:
        really = getattr(os, name)
        if name not in CALLS:
            return really

        def call(*arguments: object, **options: object) -> object:
            reads = name == "open" and not int(str(arguments[1])) & (os.O_WRONLY | os.O_RDWR | os.O_DIRECTORY)
            if not reads:
                self._count(arguments[0])
            return really(*arguments, **options)

        return call

    def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """Stands for `Path.unlink`."""
        self._count(path)
        with suppress(FileNotFoundError) if missing_ok else nullcontext():
            os.unlink(path)

    def _count(self, what: object) -> None:
        self.calls += 1
        if self.calls == self._nth or (self._for_good and self.calls > self._nth):
            raise OSError(errno.EIO, "Input/output error", str(what))


def state_on(disk: BadDisk, patched: pytest.MonkeyPatch) -> None:
    """Have the state directory, and nothing else, on `disk`."""
    spec = find_spec("reconciler.kernel.own_files")
    assert spec
    assert spec.loader
    own_files = module_from_spec(spec)
    spec.loader.exec_module(own_files)
    patched.setattr(own_files, "os", disk)
    for name in ("replace_file", "sync_folder", "write_all"):
        patched.setattr(state_directory, name, getattr(own_files, name))
    patched.setattr(state_directory, "os", disk)

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        disk.unlink(path, missing_ok=missing_ok)

    patched.setattr(Path, "unlink", unlink)


@pytest.mark.parametrize("for_good", [False, True])
def test_every_error_of_the_disk_in_turn_prevents_no_rollback(
    command: Command, clock: Time, tmp_path: Path, for_good: bool
) -> None:
    """EIO at each write, sync and rename: the host is as before, and all is recorded once the disk works again."""
    manifests = command.directory / "guests.yaml"
    text, tried = manifests.read_text(encoding="utf-8"), 0
    for nth in range(1, 60):
        manifests.write_text(text, encoding="utf-8")
        host = Host(command, tmp_path / f"state{nth}")
        before = host.begin()
        clock.slept.append(91.0)
        disk = BadDisk(nth, for_good=for_good)
        seen: list[str] = []
        fixed = pytest.MonkeyPatch()

        def fix(host: Host = host, seen: list[str] = seen, fixed: pytest.MonkeyPatch = fixed) -> None:
            fixed.undo()
            seen.append(host.held)

        clock.after = fix
        state_on(disk, fixed)
        ran = host("expire", "2")
        fixed.undo()

        assert ran.code == 6, (nth, ran.err)
        assert [one for one in seen if one != before] == []
        assert host.held == before
        assert host.results[-1] == "rolled back"
        assert {one.name for one in host.state.iterdir()}.isdisjoint({"pending.json", "journal.jsonl"})
        if disk.calls < nth:
            break
        assert "Input/output error" in ran.err
        tried += 1
    assert tried > 10


@pytest.mark.parametrize("for_good", [False, True])
def test_no_error_of_the_disk_prevents_a_boot(command: Command, tmp_path: Path, for_good: bool) -> None:
    """EIO at each write, sync, rename and removal: the host is as it was applied, or as it was booted and says so."""
    done = 0
    for nth in range(3 if for_good else 1, 400, 4):  # all of them take too long; the two have none in common
        host = at_boot(command, tmp_path / f"state{nth}")
        assert host("apply", "--yes").code == 0
        before = host.held
        host.on_host("simulate", "boot")
        disk = BadDisk(nth, for_good=for_good)
        with pytest.MonkeyPatch.context() as bad:
            state_on(disk, bad)
            ran = host.on_host("boot", "--wait", "0")

        assert "a bug" not in ran.err
        done += host.held == before
        assert (host.held == before) == (ran.code in (0, 1)), (nth, ran.err)
        assert "could not be recorded" in ran.err or ran.code != 1
        assert host.on_host("boot", "--wait", "0").code == 0, nth
        assert host.held == before, nth
        assert host("plan", "--detailed-exitcode").code == 0
        if disk.calls < nth:
            break
    else:
        pytest.fail("there is no end to it")
    assert done > 5
