"""Markup of SVG and HTML, in which every text from outside is shown as text."""

import re
from functools import lru_cache
from typing import Final

from reconciler.model.printable import escaped

_SPECIAL: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_VOID: Final = frozenset({"meta", "br", "hr", "col"})
_EMPTY: Final = frozenset({"rect", "path", "line", "use"})


class Markup(str):
    """Text that is markup already, and is not escaped again; only functions of this module make it of other text."""

    __slots__ = ()


def text(value: object) -> Markup:
    """`value` as text: what markup means something by is escaped, and so is each character that people cannot see.

    So are the characters that XML does not allow, marks that turn the direction of text, and halves of characters.
    """
    words = str(value)
    # Most texts are names and numbers, and there are thousands of them.
    return Markup(words if re.fullmatch(_PLAIN, words) else escaped(words).translate(_SPECIAL))


_PLAIN: Final = r"[ !#-%(-;=?-~]*"


def element(name: str, /, *content: str, **attributes: object) -> Markup:
    """An element.

    Args:
        name: of the element.
        content: what is in it; a plain text is escaped, `Markup` is not.
        attributes: by name, and escaped likewise; an underscore is a dash, one at the end is left out (``class_``), and
            so is an attribute that is None.
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            words.append(f'{_attribute(key)}="{_value(value)}"')
    start = " ".join(words)
    if name in _VOID:
        return Markup(f"<{start}>")
    if name in _EMPTY and not content:
        return Markup(f"<{start}/>")
    return Markup(f"<{start}>{joined(*content)}</{name}>")


def _value(value: object) -> str:
    if type(value) is int or isinstance(value, Markup):
        return str(value)
    return f"{value:g}" if type(value) is float else text(value)


@lru_cache(maxsize=256)
def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def joined(*parts: str) -> Markup:
    """`parts` one after the other; a plain text is escaped, `Markup` is not."""
    return Markup("".join(one if isinstance(one, Markup) else text(one) for one in parts))


def cut(words: str, most: int) -> str:
    """`words`, of which at most `most` characters are left."""
    return words if len(words) <= most else f"{words[: most - 1]}…"
