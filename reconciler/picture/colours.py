"""The colours of pictures, light and dark, and the arithmetic by which a test holds them apart.

A colour is never the only sign: initials name the holder, and each state has a shape (a hatch, an outline, a mark). The
tints are those of Okabe and Ito, which people with any kind of colour blindness can tell apart, made lighter or darker.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple


class Scheme(NamedTuple):
    """The colours of a picture, each as ``#rrggbb``.

    Attributes:
        page: what lies behind; also that of a free queue.
        ink: text, hatches, outlines and marks upon everything but conflicts.
        faint: text of less weight, upon the page.
        line: what parts two cells.
        tick: what parts two columns of one cell, which need not be seen.
        host: a queue of the host.
        conflict: a queue that several have or claim.
        on_conflict: text, hatches and marks upon a conflict.
        tints: those of the holders, in turn.
    """

    page: str
    ink: str
    faint: str
    line: str
    tick: str
    host: str
    conflict: str
    on_conflict: str
    tints: tuple[str, ...]


LIGHT: Final = Scheme(
    page="#ffffff",
    ink="#1b1f24",
    faint="#59636e",
    line="#5f6872",
    tick="#ffffff",
    host="#e4e7eb",
    conflict="#b3001b",
    on_conflict="#ffffff",
    tints=("#a9d5f5", "#f7d48a", "#a3dcc4", "#f3b9a0", "#dcc3ec", "#f5efa0", "#b9c6e8"),
)
DARK: Final = Scheme(
    page="#14181d",
    ink="#f0f3f6",
    faint="#a3adb8",
    line="#a3adb8",
    tick="#14181d",
    host="#31373e",
    conflict="#ff8585",
    on_conflict="#14181d",
    tints=("#17496e", "#5c4310", "#0f4d3b", "#6b321a", "#4a2f63", "#4b4a12", "#2c3c6b"),
)
SCHEMES: Final = (LIGHT, DARK)
TINTS: Final = len(LIGHT.tints)


def tint_of(holder: int) -> int:
    """Which of the tints the holder with the index `holder` has."""
    return holder % TINTS


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21, as WCAG 2.2 has it: parts of a graphic need 3, small text needs 4.5."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def grey(colour: str) -> str:
    """What is left of `colour` where only grey is shown or printed, as browsers' ``grayscale`` has it."""
    red, green, blue = _parts(colour)
    level = round(255 * (0.2126 * red + 0.7152 * green + 0.0722 * blue))
    return f"#{level:02x}{level:02x}{level:02x}"


def in_grey(scheme: Scheme) -> Scheme:
    """`scheme` where only grey is shown or printed."""
    plain = {name: grey(colour) for name, colour in scheme._asdict().items() if name != "tints"}
    return Scheme(**plain, tints=tuple(map(grey, scheme.tints)))


def _luminance(colour: str) -> float:
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(colour: str) -> Iterator[float]:
    return (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))


def style_of(scheme: Scheme) -> str:
    """The rules of a style sheet that give pictures the colours of `scheme`."""
    fills = {
        "page": scheme.page,
        "host": scheme.host,
        "clash": scheme.conflict,
        **{f"t{number}": tint for number, tint in enumerate(scheme.tints)},
        "ink": scheme.ink,
        "faint": scheme.faint,
        "inverse": scheme.on_conflict,
        "tick": scheme.tick,
    }
    strokes = {"line": scheme.line, "edge": scheme.ink, "inverted": scheme.on_conflict}
    rules = [f".crypto-matrix .{name}{{fill:{colour}}}" for name, colour in fills.items()]
    rules += [f".crypto-matrix .{name}{{stroke:{colour}}}" for name, colour in strokes.items()]
    return "".join(rules)
