"""How often pixel values occur in a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._sampling import sample

if TYPE_CHECKING:
    from ij_omero.pixels import PixelSource

DEFAULT_BINS = 256
MOST_BINS = 4096
_PERCENTILES = (0.1, 99.9)


def histogram(source: PixelSource, c: int, z: int, t: int, bins: int = DEFAULT_BINS) -> dict[str, Any]:
    """Count about a million pixels of a plane in equal bins.

    Parameters
    ----------
    source
        The image.
    c, z, t
        The plane.
    bins
        How many; fewer where the pixels are whole numbers that span fewer.

    Returns
    -------
    dict
        ``data``, the counts; ``min`` and ``max``, the least and greatest value that was met, which are the ends of the
        first and last bin; ``percentiles``, the values below which 0.1 % and 99.9 % lie; ``sampled``, how many pixels
        were counted.
    """
    pixels = sample(source, c, z, t)
    if not pixels.size:
        return {"data": [0] * bins, "min": 0.0, "max": 0.0, "percentiles": [0.0, 0.0], "sampled": 0}
    low, high = float(pixels.min()), float(pixels.max())
    if pixels.dtype.kind in "biu":
        pixels = pixels.astype(np.float64)
        bins = int(min(bins, high - low + 1))
    ends = (low, high) if high > low else (low - 0.5, low + 0.5)
    counts, _ = np.histogram(pixels, bins, ends)
    first, last = (float(value) for value in np.percentile(pixels, _PERCENTILES))
    return {
        "data": counts.tolist(),
        "min": low,
        "max": high,
        "percentiles": [first, last],
        "sampled": int(pixels.size),
    }
