"""What is written in a walk: the right texts in all their forms, and nearly right ones."""

from typing import Final

from kernel.walks.chance import Chance
from kernel.walks.universe import ADAPTERS, DOMAINS, HARDWARE

_BITS: Final = 256
_ALL: Final = (1 << _BITS) - 1
_ODD: Final = " ,+-x0X9\n\0:;.gä"
_EDGES: Final = (0, 8, 84, 85, 255, 256, 1 << 32, 1 << 64)
_SHORT_MASKS: Final = ("0x", "\n", "", "0", "0x0", "0x0\n", "5", "04", "0x04", "0x0C", "0x06", "0xFFf", "F" * 64)
_NO_MASKS: Final = (
    "0X04", "+", "-", "+-5", "-5,6", "-5, -6", ",-5", "-5,,-6", "-5\n-6", "-5-6", "-6-5", "+256", "-0-255", "+0-255",
    f"0x{'0' * 65}", f"{'f' * 65}", "+5," * 1500, "-5-", "-08", "-0x", "garbage", "*", "-5+6", "+0x5-0x9", "-05-011",
    "-5\0+5", "+5\n\n", "-4294967301", "-18446744073709551621",
)  # fmt: skip


def mask_text(ids: list[int]) -> str:
    """The absolute mask of `ids`, in full."""
    return f"0x{sum(1 << _BITS - 1 - one for one in ids):064x}"


ALL_ONES: Final = f"0x{_ALL:064x}"
"""The mask of everything."""


def pool_mask(chance: Chance, ids: tuple[int, ...]) -> str:
    """A text for apmask or aqmask that is mostly about `ids`."""
    kind = chance.weighed(
        [(38, "relative"), (10, "all"), (12, "all but"), (10, "only"), (8, "short"), (11, "odd"), (11, "spoilt")]
    )
    if kind == "all":
        return f"{ALL_ONES}{_end(chance)}"
    if kind == "all but":
        return f"{_all_but(chance.some_of(ids))}{_end(chance)}"
    if kind == "only":
        return f"{mask_text(chance.some_of(ids))}{_end(chance)}"
    if kind == "short":
        return chance.one_of(_SHORT_MASKS)
    if kind == "odd":
        return chance.one_of(_NO_MASKS)
    text = _relative(chance, ids)
    return text if kind == "relative" else spoilt(chance, chance.one_of((text, _all_but(chance.some_of(ids)))))


def number(chance: Chance, ids: tuple[int, ...]) -> str:
    """A text for an attribute that takes one id; mostly one of `ids`."""
    one = chance.one_of(_EDGES) if chance.happens(8) else chance.one_of(ids)
    text = _written(chance, one)
    if chance.happens(8):
        text = f"{chance.one_of('+- -')}{text}"
    return spoilt(chance, text) if chance.happens(8) else f"{text}{_end(chance)}"


def ap_config(chance: Chance) -> str:
    """A text for ap_config: mostly three masks of some of what there is."""
    masks = [mask_text(chance.some_of(ids)) for ids in (ADAPTERS, DOMAINS, DOMAINS)]
    kind = chance.weighed([(70, "full"), (10, "forms"), (8, "fields"), (6, "edges"), (6, "spoilt")])
    if kind == "forms":
        masks = [chance.one_of((one, one[2:], one.upper().replace("0X", "0x"), "", "0x", "0x04")) for one in masks]
    elif kind == "fields":
        masks = [*masks, mask_text([5]), ""][: 1 + chance.below(5)]
    elif kind == "edges":
        axis = chance.below(3)
        masks[axis] = mask_text([chance.one_of((63, 64, 84, 85, 255))])
    text = ("\n" if chance.happens(4) else ",").join(masks)
    return spoilt(chance, text) if kind == "spoilt" else f"{text}{_end(chance)}"


def uuid(chance: Chance, one: str) -> str:
    """A text for create, mostly the uuid `one`."""
    if chance.happens(8):
        return spoilt(chance, one)
    return chance.weighed([(70, one), (15, f"{one}\n"), (8, one.upper()), (3, f"{one} "), (2, f"{one}\n\n"), (2, "")])


def name(chance: Chance, names: tuple[str, ...]) -> str:
    """A text for a file that takes the name of a device; mostly one of `names`."""
    one = chance.one_of(names)
    return spoilt(chance, one) if chance.happens(8) else f"{one}{_end(chance)}"


def switch(chance: Chance) -> str:
    """A text for an attribute that is 0 or 1."""
    return chance.weighed(
        [(40, "1"), (40, "0"), (5, "1\n"), *((2, one) for one in ("2", "-1", "", "x", "+1", " 0", "0x1", "1x", "01"))]
    )


def spoilt(chance: Chance, text: str) -> str:
    """`text` with one character put in, taken out or replaced somewhere."""
    place = chance.below(len(text) + 1)
    inserted = chance.one_of(_ODD) if chance.happens(70) else ""
    return f"{text[:place]}{inserted}{text[place + chance.below(2) :]}"


def too_high(axis: str) -> int:
    """The lowest id above the machine's limit: ``adapter`` or ``domain``."""
    limit = HARDWARE[f"max_{axis}"]
    assert isinstance(limit, int)
    return limit + 1


def _relative(chance: Chance, ids: tuple[int, ...]) -> str:
    items = [_item(chance, ids) for _ in range(1 + chance.below(3))]
    return f"{','.join(items)}{chance.weighed([(80, ''), (12, chr(10)), (8, ',')])}"


def _item(chance: Chance, ids: tuple[int, ...]) -> str:
    first, last = sorted((chance.one_of(ids), chance.one_of(ids)))
    end = f"-{_written(chance, last)}" if chance.happens(20) else ""
    return f"{chance.one_of('+-')}{_written(chance, first)}{end}"


def _written(chance: Chance, one: int) -> str:
    return chance.weighed(
        [(60, str(one)), (15, f"0x{one:x}"), (5, f"0X{one:X}"), (10, f"0{one:o}"), (5, f"0x{one:04x}")]
    )


def _all_but(ids: list[int]) -> str:
    return f"0x{_ALL ^ int(mask_text(ids), 16):064x}"


def _end(chance: Chance) -> str:
    return "\n" if chance.happens(25) else ""
