"""The schemas, where they are found, and what becomes of one that says more than the quick way knows."""

import json
from pathlib import Path

import pytest

from reconciler.manifests import schema
from reconciler.manifests.schema import Forms, load_schema, schema_text


def test_schemas_of_the_source_tree_are_found() -> None:
    """In a source tree, the schemas stand beside the package."""
    assert json.loads(schema_text("Guest")) == load_schema("Guest")
    assert load_schema("Host")["title"] == "Host"


def test_schemas_of_an_installed_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wheel, they travel inside of it."""
    (tmp_path / "host.schema.json").write_text('{"title": "inside"}')
    monkeypatch.setattr(schema, "_FOLDERS", (str(tmp_path), schema._FOLDERS[1]))

    assert load_schema("Host") == {"title": "inside"}
    assert load_schema("Guest")["title"] == "Guest"


def test_unknown_kinds_have_no_schema() -> None:
    """There is nothing to guess."""
    with pytest.raises(KeyError):
        schema_text("Gest")


def test_a_schema_that_says_more_is_checked_the_slow_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyword that the quick way does not know still holds."""
    (tmp_path / "host.schema.json").write_text('{"not": {"required": ["a"]}}')
    monkeypatch.setattr(schema, "_FOLDERS", (str(tmp_path), schema._FOLDERS[1]))
    forms = Forms()

    assert forms.accepts({}, "Host")
    assert not forms.accepts({"a": 1}, "Host")
