"""Descriptions of virtual machines as libvirt gives them."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import quoteattr

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
