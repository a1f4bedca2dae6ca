"""The udev rule with which mdevctl starts its definitions at boot, and whether it can work.

The rule runs ``mdevctl start-parent-mdevs`` by an absolute path. Debian 12, 13 and sid (mdevctl 1.2 to 1.4) install the
program as ``/usr/bin/mdevctl`` while their rule runs ``/usr/sbin/mdevctl``, so that nothing is started where the two
directories are not one: seen on real kernels, docs/on-real-kernels.md.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.integrations.foreign_masks import read_rules
from reconciler.integrations.udev_rules import rules_of

_INSTALL: Final = "install your distribution's package mdevctl"
_PLACES: Final = ("/usr/bin/mdevctl", "/usr/sbin/mdevctl", "/usr/local/bin/mdevctl", "/usr/local/sbin/mdevctl")
_STARTS: Final = re.compile(r"(/[^\s'\"{}]*) start-parent-mdevs\b")


class StartsNothing(NamedTuple):
    """Why no definition is started at boot, and what to do about it."""

    reason: str
    help: str


def starting_programs(files: Mapping[str, str]) -> tuple[str, ...]:
    """The programs that udev rules start definitions with, as absolute paths, each once.

    Args:
        files: the texts of udev's rules, by the names of their files.
    """
    return tuple(dict.fromkeys(program for text in files.values() for program in _programs(text)))


def _programs(text: str) -> Iterable[str]:
    for rule in rules_of(text):
        for key in rule.keys:
            if key.name.startswith("RUN"):
                yield from _STARTS.findall(key.value)


def why_nothing_starts(root: Path) -> StartsNothing | None:
    """Why no definition of mdevctl below `root` is started at boot; None where nothing speaks against it."""
    programs = starting_programs(read_rules(root))
    if not programs:
        return StartsNothing("no udev rule runs 'mdevctl start-parent-mdevs'", _INSTALL)
    missing = [one for one in programs if not _is_there(root, one)]
    if len(missing) < len(programs):
        return None
    place = next((one for one in _PLACES if _is_there(root, one)), None)
    return StartsNothing(
        f"mdevctl's udev rule runs {missing[0]}, which does not exist",
        f"ln -s {shlex.quote(place)} {shlex.quote(missing[0])}" if place else _INSTALL,
    )


def _is_there(root: Path, program: str) -> bool:
    return (root / program.lstrip("/")).exists()
