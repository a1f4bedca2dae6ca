"""A host that is mounted: how requests reach it, what is kept of it, how it ends."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.kernel import paths
from reconciler.simulator.mount import Libfuse, MountError
from reconciler.simulator.mount_server import ask
from reconciler.simulator.state_file import CONTROL, state_directory
from testing.commands import Ran
from testing.mounted_hosts import PATIENCE, MountedHost, is_mounted, mounted_host, text_of, until
from testing.simulated_hosts import LAB

UUID = "00000000-0000-4000-8000-00000000000a"


def simulate(host: MountedHost, capsys: pytest.CaptureFixture[str], *words: str) -> Ran:
    """What ``reconcile simulate`` gives for the file of `host`."""
    capsys.readouterr()
    code = run(["simulate", "--simulate", str(host.file), *words])
    return Ran(code, *capsys.readouterr())


def test_a_card_is_plugged_while_it_is_mounted(lab: MountedHost, capsys: pytest.CaptureFixture[str]) -> None:
    """The command reaches the mounted host and shows it, and the card is there when it returns."""
    ran = simulate(lab, capsys, "plug", "9", "type=CEX8", "mode=ep11")

    assert 0 == ran.code
    assert ran.out.startswith(f"mounted on {lab.root}\n")
    assert "card09     CEX8 in mode ep11" in ran.out
    assert "CEX8P\n" == text_of(lab.root / "bus/ap/devices/card09/type")


def test_a_senseless_request_changes_nothing(lab: MountedHost, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused as without a mount."""
    ran = simulate(lab, capsys, "unplug", "9")

    assert (64, "") == (ran.code, ran.out)
    assert "there is no adapter 9" in ran.err


def test_the_state_is_not_worked_on_behind_the_mounts_back(
    lab: MountedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands on the file are refused while it is mounted, with a way out, and so is a second mount."""
    for words in (["plan", "-f", "examples"], ["apply", "--yes"], ["simulate", "--mount", str(lab.root)]):
        assert 1 == run([*words, "--simulate", str(lab.file)])
        assert f"use --sysfs {lab.root} instead of --simulate" in capsys.readouterr().err


def test_reset_starts_the_mounted_host_anew(lab: MountedHost, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is as described again, also for a removal that was waiting."""
    lab.store(paths.CREATE, UUID)
    lab.store(paths.APMASK, "-5")

    assert 0 == simulate(lab, capsys, "reset").code
    assert [] == lab.sysfs.list("bus/mdev/devices")
    assert f"0x{'f' * 64}\n" == text_of(lab.root / paths.APMASK)


def test_the_control_socket_is_for_the_owner_alone(lab: MountedHost) -> None:
    """Nobody else can change the hardware."""
    directory = state_directory(lab.file)

    assert 0o700 == stat.S_IMODE(directory.stat().st_mode)
    assert 0o600 == stat.S_IMODE((directory / CONTROL).stat().st_mode)
    assert stat.S_ISSOCK((directory / CONTROL).stat().st_mode)


def test_several_requests_go_through_one_connection(lab: MountedHost) -> None:
    """Each line is answered by a line, also one that is no request."""
    lines = [
        '{"request": ["plug", "9"]}',
        "nonsense",
        '{"request": "plug 9"}',
        '{"request": []}',
        '{"request": ["load", 5]}',
    ]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(state_directory(lab.file) / CONTROL))
        connection.sendall("".join(f"{line}\n" for line in lines).encode())
        with connection.makefile() as answers:
            found = [json.loads(answers.readline()) for _ in lines]

    assert [True, False, False, True, False] == [answer["ok"] for answer in found]
    assert {"ok": True, "mount": str(lab.root), "pid": lab.server.pid} == found[0]


