"""Damages JSON, as disks, editors, other versions and other people do: at the level of bytes, text and values."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

HOSTILE: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    1e308,
    -1e308,
    2.5,
    10**30,
    10**400,
    253402300800,
    "",
    "x",
    "\ud800",
    "\x1b[31m\r\n\u202e\U000e0041",
    "../../../etc/passwd",
    "a" * 70_000,
    [],
    {},
    [[]],
    {"": {}},
    ["\x00"],
)
"""Values that a field may have been given."""

_DEEP: Final = 100_000


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within `value`, itself first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inner:
        yield from places(one, (*path, step))


def changed(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """A copy of `value` in which `change` was made to what holds the value at `path` (not empty)."""
    copy = json.loads(json.dumps(value))
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
    change(holder, path[-1])
    return copy


def damaged(content: bytes, random: Random) -> bytes:
    """`content`, JSON in one line or several, with one damage."""
    return random.choice((_with_value, _with_value, _with_value, _without, _with_key, _as_text, _as_bytes))(
        content, random
    )


def _with_value(content: bytes, random: Random) -> bytes:
    def put(holder: Any, step: Any) -> None:
        holder[step] = random.choice(HOSTILE)

    return _changed_line(content, random, put)


def _without(content: bytes, random: Random) -> bytes:
    def take(holder: Any, step: Any) -> None:
        del holder[step]

    return _changed_line(content, random, take)


def _with_key(content: bytes, random: Random) -> bytes:
    def add(holder: Any, step: Any) -> None:
        if isinstance(holder, dict):
            holder[random.choice(("", "formatVersion", "\u202eextra", "x" * 300))] = holder[step]
        else:
            holder.append(holder[step])

    return _changed_line(content, random, add)


def _changed_line(content: bytes, random: Random, change: Callable[[Any, Any], None]) -> bytes:
    """The first value of `content` changed at one place; a journal has more lines, which stay."""
    first, newline, rest = content.partition(b"\n") if b'\n{"step": 1}\n' in content else (content, b"", b"")
    value = json.loads(first)
    inner = [path for path in places(value) if path]
    if not inner:
        return b"null"
    return json.dumps(changed(value, random.choice(inner), change)).encode() + newline + rest


def _as_text(content: bytes, random: Random) -> bytes:
    """What a JSON reader of another kind might take."""
    number = random.choice((b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"9" * 5000))
    at = content.find(b":", random.randrange(len(content) or 1))
    open_, close = random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return random.choice(
        (
            content[: at + 1] + number + content[content.find(b",", at) :],
            content.replace(b"{", b'{"generation": 7, "generation": 8, ', 1),
            content[: at + 1] + open_ * _DEEP + b"1" + close * _DEEP + content[content.find(b",", at) :],
            open_ * _DEEP,
            content[: at + 1] + open_ * 900 + b"1" + close * 900 + content[content.find(b",", at) :],
            b"\xef\xbb\xbf" + content,
            content.decode().encode("utf-16"),
            content * 2,
        )
    )


def _as_bytes(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return random.choice(
        (
            b"",
            b"\0" * len(content),
            content[:at],
            content[:at] + bytes([random.randrange(256)]) + content[at + 1 :],
            content[:at] + b"\xff\xfe" + content[at:],
            content[at:] + content[:at],
        )
    )
