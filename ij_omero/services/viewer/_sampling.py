"""A bounded number of a plane's pixels, for histograms and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.model import PlaneIndex, Region

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.pixels import PixelSource

MOST_PIXELS = 1 << 20
_BLOCKS = 4  # across and down


def sample(source: PixelSource, c: int, z: int, t: int) -> npt.NDArray[Any]:
    """Return about a million pixels of a plane.

    The largest resolution level that has no more than that is read whole; where there is none, 16 blocks that are
    spread over the smallest level.

    Returns
    -------
    ndarray
        (N,), the image's dtype; finite values only, which may be none. Complex pixels by their magnitude.

    Raises
    ------
    InvalidInputError
        There is no such plane.
    ReadError
        It could not be read.
    """
    plane = PlaneIndex(z, c, t)
    small = [level for level in source.levels if level.width * level.height <= MOST_PIXELS]
    if small:
        pixels = source.read(plane, level=small[0].index).ravel()
    else:
        level = source.levels[-1]
        regions = _spread(level.width, level.height)
        pixels = np.concatenate([source.read(plane, region, level=level.index).ravel() for region in regions])
    if pixels.dtype.kind == "c":
        pixels = np.abs(pixels)
    return pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels


def _spread(width: int, height: int) -> list[Region]:
    """Return blocks around the middles of the parts of a grid, together about `MOST_PIXELS`."""
    block = MOST_PIXELS // _BLOCKS**2
    across = max(1, min(width // _BLOCKS, max(256, block // max(1, height // _BLOCKS))))
    down = max(1, min(height // _BLOCKS, block // across))
    lefts = [(2 * i + 1) * width // (2 * _BLOCKS) - across // 2 for i in range(_BLOCKS)]
    tops = [(2 * j + 1) * height // (2 * _BLOCKS) - down // 2 for j in range(_BLOCKS)]
    return [Region(left, top, across, down) for top in tops for left in lefts]
