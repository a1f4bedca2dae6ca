"""``reconcile hook``: what happens when libvirt starts and ends VMs."""

import fcntl
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.cli import hook_event
from reconciler.cli.time_limit import TimeIsUp, ends_within
from reconciler.manifests.site import read_site
from reconciler.model.desired import Desired
from reconciler.simulator.faults import FaultySysfs
from reconciler.transaction.loop_records import LastGood, write_last_good
from reconciler.transaction.state_directory import StateDirectory
from testing.clocks import FakeClock
from testing.commands import Command, Ran, example
from testing.libvirt import domain_xml, hostdev

DAY = "3aa99fdc-2dee-5750-9ebd-0a7e3b558c64"
NIGHT = "6b33b9e3-bd95-5aed-b834-b6dd4132e556"
ELSEWHERE = "9063ba5f-1111-4222-8333-444455556666"


class Libvirt:
    """Runs the hook as libvirt does, on the example of two guests that never run together."""

    def __init__(self, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command = command
        self._monkeypatch = monkeypatch

    def __call__(self, operation: str, xml: bytes) -> Ran:
        """The hook at `operation`, for example ``prepare begin``, with `xml` on standard input."""
        self._monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(xml), isatty=lambda: False))
        where = ["-f", str(self.command.directory), "--simulate", str(self.command.simulated_host)]
        return self.command.bare("hook", "qemu", *where, "--", "-vm", *operation.split(), "-")

    def starts(self, *uuids: str) -> Ran:
        """A VM with the devices `uuids` is about to start."""
        return self("prepare begin", vm(*uuids))

    def ended(self, *uuids: str) -> Ran:
        """A VM with the devices `uuids` has ended."""
        return self("release end", vm(*uuids))

    def devices(self) -> dict[str, bool]:
        """The names of guests that have a device, and whether it is open."""
        status = json.loads(self.command("status", "-o", "json").out)
        return {one["name"]: one["inUse"] for one in status["guests"] if one["authorised"]}


def vm(*uuids: str) -> bytes:
    """The XML of a VM with the devices `uuids`."""
    return domain_xml(*map(hostdev, uuids), name="-vm")


