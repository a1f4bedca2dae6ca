"""Descriptions of simulated hosts."""

from pathlib import Path
from typing import Final

from reconciler.simulator.hardware import DEFAULT_HARDWARE

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "simulated-host.md"


def lab_description(kernel: str) -> str:
    """`DEFAULT_HARDWARE` with the rules of `kernel`, as it stands in the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    description = text.partition("```yaml\n")[2].partition("```")[0]
    assert f"maxDomain: {DEFAULT_HARDWARE.max_domain}" in description
    return description.replace('kernel: "6.12"', f'kernel: "{kernel}"')


LAB: Final = lab_description("6.12")
