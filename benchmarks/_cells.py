"""The image that `cells` measures with, in every process the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.cells import CellCache
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, ResolutionLevel
from ij_omero.pixels import ReadHints

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CELL = 512
CELL_BYTES = CELL * CELL * 2


class Synthetic:
    """A source that costs a copy: value = x + 3 y + 7 z, modulo 2^16."""

    def __init__(self, planes: int, size: int = 4096) -> None:
        self.description = ImageDescription("bench", PixelType.UINT16, size, size, planes)
        self.levels = (ResolutionLevel(0, size, size, CELL, CELL),)
        self.hints = ReadHints(request_bytes=1, parallel=2)
        x, y = np.arange(size, dtype=np.uint32), np.arange(size, dtype=np.uint32)[:, None]
        self.plane = (x + 3 * y).astype(np.uint16)

    def read(self, plane: PlaneIndex, region: Any = None, *, level: int = 0, out: Any = None) -> Any:
        """Read a rectangle."""
        found = self.plane[region.y : region.y + region.height, region.x : region.x + region.width]
        if out is None:
            return found + np.uint16(7 * plane.z)
        return np.add(found, np.uint16(7 * plane.z), out=out)

    def close(self) -> None:
        """Do nothing."""


def open_cells(folder: Path, planes: int, bound: int) -> CellCache:
    """Open a cache over the image; nothing is stored at intervals."""
    return CellCache(Synthetic(planes), spill=folder / "edits", bound=bound, autosave=None)


def rate(work: Callable[[], object], amount: float) -> float:
    """Return how much of an amount is done in a second."""
    began = time.perf_counter()
    work()
    return amount / (time.perf_counter() - began)