@pytest.fixture
def libvirt(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Libvirt:
    """The daemon on a fresh copy of the example."""
    return Libvirt(example("on-demand", tmp_path, capsys), monkeypatch)


def one_line(ran: Ran) -> str:
    """What the refusal of a start says: one line, and nothing on standard output."""
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("reconcile: VM '-vm' does not start: ")
    assert ran.err.count("\n") == 1
    return ran.err


def nothing(ran: Ran) -> bool:
    """Whether all is well and nothing was said."""
    return ran == (0, "", "")


# Starts and ends -----------------------------------------------------------------------------------------------------


def test_a_device_comes_with_its_vm_and_goes_with_it(libvirt: Libvirt) -> None:
    """Nothing is said about it, and each time is a generation of the history."""
    assert nothing(libvirt.starts(DAY))
    assert libvirt.devices() == {"day-shift": False}
    assert nothing(libvirt.ended(DAY))
    assert libvirt.devices() == {}

    listed = json.loads(
        libvirt.command.bare("history", "--simulate", str(libvirt.command.simulated_host), "-o", "json").out
    )
    assert [one["result"] for one in listed["generations"]] == ["applied", "applied"]


def test_the_second_of_two_that_overlap_is_refused(libvirt: Libvirt) -> None:
    """With the name of the first and the queue; it starts when the first has ended."""
    libvirt.starts(DAY)
    libvirt.command("simulate", "start", "day-shift")

    refusal = one_line(libvirt.starts(NIGHT))

    assert "'day-shift'" in refusal
    assert "05.0004" in refusal
    assert nothing(libvirt.ended(NIGHT))
    libvirt.command("simulate", "stop", "day-shift")
    assert nothing(libvirt.ended(DAY))
    assert nothing(libvirt.starts(NIGHT))
    assert libvirt.devices() == {"night-shift": False}


def test_a_start_that_needs_what_a_suspended_guest_has_says_how_it_is_resumed(libvirt: Libvirt) -> None:
    """A suspension holds for the hook, too: a guest that has left the manifests keeps its queue, and is named."""
    where = ("--simulate", str(libvirt.command.simulated_host))
    assert nothing(libvirt.starts(DAY))
    file = libvirt.command.directory / "guests.yaml"
    parts = file.read_text(encoding="utf-8").split("---\n")
    file.write_text("---\n".join(one for one in parts if "name: day-shift" not in one), encoding="utf-8")
    assert libvirt.command.bare("suspend", "day-shift", "--reason", "ticket 42", *where).code == 0

    refusal = one_line(libvirt.starts(NIGHT))

    assert f"reconcile resume day-shift {' '.join(where)}" in refusal


def test_a_device_that_another_vm_has_open_is_refused(libvirt: Libvirt) -> None:
    """QEMU would say no more than that the device is busy."""
    libvirt.starts(DAY)
    libvirt.command("simulate", "start", "day-shift")

    assert f"its mediated device {DAY} is in use" in one_line(libvirt.starts(DAY))


def test_a_device_of_the_command_line_is_made(libvirt: Libvirt) -> None:
    """As one that libvirt knows."""
    device = f"vfio-ap,sysfsdev=/sys/bus/mdev/devices/{DAY.upper()}"

    assert nothing(libvirt("prepare begin", domain_xml(name="-vm", arguments=("-device", device))))
    assert libvirt.devices() == {"day-shift": False}
    assert nothing(libvirt("release end", domain_xml(name="-vm", arguments=("-device", device))))
    assert libvirt.devices() == {}


@pytest.mark.parametrize(
    "devices",
    [
        "<commandline xmlns='NAMESPACE'><arg value='-device'/><arg value='vfio-ap,sysfsdev=PATH'/></commandline>",
        "<qemu:commandline><qemu:arg value='-device=vfio-ap,sysfsdev=PATH'/></qemu:commandline>",
        (
            "<qemu:override><qemu:device alias='rng0'><qemu:frontend><qemu:property name='driver' value='vfio-ap'/>"
            "<qemu:property name='sysfsdev' value='PATH'/></qemu:frontend></qemu:device></qemu:override>"
        ),
    ],
)
def test_a_device_past_libvirt_is_made(libvirt: Libvirt, devices: str) -> None:
    """However it is written."""
    more = devices.replace("NAMESPACE", "http://libvirt.org/schemas/domain/qemu/1.0")

    assert nothing(libvirt("prepare begin", domain_xml(name="-vm", more=more.replace("PATH", f"/x/{DAY}"))))
    assert libvirt.devices() == {"day-shift": False}


@pytest.mark.parametrize("devices", [(), (hostdev(DAY),)])
def test_what_cannot_be_looked_into_is_named_and_refuses_no_start(libvirt: Libvirt, devices: tuple[str, ...]) -> None:
    """A few of them at most: libvirt keeps what is said in its log."""
    xml = domain_xml(*devices, name="-vm", arguments=["-readconfig", "/etc/ap.cfg"] * 100)

    ran = libvirt("prepare begin", xml)

    assert (ran.code, ran.out) == (0, "")
    assert "reconcile: warning: VM '-vm' has a file with arguments of QEMU, -readconfig /etc/ap.cfg" in ran.err
    assert ran.err.count("\n") <= 5
    assert libvirt.devices() == ({"day-shift": False} if devices else {})


def test_a_device_that_is_open_stays(libvirt: Libvirt) -> None:
    """Which is said."""
    libvirt.starts(DAY)
    libvirt.command("simulate", "start", "day-shift")

    ran = libvirt.ended(DAY)

    assert ran.code == 0
    assert "guest 'day-shift' keeps its mediated device" in ran.err
    assert libvirt.devices() == {"day-shift": True}


def test_an_apply_leaves_the_device_of_a_running_vm(libvirt: Libvirt) -> None:
    """And what was applied is not forgotten by a start: rolling back leads past it."""
    libvirt.command("apply", "--yes")
    libvirt.starts(DAY)

    assert libvirt.command("plan", "--detailed-exitcode").code == 0
    ran = libvirt.command.bare("rollback", "2", "--yes", "--simulate", str(libvirt.command.simulated_host))
    assert ran.code == 1
    assert "nothing can be rolled back to it" in " ".join(ran.err.split())


@pytest.mark.parametrize("uuids", [(), (ELSEWHERE,)])
def test_other_vms_are_nobody_s_business(libvirt: Libvirt, uuids: tuple[str, ...]) -> None:
    """Neither those without crypto queues nor those whose device no manifest names."""
    assert nothing(libvirt.starts(*uuids))
    assert nothing(libvirt.ended(*uuids))
    assert not (libvirt.command.directory / "simulated-host.yaml.state").exists()


def test_a_vm_without_crypto_queues_starts_whatever_is_wrong(libvirt: Libvirt) -> None:
    """Its start must not depend on manifests."""
    (libvirt.command.directory / "guests.yaml").write_text("{")

    assert nothing(libvirt("prepare begin", domain_xml(hostdev(ELSEWHERE, "vfio-ccw"), name="-vm")))


# Refusals ------------------------------------------------------------------------------------------------------------


def test_an_active_guest_is_left_to_apply(libvirt: Libvirt) -> None:
    """Its VM starts once that was done."""
    guests = libvirt.command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("on-demand", "active", 1).replace("on-demand", "inactive"))

    assert "Run: reconcile apply -f " in one_line(libvirt.starts(DAY))
    libvirt.command("apply", "--yes")
    assert nothing(libvirt.starts(DAY))
    assert nothing(libvirt.ended(DAY))
    assert libvirt.devices() == {"day-shift": False}


