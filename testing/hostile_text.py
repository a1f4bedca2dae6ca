"""Text that others chose to do harm, and what of it must never be seen in output."""

import unicodedata

from hypothesis import strategies as st

_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_SELECTORS = frozenset((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x180B, 0x1810)))

CHARACTERS = (
    "\n", "\r", "\t", "\x00", "\x07", "\x08", "\x1b[31m", "\x1b[2J", "\x1b]0;title\x07", "\x7f", "\x85", "\x9b2J",
    "\u061c", "\u200b", "\u200d", "\u200e", "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069",
    "\ufeff", "\ufe0f", "\U000e0041", "\U000e0100", "\ue000", "\uffff", "\udcff", "\udc80\udcfe", "\n::error::x",
    "\r::warning::x", "##[error]x", "\n##vso[x]", "`", "|", "<b>", "a", "%", "\\", '"', "'", " ", "[", "{", ":", "#",
)  # fmt: skip

HOSTILE = st.lists(st.sampled_from(CHARACTERS), min_size=1, max_size=6).map("".join)
"""Every kind of character that moves a cursor, hides, reverses or ends text, and surrogates for bytes."""


def unsafe_characters(text: str) -> set[str]:
    """What of `text` people cannot see, or that programs act on."""
    return {one for one in text if unicodedata.category(one) in _INVISIBLE or ord(one) in _SELECTORS}


def unsafe_output(text: str) -> list[str]:
    """What is wrong with `text` as output; line feeds are the only controls that may be there."""
    wrong = [repr(one) for one in sorted(unsafe_characters(text) - {"\n"})]
    wrong += [line for line in text.split("\n") if line.lstrip().startswith("::")]
    return wrong + [line for line in text.split("\n") if "##[" in line or "##vso[" in line]
