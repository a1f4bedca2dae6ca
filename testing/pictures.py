"""Pictures for tests, and what is seen in one that was drawn."""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from reconciler.picture.cells import Band, Card, Holder, Picture, Row, Shown, Side, runs_of

SVG: Final = "{http://www.w3.org/2000/svg}"


def picture(
    rows: Sequence[Sequence[Shown | None]], names: Sequence[str] = ("a", "b", "c"), side: Side = Side.NOW
) -> Picture:
    """A picture of adapters from 5 on and domains from 4 on, with these cells and holders with these `names`."""
    return Picture(
        host="lpar7",
        side=side,
        about="compared with the manifests",
        holders=tuple(Holder(name, "", f"{name[:1]}{place}", "active") for place, name in enumerate(names)),
        columns=tuple(Band(one, one) for one in range(4, 4 + max(map(len, rows), default=0))),
        rows=tuple(Row(Band(one, one), Card("CEX8", "CCA", "online"), runs_of(row)) for one, row in enumerate(rows, 5)),
        counts={"held": 1},
        present=1,
    )


def parsed(svg: str) -> ET.Element:
    """The SVG `svg`, which stands alone or is embedded, as a program reads it."""
    text = re.sub(r"^<\?xml[^>]*>\s*", "", svg)
    return ET.fromstring(text if "xmlns=" in text else text.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1))


def tooltips(svg: str) -> list[str]:
    """What each cell says where the pointer rests, from left to right and from top to bottom."""
    return [one.text or "" for one in parsed(svg).findall(f".//{SVG}rect/{SVG}title")]


def words(svg: str) -> list[str]:
    """All text that is drawn."""
    return [one.text or "" for one in parsed(svg).iter(f"{SVG}text")]