def test_invalid_manifests_refuse_a_start(libvirt: Libvirt) -> None:
    """The first problem is told, with its place."""
    guests = libvirt.command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("adapters: [5]", "adapters: [05]"))

    assert "the manifests are invalid" in (refusal := one_line(libvirt.starts(DAY)))
    assert "guests.yaml:" in refusal


def test_two_devices_in_one_vm_refuse_its_start(libvirt: Libvirt) -> None:
    """Before anything is made for it."""
    assert "a VM can have one" in one_line(libvirt.starts(DAY, NIGHT))
    assert libvirt.devices() == {}


BROKEN = [b"", b"<domain", b"<!DOCTYPE domain><domain/>", b"\xff", vm(DAY)[:-20]]


@pytest.mark.parametrize("xml", BROKEN)
def test_broken_xml_refuses_a_start(libvirt: Libvirt, xml: bytes) -> None:
    """For nobody can tell what the VM is to have."""
    assert "no domain XML" in one_line(libvirt("prepare begin", xml))


OTHERS = [
    "reconnect begin",
    "start begin",
    "started begin",
    "stopped end",
    "migrate begin",
    "restore begin",
    "attach begin",
    "",
]


@pytest.mark.parametrize("operation", [*OTHERS, "release begin", "prepare", "prepare end"])
def test_at_any_other_operation_nothing_is_done(libvirt: Libvirt, operation: str) -> None:
    """Whatever is wrong: at ``reconnect`` a failure would kill a running VM."""
    (libvirt.command.directory / "guests.yaml").write_text("{")

    for xml in (*BROKEN, vm(DAY), vm(DAY, NIGHT)):
        assert nothing(libvirt(operation, xml))


def test_a_refused_write_is_told_and_leaves_nothing(libvirt: Libvirt) -> None:
    """A start is a transaction like any other."""
    host = libvirt.command.simulated_host
    host.write_text(host.read_text() + "  faults:\n    - {write: 3, errno: EADDRINUSE}\n")

    refusal = one_line(libvirt.starts(DAY))

    assert "everything is as it was before" in refusal
    assert libvirt.devices() == {}


