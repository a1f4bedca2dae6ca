"""The record of what setups have made: what is not as we write it is refused, since an undo removes what it names."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.setup_services import FILES
from reconciler.model.codec import BadRecord
from reconciler.transaction.setup_record import (
    SERVICES,
    SETUP,
    InstalledService,
    SetUp,
    read_setup,
    write_setup,
)
from reconciler.transaction.state_directory import StateDirectory

MADE = SetUp(
    {"/etc/reconciler/lpar7.yaml": "0" * 64},
    ("/etc/reconciler",),
    (InstalledService("boot", "/etc/systemd/system"),),
    {"etc/udev/rules.d/41-ap.rules": b"rules"},
)


def state_with(folder: Path, *path: str | int, value: object) -> StateDirectory:
    """A state directory with the record, but that the field at `path` has `value`."""
    state = StateDirectory(folder / "state")
    state.prepare()
    write_setup(state, MADE)
    record: Any = json.loads((state.path / SETUP).read_text(encoding="utf-8"))
    holder = record
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    (state.path / SETUP).write_text(json.dumps(record), encoding="utf-8")
    return state


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Every field."""
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    write_setup(state, MADE)

    assert MADE == read_setup(state)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("services", 0, "name"), "tea", "name"),
        (("services", 0, "name"), "../boot", "name"),
        (("services", 0, "directory"), "units", "directory"),
        (("services", 0, "directory"), "/units\0", "directory"),
        (("services", 0, "directory"), "/etc/../etc", "directory"),
        (("folders", 0), "site", "folders"),
        (("folders", 0), "", "folders"),
        (("folders", 0), "/a\0b", "folders"),
        (("manifests",), {"site.yaml": "0" * 64}, "manifests"),
        (("manifests",), {"/a\0b": "0" * 64}, "manifests"),
        (("manifests",), {"/site.yaml": "tea"}, "manifests"),
        (("manifests",), {"/site.yaml": ""}, "manifests"),
        (("bootFiles",), {"/etc/shadow": "AAAA"}, "bootFiles"),
        (("bootFiles",), {"../etc/shadow": "AAAA"}, "bootFiles"),
        (("bootFiles",), {"a\0b": "AAAA"}, "bootFiles"),
    ],
)
def test_what_no_setup_writes_is_refused(
    tmp_path: Path, path: tuple[str | int, ...], value: object, field: str
) -> None:
    """An unknown service, a path that is not absolute or has other ways up, a digest that is none; with the field."""
    with pytest.raises(BadRecord, match=field) as refused:
        read_setup(state_with(tmp_path, *path, value=value))

    assert str(tmp_path / "state" / SETUP) in str(refused.value)


def test_every_service_can_be_recorded() -> None:
    """Those that a setup proposes, and no other."""
    assert set(FILES) == SERVICES
