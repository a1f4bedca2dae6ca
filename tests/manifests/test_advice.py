"""What a problem's help says to write is accepted when it is written."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.site import read_site

HOST = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"
GUEST = """---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: NAME}
spec: {FIELDS}
"""
FIELDS = {"adapters": "[5]", "domains": "[4]"}
IDS = ("adapters", "domains", "controlDomains")
WRITTEN = re.compile(r"[Ww]rite (\[.*?\]|\"[^\"]*\"|[\w-]+)(?:\.| if|, in|$)")


def problems(folder: Path, name: str = "a", **fields: str) -> list[tuple[str, str]]:
    """The ids and the helps of what is wrong with a guest with `fields`."""
    file = folder / "site.yaml"
    text = ", ".join(f"{key}: {value}" for key, value in {**FIELDS, **fields}.items())
    file.write_text(HOST + GUEST.replace("NAME", name).replace("FIELDS", text), encoding="utf-8")
    return [(one.id, one.help) for one in read_site([file]).problems]


def advice(found: list[tuple[str, str]]) -> list[str]:
    """What to write instead, as the helps say it."""
    return [one for _, text in found for one in WRITTEN.findall(text) if one not in {"a", "whole", "it", "32"}]


VALUES = [
    "all",
    "ALL",
    "any",
    "'*'",
    "5",
    "0x47",
    "5-6",
    "'5,6'",
    "'5, 0x6'",
    "'5 6'",
    "none",
    "300",
    "6-5",
    "'9-4, 5'",
    "'05'",
    "''",
    "-1",
]


@pytest.mark.parametrize("field", IDS)
@pytest.mark.parametrize("value", VALUES)
def test_a_list_that_the_help_writes_is_accepted(tmp_path: Path, field: str, value: str) -> None:
    """For what people write instead of a list of ids."""
    found = problems(tmp_path, **{field: value})

    assert found
    for written in advice(found):
        assert problems(tmp_path, **{field: written}) == [], (value, written)


@pytest.mark.parametrize("field", IDS)
def test_all_is_every_id(tmp_path: Path, field: str) -> None:
    """The issue's own words."""
    assert advice(problems(tmp_path, **{field: "all"})) == ["[0-255]"]


@given(st.from_regex(r"\A(?:0x)?[0-9a-fA-F]{1,4}(?:[-:]|\.\.)?(?:0x)?[0-9a-fA-F]{0,4}\Z"))
def test_an_id_that_the_help_writes_is_accepted(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    """Numbers and ranges of every form, alone and in a list."""
    folder = tmp_path_factory.getbasetemp()
    for form in (f"['{value}']", f"'{value}'"):
        for written in advice(problems(folder, adapters=form)):
            entry = written if written.startswith("[") else f"[{written}]"
            assert problems(folder, adapters=entry) == [], (form, written)


@pytest.mark.parametrize("name", ["5", "-5", "true", "7.0", "1e3", "0x10"])
def test_a_name_that_the_help_writes_is_accepted(tmp_path: Path, name: str) -> None:
    """Where something else than text stands there."""
    for written in advice(problems(tmp_path, name)):
        assert problems(tmp_path, written) == [], (name, written)


@pytest.mark.parametrize("queues", ["05.0004", "'05.0004'", "'05.0004,05.0005'", "all", "5"])
def test_queues_that_the_help_writes_are_accepted(tmp_path: Path, queues: str) -> None:
    """A list of one, or of those that were written with commas."""
    text = HOST + "---\napiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: a}\nspec: {queues: %s}\n"
    file = tmp_path / "site.yaml"
    file.write_text(text % queues, encoding="utf-8")
    found = [(one.id, one.help) for one in read_site([file]).problems]
    for written in advice(found):
        if written.startswith("["):
            file.write_text(text % written, encoding="utf-8")
            assert read_site([file]).problems == (), written
