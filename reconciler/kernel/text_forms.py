"""The kernel's text forms of masks and matrices, in both directions.

Sources: ap_bus.c (masks), vfio_ap_ops.c (matrix, control_domains, ap_config); docs/kernel-rules.md has the rules
and how they were seen. What the kernel accepts when *written* is wider; the simulator has that.
"""

import re
from functools import lru_cache
from typing import Final

from reconciler.model.errors import HostError
from reconciler.model.ids import ID_COUNT, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix, Queue

MOST_SHOWN: Final = 511
"""How many queues of a device the kernel surely shows: a read returns a page, and what does not fit is cut without a
sign (vfio_ap_ops.c; a line has 8 bytes)."""

_MASK: Final = re.compile(r"0x([0-9a-f]{64})")
_QUEUE: Final = re.compile(r"([0-9a-f]{2})\.([0-9a-f]{4})")
_HALF_QUEUE: Final = r"(?:([0-9a-f]{2})\.|\.([0-9a-f]{4}))"
_DOMAIN: Final = r"([0-9a-f]{4})"


class UnknownText(HostError, ValueError):
    """The kernel answered with a text of none of the known forms."""


# Guests share adapters and domains: the same few masks are the texts of thousands of them.
@lru_cache(maxsize=4096)
def mask_text(ids: IdSet) -> str:
    """`ids` as a mask of full width: ``0x`` and 64 hex digits, id 0 leftmost, without a newline."""
    return f"0x{int(f'{ids.bits:0{ID_COUNT}b}'[::-1], 2):064x}"


@lru_cache(maxsize=4096)
def parse_mask(text: str) -> IdSet:
    """The ids of a mask as the kernel shows it: ``0x``, 64 lower-case hex digits, at most one newline.

    Raises:
        UnknownText: `text` has another form.
    """
    found = _MASK.fullmatch(text.removesuffix("\n"))
    if not found:
        raise UnknownText(f"not a mask of 64 hex digits: {text[:80]!r}")
    return IdSet.from_bits(int(f"{int(found[1], 16):0{ID_COUNT}b}"[::-1], 2))


def matrix_text(matrix: Matrix) -> str:
    """`matrix` as the kernel shows it: a line ``05.0047`` for each queue.

    An adapter without any domain gives ``05.``, a domain without any adapter ``.0047``, nothing an empty text.
    """
    if matrix.is_empty:
        halves = [f"{adapter:02x}." for adapter in matrix.adapters] or [f".{domain:04x}" for domain in matrix.domains]
        return "".join(f"{half}\n" for half in halves)
    return "".join(f"{queue}\n" for queue in matrix.queues())


def parse_matrix(text: str) -> Matrix:
    """The matrix that the kernel shows as `text`.

    Raises:
        UnknownText: a line has another form, or the lines are no full product (a read that was cut).
    """
    adapters, domains, count = 0, 0, 0
    for line in text.splitlines():
        if full := _QUEUE.fullmatch(line):
            adapters |= 1 << _id(full[1])
            domains |= 1 << _id(full[2])
            count += 1
        elif half := re.fullmatch(_HALF_QUEUE, line):
            adapters |= 1 << _id(half[1]) if half[1] else 0
            domains |= 1 << _id(half[2]) if half[2] else 0
        else:
            raise UnknownText(f"not a line of a matrix: {line[:80]!r}")
    matrix = Matrix(IdSet.from_bits(adapters), IdSet.from_bits(domains))
    if count != matrix.size:
        raise UnknownText(f"{count} queues are no product of {len(matrix.adapters)} × {len(matrix.domains)}")
    return matrix


def control_domains_text(domains: IdSet) -> str:
    """`domains` as the kernel shows control domains: a line ``0047`` each."""
    return "".join(f"{domain:04x}\n" for domain in domains)


def parse_control_domains(text: str) -> IdSet:
    """The control domains that the kernel shows as `text`.

    Raises:
        UnknownText: a line has another form.
    """
    bits = 0
    for line in text.splitlines():
        found = re.fullmatch(_DOMAIN, line)
        if not found:
            raise UnknownText(f"not a control domain: {line[:80]!r}")
        bits |= 1 << _id(found[1])
    return IdSet.from_bits(bits) if bits else NO_IDS


def ap_config_text(config: ApConfig) -> str:
    """`config` as ``ap_config`` has it: the masks of adapters, domains and control domains, comma between."""
    return ",".join(mask_text(ids) for ids in config)


def parse_ap_config(text: str) -> ApConfig:
    """The configuration that ``ap_config`` shows as `text`.

    Raises:
        UnknownText: `text` is not three full masks.
    """
    fields = text.removesuffix("\n").split(",")
    if len(fields) != len(ApConfig._fields):
        raise UnknownText(f"not three masks: {text[:80]!r}")
    return ApConfig(*(parse_mask(field) for field in fields))


def parse_queue(text: str) -> Queue:
    """The queue written as `text`, for example ``05.0047``: hex, two digits, dot, four digits.

    Raises:
        UnknownText: `text` has another form or an id above 255.
    """
    found = _QUEUE.fullmatch(text)
    if not found:
        raise UnknownText(f"not a queue: {text[:80]!r}")
    adapter, domain = int(found[1], 16), int(found[2], 16)
    if domain >= ID_COUNT:
        raise UnknownText(f"{found[2]} is above the highest id, 00ff")
    return Queue(adapter, domain)


def _id(digits: str) -> int:
    number = int(digits, 16)
    if number >= ID_COUNT:
        raise UnknownText(f"{digits} is above the highest id, 00ff")
    return number
