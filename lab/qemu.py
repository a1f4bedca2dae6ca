"""QEMU's command lines."""

from pathlib import Path
from typing import Final

MEMORY_MIB: Final = 768

_LIBRARIES: Final = "usr/lib/x86_64-linux-gnu"
# Addresses have to be those of the probe boot; the rest saves time.
_PARAMETERS: Final = "nokaslr console=ttysclp0 panic=-1 audit=0 random.trust_cpu=on ipv6.disable=1"


def machine(root: Path) -> list[str]:
    """The start of every command line: the QEMU unpacked at `root`, one emulated CPU, and nothing else.

    It brings its own libraries, and ends when the process that started it does.
    """
    libraries = root / _LIBRARIES
    return [
        "setpriv", "--pdeathsig", "KILL",
        str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries),
        str(root / "usr/bin/qemu-system-s390x"), "-L", str(root / "usr/share/qemu"),
        "-M", "s390-ccw-virtio", "-cpu", "max", "-accel", "tcg", "-smp", "1", "-m", str(MEMORY_MIB),
        "-nodefaults", "-display", "none", "-no-reboot",
    ]  # fmt: skip


def kernel(image: Path, initramfs: Path, parameters: str) -> list[str]:
    """Boot a kernel with `parameters` after the lab's own."""
    append = f"{_PARAMETERS} {parameters}".rstrip()
    return ["-kernel", str(image), "-initrd", str(initramfs), "-append", append]


def console(path: Path) -> list[str]:
    """Write the kernel's console to a file."""
    return ["-chardev", f"file,id=console,path={_escaped(path)}", "-device", "sclpconsole,chardev=console"]


def debugger(descriptor: int) -> list[str]:
    """Stand still at the start, and serve a debugger at a connected socket."""
    return ["-S", "-chardev", f"socket,id=gdb,fd={descriptor}", "-gdb", "chardev:gdb"]


def disk(name: str, image: Path, *, writable: bool = False) -> list[str]:
    """A disk whose serial number is `name`."""
    access = "cache=unsafe" if writable else "readonly=on"
    drive = f"if=none,id={name},format=raw,{access},file={_escaped(image)}"
    return ["-drive", drive, "-device", f"virtio-blk-ccw,drive={name},serial={name}"]


def ports(descriptors: dict[str, int]) -> list[str]:
    """Serial ports, ``/dev/virtio-ports/lab.NAME`` in the guest, each at a connected socket."""
    arguments = ["-device", "virtio-serial-ccw"]
    for name, descriptor in descriptors.items():
        arguments += ["-chardev", f"socket,id={name},fd={descriptor}"]
        arguments += ["-device", f"virtserialport,chardev={name},name=lab.{name}"]
    return arguments


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")
