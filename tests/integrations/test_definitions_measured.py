"""Definitions mean to us what they mean to the real mdevctl, by a table that was recorded from it.

`tests/mount/test_definitions.py` runs the mdevctl of this machine against the same table.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.doctor.boot import definition_findings
from reconciler.integrations.mdevctl import Effect, definition_file, read_definitions, uuid_of
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_MATRIX, ApConfig

TABLE: Final[list[dict[str, Any]]] = json.loads(Path(__file__).with_name("definitions_measured.json").read_text())[
    "definitions"
]
LIMITS_OF_THE_MACHINE: Final = {"domain 85", "unassign above"}
NOT_KNOWN_TO_US: Final = {
    "attribute path",
    "attribute dot",
    "attribute uevent",
    "attribute empty name",
    "attribute power",
}


def put(root: Path, row: dict[str, Any]) -> Path:
    """The file of `row` below `root`."""
    file = definition_file(root, row["file"])
    file.parent.mkdir(parents=True)
    file.write_bytes(row["content"].encode("utf-8", "surrogateescape"))
    return file


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_a_definition_means_what_it_means_to_mdevctl(tmp_path: Path, row: dict[str, Any]) -> None:
    """Whether others start beside it, whether it starts at boot, and what its device has."""
    put(tmp_path, row)

    read = read_definitions(tmp_path)

    assert row["others"] is not any(one.effect is Effect.STOPS_ALL for one in read.unusable)
    if row["name"] in NOT_KNOWN_TO_US | {"attribute remove"}:
        assert [Effect.UNKNOWN] == [one.effect for one in read.unusable]
    elif row["config"]:
        (found,) = read.found
        assert uuid_of(row["file"]) == found.uuid
        assert (ApConfig(*map(IdSet, row["config"])), row["boots"]) == (found.config, found.autostart)
    elif row["name"] not in LIMITS_OF_THE_MACHINE and not row["file"].startswith("."):
        assert () == read.found
        assert len(read.unusable) == 1


@pytest.mark.parametrize("row", [row for row in TABLE if not row["others"]], ids=lambda row: row["name"])
def test_one_broken_file_starts_nothing(tmp_path: Path, row: dict[str, Any]) -> None:
    """The finding names the file, and no other finding claims that a device starts."""
    file = put(tmp_path, row)

    read = read_definitions(tmp_path)

    (found,) = definition_findings(read, EMPTY_MATRIX)
    assert ("broken-definition", True) == (found.id, str(file) in found.what)
    assert () == read.starting
