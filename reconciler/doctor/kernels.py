"""Kernels with known faults (docs/kernel-rules.md). Distributions port fixes back, so that these are hints."""

import re
from typing import Final

from reconciler.doctor.finding import Finding, warning

_RELEASE: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")

_FILTER_FIXED_IN: Final = {(6, 1): 76, (6, 6): 15, (6, 7): 3}
"""CVE-2024-26620: the stable series with the fix, and the first release that has it; from 6.8 on all have it."""


def kernel_findings(release: str, *, over_provision: bool) -> list[Finding]:
    """The known faults of a kernel of `release`, for example ``6.1.0-18-s390x`` or ``6.12.107``."""
    found = _RELEASE.match(release)
    if not found:
        return []
    series, patch = (int(found[1]), int(found[2])), int(found[3] or 0)
    findings = []
    if not over_provision:
        findings.append(
            warning(
                "kernel-before-6.0",
                f"kernel {release} cannot authorise absent queues, nor change a device that a VM has open",
                "cards to come are authorised only once they are there; masks are changed without a look at guests",
                "a kernel from 6.0 on can do both",
            )
        )
    if (6, 0) <= series < (6, 8) and patch < _FILTER_FIXED_IN.get(series, 1 << 30):
        findings.append(
            warning(
                "cve-2024-26620",
                f"kernel {release} may filter only the id that was assigned last (CVE-2024-26620)",
                "a guest may see a queue that is not bound to vfio_ap",
                "update to 6.1.76, 6.6.15, 6.7.3 or 6.8, or to your distribution's kernel with the fix",
            )
        )
    if series < (7, 2):
        findings.append(
            warning(
                "vfio-ap-2026-08",
                f"kernel {release} may lack the fixes of August 2026 to vfio_ap",
                "it can crash when the LPAR's configuration changes while a mediated device has no VM, or when the "
                "status of a queue is read while it is probed; the unplugging of a last adapter can be missed",
                "update to your distribution's kernel with these fixes",
            )
        )
    return findings
