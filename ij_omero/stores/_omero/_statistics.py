"""The smallest and largest value of each channel, gathered while the pixels go by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


class ChannelRanges:
    """Minimum and maximum per channel; not-a-number and infinities are left out.

    Parameters
    ----------
    size_c
        How many channels.
    """

    def __init__(self, size_c: int) -> None:
        self._ranges: list[tuple[float, float] | None] = [None] * size_c

    def add(self, channel: int, pixels: npt.NDArray[Any]) -> None:
        """Take in some pixels of a channel."""
        if pixels.dtype == np.bool_:
            # Bits are stored as 0 and 255.
            low, high = 255.0 * bool(pixels.all()), 255.0 * bool(pixels.any())
        else:
            low, high = float(pixels.min()), float(pixels.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            finite = pixels[np.isfinite(pixels)]
            if finite.size == 0:
                return
            low, high = float(finite.min()), float(finite.max())
        known = self._ranges[channel]
        self._ranges[channel] = (low, high) if known is None else (min(low, known[0]), max(high, known[1]))

    def of(self, channel: int) -> tuple[float, float]:
        """Return (minimum, maximum); (0, 0) for a channel without one finite value."""
        return self._ranges[channel] or (0.0, 0.0)