def test_an_apply_that_waits_to_be_confirmed_refuses_a_start(libvirt: Libvirt, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it may have to put back must not change meanwhile; a device that is there already is enough to start."""
    monkeypatch.setattr("reconciler.hosts.opening.timer_of", lambda *_: SimpleNamespace(arm=lambda *_: None))
    libvirt.starts(DAY)
    guests = libvirt.command.directory / "guests.yaml"
    guests.write_text(guests.read_text() + GUEST)
    assert libvirt.command("apply", "--yes", "--confirm-within", "5m").code == 0

    assert nothing(libvirt.starts(DAY))
    assert "waits to be confirmed" in (ran := libvirt.ended(DAY)).err
    assert ran.code == 1


GUEST = """---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: other}
spec: {adapters: [7], domains: [4]}
"""


# What the loop enforces ----------------------------------------------------------------------------------------------


def enforce(libvirt: Libvirt) -> None:
    """Have the loop's record say what the manifests say now, as a loop that applies them leaves it."""
    command = libvirt.command
    site = read_site([command.directory]).desired(None, "lpar7")
    assert isinstance(site, Desired)
    state = StateDirectory(command.directory / "simulated-host.yaml.state")
    state.path.mkdir(mode=0o700, exist_ok=True)
    write_last_good(state, LastGood(site, "0123456789abcdef0123456789abcdef01234567"))


class Following(Libvirt):
    """Runs a hook that was installed without ``-f``."""

    def __call__(self, operation: str, xml: bytes) -> Ran:
        """See `Libvirt`."""
        self._monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(xml), isatty=lambda: False))
        where = ["--simulate", str(self.command.simulated_host)]
        return self.command.bare("hook", "qemu", *where, "--", "-vm", *operation.split(), "-")


