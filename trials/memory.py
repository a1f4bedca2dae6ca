"""What this process holds while it runs for long."""

import gc
import os
import sys
from pathlib import Path
from statistics import median
from typing import Final

_WARM: Final = 0.2
"""The part of the samples after which memory must not grow any more."""

GROWTH: Final = 1.1
"""By this factor memory may grow after that."""


class Memory:
    """What the process holds, now and then."""

    def __init__(self) -> None:
        self._samples: list[tuple[int, int, int]] = []

    def sample(self) -> None:
        """Look."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        self._samples.append(
            (sys.getallocatedblocks(), pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")))
        )

    def growth(self) -> tuple[float, float, int]:
        """By which factor blocks and resident memory have grown after the warm-up, and by how many the descriptors."""
        warm = self._samples[int(_WARM * len(self._samples)) :]
        part = max(1, len(warm) // 4)
        first, last = warm[:part], warm[-part:]
        blocks, pages = (median(one[n] for one in last) / median(one[n] for one in first) for n in (0, 1))
        return blocks, pages, last[-1][2] - first[0][2]

    def told(self) -> str:
        """The same for people."""
        blocks, pages, descriptors = self.growth()
        resident = self._samples[-1][1] / 2**20
        return (
            f"memory x {blocks:.3f} (blocks), x {pages:.3f} (resident, {resident:.0f} MiB), {descriptors:+} descriptors"
        )
