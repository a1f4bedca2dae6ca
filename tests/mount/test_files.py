"""Files of a mounted host behave as those of sysfs, for a shell and for system calls."""

import errno
import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from reconciler.kernel import paths
from reconciler.kernel.observe import observe
from reconciler.kernel.sysfs import PAGE
from reconciler.manifests.strict_yaml import read_documents
from reconciler.simulator.description import host_of
from testing.mounted_hosts import PATIENCE, MountedHost, mounted_host, text_of, until
from testing.simulated_hosts import LAB

ALL: Final = f"0x{'f' * 64}\n"
WITHOUT_5: Final = f"0xfb{'f' * 62}\n"
FIRST: Final = "00000000-0000-4000-8000-00000000000a"
SECOND: Final = "00000000-0000-4000-8000-00000000000b"


def shell(host: MountedHost, command: str) -> subprocess.CompletedProcess[str]:
    """What `command` gives in the directory where the host is mounted."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=host.root,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )


def make_mdev(host: MountedHost, uuid: str, *assignments: str) -> None:
    """A mediated device with `assignments` such as ``adapter=5``."""
    host.store(paths.CREATE, uuid)
    for assignment in assignments:
        axis, _, number = assignment.partition("=")
        host.store(f"{paths.mdev(uuid)}/assign_{axis}", number)


def refusal_of(path: Path, flags: int) -> str:
    """The name of the errno with which open(2) is refused."""
    with pytest.raises(OSError) as caught:
        os.close(os.open(path, flags, 0o644))
    return errno.errorcode[caught.value.errno or 0]


def test_a_shell_sees_who_has_a_queue(lab: MountedHost) -> None:
    """A second device cannot have the queue, and echo says so at once."""
    lab.store(paths.APMASK, "-5")
    make_mdev(lab, FIRST, "adapter=5", "domain=4")
    make_mdev(lab, SECOND, "domain=4")

    done = shell(lab, f"echo 5 > devices/vfio_ap/matrix/{SECOND}/assign_adapter")

    assert (1, "bash: line 1: echo: write error: Address already in use\n") == (done.returncode, done.stderr)
    assert "05.0004\n" == text_of(lab.root / paths.mdev(FIRST) / "matrix")


def test_a_shell_sets_masks_and_lists_links(lab: MountedHost) -> None:
    """Relative masks, globs and links work as on a real host."""
    done = shell(
        lab,
        "echo -5 > bus/ap/apmask && cat bus/ap/apmask && ls -d bus/ap/devices/05.*/driver | wc -l && "
        "basename $(readlink bus/ap/devices/05.0004/driver) && cat bus/ap/devices/05.0047/status",
    )

    assert f"{WITHOUT_5}4\nvfio_ap\nunassigned\n" == done.stdout


def test_truncating_and_writing_nothing_change_nothing(lab: MountedHost) -> None:
    """`>` alone, truncate(2) and a write of zero bytes do not clear a mask; a lone newline does."""
    done = shell(
        lab, ": > bus/ap/apmask && truncate -s 0 bus/ap/apmask && printf '' > bus/ap/apmask && cat bus/ap/apmask"
    )

    assert ALL == done.stdout
    assert 0 == lab.store(paths.APMASK, "")
    assert ALL == text_of(lab.root / paths.APMASK)
    assert 1 == lab.store(paths.APMASK, "\n")
    assert f"0x{'0' * 64}\n" == text_of(lab.root / paths.APMASK)


def test_each_write_is_a_store_wherever_it_is(lab: MountedHost) -> None:
    """Appending, writing on and writing at an offset all reach the kernel as they are."""
    with (lab.root / paths.APMASK).open("ab", buffering=0) as file:
        assert 2 == file.write(b"-5")
        assert 2 == file.write(b"-6")
        assert 2 == os.pwrite(file.fileno(), b"+6", 100)

    assert WITHOUT_5 == text_of(lab.root / paths.APMASK)


def test_the_error_comes_with_the_write_not_with_the_close(lab: MountedHost) -> None:
    """A refused write(2) raises; closing the file afterwards does not."""
    descriptor = os.open(lab.root / paths.APMASK, os.O_WRONLY | os.O_TRUNC)

    with pytest.raises(OSError) as caught:
        os.write(descriptor, b"-5,6")
    os.close(descriptor)

    assert errno.EINVAL == caught.value.errno


@pytest.mark.parametrize("size", [PAGE + 1, 10_000, 300_000])
def test_a_long_write_is_cut_after_a_page(lab: MountedHost, size: int) -> None:
    """What is beyond 4096 bytes is left to a next write; it does not become a store of its own."""
    value = b"-5\0".ljust(PAGE, b"x") + b"-6".ljust(size - PAGE, b"\n")

    assert PAGE == lab.store(paths.APMASK, value)
    assert WITHOUT_5 == text_of(lab.root / paths.APMASK)


def test_bytes_that_are_no_text_are_refused_not_fatal(lab: MountedHost) -> None:
    """Whatever is written, the host answers and lives on."""
    with pytest.raises(OSError) as caught:
        lab.store(paths.APMASK, bytes(range(128, 256)))

    assert errno.EINVAL == caught.value.errno
    assert ALL == text_of(lab.root / paths.APMASK)


def test_a_text_is_made_when_it_is_read_from_the_start(lab: MountedHost) -> None:
    """Reading on continues in the old text, reading from the start again gives the new one."""
    descriptor = os.open(lab.root / paths.APMASK, os.O_RDONLY)
    try:
        first = os.read(descriptor, 10)
        lab.store(paths.APMASK, "-5")
        rest = os.read(descriptor, PAGE)
        end = os.read(descriptor, PAGE)
        again = os.pread(descriptor, PAGE, 0)
    finally:
        os.close(descriptor)

    assert (ALL, b"", WITHOUT_5) == ((first + rest).decode(), end, again.decode())


def test_a_long_matrix_is_cut_after_a_page(lab: MountedHost) -> None:
    """A read gives 4096 bytes at most, however much is asked for."""
    lab.store(paths.AQMASK, f"0x{'0' * 64}")
    make_mdev(lab, FIRST)
    lab.store(f"{paths.mdev(FIRST)}/ap_config", f"0x{'f' * 64},0x{'f' * 21},0x0")

    descriptor = os.open(lab.root / paths.mdev(FIRST) / "matrix", os.O_RDONLY)
    try:
        assert PAGE == len(os.read(descriptor, 1_000_000))
    finally:
        os.close(descriptor)


def test_stat_tells_what_sysfs_tells(lab: MountedHost) -> None:
    """Files have a size of a page and the kernel's modes, also after they were written."""
    lab.store(paths.APMASK, "-5")
    found = {
        name: (lab.root / name).lstat() for name in (paths.APMASK, paths.CREATE, paths.MATRIX, f"{paths.MATRIX}/driver")
    }

    assert [0o100644, 0o100200, 0o40755, 0o120777] == [one.st_mode for one in found.values()]
    assert [PAGE, PAGE, 0, 0] == [one.st_size for one in found.values()]
    assert {(os.getuid(), os.getgid())} == {(one.st_uid, one.st_gid) for one in found.values()}


