"""The attribute that changes a whole matrix with one write."""

from collections.abc import Iterable
from typing import Final

from .recording import ALL_ONES, Recording
from .state import BUS, text_of
from .words import EMPTY, A, B, create, give_away, mask, mdev

_M5, _M6 = mask(5), mask(6)


def _config(adapters: Iterable[int] = (), domains: Iterable[int] = (), control: Iterable[int] = ()) -> str:
    return f"{mask(*adapters)},{mask(*domains)},{mask(*control)}"


_GOOD: Final = _config([5], [4], [4])
_GOOD_ONES: Final = (
    _GOOD, f"{_GOOD}\n", f"{_config([5, 6], [4, 5], [4, 5, 0x47])}\n", _config([6], [5]), _config(), _config([5, 6]),
    _config([], [4]), _GOOD,
)  # fmt: skip
_STRANGE_ONES: Final = (
    "", "\n", "garbage", ",", ",,", _M6, f"{_M6},{_M5}", f"{_M6},{_M5},", f"{_M6},,{_M5}", f",{_M5},{_M5}",
    f"{_M6} {_M5} {_M5}", f"{_M6}, {_M5}, {_M5}", f"{_M6},{_M5},{_M5},", f"{_M6},{_M5},{_M5},{_M5}",
    f"{_M6},{_M5},{_M5}x", f"{_M6}\n{_M5}\n{_M5}\n", f"{_M6[2:]},{_M5[2:]},{_M5[2:]}", "0x1,0x1,0x1",
    "0x02,0x04,0x04", "0x0,0x0,0x0", "+6,+5,+5", "-5,-4,-4", f"{_M6}0,{_M5},{_M5}", "0x,0x,0x",
    f"{_M6},{_M5},garbage", f"garbage,{_M5},{_M5}", _config([8], [5], [5]), _config([6, 8], [5], [5]),
    _config([6], [6], [5]), _config([6], [5, 6], [5]), _config([6], [5], [0x48]), _config([6], [5], [84]),
    _config([6], [5], [85]), _config([6], [85], [5]), _config([6], [255], [5]), _config([255], [5], [5]),
    f"{ALL_ONES},{ALL_ONES},{ALL_ONES}", _GOOD.upper().replace("0X", "0x"), _GOOD.upper(),
)  # fmt: skip


def ap_config(rec: Recording) -> None:
    """The atomic ap_config attribute (newer kernels only)."""
    give_away(rec, "-5,-6,-7", "-4,-5")
    create(rec, A, B)
    path = mdev(A, "ap_config")
    rec.read(path)
    for value in _GOOD_ONES:
        rec.write(path, value, settle=True)
    rec.read(path)
    for value in _STRANGE_ONES:  # each from the same start; does an error leave that alone?
        rec.write(path, value, settle=True)
        if text_of(path) != f"{_GOOD}\n":
            rec.write(path, _GOOD, settle=True)
    _two_devices(rec)
    rec.write(mdev(A, "unassign_adapter"), "5")
    rec.read(path)
    rec.write(f"{BUS}/apmask", "+6", settle=True)
    rec.write(path, f"{mask(7)},{_M5},{EMPTY}\n", settle=True)
    rec.write(f"{BUS}/apmask", "+6", settle=True)


def _two_devices(rec: Recording) -> None:
    path, other = mdev(A, "ap_config"), mdev(B, "ap_config")
    rec.write(other, _GOOD, note="A has these queues")
    rec.write(other, _config([5, 6], [5], [4]))
    rec.write(other, _config([5, 6], [4, 5], [4]))
    rec.write(path, _config([5, 6], [4, 5], [4]), note="B has some")
    rec.write(other, _config())
    rec.write(path, _config([5, 6], [4, 5], [4]), settle=True)
