"""The writes that a program really made, out of what strace wrote."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_WRITE: Final = re.compile(
    r"(?:\d+ +)?write\(\d+<(?P<path>/sys/[^>]*)>, (?P<text>\"(?:[^\"\\]|\\.)*\"), (?P<length>\d+)"
    r"(?:\) += (?P<result>-?\d+)(?: (?P<errno>E\w+))?|\)? <unfinished)"
)
_RESUMED: Final = re.compile(r"(?P<thread>\d+) +<\.\.\. write resumed>\) += (?P<result>-?\d+)(?: (?P<errno>E\w+))?")
_OPTIONS: Final = ("-f", "-qq", "-yy", "-s", "4096", "-e", "trace=write", "-e", "signal=none")


class MadeWrite(NamedTuple):
    """One write(2) to a file of sysfs.

    Attributes:
        path: below ``/sys``.
        value: what was given.
        error: the errno's name; empty where the kernel took it.
    """

    path: str
    value: str
    error: str


def command(log: str, process: int) -> list[str]:
    """The command that leaves the writes of the process with id `process`, and of its threads, in the file `log`."""
    return ["strace", *_OPTIONS, "-o", log, "-p", str(process)]


def made_writes(lines: Iterable[str]) -> list[MadeWrite]:
    """The writes to sysfs in strace's lines, in the order in which they were begun."""
    found: list[MadeWrite] = []
    unfinished: dict[str, int] = {}
    for line in lines:
        if match := _WRITE.match(line):
            if match["result"] is None:
                unfinished[line.split()[0]] = len(found)
            value = match["text"][1:-1].encode().decode("unicode_escape")
            found.append(MadeWrite(match["path"].removeprefix("/sys/"), value, match["errno"] or ""))
        elif (match := _RESUMED.match(line)) and match["thread"] in unfinished:
            place = unfinished.pop(match["thread"])
            found[place] = found[place]._replace(error=match["errno"] or "")
    return found
