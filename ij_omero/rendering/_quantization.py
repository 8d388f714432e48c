"""Pixel values to grey levels 0 to 255, as OMERO's RenderingEngine quantizes them.

The formulas are those of ``omeis.providers.re.quantum`` (ome/omero-renderer): pixels of 8 and 16 bits go through a
table that has one entry per value; wider pixels are first put into one of 256 steps of the window. Noise reduction
and codomain intervals other than 0 to 255 are not covered: OMERO has not offered either since 5.0.
"""

from __future__ import annotations

import enum
import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, UnsupportedPixelTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from ij_omero.model import ChannelRendering

    Curve = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

GREY_LEVELS = 256
_OFFSETS = (0.5 - 1e-4, 0.5, 0.5 + 1e-4)
MOST_EXCEPTIONS = 8
FAMILIES = ("linear", "polynomial", "exponential", "logarithmic")
_BRIGHTEST = GREY_LEVELS - 1


class Lookup(enum.IntEnum):
    """How a pixel value becomes a grey level."""

    LINEAR = 0
    """``floor(scale * value - scale * start + 0.5)`` in double precision, clipped to 0 to 255."""
    TABLE = 1
    """``table[value - first]``."""
    STEPS = 2
    """``table[step]``: 0 below the window, 1 at its start, 2 + floor((value - start) / scale) in it, last above."""


