import json
from pathlib import Path

import pytest

from lab.recorder.words import A, all_but, mask
from lab.recording import compare
from lab.transcript import Transcript, differences, short, shown

START: dict[str, object] = {"scenario": "s", "about": "A scenario.", "state": {"apmask": "0x0"}}


def step(number: int, **details: object) -> dict[str, object]:
    """A step of scenario ``s`` that writes."""
    standard = {"op": "write", "path": "/sys/x", "value": "5", "result": "ok", "microseconds": 9, "changed": {}}
    return {"scenario": "s", "step": number, **standard, **details}


def transcript(*lines: dict[str, object], place: Path) -> Path:
    """A file with a header and `lines`."""
    text = "\n".join(json.dumps(line) for line in ({"header": {"kernel": "6"}}, *lines))
    place.write_text(text, encoding="utf-8")
    return place


def test_a_transcript_is_read_by_scenario(tmp_path: Path) -> None:
    """Steps belong to the scenario that they name."""
    found = Transcript.read(transcript(START, step(1), step(2), place=tmp_path / "t"))

    assert found.header == {"kernel": "6"}
    assert [one["step"] for one in found.scenarios["s"].steps] == [1, 2]


def test_a_step_without_its_scenario_is_refused(tmp_path: Path) -> None:
    """The file was cut."""
    with pytest.raises(ValueError, match="stands before its scenario"):
        Transcript.read(transcript(step(1), place=tmp_path / "t"))


def test_a_person_sees_ids_and_names(tmp_path: Path) -> None:
    """Masks of 64 digits and uuids say little."""
    changed = {"apmask": f"{all_but(5)}\n", "aqmask": f"{mask(4, 71)}\n"}
    path = transcript(START, step(1, path=f"/sys/{A}/matrix", changed=changed), place=tmp_path / "t")

    assert list(shown(Transcript.read(path))) == [
        "\n## s: A scenario.",
        "  1 write /sys/mdev-a/matrix '5' -> ok",
        "      apmask: 'all-but[5]\\n'",
        "      aqmask: 'ids[4,71]\\n'",
    ]
    assert list(shown(Transcript.read(path), ["other"])) == []


def test_masks_of_another_length_stay_as_they_are() -> None:
    """They are what was written to see what happens."""
    assert short("0x41 0x" + "f" * 65) == "0x41 0x" + "f" * 65


def test_times_and_chance_are_no_difference(tmp_path: Path) -> None:
    """No two runs take the same time, have the same process ids, or are told in the same step that all is bound."""
    bound = {"ACTION": "change", "BINDINGS": "complete", "COMPLETECOUNT": "29"}
    events = [{"ACTION": "change", "PID": "1"}, bound]
    old = transcript(START, step(1, microseconds=1, uevents=events), place=tmp_path / "old")
    new = transcript(START, step(1, microseconds=2, uevents=[{"ACTION": "change", "PID": "2"}]), place=tmp_path / "new")

    assert differences(Transcript.read(old), Transcript.read(new)) == []
    assert compare(old, new) == 0


def test_every_other_difference_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the scenario, the step and both values."""
    old = transcript(START, step(1), step(2), {**START, "scenario": "gone"}, place=tmp_path / "old")
    new = transcript({**START, "state": {}}, step(1, result="EBUSY", uevents=[{}]), place=tmp_path / "new")

    assert compare(old, new) == 1
    assert capsys.readouterr().out.splitlines() == [
        "gone: only in one",
        "s step 1: result 'ok' / 'EBUSY'; uevents [] / [{}]",
        "s: 2 steps, 1 steps",
        "s: starts from another state",
    ]