def test_a_client_that_goes_away_or_never_ends_a_line_harms_nobody(lab: MountedHost) -> None:
    """The next one is served."""
    for content in (b"", b'{"request', b"x" * 200_000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(state_directory(lab.file) / CONTROL))
            try:
                connection.sendall(content)
            except BrokenPipeError:
                assert len(content) > 65536

    assert lab.ask()["ok"]


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP", "unmounted"])
def test_it_ends_in_order_and_keeps_its_state(lab: MountedHost, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """However it ends, the mount and the socket are gone, and the next command goes on where it stopped."""
    lab.store(paths.APMASK, "-5")
    lab.store(paths.CREATE, UUID)

    if how == "unmounted":
        subprocess.run(["fusermount3", "-u", str(lab.root)], check=True)
    else:
        lab.server.send_signal(signal.Signals[how])

    assert 0 == lab.server.wait(PATIENCE)
    assert not is_mounted(lab.root)
    assert not (state_directory(lab.file) / CONTROL).exists()
    ran = simulate(lab, capsys)
    assert "host pool  everything but adapter 0x05 (5)" in ran.out
    assert UUID in ran.out


def test_it_ends_while_somebody_is_in_it(lab: MountedHost) -> None:
    """An open file or a working directory in it does not keep it."""
    descriptor = os.open(lab.root / paths.APMASK, os.O_RDONLY)
    try:
        with subprocess.Popen(["cat"], cwd=lab.root / "bus", stdin=subprocess.PIPE):
            assert 0 == lab.end()

            assert not is_mounted(lab.root)
    finally:
        os.close(descriptor)


def test_it_ends_while_a_write_is_blocked(lab: MountedHost) -> None:
    """Whoever waits for a removal does not keep it."""
    lab.store(paths.CREATE, UUID)
    lab.request(("start", UUID))
    with subprocess.Popen(["bash", "-c", f"echo 1 > {paths.mdev(UUID)}/remove"], cwd=lab.root) as writer:
        until(lambda: not (lab.root / paths.mdev(UUID) / "remove").exists())

        assert 0 == lab.end()
        assert 1 == writer.wait(PATIENCE)
    assert not is_mounted(lab.root)


def test_many_blocked_writes_keep_nobody_waiting(lab: MountedHost) -> None:
    """Each keeps a thread of libfuse's, and there are always more."""
    uuids = [f"00000000-0000-4000-8000-{number:012}" for number in range(12)]
    for uuid in uuids:
        lab.store(paths.CREATE, uuid)
        lab.request(("start", uuid))
        lab.begin_removal(uuid)

    lab.store(paths.APMASK, "-5")
    for uuid in uuids:
        lab.request(("stop", uuid))
        lab.end_removal(uuid)


def test_a_kill_loses_nothing_that_was_requested(mounting: None, tmp_path: Path) -> None:
    """Requests are on disk when they are answered; the host can be mounted again, also over the dead mount."""
    with mounted_host(tmp_path, LAB) as first:
        first.request(("plug", "9"))
        first.server.kill()
        first.server.wait(PATIENCE)
        assert ask(state_directory(first.file), ()) is None
        with mounted_host(tmp_path, LAB) as second:
            assert (second.root / "bus/ap/devices/card09").exists()


def test_writes_are_saved_without_being_asked(lab: MountedHost) -> None:
    """A write is in the state file soon."""
    saved = lab.file.with_name("host.yaml.state.json")
    lab.store(paths.CREATE, UUID)

    until(lambda: saved.exists() and UUID in saved.read_text())


def test_what_cannot_be_mounted_is_explained(
    mounting: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing directory, and a request beside --mount, are the user's to mend."""
    (tmp_path / "host.yaml").write_text(LAB)
    where = ["simulate", "--simulate", str(tmp_path / "host.yaml"), "--mount", str(tmp_path / "missing")]

    assert 1 == run(where)
    assert "cannot mount on" in capsys.readouterr().err
    assert not (tmp_path / "host.yaml.state" / CONTROL).exists()
    assert 64 == run([*where, "unplug", "5"])


@pytest.mark.parametrize(
    ("machine", "library", "advice"),
    [
        ("x86_64", None, "pip install '.[fuse]' in a clone"),
        ("s390x", "there", "do it on aarch64 or x86_64"),
    ],
)
def test_what_mounting_lacks_is_told(
    machine: str, library: str | None, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to type where the library is missing, and where it is of no use."""
    monkeypatch.setattr("platform.machine", lambda: machine)
    if library is None:
        monkeypatch.setitem(sys.modules, "mfusepy", None)

    with pytest.raises(MountError, match="cannot mount") as caught:
        Libfuse()

    assert advice in str(caught.value)


def test_the_state_directory_may_have_a_long_path(mounting: None, tmp_path: Path) -> None:
    """Longer than the address of a socket can be."""
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    with mounted_host(folder, LAB) as host:
        assert host.ask()["ok"]


def test_described_faults_happen_to_whoever_writes(mounting: None, tmp_path: Path) -> None:
    """Writes are counted while it is mounted."""
    with mounted_host(tmp_path, f"{LAB}  faults: [{{write: 2, errno: EIO}}]\n") as host:
        assert ("ok", 2) == host.write(paths.APMASK, "-5")
        assert ("EIO", None) == host.write(paths.APMASK, "-6")
        assert ("ok", 2) == host.write(paths.APMASK, "-6")
