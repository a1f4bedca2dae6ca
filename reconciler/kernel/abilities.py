"""What a kernel can do, found out by looking at its files.

Distributions port features back, so a release number proves little; docs/kernel-rules.md ("Abilities") has the table
of which file proves what. Where nothing proves the newer behaviour the older one is assumed: single assignments
work on every kernel.
"""

import re
from typing import Final

from reconciler.kernel import paths
from reconciler.kernel.sysfs import Sysfs
from reconciler.model.observed import Abilities

_OVER_PROVISION_SINCE: Final = (6, 0)


def probe_abilities(sysfs: Sysfs, mdevs: list[str], cards: list[str]) -> Abilities:
    """The abilities of the kernel behind `sysfs`.

    Args:
        sysfs: the host.
        mdevs: the uuids of its mediated devices.
        cards: the directories of its adapters.

    Raises:
        OSError: the AP bus is not there.
    """
    features = _words(sysfs, f"{paths.MATRIX}/features")
    bus = sysfs.list(paths.AP_BUS)
    probe = set(sysfs.list(paths.mdev(mdevs[0]))) if mdevs else set()
    return Abilities(
        ap_config="ap_config" in features or "ap_config" in probe,
        over_provision=bool(features) or "guest_matrix" in probe or (not mdevs and _is_new_bus(sysfs, cards)),
        strict_in_use="bindings_complete_count" in bus,
    )


def _is_new_bus(sysfs: Sysfs, cards: list[str]) -> bool:
    # Without a mediated device nothing of vfio_ap tells 5.x from 6.0; the check-stop state of cards came just before.
    if cards:
        return "chkstop" in sysfs.list(cards[0])
    found = re.match(r"(\d+)\.(\d+)", sysfs.release)
    return found is not None and (int(found[1]), int(found[2])) >= _OVER_PROVISION_SINCE


def _words(sysfs: Sysfs, path: str) -> set[str]:
    try:
        return set(sysfs.read(path).split())
    except OSError:
        return set()
