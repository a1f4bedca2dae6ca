"""The JSON Schemas that define the form of each kind of document, and whether data has that form."""

import json
import os
from typing import Any, Final, TypeAlias, TypeGuard

from reconciler.manifests.data import Data
from reconciler.manifests.form import Accept, Schema, UnknownKeyword, compile_form

API_VERSION: Final = "reconciler/v1"
"""The only format there is so far."""

SCHEMA_FILES: Final = {
    "Host": "host.schema.json",
    "Guest": "guest.schema.json",
    "SimulatedHost": "simulated-host.schema.json",
}
"""The kinds of document, and the file that defines each."""

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FOLDERS: Final = (os.path.join(_PACKAGE, "schemas"), os.path.join(os.path.dirname(_PACKAGE), "schemas"))
# An installed package has them inside, a source tree beside it. Plain files: importlib.resources takes 20 ms to import.


Accepted: TypeAlias = dict[str, Any]
"""The data of a document that its schema accepts: which keys there may be and of which type is known."""


def schema_text(kind: str) -> str:
    """The schema of `kind`, as JSON text.

    Raises:
        KeyError: there is no such kind.
        FileNotFoundError: the installation lacks the file.
    """
    return schema_file_text(SCHEMA_FILES[kind])


def schema_file_text(name: str) -> str:
    """The content of the file `name` among the schemas.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    for folder in _FOLDERS[:-1]:
        try:
            return _read(os.path.join(folder, name))
        except FileNotFoundError:
            continue
    return _read(os.path.join(_FOLDERS[-1], name))


def load_schema(kind: str) -> Schema:
    """The schema of `kind`, parsed; raises as `schema_text`."""
    schema: Schema = json.loads(schema_text(kind))
    return schema


class Forms:
    """The forms of all kinds, each loaded and compiled when it is first asked for, for the length of one read."""

    def __init__(self) -> None:
        self._accept: dict[str, Accept] = {}

    def accepts(self, data: Data, kind: str) -> TypeGuard[Accepted]:
        """Whether `data` has the form of `kind` (a key of `SCHEMA_FILES`)."""
        accept = self._accept.get(kind)
        if accept is None:
            accept = self._accept[kind] = _compiled(load_schema(kind))
        return accept(data)


def _compiled(schema: Schema) -> Accept:
    try:
        return compile_form(schema)
    except UnknownKeyword:
        # A schema that says more than the fast way knows is checked the slow way rather than half.
        from jsonschema import Draft202012Validator

        return Draft202012Validator(schema).is_valid


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
