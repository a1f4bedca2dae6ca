"""Masks that are set at boot by somebody else than us."""

import re
from collections.abc import Mapping
from typing import Final

from reconciler.doctor.finding import Finding, listed, warning

_PARAMETER: Final = re.compile(r"(?:^|\s)ap\.(apmask|aqmask)=(\S*)")
_ASSIGNMENT: Final = re.compile(r"ATTR\{[^}]*a[pq]mask\}\s*=(?!=)")

RULES: Final = "41-ap.rules"
"""The rules that chzdev writes."""


def boot_findings(command_line: str, rules: Mapping[str, str]) -> list[Finding]:
    """What sets masks at boot.

    Args:
        command_line: of the kernel.
        rules: the texts of udev's rules, by the names of their files.
    """
    return [*_command_line(command_line), *_rules(rules)]


def _command_line(text: str) -> list[Finding]:
    found = [f"ap.{name}={value}" for name, value in _PARAMETER.findall(text)]
    if not found:
        return []
    return [
        warning(
            "masks-on-command-line",
            f"the kernel's command line sets masks: {listed(found)}",
            "they hold from boot until somebody writes others, so that a guest may start before its queues are free",
            "take them out of the boot loader's configuration, and let the manifests say what the host gives up",
        )
    ]


def _rules(rules: Mapping[str, str]) -> list[Finding]:
    setting = sorted(name for name, text in rules.items() if name != RULES and _ASSIGNMENT.search(text))
    if not setting:
        return []
    return [
        warning(
            "foreign-mask-rules",
            f"udev rules set masks: {listed(setting)}",
            "chzdev and ap-check do not look there, and an apply is undone at the next event",
            f"move what they say into the manifests, or into {RULES} by chzdev --type ap",
        )
    ]