def test_what_has_no_permission_cannot_be_opened(lab: MountedHost) -> None:
    """Even root gets EACCES for reading a write-only file and for writing a read-only one."""
    assert "EACCES" == refusal_of(lab.root / paths.CREATE, os.O_RDONLY)
    assert "EACCES" == refusal_of(lab.root / paths.CREATE, os.O_RDWR)
    assert "EACCES" == refusal_of(lab.root / paths.AP_BUS / "bindings", os.O_WRONLY)


def test_names_cannot_be_made_removed_or_changed(lab: MountedHost) -> None:
    """The tree belongs to the kernel."""
    apmask = lab.root / paths.APMASK

    assert "EACCES" == refusal_of(lab.root / "new", os.O_WRONLY | os.O_CREAT)
    for act in (
        apmask.unlink,
        (lab.root / "new").mkdir,
        lambda: (lab.root / "new").symlink_to("bus"),
        lambda: apmask.rename(lab.root / "new"),
        lambda: apmask.chmod(0o666),
        (lab.root / paths.MATRIX).rmdir,
    ):
        with pytest.raises(PermissionError):
            act()


def test_a_file_outlives_its_device_only_as_enodev(lab: MountedHost) -> None:
    """An open file of a device that was removed says ENODEV, and its name is gone at once."""
    make_mdev(lab, FIRST)
    directory = lab.root / paths.mdev(FIRST)
    descriptor = os.open(directory / "ap_config", os.O_RDWR)
    try:
        lab.store(f"{paths.mdev(FIRST)}/remove", "1")
        for act in (lambda: os.read(descriptor, 1), lambda: os.write(descriptor, b",,")):
            with pytest.raises(OSError) as caught:
                act()
            assert errno.ENODEV == caught.value.errno
    finally:
        os.close(descriptor)

    assert not directory.exists()
    assert not (lab.root / "bus/mdev/devices" / FIRST).is_symlink()


