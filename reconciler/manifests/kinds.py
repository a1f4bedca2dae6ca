"""What kind of document it is, before anything else is asked of it, and what a misspelt word may have meant."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from reconciler.manifests.data import Data, Path, error, shown
from reconciler.manifests.schema import API_VERSION, SCHEMA_FILES
from reconciler.model.problems import Place, Position, Problem

_FORMAT: Final = f"apiVersion: {API_VERSION}"
_KINDS: Final = "kind: Guest (or Host)"


def kind_of(data: Data, position: Position) -> str | Problem:
    """The kind of the document `data`, a key of `SCHEMA_FILES`; or why it has none that is known."""
    if not isinstance(data, dict):
        return _problem("not-a-mapping", f"a document should be a mapping, not {shown(data)}", position, ())
    if data.get("apiVersion") != API_VERSION:
        return _wrong_api_version(data, position)
    kind = data.get("kind")
    return kind if isinstance(kind, str) and kind in SCHEMA_FILES else _wrong_kind(data, position)


def _wrong_api_version(data: dict[str, Data], position: Position) -> Problem:
    if "apiVersion" not in data:
        return _problem("unknown-api-version", "the document has no apiVersion", position, ())
    version = shown(data["apiVersion"])
    message = f"apiVersion {version} is not known"
    advice = f"Write {_FORMAT}. Documents for other programs belong into another directory."
    return _problem("unknown-api-version", message, position, ("apiVersion",), advice)


def _wrong_kind(data: dict[str, Data], position: Position) -> Problem:
    if "kind" not in data:
        return _problem("unknown-kind", "the document has no kind", position, ())
    kind = data["kind"]
    guess = did_you_mean(kind, SCHEMA_FILES) if isinstance(kind, str) else ""
    advice = f"{guess}Known are {', '.join(SCHEMA_FILES)}."
    return _problem("unknown-kind", f"the kind {shown(kind)} is not known", position, ("kind",), advice)


def _problem(id: str, message: str, position: Position, field: Path, help: str = "") -> Problem:
    begin = f"A manifest begins with {_FORMAT} and {_KINDS}."
    return error(id, message, (Place(position, field=field),), help or begin)


MOST_COMPARED: Final = 100
"""With how many words one is compared: that takes some 20 µs each."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'? `` for the one of `known` that is most like `word`; else empty."""
    from difflib import get_close_matches

    lower = {one.lower(): one for one in islice(known, MOST_COMPARED)}
    close = get_close_matches(word[:100].lower(), lower, n=1)
    return f"Did you mean {lower[close[0]]!r}? " if close else ""
