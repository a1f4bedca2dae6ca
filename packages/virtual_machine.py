"""A Debian 13 that boots in QEMU on amd64: its disk is made once by mmdebstrap; a trial works on a copy of it.

The machine has no network. What a boot is given is an archive on a second disk; it reports at its second serial port.
"""

import shutil
import subprocess
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from lab.packages import PackageError, host_mirror
from packages.chroot import SUITE
from packages.source import BuildFailed, run

GUEST: Final = Path(__file__).parent / "guest"
"""What runs in the machine."""

_INCLUDED: Final = (
    "fuse3", "initramfs-tools", "kmod", "linux-image-cloud-amd64", "python3", "systemd", "systemd-sysv", "udev",
    "zstd",
)  # fmt: skip
_UNITS: Final = {
    "trial-files.service": "sysinit.target",
    "trial-host.service": "multi-user.target",
    "trial.service": "multi-user.target",
}
MASKED: Final = ("getty.target", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer")
"""Units that would use apt or the console while a trial does."""
_QEMU: Final = ("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")
_PROBE_SECONDS: Final = 20
_SIZE: Final = "3G"
_MEBIBYTES: Final = 1024
_TAIL: Final = 40
_END: Final = "end "


class Boot(NamedTuple):
    """How a boot went.

    Attributes:
        said: the lines that its command has written.
        status: the exit status of the command.
        seconds: from the start to power off.
    """

    said: list[str]
    status: int
    seconds: float


class Image(NamedTuple):
    """A system that boots: its disk, the kernel, and the first file system of that."""

    disk: Path
    kernel: Path
    initrd: Path


def prepared_image(cache: Path) -> Image:
    """The system below `cache`; made where it is missing or was made of something else.

    Raises:
        BuildFailed: this machine cannot.
    """
    folder = cache / f"{SUITE}-amd64"
    image = Image(folder / "disk", folder / "vmlinuz", folder / "initrd.img")
    stamp = folder / "made-of"
    wanted = "\n".join([*_INCLUDED, *MASKED, *((GUEST / one).read_text(encoding="utf-8") for one in _files())])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return image
    begun = time.monotonic()
    print(f"Making a Debian 13 that boots in {folder} with mmdebstrap (once; two to six minutes) ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    root = folder / "root"
    try:
        mirror = host_mirror()
    except PackageError as error:
        raise BuildFailed(str(error)) from error
    run(["mmdebstrap", "--variant=minbase", f"--include={','.join(_INCLUDED)}", SUITE, root, mirror], folder)
    _configure(root)
    for target, pattern in ((image.kernel, "vmlinuz-*"), (image.initrd, "initrd.img-*")):
        shutil.copy(next((root / "boot").glob(pattern)), target)
    run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", root, image.disk, _SIZE], folder)
    shutil.rmtree(root)
    stamp.write_text(wanted, encoding="utf-8")
    print(f"Debian 13 that boots: made in {time.monotonic() - begun:.0f} s", flush=True)
    return image


def _files() -> list[str]:
    return [*_UNITS, "modprobe.conf"]


def _configure(root: Path) -> None:
    units = root / "etc/systemd/system"
    for name, target in _UNITS.items():
        shutil.copy(GUEST / name, units / name)
        wants = units / f"{target}.wants"
        wants.mkdir(exist_ok=True)
        (wants / name).symlink_to(f"../{name}")
    mask_units(root)
    shutil.copy(GUEST / "modprobe.conf", root / "etc/modprobe.d/trial.conf")
    (root / "etc/hostname").write_text("trial\n", encoding="utf-8")
    (root / "etc/fstab").write_text("", encoding="utf-8")


def mask_units(root: Path) -> None:
    """Have systemd in the system at `root` never start what would disturb a trial."""
    units = root / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for name in MASKED:
        (units / name).symlink_to("/dev/null")


def _has_kvm(image: Image, console: Path) -> bool:
    """Whether KVM runs the kernel: without a disk it stops at once, where KVM really works."""
    words: list[str | Path] = [*_QEMU, "-machine", "q35,accel=kvm", "-m", str(_MEBIBYTES), "-kernel", image.kernel]
    words += ["-append", "console=ttyS0 panic=-1", "-serial", f"file:{console}"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return not done.returncode and "Kernel panic" in console.read_text(encoding="utf-8", errors="replace")


class VirtualMachine:
    """One machine with a disk of its own, which is booted again and again.

    It has no crypto cards of its own, so it gets those of a simulated host (``guest/simulated-host``).
    """

    def __init__(self, image: Image, simulator: Path, folder: Path) -> None:
        """Make a machine.

        Args:
            image: what its disk is a copy of.
            simulator: the modules that serve the simulated host.
            folder: for the files of the machine; made.
        """
        self._image = image
        self._simulator = simulator
        self._folder = folder
        self._disk = folder / "disk"
        folder.mkdir(parents=True)
        self._accelerator = "kvm" if _has_kvm(image, folder / "probe.log") else "tcg"
        print(f"QEMU with accel={self._accelerator}", flush=True)
        run(["cp", "--sparse=always", image.disk, self._disk], folder)

    def boot(self, command: str, files: Mapping[str, Path], seconds: float) -> Boot:
        """Boot, run the shell command line `command` as root, power off.

        Args:
            command: it finds `files` in ``/job``.
            files: by name, what is there.
            seconds: how long everything may take.

        Raises:
            BuildFailed: the machine did not get to the end in that time.
        """
        work, console, said = (self._folder / name for name in ("job.tar", "console.log", "report.log"))
        with tarfile.open(work, "w") as archive:
            for name, path in {**files, "guest/simulator": self._simulator}.items():
                archive.add(path, f"job/{name}")
            text = self._folder / "command"
            text.write_text(f"{command}\n", encoding="utf-8")
            archive.add(text, "job/command")
        begun = time.monotonic()
        log = self._folder / "qemu.log"
        with log.open("w", encoding="utf-8") as stream:
            try:
                subprocess.run(
                    self._arguments(work, console, said),
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    timeout=seconds,
                    check=True,
                )
            except subprocess.TimeoutExpired as error:
                raise BuildFailed(f"it did not end within {seconds:.0f} s{last_lines(said, console)}") from error
            except (OSError, subprocess.CalledProcessError) as error:
                raise BuildFailed(f"{error}{last_lines(log, console)}") from error
        lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
        if not lines or not lines[-1].startswith(_END):
            raise BuildFailed(f"it ended without a status{last_lines(said, console)}")
        return Boot(lines[:-1], int(lines[-1].removeprefix(_END)), time.monotonic() - begun)

    def _arguments(self, work: Path, console: Path, said: Path) -> list[str | Path]:
        parameters = (
            "root=/dev/vda rw console=ttyS0 panic=-1 quiet systemd.show_status=no systemd.journald.forward_to_console=1"
        )
        return [
            *_QEMU, "-machine", f"q35,accel={self._accelerator}", "-smp", "2", "-m", str(_MEBIBYTES), "-nic", "none",
            "-kernel", self._image.kernel, "-initrd", self._image.initrd, "-append", parameters,
            "-drive", f"if=virtio,format=raw,cache=unsafe,file={self._disk}",
            "-drive", f"if=virtio,format=raw,readonly=on,file={work}",
            "-serial", f"file:{console}", "-serial", f"file:{said}",
        ]  # fmt: skip


def last_lines(*files: Path) -> str:
    """The last lines of `files`, where they are there."""
    ends = ""
    for file in files:
        if file.exists():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
            ends += "".join(f"\n{line}" for line in (f"end of {file.name}:", *lines))
    return ends