@pytest.fixture
def following(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Following:
    """The daemon on a fresh copy of the example, with a hook that follows the loop."""
    return Following(example("on-demand", tmp_path, capsys), monkeypatch)


def test_a_hook_without_manifests_follows_what_the_loop_enforces(following: Following) -> None:
    """Whether the loop runs or not; the history names the commit that it enforces."""
    enforce(following)

    assert nothing(following.starts(DAY))
    assert following.devices() == {"day-shift": False}
    host = str(following.command.simulated_host)
    shown = json.loads(following.command.bare("history", "--simulate", host, "-o", "json").out)
    assert shown["generations"][0]["commit"].startswith("0123456789ab")
    assert nothing(following.ended(DAY))
    assert following.devices() == {}


@pytest.mark.parametrize("broken", ["{", "kind: Guest", None], ids=["no YAML", "no manifest", "gone"])
def test_manifests_that_the_loop_refuses_stop_no_vm(following: Following, broken: str | None) -> None:
    """A commit of another person must not decide whether a VM starts: only what is enforced does."""
    enforce(following)
    guests = following.command.directory / "guests.yaml"
    if broken is None:
        guests.unlink()
    else:
        guests.write_text(broken)

    assert nothing(following.starts(DAY))
    assert nothing(following.ended(DAY))


def test_where_nothing_is_enforced_only_devices_that_exist_can_be_used(following: Following) -> None:
    """No directory is searched for manifests: the hook runs in the root directory."""
    refusal = one_line(following.starts(DAY))

    assert "no loop has enforced anything yet" in refusal
    assert "reconcile service install hook -f PATH" in refusal
    assert nothing(following.ended(DAY))
    following.command("apply", "--yes")
    guests = following.command.directory / "guests.yaml"
    guests.write_text(guests.read_text().replace("on-demand", "active", 1).replace("on-demand", "inactive"))
    following.command("apply", "--yes")
    assert nothing(following.starts(DAY))


@pytest.mark.parametrize("damage", ["{", "", "null", "directory"])
def test_a_damaged_record_of_what_is_enforced_refuses_a_start(following: Following, damage: str) -> None:
    """What cannot be checked is no permission; what looks at the record is named."""
    enforce(following)
    record = following.command.directory / "simulated-host.yaml.state" / "enforced.json"
    record.unlink()
    if damage == "directory":
        record.mkdir()
    else:
        record.write_text(damage)
        record.chmod(0o666 if damage == "null" else 0o600)

    refusal = one_line(following.starts(DAY))

    assert str(record) in refusal
    assert refusal.rstrip().endswith(f"run: reconcile doctor --simulate {following.command.simulated_host}")


def test_an_installation_without_manifests_says_what_it_follows(following: Following, tmp_path: Path) -> None:
    """And that nothing is enforced yet, where that is so."""
    place = ["--directory", str(tmp_path / "qemu.d"), "--simulate", str(following.command.simulated_host)]

    assert "no loop has enforced anything yet" in following.command.bare("service", "install", "hook", *place).err
    enforce(following)
    assert (
        "now host lpar7 as of commit 0123456789ab"
        in (ran := following.command.bare("service", "install", "hook", *place)).err
    )
    assert ran.code == 0
    done = subprocess.run(
        [tmp_path / "qemu.d/reconcile", "day", "prepare", "begin", "-"],
        input=vm(DAY),
        capture_output=True,
        cwd="/",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert following.devices() == {"day-shift": False}


@pytest.mark.parametrize("paths", [[], ["-f", "/etc"]], ids=["follows the loop", "has manifests"])
def test_uninstalling_the_loop_names_a_hook_that_followed_it(
    following: Following, tmp_path: Path, paths: list[str]
) -> None:
    """Its record no longer changes then, which is nothing to find out at night."""
    hooks, units = tmp_path / "qemu.d", tmp_path / "system"
    units.mkdir()
    place = ["--state-dir", "/var/lib/elsewhere", "--host", "lpar7"]
    following.command.bare("service", "install", "hook", "--directory", str(hooks), *place, *paths)

    ran = following.command.bare("service", "uninstall", "watch", "--directory", str(units), "--hooks", str(hooks))

    assert ran.code == 0
    assert ("that record no longer changes" in ran.err) is (paths == [])
    last = f"  reconcile service install hook -f PATH --directory {hooks} --host lpar7 --state-dir /var/lib/elsewhere"
    assert (last in ran.err.splitlines()) is (paths == [])


# Time ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def time_flies(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Waiting takes no time."""
    clock = FakeClock()
    monkeypatch.setattr("reconciler.cli.hook_event.time", clock)
    monkeypatch.setattr("reconciler.hosts.opening.time", clock)
    return clock


def test_who_is_at_work_is_waited_for_but_not_for_long(libvirt: Libvirt, time_flies: FakeClock) -> None:
    """Then the start is refused with the name of who that is, in one line."""
    libvirt.command("apply", "--yes")
    lock = libvirt.command.directory / "simulated-host.yaml.state" / "lock"
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write('{"formatVersion": 1, "process": 12345, "since": 0, "command": "reconcile apply -f elsewhere"}')
        file.flush()

        refusal = one_line(libvirt.starts(DAY))

    assert "process 12345, reconcile apply -f elsewhere" in refusal
    assert hook_event.LOCK_SECONDS <= time_flies.now < hook_event.LOCK_SECONDS + 1


def test_what_takes_too_long_is_put_back(
    libvirt: Libvirt, time_flies: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step is begun any more, and the next start finds everything as it was."""
    host = libvirt.command.simulated_host
    host.write_text(host.read_text() + "  faults: []\n")
    write = FaultySysfs.write

    def slow_write(sysfs: FaultySysfs, path: str, value: str) -> int:
        time_flies.sleep(11)
        return write(sysfs, path, value)

    monkeypatch.setattr(FaultySysfs, "write", slow_write)

    refusal = one_line(libvirt.starts(DAY))

    assert "everything is as it was before" in refusal
    assert libvirt.devices() == {}


def test_in_the_end_everything_ends(libvirt: Libvirt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what nobody has foreseen, such as a pipe that stays open."""

    def never() -> bytes:
        raise TimeIsUp

    monkeypatch.setattr("reconciler.cli.hook_command._domain", never)

    assert "took more than 30 s" in one_line(libvirt.starts(DAY))


def test_a_time_limit_ends_what_waits() -> None:
    """And is gone with its block."""
    with pytest.raises(TimeIsUp), ends_within(0.01):
        wait_for_nothing()
    with ends_within(60):
        pass


def wait_for_nothing() -> None:
    """Wait for a pipe that nobody writes to."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            process.stdout.read()
        finally:
            process.kill()


# Installing ----------------------------------------------------------------------------------------------------------


def install(libvirt: Libvirt, directory: Path) -> Ran:
    """Install the hook for the example."""
    return libvirt.command("service", "install", "hook", "--directory", str(directory))


def test_the_installed_file_is_the_hook(libvirt: Libvirt, tmp_path: Path) -> None:
    """It runs from any directory, starts a VM, and says what to do about the daemon."""
    ran = install(libvirt, tmp_path / "qemu.d")
    hook = tmp_path / "qemu.d" / "reconcile"

    assert ran.code == 0
    assert "restart the libvirt daemon" in ran.err
    assert hook.stat().st_mode & 0o7777 == 0o755
    assert [one.name for one in hook.parent.iterdir()] == ["reconcile"]
    done = subprocess.run(
        [hook, "day", "prepare", "begin", "-"], input=vm(DAY), capture_output=True, cwd="/", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert libvirt.devices() == {"day-shift": False}
    done = subprocess.run(
        [hook, "day", "reconnect", "begin", "-"], input=b"<", capture_output=True, cwd="/", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_documented_session_works(libvirt: Libvirt, tmp_path: Path) -> None:
    """With the VM of the example, which is valid; docs/on-demand.md shows it."""
    xml = libvirt.command.directory / "day-shift.xml"
    where = ["-f", str(libvirt.command.directory), "--domain-xml", str(xml)]
    assert nothing(libvirt.command.bare("validate", *where)._replace(out=""))

    assert nothing(libvirt("prepare begin", xml.read_bytes()))
    assert libvirt.devices() == {"day-shift": False}
    assert nothing(libvirt("release end", xml.read_bytes()))
    assert libvirt.devices() == {}


def test_installing_twice_changes_nothing(libvirt: Libvirt, tmp_path: Path) -> None:
    """With other manifests the file is another."""
    install(libvirt, tmp_path)
    before = (tmp_path / "reconcile").read_text()

    assert "as it should be" in install(libvirt, tmp_path).out
    other = libvirt.command.bare(
        "service", "install", "hook", "--directory", str(tmp_path), "-f", str(tmp_path), "--host", "lpar7"
    )
    assert "is changed" in other.out
    assert (tmp_path / "reconcile").read_text() != before


def test_what_is_uninstalled_is_gone(libvirt: Libvirt, tmp_path: Path) -> None:
    """Once more is no error."""
    install(libvirt, tmp_path)

    for said in ("removed", "not there"):
        assert said in (ran := libvirt.command.bare("service", "uninstall", "hook", "--directory", str(tmp_path))).out
        assert ran.code == 0
    assert not (tmp_path / "reconcile").exists()


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_somebody_else_made_is_left_alone(libvirt: Libvirt, tmp_path: Path, kind: str) -> None:
    """Whatever it is."""
    theirs = tmp_path / "reconcile"
    if kind == "file":
        theirs.write_text("#!/bin/sh\nexit 0\n")
    elif kind == "link":
        theirs.symlink_to("/bin/true")
    else:
        theirs.mkdir()

    assert install(libvirt, tmp_path).code == 1
    assert libvirt.command.bare("service", "uninstall", "hook", "--directory", str(tmp_path)).code == 1
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(("reconcile", "."))] == ["reconcile"]
    assert kind != "file" or theirs.read_text() == "#!/bin/sh\nexit 0\n"


def test_an_installation_needs_manifests_that_are_there(libvirt: Libvirt, tmp_path: Path) -> None:
    """And a libvirt."""
    place = ["--directory", str(tmp_path / "qemu.d")]

    assert libvirt.command.bare("service", "install", "hook", *place, "-f", str(tmp_path / "none")).code == 64
    nowhere = libvirt.command.bare(
        "service", "install", "hook", "--directory", str(tmp_path / "a/b"), "-f", str(tmp_path)
    )
    assert nowhere.code == 1
    assert "is libvirt installed?" in nowhere.err


def test_odd_names_of_manifests_are_names_and_nothing_else(libvirt: Libvirt, tmp_path: Path) -> None:
    """The shell that runs the hook takes no part of them for a command."""
    odd = tmp_path / "a'b $(touch x) \"c;"
    libvirt.command.directory.rename(odd)
    libvirt.command.directory = odd
    install(libvirt, tmp_path / "qemu.d")

    done = subprocess.run(
        [tmp_path / "qemu.d" / "reconcile", "$(touch y)", "prepare", "begin", "-"],
        input=vm(DAY),
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert not {"x", "y"} & {one.name for one in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("there", "gone"),
    [
        (sys.executable, "/nowhere/python"),
        (
            str(Path(hook_event.__file__).with_name("__main__.py")),
            "/usr/lib/python3/dist-packages/gone/cli/__main__.py",
        ),
    ],
    ids=["a venv that was removed", "a package that was removed, whose interpreter stays"],
)
def test_where_reconcile_has_gone_vms_start(libvirt: Libvirt, tmp_path: Path, there: str, gone: str) -> None:
    """The daemon itself refuses those whose device is missing."""
    install(libvirt, tmp_path / "qemu.d")
    hook = tmp_path / "qemu.d" / "reconcile"
    assert there in hook.read_text()
    hook.write_text(hook.read_text().replace(there, gone))

    done = subprocess.run([hook, "day", "prepare", "begin", "-"], input=vm(), capture_output=True, check=False)

    assert done.returncode == 0
    assert f"there is no {gone} any more".encode() in done.stderr


def test_a_simulated_vm_whose_guest_has_no_device_yet(libvirt: Libvirt) -> None:
    """An on-demand guest is known, and the hook makes its device; a VM that does not run is named by its guest."""
    libvirt.command("apply", "--yes")

    started = libvirt.command("simulate", "start", "day-shift")
    libvirt.starts(DAY)
    stopped = libvirt.command("simulate", "stop", "day-shift")

    said = "day-shift is on-demand and has no device now: libvirt's hook makes it when the VM starts."
    assert (started.code, said in " ".join(started.err.split())) == (64, True), started
    assert (stopped.code, "day-shift: no VM has its device open" in stopped.err) == (64, True), stopped


def test_two_idle_devices_on_one_queue_are_separated_as_the_help_says(libvirt: Libvirt) -> None:
    """Guests that were active and become on-demand keep their devices; the way out that is printed works."""
    command = libvirt.command
    guests = command.directory / "guests.yaml"
    text = guests.read_text()
    apart = text.replace("on-demand", "active").replace("domains: [4, 5]", "domains: [5]")
    guests.write_text(apart)
    assert command("apply", "--yes").code == 0

    guests.write_text(text)
    refused = command("plan")
    guests.write_text("inactive".join(text.rsplit("on-demand", 1)))
    removed = command("apply", "--yes")
    guests.write_text(text)

    assert "no VM has either of them open" in " ".join(refused.err.split())
    assert "remove the device of 'night-shift'" in " ".join(refused.err.split())
    assert removed.code == 0, removed.err
    assert command("plan").code == 0


def test_guests_that_share_a_queue_are_all_named(libvirt: Libvirt) -> None:
    """By the matrix and by the answer about one queue, while no VM runs."""
    libvirt.command("apply", "--yes")

    assert "     05.0004: day-shift and night-shift\n" in libvirt.command("matrix").out
    asked = libvirt.command("status", "05.0004").out.splitlines()[0]
    assert asked == "05.0004: no guest has it now; claimed by day-shift, night-shift while their VMs run"