def test_a_removal_waits_for_the_vm_and_nothing_else_does(lab: MountedHost) -> None:
    """The write returns when the VM has closed the device; meanwhile everybody else is served."""
    make_mdev(lab, FIRST)
    lab.request(("start", FIRST))

    lab.begin_removal(FIRST)
    lab.store(paths.APMASK, "-5")
    make_mdev(lab, SECOND)
    lab.request(("stop", FIRST))

    lab.end_removal(FIRST)
    assert [SECOND] == lab.sysfs.list("bus/mdev/devices")


def test_whoever_waits_for_a_removal_can_be_killed(lab: MountedHost) -> None:
    """A signal ends the wait, not the removal."""
    make_mdev(lab, FIRST)
    lab.request(("start", FIRST))
    with subprocess.Popen(["bash", "-c", f"echo 1 > {paths.mdev(FIRST)}/remove"], cwd=lab.root) as writer:
        until(lambda: not (lab.root / paths.mdev(FIRST) / "remove").exists())
        writer.kill()

        assert -9 == writer.wait(PATIENCE)
    lab.request(("stop", FIRST))
    assert [] == lab.sysfs.list("bus/mdev/devices")


def test_the_group_of_a_device_is_where_its_link_leads(lab: MountedHost) -> None:
    """`iommu_group` resolves, and leads back to the device."""
    make_mdev(lab, FIRST)
    group = lab.root / paths.mdev(FIRST) / "iommu_group"

    assert lab.root / "kernel/iommu_groups/0" == group.resolve()
    assert (lab.root / paths.mdev(FIRST)).resolve() == (group / "devices" / FIRST).resolve()


def test_every_link_leads_somewhere(lab: MountedHost) -> None:
    """Nothing dangles."""
    make_mdev(lab, FIRST)
    dangling = [
        place
        for folder, folders, files in os.walk(lab.root)
        for place in (Path(folder, name) for name in (*folders, *files))
        if place.is_symlink() and not place.exists()
    ]

    assert [] == dangling


def test_a_mounted_host_says_which_machine_it_is(mounting: None, tmp_path: Path) -> None:
    """As its description does, in the kernel's form, where whoever looks through ``--sysfs`` finds it."""
    machine = "  machineId: IBM-3931-00000000000829E7\n  lpar: payments größe\n"
    described = LAB.replace("spec:\n", f"spec:\n{machine}")
    with mounted_host(tmp_path, described) as host:
        within = host_of(read_documents(described, "host.yaml")[0][0].data)
        shown = (host.root / "proc/sysinfo").read_bytes()

        assert shown == within.sysinfo()
        assert host.sysfs.sysinfo() == shown
        assert observe(host.sysfs).identity == observe(within).identity
        assert b"LPAR Extended Name:   payments gr\xc3\xb6\xc3\x9fe\n" in shown
        assert refusal_of(host.root / "proc/sysinfo", os.O_WRONLY) == "EACCES"


def test_a_mounted_host_that_names_no_machine_has_no_such_file(lab: MountedHost) -> None:
    """Neither is this machine's taken for its own."""
    assert not (lab.root / "proc").exists()
    assert observe(lab.sysfs).unidentified == "there is no /proc/sysinfo"
