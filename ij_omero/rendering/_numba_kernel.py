"""The compiled kernel; imported only where numba is installed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from ._bands import bands
from ._colors import SHARE_OFFSET, Mix
from ._quantization import MOST_EXCEPTIONS, Lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from ._colors import ColorMixer
    from ._kernels import Layer
    from ._quantization import Quantizer

_WHOLE, _TABLE, _SHARE = int(Mix.WHOLE), int(Mix.TABLE), int(Mix.SHARE)
_SINGLE = int(Lookup.LINEAR)
_OFFSET = SHARE_OFFSET
_TOGETHER = 4  # layers that one compiled call takes


def _compiled(function: Callable[..., None]) -> Any:
    """Compile without the interpreter's lock, so that a server renders several tiles at once.

    The machine code is kept on disk where numba finds a folder that it may write to.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


# Each loop below does one thing to one row, which stays in the first cache: so the compiler makes vector instructions
# of it. A float becomes a byte at once, since by way of a whole number it takes three times as long.


@_compiled
def _single_row(row, factor, offset, values, steps, exceptions, turn, levels):  # type: ignore[no-untyped-def]
    lowest, highest = np.float32(0.0), np.float32(255.5)
    for x in range(row.size):
        level = np.float32(row[x]) * factor + offset
        levels[x] = np.uint8(min(max(level, lowest), highest))
    for i in range(exceptions):
        value, step = values[i], steps[i]
        for x in range(row.size):
            levels[x] += step if row[x] == value else np.uint8(0)
    if turn:
        for x in range(row.size):
            levels[x] ^= turn


@_compiled
def _table_row(row, first, table, levels):  # type: ignore[no-untyped-def]
    for x in range(row.size):
        levels[x] = table[np.int64(row[x]) - first]


@_compiled
def _steps_row(row, start, scale, table, levels):  # type: ignore[no-untyped-def]
    end = table.size - 4.0
    for x in range(row.size):
        place = (np.float64(row[x]) - start) / scale
        # not-a-number compares false and stays below the window
        step = 0
        if place >= 0.0:
            step = 1
            if place > 0.0:
                step = int(place) + 2 if place <= end else table.size - 1
        levels[x] = table[step]


@_compiled
def _mix_row(levels, mixes, tables, shares, added, sums):  # type: ignore[no-untyped-def]
    for component in range(3):
        mix = mixes[component]
        total = sums[component]
        if mix == _WHOLE:
            for x in range(levels.size):
                total[x] += min(levels[x], ~total[x])
        elif mix == _SHARE:
            share = shares[component]
            for x in range(levels.size):
                total[x] += min(np.uint8(np.float32(levels[x]) * share + _OFFSET), ~total[x])
        elif mix == _TABLE:
            table = tables[component]
            for x in range(levels.size):
                added[x] = table[levels[x]]
            for x in range(levels.size):
                total[x] += min(added[x], ~total[x])


@_compiled
def _write_row(red, green, blue, row):  # type: ignore[no-untyped-def]
    # one flat row: the compiler makes vector instructions of this and not of out[y, x, component]
    for x in range(red.size):
        row[3 * x] = red[x]
        row[3 * x + 1] = green[x]
        row[3 * x + 2] = blue[x]


@_compiled
def _add_narrow(  # type: ignore[no-untyped-def]
    a, b, c, d, count, lookups, factors, offsets, values, steps, exceptions, turns, firsts, ta, tb, tc, td,
    mixes, tables, shares, begins, ends, sums, out,
):  # fmt: skip
    width = a.shape[1]
    levels, added = np.empty(width, np.uint8), np.empty(width, np.uint8)
    for y in range(a.shape[0]):
        total = sums[y % sums.shape[0]]
        if begins:
            total[:] = 0
        for i in range(count):
            if i == 0:
                row, table = a[y], ta
            elif i == 1:
                row, table = b[y], tb
            elif i == 2:
                row, table = c[y], tc
            else:
                row, table = d[y], td
            if lookups[i] == _SINGLE:
                _single_row(row, factors[i], offsets[i], values[i], steps[i], exceptions[i], turns[i], levels)
            else:
                _table_row(row, firsts[i], table, levels)
            _mix_row(levels, mixes[i], tables[i], shares[i], added, total)
        if ends:
            _write_row(total[0], total[1], total[2], out[y].reshape(3 * width))


@_compiled
def _add_wide(a, b, c, d, count, starts, scales, levelled, mixes, tables, shares, begins, ends, sums, out):  # type: ignore[no-untyped-def]
    width = a.shape[1]
    levels, added = np.empty(width, np.uint8), np.empty(width, np.uint8)
    for y in range(a.shape[0]):
        total = sums[y % sums.shape[0]]
        if begins:
            total[:] = 0
        for i in range(count):
            row = a[y] if i == 0 else b[y] if i == 1 else c[y] if i == 2 else d[y]
            _steps_row(row, starts[i], scales[i], levelled[i], levels)
            _mix_row(levels, mixes[i], tables[i], shares[i], added, total)
        if ends:
            _write_row(total[0], total[1], total[2], out[y].reshape(3 * width))


