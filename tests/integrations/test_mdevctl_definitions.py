"""Definitions of mdevctl: read with a clear word on each that is broken, written as mdevctl writes them."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.integrations import mdevctl
from reconciler.integrations.mdevctl import (
    Effect,
    NotADefinition,
    Unusable,
    definition_bytes,
    definition_file,
    parse_definition,
    read_definitions,
)
from reconciler.kernel.text_forms import ap_config_text
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig
from reconciler.model.steps import Definition
from testing.boot_files import remove_definition, write_definition
from testing.holdings import config, uuid

ONE: Final = uuid(1)
IDS: Final = st.integers(0, (1 << 256) - 1).map(IdSet.from_bits)
DEFINITIONS: Final = st.builds(Definition, st.just(ONE), st.builds(ApConfig, IDS, IDS, IDS), st.booleans())

AS_MDEVCTL_WRITES: Final = b"""\
{
  "mdev_type": "vfio_ap-passthrough",
  "start": "auto",
  "attrs": [
    {
      "assign_adapter": "5"
    },
    {
      "assign_adapter": "6"
    },
    {
      "assign_domain": "4"
    },
    {
      "assign_control_domain": "171"
    }
  ]
}"""


def text(attributes: object, **fields: Any) -> bytes:
    """A definition with `attributes`."""
    return json.dumps({"mdev_type": "vfio_ap-passthrough", "start": "manual", "attrs": attributes} | fields).encode()


def define(root: Path, name: str, content: bytes) -> Path:
    """Put a file where mdevctl has its definitions."""
    file = definition_file(root, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_it_is_written_as_mdevctl_writes_it() -> None:
    """Byte for byte: order, decimal numbers as text, no newline at the end."""
    assert AS_MDEVCTL_WRITES == definition_bytes(Definition(ONE, config([6, 5], [4], [0xAB]), autostart=True))


@given(definition=DEFINITIONS)
def test_what_is_written_is_read_back(definition: Definition) -> None:
    """Whatever it holds."""
    assert definition == parse_definition(ONE, definition_bytes(definition))


def test_numbers_may_be_decimal_or_hex_and_in_any_order() -> None:
    """As in definitions that people write."""
    attributes = [{"assign_domain": "0xab"}, {"assign_adapter": "5"}, {"assign_domain": "4"}, {"assign_adapter": "5"}]
    read = parse_definition(ONE, text(attributes))
    assert config([5], [4, 0xAB], []) == read.config


def test_ap_config_discards_what_stands_before_it() -> None:
    """As the kernel's attribute does; what follows is added."""
    whole = ap_config_text(config([5], [4], [7]))
    read = parse_definition(ONE, text([{"assign_adapter": "9"}, {"ap_config": whole}, {"assign_adapter": "6"}]))
    assert config([5, 6], [4], [7]) == read.config


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "no JSON object"),
        (b"9" * 5000, "a number is out of range"),
        (b'{"mdev_type": "i915-GVTg_V5_4", "start": "auto"}', "'i915-GVTg_V5_4', not vfio_ap-passthrough"),
        (b'{"start": "auto"}', 'it has no "mdev_type"'),
        (b'{"mdev_type": "vfio_ap-passthrough"}', 'it has no "start"'),
        (text([], mdev_type=5), "its mdev_type is 5, no text"),
        (text({}), "its attrs are no list"),
        (text(["assign_adapter"]), r"attrs\[0\]: not an object with one key"),
        (text([{"assign_adapter": "5", "assign_domain": "4"}]), r"attrs\[0\]: not an object with one key"),
        (text([{"assign_adapter": "5"}, {"assign_adapter": 5}]), r"attrs\[1\]: the value of 'assign_adapter'"),
        (text([{"assign_adapter": "256"}]), r"attrs\[0\]: '256' is above 255"),
        (text([{"assign_adapter": "5,6"}]), "'5,6' is not a number"),
        (text([{"reassign_adapter": "5"}]), "a device has no attribute 'reassign_adapter'"),
        (text([{"guest_matrix": "5"}]), "'guest_matrix' can only be read"),
        (text([{"remove": "1"}]), "what 'remove' does is not known"),
        (text([{"ap_config": "0x8,0x8"}]), "ap_config has 2 masks, not 3"),
        (text([{"ap_config": "0x8,0X8,0x8"}]), "'0X8' is not a mask"),
        (text([{"\ud800": "5"}]), "half of a surrogate pair"),
    ],
)
def test_what_cannot_be_used_says_why(content: bytes, reason: str) -> None:
    """Broken, foreign and hostile ones."""
    with pytest.raises(NotADefinition, match=reason):
        parse_definition(ONE, content)


