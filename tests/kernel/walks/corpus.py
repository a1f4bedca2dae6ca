"""Recorded walks, kept as small as they can be: ``corpus/KERNEL-SEED.jsonl.gz``."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).parent / "corpus"
_END: Final = ".jsonl.gz"
_LEFT_OUT: Final = ("scenario", "microseconds", "uevents", "note", "rescan")


class RecordedWalk(NamedTuple):
    """A walk and what a kernel answered.

    Attributes:
        kernel: the lab's name of the kernel.
        header: facts: the kernel's release, the hardware at the start, the walk's version, seed and count.
        state: all that is looked at, at the start.
        steps: as in the transcripts, without times and uevents.
    """

    kernel: str
    header: dict[str, Any]
    state: dict[str, str | None]
    steps: list[dict[str, Any]]


def kept_walks() -> list[Path]:
    """The files of all walks that are kept; none in a source distribution, which leaves them out."""
    return sorted(FOLDER.glob(f"*{_END}"))


def file_of(kernel: str, seed: int, folder: Path = FOLDER) -> Path:
    """Where the walk of `seed` on `kernel` is kept."""
    return folder / f"{kernel}-{seed:03}{_END}"


def load(path: Path) -> RecordedWalk:
    """The walk in a file."""
    header, start, *steps = map(json.loads, gzip.decompress(path.read_bytes()).decode().splitlines())
    return RecordedWalk(path.name.split("-", maxsplit=1)[0], header["header"], start["state"], steps)


def save(path: Path, printed: Iterable[str]) -> int:
    """Keep the transcript that the guest printed, and return how many operations it has."""
    lines = [json.dumps(line, separators=(",", ":")) for line in _short(printed)]
    # Without a time in it, so that the same walk gives the same file.
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), 9, mtime=0))
    return len(lines) - 2


def _short(printed: Iterable[str]) -> Iterator[dict[str, Any]]:
    for text in printed:
        line = json.loads(text)
        yield {key: value for key, value in line.items() if "step" not in line or key not in _LEFT_OUT}
