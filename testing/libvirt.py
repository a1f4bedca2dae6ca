"""Virtual machines as libvirt describes them, and a real libvirt daemon in a world of its own.

The daemon's directories are empty, and its ``/sys`` is a simulated host's.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from lab.cache import CACHE_VARIABLE, DEFAULT_CACHE, Cache
from lab.qemu import machine
from testing.mounted_hosts import PATIENCE, until

AP_UUID: Final = "62177883-f1bb-47f0-914d-32a22e3a8804"


def hostdev(uuid: str = AP_UUID, model: str = "vfio-ap", managed: str = "no") -> str:
    """A mediated device of a VM."""
    return f"""
    <hostdev mode='subsystem' type='mdev' managed='{managed}' model='{model}'>
      <source>
        <address uuid='{uuid}'/>
      </source>
      <alias name='hostdev0'/>
    </hostdev>"""


def domain_xml(
    *devices: str, name: str = "payments-db", prolog: str = "", arguments: Sequence[str] = (), more: str = ""
) -> bytes:
    """A VM with `devices`, much as ``virsh dumpxml`` prints it; `arguments` go to QEMU, `more` stands at the end."""
    passed = "".join(f"<qemu:arg value={quoteattr(one)}/>" for one in arguments)
    more += f"<qemu:commandline>{passed}</qemu:commandline>" if passed else ""
    return f"""{prolog}<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>0d6a7a2e-54ac-4b0e-9e43-4cd3e3a1f4c8</uuid>
  <title>Ledger &amp; cards</title>
  <metadata>
    <site:owner xmlns:site='urn:example:site'>
      <name>not the VM's</name>
      <devices><hostdev mode='subsystem' type='mdev'/></devices>
    </site:owner>
  </metadata>
  <memory unit='KiB'>4194304</memory>
  <os><type arch='s390x' machine='s390-ccw-virtio-9.0'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-s390x</emulator>
    <disk type='block' device='disk'>
      <source dev='/dev/mapper/ledger'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <hostdev mode='subsystem' type='scsi' managed='no'>
      <source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source>
    </hostdev>{"".join(devices)}
  </devices>{more}
</domain>
""".encode()


def status_xml(domain: bytes, state: str = "running") -> bytes:
    """What libvirt keeps in ``/run`` of a VM that runs."""
    return f"<domstatus state='{state}' reason='booted' pid='4711'>\n{domain.decode()}</domstatus>\n".encode()


_DRIVER: Final = Path("/usr/lib")
_EMULATOR: Final = "qemu-system-s390x"

# What a CPU of libvirt's own choice lacks without KVM, and a VM with crypto queues needs.
_AP_FEATURES: Final = "".join(f"<feature policy='require' name='{name}'/>" for name in ("ap", "apqci", "apft"))

# Nothing of this machine's may be touched, and nothing of it be needed: no other user, no cgroups, no firewall.
_SETTINGS: Final = """
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
remember_owner = 0
"""
_ACCOUNT: Final = "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n"
_GROUPS: Final = "libvirt-qemu:x:64055:\n"

_WORLD: Final = """
set -e
for place in /run /var/lib /var/cache /var/log; do mount -t tmpfs tmpfs "$place"; done
mkdir -p /run/lock /var/log/libvirt/qemu
mount --bind "$1/etc" /etc/libvirt
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
mount --rbind "$2" /sys
[ -z "$3" ] || mount -t tmpfs tmpfs "$3"
exec setpriv --pdeathsig TERM libvirtd --timeout 60 >"$1/log" 2>&1
"""


def why_no_daemon() -> str | None:
    """What this machine lacks; None where it has all."""
    for program in ("libvirtd", "virsh", "unshare", "nsenter", "setpriv"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if not list(_DRIVER.glob("**/libvirt_driver_qemu.so")):
        return "libvirt's QEMU driver is not installed"
    if emulator() is None:
        return f"there is no {_EMULATOR}; './run lab setup' fetches one"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() or "not allowed" if tried.returncode else None


def emulator() -> list[str] | None:
    """The command of a QEMU for s390x: the system's, or that of the lab; None where there is none."""
    installed = shutil.which(_EMULATOR)
    root = Cache(Path(os.environ.get(CACHE_VARIABLE, DEFAULT_CACHE)).expanduser()).qemu
    if installed:
        return [installed]
    words = machine(root)
    return words[3 : words.index("-M")] if (root / "usr/bin" / _EMULATOR).exists() else None


def _modules_of_another_qemu() -> str:
    """The folder of the system's QEMU modules where the emulator is the lab's; '' where there is none.

    A QEMU looks there whatever it was started as, and is ended by a module of another build.
    """
    folder = Path("/usr/lib", f"{platform.machine()}-linux-gnu", "qemu")
    return str(folder) if not shutil.which(_EMULATOR) and folder.is_dir() else ""


class Daemon:
    """The daemon, and programs that run in its world."""

    def __init__(self, process: subprocess.Popen[bytes], emulator: Path) -> None:
        self._process = process
        self.emulator = emulator

    @property
    def root(self) -> Path:
        """The root directory as the daemon sees it."""
        return Path(f"/proc/{self._process.pid}/root")

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """How `words` ended, run beside the daemon."""
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", "--", *words],
            env={**os.environ, "LIBVIRT_DEFAULT_URI": "qemu:///system", "LC_ALL": "C"},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * PATIENCE,
        )

    def define(self, name: str, devices: str) -> None:
        """Have a VM `name` with `devices`."""
        done = self.run("virsh", "define", "/dev/stdin", given=_domain(name, devices, self.emulator))
        assert done.returncode == 0, done.stderr


@contextmanager
def daemon(folder: Path, sysfs: Path) -> Iterator[Daemon]:
    """A daemon whose files are in `folder` and whose ``/sys`` is `sysfs`; it ends with the block.

    What is in ``etc`` of the folder beforehand it finds in ``/etc/libvirt``.
    """
    (folder / "etc").mkdir(parents=True, exist_ok=True)
    (folder / "etc/qemu.conf").write_text(_SETTINGS)
    for name, line in (("passwd", _ACCOUNT), ("group", _GROUPS)):
        there = Path("/etc", name).read_text()
        (folder / name).write_text(there if "libvirt-qemu:" in there else there + line)
    program = folder / _EMULATOR
    words = emulator()
    assert words
    program.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
    program.chmod(0o755)
    start = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _WORLD, "sh", str(folder), str(sysfs)]
    start.append(_modules_of_another_qemu())
    with subprocess.Popen(start) as process:
        found = Daemon(process, program)
        try:
            until(lambda: process.poll() is not None or (found.root / "run/libvirt/libvirt-sock").exists())
            assert process.poll() is None, (folder / "log").read_text()
            yield found
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _domain(name: str, devices: str, emulator: Path) -> str:
    cpu = f"<cpu mode='custom'><model>qemu</model>{_AP_FEATURES}</cpu>" if devices else ""
    return f"""<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='s390x' machine='s390-ccw-virtio'>hvm</type></os>
  {cpu}
  <devices><emulator>{emulator}</emulator>{devices}</devices>
</domain>"""
