"""The compiled kernel; imported only where numba is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from ._colors import SHARE_OFFSET, Mix
from ._quantization import Lookup

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from ._colors import ColorMixer
    from ._quantization import Quantizer

_WHOLE, _TABLE, _SHARE = int(Mix.WHOLE), int(Mix.TABLE), int(Mix.SHARE)
_OFFSET = SHARE_OFFSET


def _compiled(function: Callable[..., None]) -> Any:
    """Compile without the interpreter's lock, so that a server renders several tiles at once.

    The machine code is kept on disk where numba finds a folder that it may write to.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


@_compiled
def _mix_row(levels, mixes, tables, shares, sums, y):  # type: ignore[no-untyped-def]
    for component in range(3):
        mix = mixes[component]
        total = sums[component, y]
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
                total[x] += min(table[levels[x]], ~total[x])


@_compiled
def _add_linear(pixels, scale, intercept, inverted, mixes, tables, shares, sums):  # type: ignore[no-untyped-def]
    levels = np.empty(pixels.shape[1], np.uint8)
    turn = np.uint8(255) if inverted else np.uint8(0)
    for y in range(pixels.shape[0]):
        row = pixels[y]
        for x in range(row.size):
            value = scale * np.float64(row[x]) - intercept + 0.5
            levels[x] = np.uint8(np.int32(min(max(value, 0.0), 255.5))) ^ turn
        _mix_row(levels, mixes, tables, shares, sums, y)


@_compiled
def _add_single(pixels, factor, offset, values, steps, inverted, mixes, tables, shares, sums):  # type: ignore[no-untyped-def]
    levels = np.empty(pixels.shape[1], np.uint8)
    turn = np.uint8(255) if inverted else np.uint8(0)
    lowest, highest = np.float32(0.0), np.float32(255.5)
    for y in range(pixels.shape[0]):
        row = pixels[y]
        for x in range(row.size):
            level = np.float32(row[x]) * factor + offset
            levels[x] = np.uint8(np.int32(min(max(level, lowest), highest)))
        for i in range(values.size):
            value, step = values[i], steps[i]
            for x in range(row.size):
                levels[x] += step if row[x] == value else np.uint8(0)
        if inverted:
            for x in range(row.size):
                levels[x] ^= turn
        _mix_row(levels, mixes, tables, shares, sums, y)


@_compiled
def _add_table(pixels, first, table, mixes, tables, shares, sums):  # type: ignore[no-untyped-def]
    levels = np.empty(pixels.shape[1], np.uint8)
    for y in range(pixels.shape[0]):
        row = pixels[y]
        for x in range(row.size):
            levels[x] = table[np.int64(row[x]) - first]
        _mix_row(levels, mixes, tables, shares, sums, y)


@_compiled
def _add_steps(pixels, start, scale, table, mixes, tables, shares, sums):  # type: ignore[no-untyped-def]
    levels = np.empty(pixels.shape[1], np.uint8)
    end = table.size - 4.0
    for y in range(pixels.shape[0]):
        row = pixels[y]
        for x in range(row.size):
            place = (np.float64(row[x]) - start) / scale
            # not-a-number compares false and stays below the window
            step = 0
            if place >= 0.0:
                step = 1
                if place > 0.0:
                    step = int(place) + 2 if place <= end else table.size - 1
            levels[x] = table[step]
        _mix_row(levels, mixes, tables, shares, sums, y)


@_compiled
def _finish(sums, out):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        red, green, blue = sums[0, y], sums[1, y], sums[2, y]
        # one flat row: the compiler makes vector instructions of this and not of out[y, x, component]
        row = out[y].reshape(3 * out.shape[1])
        for x in range(out.shape[1]):
            row[3 * x] = red[x]
            row[3 * x + 1] = green[x]
            row[3 * x + 2] = blue[x]


class NumbaKernel:
    """Row by row through a buffer of grey levels that stays in the first cache."""

    def begin(self, sums: npt.NDArray[np.uint8]) -> None:
        """Clear the sums (3, Y, X)."""
        sums.fill(0)

    def add(
        self, pixels: npt.NDArray[Any], quantizer: Quantizer, mixer: ColorMixer, sums: npt.NDArray[np.uint8]
    ) -> None:
        """Add a band (Y, X) to the sums (3, Y, X), which stay at 255."""
        # a strided view would be compiled again, without vector instructions
        rows = np.ascontiguousarray(pixels)
        if rows.dtype.kind == "b":
            rows = rows.view(np.uint8)
        colors = (mixer.codes, mixer.tables, mixer.shares, sums)
        if quantizer.lookup is Lookup.LINEAR and (single := quantizer.single) is not None:
            values = single.values.view(np.uint8) if single.values.dtype.kind == "b" else single.values
            exact = (single.factor, single.offset, values, single.steps, quantizer.inverted)
            _add_single(rows, *exact, *colors)
        elif quantizer.lookup is Lookup.LINEAR:
            scale = quantizer.scale
            _add_linear(rows, scale, scale * quantizer.start, quantizer.inverted, *colors)
        elif quantizer.lookup is Lookup.TABLE:
            _add_table(rows, quantizer.first, quantizer.table, *colors)
        else:
            _add_steps(rows, quantizer.start, quantizer.scale, quantizer.table, *colors)

    def finish(self, sums: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8]) -> None:
        """Write the sums as (Y, X, 3)."""
        if out.flags.c_contiguous:
            _finish(sums, out)
        else:
            rows = np.empty(out.shape, np.uint8)
            _finish(sums, rows)
            out[:] = rows