@given(content=st.binary(max_size=300) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_whatever_a_file_has_is_read_or_refused(content: bytes) -> None:
    """Nothing else happens."""
    with suppress(NotADefinition):
        parse_definition(ONE, content)


def test_the_folder_is_read_by_uuid_and_the_broken_ones_are_named(tmp_path: Path) -> None:
    """One broken file does not keep the others from being read, as it does in mdevctl."""
    broken = define(tmp_path, uuid(2), b"{")
    define(tmp_path, uuid(3), text([]))
    define(tmp_path, ONE, AS_MDEVCTL_WRITES)
    define(tmp_path, ".something.new", b"{")
    capitals = define(tmp_path, uuid(0xA).upper(), b"{")
    define(tmp_path, f"{uuid(5)}.json", b"{")
    define(tmp_path, f"{{{uuid(6)}}}", text([]))

    read = read_definitions(tmp_path)

    assert [ONE, uuid(3), uuid(6)] == [one.uuid for one in read.found]
    told = {one.file: one.effect for one in read.unusable}
    assert (Effect.STOPS_ALL, Effect.STOPS_ALL) == (told.pop(str(broken)), told.pop(str(capitals)))
    assert [Effect.PASSED_OVER] == list(told.values())
    assert "it is not JSON" in str(read.unusable[0])


def test_two_files_for_one_device_are_told(tmp_path: Path) -> None:
    """Mdevctl starts whichever comes first in the directory."""
    define(tmp_path, uuid(0xA), text([]))
    second = define(tmp_path, uuid(0xA).upper(), text([]))

    read = read_definitions(tmp_path)

    assert [uuid(0xA)] == [one.uuid for one in read.found]
    assert {str(second), str(second.with_name(uuid(0xA)))} >= {one.file for one in read.unusable}
    assert [f"another file defines device {uuid(0xA)} as well"] == [
        one.reason.partition(",")[0] for one in read.unusable
    ]


def test_no_folder_is_no_definition(tmp_path: Path) -> None:
    """A host without mdevctl."""
    assert ((), ()) == read_definitions(tmp_path)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "etc/mdevctl.d").mkdir(parents=True)
    (tmp_path / "etc/mdevctl.d/matrix").write_text("")
    assert read_definitions(tmp_path).unusable == (Unusable(str(tmp_path / "etc/mdevctl.d/matrix"), "Not a directory"),)


def test_pipes_folders_and_huge_files_are_not_read(tmp_path: Path) -> None:
    """Each is told, and nothing waits."""
    huge = define(tmp_path, uuid(1), b" " * ((1 << 20) + 1))
    os.mkfifo(huge.with_name(uuid(2)))
    huge.with_name(uuid(3)).mkdir()
    huge.with_name(uuid(4)).symlink_to(uuid(4))
    huge.with_name(uuid(5)).symlink_to("nowhere")

    told = [one.reason for one in read_definitions(tmp_path).unusable]

    assert ["it has more than 1,048,576 bytes", *["it is no regular file"] * 2, *["it is a link"] * 2] == told


def test_only_as_many_as_there_can_be_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is told."""
    monkeypatch.setattr(mdevctl, "MOST_DEFINITIONS", 1)
    define(tmp_path, uuid(1), text([]))
    define(tmp_path, uuid(2), text([]))

    read = read_definitions(tmp_path)

    assert 1 == len(read.found)
    assert "it has 2 files" in read.unusable[0].reason


def test_a_definition_is_written_and_removed(tmp_path: Path) -> None:
    """Its folder is made, others can read it, and no temporary file stays."""
    write_definition(tmp_path, Definition(ONE, EMPTY_CONFIG, autostart=False))
    write_definition(tmp_path, Definition(ONE, config([6, 5], [4], [0xAB]), autostart=True))
    file = definition_file(tmp_path, ONE)

    assert AS_MDEVCTL_WRITES == file.read_bytes()
    assert 0o644 == file.stat().st_mode & 0o777
    assert [file] == list(file.parent.iterdir())

    remove_definition(tmp_path, ONE)
    remove_definition(tmp_path, ONE)
    assert [] == list(file.parent.iterdir())


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it fails; and the temporary name is no uuid."""
    write_definition(tmp_path, Definition(ONE, EMPTY_CONFIG, autostart=False))
    file = definition_file(tmp_path, ONE)
    before = file.read_bytes()
    seen: list[str] = []

    def refuse(source: Path, target: Path) -> None:
        seen.append(source.name)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_definition(tmp_path, Definition(ONE, config([5], [4]), autostart=True))

    assert [f".{ONE}.new"] == seen
    assert before == file.read_bytes()
    assert [file] == list(file.parent.iterdir())


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    """What it leads to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    file = definition_file(tmp_path, ONE)
    file.parent.mkdir(parents=True)
    file.with_name(f".{ONE}.new").symlink_to(victim)

    write_definition(tmp_path, Definition(ONE, EMPTY_CONFIG, autostart=False))

    assert "precious" == victim.read_text()
