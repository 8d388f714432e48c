"""Rows that are worked on together, few enough for the processor's caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BAND_PIXELS = 1 << 16


def band_rows(shape: tuple[int, ...]) -> int:
    """Return how many rows of a (Y, X) plane stay in the second cache together."""
    return max(1, min(shape[0], _BAND_PIXELS // max(1, shape[1])))


def bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of rows that cover a (Y, X) plane."""
    step = band_rows(shape)
    for first in range(0, shape[0], step):
        yield slice(first, min(first + step, shape[0]))
