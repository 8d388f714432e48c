"""Resolution levels: their sizes, and making them while full-size tiles stream by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt


def pyramid_sizes(width: int, height: int, tile: int) -> list[tuple[int, int]]:
    """Return (width, height) of each level, full size first, halved (rounded up) until one tile holds the plane."""
    sizes = [(width, height)]
    while width > tile or height > tile:
        width, height = (width + 1) // 2, (height + 1) // 2
        sizes.append((width, height))
    return sizes


def halve(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return (Y, X) pixels at half size: the mean of 2 x 2, integers rounded half up, a last odd row or column doubled.

    Of truth values a pixel is true where two or more of the four are.
    """
    height, width = pixels.shape
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2)), mode="edge")
    quarters = (pixels[0::2, 0::2], pixels[0::2, 1::2], pixels[1::2, 0::2], pixels[1::2, 1::2])
    first, *others = quarters
    kind, dtype = pixels.dtype.kind, pixels.dtype
    if kind in ("b", "i", "u"):
        wide = np.dtype(np.uint8) if kind == "b" else np.dtype(f"{kind}{dtype.itemsize * 2}")
        total = first.astype(wide)
        for quarter in others:
            total += quarter
        if kind == "b":
            return np.asarray(total >= 2)
        total += 2
        total >>= 2
        return total.astype(dtype)
    # Quarters before the sum, so that large values do not overflow; infinities and NaN spread as they must.
    with np.errstate(all="ignore"):
        mean: npt.NDArray[Any] = first * dtype.type(0.25)
        for quarter in others:
            mean += quarter * dtype.type(0.25)
    return mean


class PyramidBuilder:
    """Takes full-size tiles in raster order and emits the tiles of all levels, each once and whole.

    It holds one row of tiles per level, whatever the image's height.

    Parameters
    ----------
    sizes
        (width, height) of each level, from `pyramid_sizes`.
    tile
        The tiles' width and height, an even number; tiles at the right and lower edge are smaller.
    dtype
        The pixels' dtype.
    emit
        Called with (level, region, pixels); the pixels are valid during the call only.
    """

    def __init__(
        self,
        sizes: list[tuple[int, int]],
        tile: int,
        dtype: npt.DTypeLike,
        emit: Callable[[int, Region, npt.NDArray[Any]], None],
    ) -> None:
        self._sizes = sizes
        self._tile = tile
        self._emit = emit
        self._rows: list[npt.NDArray[Any] | None] = [None] + [
            np.empty((min(tile, height), width), dtype) for width, height in sizes[1:]
        ]

    def add(self, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Take the next full-size tile of the plane."""
        self._level(0, region, pixels)

    def _level(self, level: int, region: Region, pixels: npt.NDArray[Any]) -> None:
        self._emit(level, region, pixels)
        level += 1
        if level == len(self._sizes):
            return
        row = self._rows[level]
        assert row is not None  # noqa: S101 - only level 0 has no row
        tile, (width, height) = self._tile, self._sizes[level]
        small = halve(pixels)
        x, y = region.x // 2, region.y // 2
        top = y % tile
        row[top : top + small.shape[0], x : x + small.shape[1]] = small
        left, upper = x - x % tile, y - top
        right, lower = min(left + tile, width), min(upper + tile, height)
        if x + small.shape[1] == right and y + small.shape[0] == lower:
            self._level(level, Region(left, upper, right - left, lower - upper), row[: lower - upper, left:right])
