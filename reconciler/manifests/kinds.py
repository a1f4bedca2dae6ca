"""What kind of document it is, before anything else is asked of it, and what a misspelt word may have meant."""

from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

from reconciler.manifests.data import Data, Path, error, shown
from reconciler.manifests.schema import API_VERSION, SCHEMA_FILES, Accepted, Forms
from reconciler.model.problems import Place, Position, Problem, several

_FORMAT: Final = f"apiVersion: {API_VERSION}"
_BEGIN: Final = f"A manifest begins with {_FORMAT} and kind: Guest (or Host)."
_KINDS: Final = tuple(SCHEMA_FILES)
_OF_MANIFESTS: Final = ("Host", "Guest")
_MOST_KEYS: Final = 3


class Unclear(NamedTuple):
    """A document that does not say what it is, or not in words that are known.

    Attributes:
        problems: what is wrong with its apiVersion and kind.
        kinds: the kinds that it may have been meant as, keys of `SCHEMA_FILES`; none where it is another program's.
    """

    problems: tuple[Problem, ...]
    kinds: tuple[str, ...] = ()

    def corrected(self, data: Data, kind: str) -> Data:
        """`data` as it would be if it said that it is of `kind`."""
        return {**data, "apiVersion": API_VERSION, "kind": kind} if isinstance(data, dict) else data


def kind_of(data: Data, position: Position, forms: Forms) -> str | Unclear:
    """The kind of the document `data`, a key of `SCHEMA_FILES`; or why it has none, and what it may be nevertheless."""
    if not isinstance(data, dict):
        return Unclear((_problem("not-a-mapping", f"a document should be a mapping, not {shown(data)}", position, ()),))
    kind = data.get("kind")
    is_known = isinstance(kind, str) and kind in SCHEMA_FILES
    if is_known and data.get("apiVersion") == API_VERSION:
        return str(kind)
    version = () if data.get("apiVersion") == API_VERSION else (_wrong_api_version(data, position),)
    if is_known:
        return Unclear(version, (str(kind),))
    kinds, why = _meant(data, forms)
    if version and len(kinds) != 1 and not _may_be_ours(data):
        return Unclear(version)
    return Unclear((*version, _wrong_kind(data, position, why)), kinds)


def _meant(data: Accepted, forms: Forms) -> tuple[tuple[str, ...], str]:
    """The kinds that `data`, which names none that is known, may have been meant as; and why, if that is only one."""
    if near := nearest(data.get("kind"), _KINDS):
        return (near,), f"Did you mean {near!r}?"
    spec = data.get("spec")
    keys = [key for key in spec if any(key in forms.keys(kind) for kind in _KINDS)] if isinstance(spec, dict) else []
    with_all = [kind for kind in _KINDS if forms.keys(kind).issuperset(keys)]
    with_all = [kind for kind in with_all if kind in _OF_MANIFESTS] if len(with_all) > 1 else with_all
    if len(with_all) != 1:
        return _OF_MANIFESTS, ""
    return (with_all[0],), f"Write kind: {with_all[0]}, the only kind whose spec has {several(keys, _MOST_KEYS)}."


def _may_be_ours(data: Accepted) -> bool:
    """Whether `data`, of another apiVersion or none, may be a manifest of ours nevertheless."""
    if "apiVersion" not in data:
        return "metadata" in data or "spec" in data
    version = data["apiVersion"]
    return bool(nearest(version, (API_VERSION,)) or nearest(str(version).partition("/")[0], (_GROUP,)))


_GROUP: Final = API_VERSION.partition("/")[0]


def _wrong_api_version(data: Accepted, position: Position) -> Problem:
    if "apiVersion" not in data:
        return _problem("unknown-api-version", "the document has no apiVersion", position, ())
    version = shown(data["apiVersion"])
    message = f"apiVersion {version} is not known"
    advice = f"Write {_FORMAT}. Documents for other programs belong into another directory."
    return _problem("unknown-api-version", message, position, ("apiVersion",), advice)


def _wrong_kind(data: Accepted, position: Position, why: str) -> Problem:
    if "kind" not in data:
        return _problem("unknown-kind", "the document has no kind", position, (), why)
    known = "" if why.startswith("Write") else f"Known are {', '.join(_KINDS)}."
    advice = " ".join(filter(None, (why, known)))
    return _problem("unknown-kind", f"the kind {shown(data['kind'])} is not known", position, ("kind",), advice)


def _problem(id: str, message: str, position: Position, field: Path, help: str = "") -> Problem:
    return error(id, message, (Place(position, field=field),), help or _BEGIN)


MOST_COMPARED: Final = 100
"""With how many words one is compared: that takes some 20 µs each."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'? `` for the one of `known` that is most like `word`; else empty."""
    near = nearest(word, known)
    return f"Did you mean {near!r}? " if near else ""


def nearest(word: Data, known: Iterable[str]) -> str:
    """The one of `known` that is most like the text `word`, whatever the case; empty where there is none."""
    if not isinstance(word, str):
        return ""
    from difflib import get_close_matches

    lower = {one.lower(): one for one in islice(known, MOST_COMPARED)}
    close = get_close_matches(word[:100].lower(), lower, n=1)
    return lower[close[0]] if close else ""