@dataclass(frozen=True)
class _Group:
    """Up to four layers of one type, as the compiled functions take them."""

    places: tuple[int, ...]
    add: Any
    arguments: tuple[Any, ...]

    def run(self, rows: Sequence[npt.NDArray[Any]], begins: bool, ends: bool, sums: Any, out: Any) -> None:
        chosen = [rows[place] for place in self.places]
        # all four must be arrays of one type; what is beyond the count is not looked at
        chosen += chosen[:1] * (_TOGETHER - len(chosen))
        self.add(*chosen, len(self.places), *self.arguments, begins, ends, sums, out)


@functools.lru_cache(maxsize=64)
def _group(
    places: tuple[int, ...], dtype: np.dtype[Any], quantizers: tuple[Quantizer, ...], mixers: tuple[ColorMixer, ...]
) -> _Group:
    colors = tuple(np.stack([getattr(mixer, name) for mixer in mixers]) for name in ("codes", "tables", "shares"))
    if any(quantizer.lookup is Lookup.STEPS for quantizer in quantizers):
        starts, scales = (np.array([getattr(q, name) for q in quantizers]) for name in ("start", "scale"))
        levelled = np.stack([quantizer.table for quantizer in quantizers])
        return _Group(places, _add_wide, (starts, scales, levelled, *colors))
    count = len(quantizers)
    factors, offsets = np.zeros(count, np.float32), np.zeros(count, np.float32)
    values, steps = np.zeros((count, MOST_EXCEPTIONS), dtype), np.zeros((count, MOST_EXCEPTIONS), np.uint8)
    exceptions = np.zeros(count, np.int64)
    lookups = np.full(count, int(Lookup.TABLE), np.uint8)
    for i, quantizer in enumerate(quantizers):
        if (single := quantizer.single) is not None:
            lookups[i], factors[i], offsets[i] = _SINGLE, single.factor, single.offset
            exceptions[i] = found = len(single.values)
            values[i, :found], steps[i, :found] = single.values.view(dtype), single.steps
    turns = np.array([255 if quantizer.inverted else 0 for quantizer in quantizers], np.uint8)
    firsts = np.array([quantizer.first for quantizer in quantizers], np.int64)
    levelled_by = [quantizer.table for quantizer in quantizers]
    levelled_by += levelled_by[:1] * (_TOGETHER - count)
    linear = (lookups, factors, offsets, values, steps, exceptions, turns, firsts)
    return _Group(places, _add_narrow, (*linear, *levelled_by, *colors))


def _dtype_of(layer: Layer) -> np.dtype[Any]:
    return np.dtype(np.uint8) if layer.pixels.dtype.kind == "b" else layer.pixels.dtype.newbyteorder("=")


def _groups(layers: Sequence[Layer]) -> list[_Group]:
    """Put layers of one type together; in which order they are added does not matter."""
    groups = []
    order = sorted(range(len(layers)), key=lambda place: _dtype_of(layers[place]).str)
    for _, found in groupby(order, key=lambda place: _dtype_of(layers[place]).str):
        same = list(found)
        for first in range(0, len(same), _TOGETHER):
            places = tuple(same[first : first + _TOGETHER])
            quantizers = tuple(layers[place].quantizer for place in places)
            groups.append(
                _group(places, _dtype_of(layers[places[0]]), quantizers, tuple(layers[p].mixer for p in places))
            )
    return groups


def _is_plain(pixels: npt.NDArray[Any]) -> bool:
    return pixels.flags.c_contiguous and pixels.dtype.isnative


class NumbaKernel:
    """Row by row: a row's grey levels and sums stay in the first cache."""

    def render(self, layers: Sequence[Layer], out: npt.NDArray[np.uint8]) -> None:
        """Add layers (Y, X) up into ``out`` (Y, X, 3)."""
        groups = _groups(layers)
        whole = len(groups) == 1 and out.flags.c_contiguous and all(_is_plain(layer.pixels) for layer in layers)
        slabs = [slice(0, out.shape[0])] if whole else list(bands(out.shape[:2]))
        rows_of_sums = 1 if len(groups) == 1 else max(slab.stop - slab.start for slab in slabs) if slabs else 0
        sums = np.empty((rows_of_sums, 3, out.shape[1]), np.uint8)
        for slab in slabs:
            # a strided view would be compiled again, without vector instructions
            rows = [np.ascontiguousarray(layer.pixels[slab], _dtype_of(layer)) for layer in layers]
            picture = out[slab] if out.flags.c_contiguous else np.empty(out[slab].shape, np.uint8)
            for i, group in enumerate(groups):
                group.run(rows, i == 0, i == len(groups) - 1, sums, picture)
            if not out.flags.c_contiguous:
                out[slab] = picture
