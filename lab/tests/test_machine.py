import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from lab import qemu
from lab.job_disk import GUEST, extract_results, make_disk, write_job_disk
from lab.machine import printed_symbols


def archive_of(**files: bytes) -> bytes:
    """A tar archive of these files; in names ``__`` is ``/``."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def test_kernel_addresses_are_those_of_the_probe_boot() -> None:
    """What breakpoints stand on must not move."""
    arguments = qemu.kernel(Path("/k/vmlinuz"), Path("/k/initramfs"), "ap.apmask=0x0")

    assert arguments[:4] == ["-kernel", "/k/vmlinuz", "-initrd", "/k/initramfs"]
    assert arguments[-1].startswith("nokaslr ")
    assert arguments[-1].endswith(" ap.apmask=0x0")


def test_qemu_brings_its_own_libraries_and_ends_with_its_parent() -> None:
    """Nothing is installed, and nothing is left behind."""
    arguments = qemu.machine(Path("/cache/qemu"))

    assert arguments[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert [one for one in arguments if one.startswith("/")] == [
        "/cache/qemu/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "/cache/qemu/usr/lib/x86_64-linux-gnu",
        "/cache/qemu/usr/bin/qemu-system-s390x",
        "/cache/qemu/usr/share/qemu",
    ]


def test_a_comma_in_a_path_is_no_separator() -> None:
    """QEMU wants it doubled."""
    assert "file=/a,,b/root.ext4" in qemu.disk("root", Path("/a,b/root.ext4"))[1]


def test_disks_are_read_only_and_found_by_serial_number() -> None:
    """Many runs share the guest system."""
    drive, device = qemu.disk("job", Path("/x"))[1::2]

    assert "readonly=on" in drive
    assert "serial=job" in device


def test_a_disk_that_keeps_changes_can_be_written() -> None:
    """The others cannot."""
    assert "readonly" not in qemu.disk("kept", Path("/x"), writable=True)[1]


def test_each_port_is_a_chardev_and_a_device() -> None:
    """The guest finds them by name."""
    arguments = qemu.ports({"control": 7, "stdout": 8})

    assert arguments.count("-chardev") == 2
    assert "socket,id=stdout,fd=8" in arguments
    assert "virtserialport,chardev=control,name=lab.control" in arguments


def test_symbols_are_read_from_the_console() -> None:
    """Other lines are the kernel's."""
    console = "[ 0.1] booting\nlab-symbol: 00000000001234ab T illegal_op\nlab-symbol: 10 t other\nreboot: done\n"

    assert printed_symbols(console) == {"illegal_op": 0x1234AB, "other": 0x10}


def test_the_job_disk_has_scripts_command_and_files(tmp_path: Path) -> None:
    """Everything belongs to root, wherever it came from."""
    files = tmp_path / "files"
    (files / "__pycache__").mkdir(parents=True)
    (files / "one.txt").write_text("1", encoding="utf-8")
    (files / "__pycache__/one.pyc").touch()

    write_job_disk(tmp_path / "job.tar", "echo hello", {"sub": files})

    with tarfile.open(tmp_path / "job.tar") as archive:
        entries = {entry.name: entry for entry in archive}
        command = archive.extractfile("lab/command")
        assert command is not None
        assert command.read() == b"echo hello\n"
    assert {"lab/run", "lab/lab.service", "usr/local/bin/aphw", "job/sub/one.txt"} <= set(entries)
    assert not any("__pycache__" in name for name in entries)
    assert {(entry.uid, entry.uname) for name, entry in entries.items() if name.startswith("job/")} == {(0, "root")}
    assert entries["lab/run"].mode & 0o111


def test_a_disk_is_made_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the guest's command prints is all that a caller reads; and the disk takes no room until it is used."""
    if shutil.which("mke2fs") is None:
        pytest.skip("NOT TESTED: disks that are kept, since mke2fs is not here (package e2fsprogs)")

    make_disk(tmp_path / "disk", "64M")

    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "disk").stat().st_size == 64 << 20
    assert (tmp_path / "disk").stat().st_blocks < 64 << 10
    assert [one.name for one in tmp_path.iterdir()] == ["disk"]


def test_results_are_unpacked(tmp_path: Path) -> None:
    """Directories are made as needed."""
    extract_results(archive_of(a=b"1", b__c=b"2"), tmp_path / "results")

    assert (tmp_path / "results/a").read_bytes() == b"1"
    assert (tmp_path / "results/b/c").read_bytes() == b"2"


def test_no_results_make_no_directory(tmp_path: Path) -> None:
    """Most commands leave nothing."""
    extract_results(b"", tmp_path / "results")

    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", [".." + "__x", "a__..__..__x", "__x"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """A guest writes nowhere but where it was told."""
    with pytest.raises(tarfile.TarError):
        extract_results(archive_of(**{name: b"1"}), tmp_path / "results")

    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("script", ["init", "run", "aphw"])
def test_the_scripts_of_the_guest_are_shell(script: str) -> None:
    """A typing error would show as a guest that does not boot."""
    subprocess.run(["sh", "-n", GUEST / script], check=True)
