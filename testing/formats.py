"""The fields of our file formats, a line each: from the types that a codec writes, or from a sample."""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from reconciler.model.codec import Codec, _member

_PLAIN: Final[dict[Any, str]] = {str: "text", bool: "true or false", int: "number", float: "seconds", Any: "anything"}
_OF_JSON: Final = {**_PLAIN, float: "number", NoneType: "null"}


def layout(kind: Any, codec: Codec, texts: Collection[Any] = ()) -> list[str]:
    """The fields of what `codec` writes of values of the type `kind`, each with its type, in their order.

    `texts` are the types that it writes as texts.
    """
    return [f"{path}: {text}" for path, text in _fields(kind, codec, texts, "") if path]


def _fields(kind: Any, codec: Codec, texts: Collection[Any], path: str) -> Iterator[tuple[str, str]]:
    arguments, origin = get_args(kind), get_origin(kind)
    if kind in texts or kind in _PLAIN:
        yield path, "text" if kind in texts else _PLAIN[kind]
    elif origin is Annotated:
        yield from _fields(arguments[0], codec, texts, path)
    elif origin in (Union, UnionType):
        others = [one for one in arguments if one is not NoneType]
        first, *rest = _fields(reduce(or_, others), codec, texts, path)
        yield first[0], f"{first[1]} or null"
        yield from rest
    elif origin is tuple and arguments[-1] is not Ellipsis:
        for number, one in enumerate(arguments):
            yield from _fields(one, codec, texts, f"{path}[{number}]")
    elif origin in (tuple, frozenset):
        yield from _fields(arguments[0], codec, texts, f"{path}[]")
    elif origin is Mapping:
        yield from _fields(arguments[1], codec, texts, f"{path}{{}}")
    elif issubclass(kind, StrEnum):
        yield path, f"one of {', '.join(kind)}"
    else:
        yield path, "object"
        for name, hint in get_type_hints(kind, include_extras=True).items():
            if hint not in codec._omitted:
                yield from _fields(hint, codec, texts, f"{path}.{_member(name)}".removeprefix("."))


def sample_layout(value: object) -> list[str]:
    """The fields of the JSON `value`, each with the types that it has there; the items of a list are taken together."""
    found: dict[str, set[str]] = {}
    _collect(value, "", found)
    return [f"{path}: {' or '.join(sorted(kinds))}" for path, kinds in found.items()]


def _collect(value: object, path: str, found: dict[str, set[str]]) -> None:
    if isinstance(value, dict):
        if path:
            found.setdefault(path, set()).add("object")
        for key, one in value.items():
            _collect(one, f"{path}.{key}".removeprefix("."), found)
    elif isinstance(value, list):
        if not value:
            found.setdefault(path, set()).add("list")
        for one in value:
            _collect(one, f"{path}[]", found)
    else:
        found.setdefault(path, set()).add(_OF_JSON[type(value)])