@dataclass(frozen=True)
class SinglePrecision:
    """``floor(value * factor + offset)`` in single precision, clipped to 0 to 255.

    ``limits`` are the last value of level 0 and the first of level 255 where values that were clipped to them need not
    be clipped again, else None. Where a value lies just between two levels the rounding of double precision decides:
    ``values`` are those for which this is another level, and ``steps`` what is to be added there, as uint8: 1, or 255
    for one down.
    """

    factor: np.float32
    offset: np.float32
    limits: tuple[int, int] | None
    values: npt.NDArray[Any]
    steps: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A channel's way from pixel values to grey levels.

    The table holds inverted levels where the channel is inverted, and is there for LINEAR too: its first entry is for
    the value ``first``. ``single`` gives the same levels before inversion, faster; None where it cannot.
    """

    lookup: Lookup
    start: float
    scale: float
    first: int
    table: npt.NDArray[np.uint8]
    inverted: bool
    single: SinglePrecision | None = None

    @property
    def last_step(self) -> int:
        """The index of the last entry of the table."""
        return len(self.table) - 1


def quantizer_for(channel: ChannelRendering, dtype: np.dtype[Any]) -> Quantizer:
    """Return how a channel's pixels are quantized.

    Raises
    ------
    InvalidInputError
        The family is unknown, its coefficient is not above 0, or the window is not a pair of numbers.
    UnsupportedPixelTypeError
        The pixels are complex.
    """
    if dtype.kind not in "biuf":
        raise UnsupportedPixelTypeError(
            f"{dtype.name} pixels have no order and cannot be shown; take their magnitude (numpy.abs) first"
        )
    start, end = channel.window
    return _quantizer(
        float(start), float(end), channel.family, float(channel.coefficient), channel.inverted, dtype.newbyteorder("=")
    )


@functools.lru_cache(maxsize=256)
def _quantizer(
    start: float, end: float, family: str, coefficient: float, inverted: bool, dtype: np.dtype[Any]
) -> Quantizer:
    curve = _curve(family, coefficient)
    if math.isnan(start) or math.isnan(end):
        raise InvalidInputError(f"the window {start}:{end} is not a pair of numbers")
    low, high = pixel_range(dtype)
    if not start <= end or (dtype.kind != "f" and end - start > high - low):
        start, end = low, high
    start, end = max(start, low), min(end, high)
    if dtype.itemsize > 2 or dtype.kind == "f":
        return _by_steps(start, end, curve, inverted)
    values = np.arange(int(low), int(high) + 1, dtype=np.float64)
    levels = np.zeros(values.shape, np.uint8)
    levels[values >= end] = _BRIGHTEST
    inside = (values >= start) & (values < end)
    if inside.any():
        slope = _BRIGHTEST / (end - start)
        straight = slope * values[inside] - slope * start
        levels[inside] = _bytes_of(straight if curve is None else curve(straight))
    table, first = _turned(levels, inverted), int(low)
    if curve is not None or end <= start:
        return Quantizer(Lookup.TABLE, start, 1.0, first, table, inverted)
    scale = _BRIGHTEST / (end - start)
    return Quantizer(
        Lookup.LINEAR, start, scale, first, table, inverted, _in_single_precision(values, levels, start, scale, dtype)
    )


def _in_single_precision(
    values: npt.NDArray[np.float64], levels: npt.NDArray[np.uint8], start: float, scale: float, dtype: np.dtype[Any]
) -> SinglePrecision | None:
    """Return arithmetic in single precision that gives exactly these levels.

    They must be the same, not only close: a lookup table may make very different colours of neighbouring levels.
    """
    factor, singles = np.float32(scale), values.astype(np.float32)
    best: SinglePrecision | None = None
    for shift in _OFFSETS:
        offset = np.float32(shift - scale * start)
        found = np.clip(singles * factor + offset, 0, 255.5).astype(np.uint8)
        wrong = np.flatnonzero(found != levels)
        if len(wrong) > MOST_EXCEPTIONS or (best is not None and len(wrong) >= len(best.values)):
            continue
        ends = max(0, int(np.argmax(levels > 0)) - 1), int(np.argmax(levels == levels[-1]))
        low, high = (singles[end] * factor + offset for end in ends)
        inside = levels[-1] == _BRIGHTEST and 0 <= low and high < GREY_LEVELS
        limits = (int(values[ends[0]]), int(values[ends[1]])) if inside else None
        steps = levels[wrong] - found[wrong]
        if not np.isin(steps, (1, 255)).all():
            continue
        best = SinglePrecision(factor, offset, limits, values[wrong].astype(dtype), steps)
    return best


def _by_steps(start: float, end: float, curve: Curve | None, inverted: bool) -> Quantizer:
    """Quantize as ``Quantization_32_bit`` and ``Quantization_float`` do, which know only 256 steps of the window."""
    curve = curve or _straight
    if end <= start:  # their slope is infinite and every level comes out as not-a-number, which Java rounds to 0
        return Quantizer(Lookup.STEPS, start, 1.0, 0, _turned(np.zeros(GREY_LEVELS + 4, np.uint8), inverted), inverted)
    # below the window, its very start, in the middle of each step (one step early, as the engine has it), above
    steps = np.concatenate([[0.0, 0.5], np.arange(GREY_LEVELS + 1) - 0.5, [float(GREY_LEVELS)]])
    levels = _bytes_of(curve(steps * _BRIGHTEST / GREY_LEVELS))
    return Quantizer(Lookup.STEPS, start, (end - start) / GREY_LEVELS, 0, _turned(levels, inverted), inverted)


def _curve(family: str, coefficient: float) -> Curve | None:
    """Return the family's map of 0 to 255 onto itself; None where it is the identity."""
    if family not in FAMILIES:
        raise InvalidInputError(f"unknown family {family!r}; expected one of {', '.join(FAMILIES)}")
    if not coefficient > 0 or math.isinf(coefficient):
        raise InvalidInputError(f"the curve coefficient is {coefficient}; it must be above 0")
    if family == "linear" or (family == "polynomial" and coefficient == 1):
        return None
    raw = {"polynomial": _power, "exponential": _exponential, "logarithmic": _logarithm}[family]

    def curve(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        with np.errstate(all="ignore"):
            first, last = raw(np.array([0.0, _BRIGHTEST]), coefficient)
            mapped: npt.NDArray[np.float64] = _BRIGHTEST / (last - first) * (raw(levels, coefficient) - first)
            return mapped

    return curve


def _straight(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return levels


def _power(levels: npt.NDArray[np.float64], coefficient: float) -> npt.NDArray[np.float64]:
    return np.power(levels, coefficient)


def _exponential(levels: npt.NDArray[np.float64], coefficient: float) -> npt.NDArray[np.float64]:
    return np.exp(np.power(levels, coefficient))


def _logarithm(levels: npt.NDArray[np.float64], _coefficient: float) -> npt.NDArray[np.float64]:
    return np.log(np.where(levels <= 0, 1.0, levels))


def _bytes_of(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Round as Java does; not-a-number is 0, and what lies outside a byte wraps round, as in the engine."""
    rounded = np.floor(np.nan_to_num(levels, nan=0.0, posinf=2.0**62, neginf=-(2.0**62)) + 0.5)
    return np.clip(rounded, -(2.0**62), 2.0**62).astype(np.int64).astype(np.uint8)


def _turned(levels: npt.NDArray[np.uint8], inverted: bool) -> npt.NDArray[np.uint8]:
    turned = np.ascontiguousarray(_BRIGHTEST - levels if inverted else levels)
    turned.setflags(write=False)
    return turned


def pixel_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and greatest value that OMERO lets a window reach; for floats those of int32."""
    if dtype.kind == "b":
        return 0.0, 1.0
    limits = np.iinfo(np.int32 if dtype.kind == "f" else dtype)
    return float(limits.min), float(limits.max)
