"""Commits to hosts with journals, timers and kernels of their own; `./run trials fleet` has more seeds."""

from collections import Counter
from pathlib import Path

from testing.fleet_hosts import really_simulated, without_faults


def test_without_faults_everything_ends_at_the_target(tmp_path: Path) -> None:
    """On four hosts, and the card that goes from one LPAR to another is moved on the HMC after it."""
    assert without_faults(1, tmp_path) == "all"


def test_every_host_ends_at_its_start_its_target_as_booted_or_degraded(tmp_path: Path) -> None:
    """Whatever is lost, late, repeated, killed or booted, while VMs open and close devices and clocks drift."""
    ends = Counter(really_simulated(seed, tmp_path / str(seed)) for seed in range(6))

    assert ends["none"]
    assert ends["all"]
