"""Transcripts of what a kernel answered, for reading and comparing.

A transcript is a file of JSON lines. The first has ``header``. A line with ``scenario`` but no ``step`` starts a
scenario. Every other line is a step; README.md describes its keys.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_MASK: Final = re.compile(r"0x([0-9a-f]{64})(?![0-9a-f])")
_UUID: Final = re.compile(r"00000000-0000-4000-8000-0*(?=[0-9a-f])")
_BITS: Final = 256
_TIMES: Final = ("microseconds",)
# A process id, and an event that the bus sends when it has time, in this step or in the next one.
_CHANCE: Final = ("PID", "STATS_PATH")
_UNTIMELY: Final = "BINDINGS"

Line = dict[str, object]
"""One line of a transcript."""


class Scenario(NamedTuple):
    """A scenario: the line that starts it, and its steps."""

    start: Line
    steps: list[Line]


class Transcript(NamedTuple):
    """A whole transcript.

    Attributes:
        header: facts of the machine.
        scenarios: by name, in the order of the file.
    """

    header: Line
    scenarios: dict[str, Scenario]

    @classmethod
    def read(cls, path: Path) -> "Transcript":
        """The transcript in a file.

        Raises:
            ValueError: a line is not JSON, or a step stands before any scenario.
        """
        header, *lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        scenarios: dict[str, Scenario] = {}
        for line in lines:
            if "step" not in line:
                scenarios[line["scenario"]] = Scenario(line, [])
            elif line["scenario"] in scenarios:
                scenarios[line["scenario"]].steps.append(line)
            else:
                raise ValueError(f"{path}: step {line['step']} of {line['scenario']} stands before its scenario")
        return cls(header["header"], scenarios)


def shown(transcript: Transcript, names: Collection[str] = ()) -> Iterator[str]:
    """The lines of a transcript as a person reads them: masks as ids, known uuids as ``mdev-a``; only those `names`."""
    for name, scenario in transcript.scenarios.items():
        if not names or name in names:
            yield f"\n## {name}: {scenario.start['about']}"
            for step in scenario.steps:
                yield from _shown_step(step)


def differences(old: Transcript, new: Transcript) -> list[str]:
    """Where two transcripts differ, but for the machine, times and chance; a line for each scenario or step."""
    found = [f"{name}: only in one" for name in old.scenarios.keys() ^ new.scenarios.keys()]
    for name in old.scenarios.keys() & new.scenarios.keys():
        before, after = old.scenarios[name], new.scenarios[name]
        if before.start["state"] != after.start["state"]:
            found.append(f"{name}: starts from another state")
        if len(before.steps) != len(after.steps):
            found.append(f"{name}: {len(before.steps)} steps, {len(after.steps)} steps")
        found += _different_steps(before.steps, after.steps)
    return sorted(found)


def short(text: str) -> str:
    """`text` with masks as lists of ids and known uuids as ``mdev-a``."""
    return _UUID.sub("mdev-", _MASK.sub(_ids, text))


def _ids(found: re.Match[str]) -> str:
    bits = int(found[1], 16)
    ids = [number for number in range(_BITS) if bits >> (_BITS - 1 - number) & 1]
    if len(ids) > _BITS // 2:
        return f"all-but{sorted(set(range(_BITS)) - set(ids))}".replace(" ", "")
    return f"ids{ids}".replace(" ", "")


def _shown_step(step: Line) -> Iterator[str]:
    target = step.get("path") or step.get("what") or step.get("request")
    result = step.get("result") or step.get("answer")
    value = step.get("value", step.get("entries", ""))
    yield short(f"{step['step']:3} {step['op']} {target} {value!r} -> {result}")
    changed = step["changed"]
    assert isinstance(changed, dict)
    for key, text in changed.items():
        yield short(f"      {key}: {text!r}")


def _different_steps(before: Sequence[Line], after: Sequence[Line]) -> Iterator[str]:
    for old, new in zip(map(_without_chance, before), map(_without_chance, after), strict=False):
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        if keys:
            values = "; ".join(f"{key} {short(repr(old.get(key)))} / {short(repr(new.get(key)))}" for key in keys)
            yield f"{old['scenario']} step {old['step']}: {values}"


def _without_chance(step: Line) -> Line:
    """`step` without what differs from run to run on the same kernel."""
    events = step.get("uevents", [])
    assert isinstance(events, list)
    kept = [{key: value for key, value in event.items() if key not in _CHANCE} for event in events]
    timely = [event for event in kept if _UNTIMELY not in event]
    return {key: value for key, value in step.items() if key not in _TIMES} | {"uevents": timely}
