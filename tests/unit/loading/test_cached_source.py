"""A source that keeps what was read: each cell once, all levels within one bound."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.loading import CachedSource
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
from ij_omero.stores import MemoryStore

PLANE = PlaneIndex(0, 0, 0)
TILE = 256


class Counting:
    """A source that notes how many pixels were asked of it."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.description, self.levels, self.hints = source.description, source.levels, source.hints
        self.pixels_read = 0
        self.closed = False

    def read(self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: Any = None) -> Any:
        found = self._source.read(plane, region, level=level, out=out)
        self.pixels_read += found.size
        return found

    def close(self) -> None:
        self.closed = True


def stored(pixels: np.ndarray) -> Counting:
    store = MemoryStore(tile_size=TILE)
    height, width = pixels.shape
    with store.create(ImageDescription("ramp", PixelType.of(pixels.dtype), width, height)) as sink:
        for y in range(0, height, TILE):
            for x in range(0, width, TILE):
                region = Region(x, y, min(TILE, width - x), min(TILE, height - y))
                sink.write(PLANE, region, pixels[y : y + TILE, x : x + TILE])
        image_id = sink.finish()
    return Counting(store.open(image_id))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.arange(1024 * 1000, dtype=np.uint32).reshape(1024, 1000).astype(np.uint16)


def test_what_was_read_is_not_read_again(pixels: np.ndarray) -> None:
    behind = stored(pixels)
    with contextlib.closing(CachedSource(behind)) as source:
        for level in range(len(source.levels)):
            found = source.read(PLANE, level=level)
            assert np.array_equal(found, behind.read(PLANE, level=level))
        assert np.array_equal(source.read(PLANE, Region(3, 5, 700, 800)), pixels[5:805, 3:703])
        once = behind.pixels_read
        for level in range(len(source.levels)):
            source.read(PLANE, level=level)
        assert behind.pixels_read == once
    assert behind.closed


def test_all_levels_together_keep_the_bound(pixels: np.ndarray) -> None:
    bound = 1 << 20  # half of full size
    with contextlib.closing(CachedSource(stored(pixels), bound)) as source:
        for level in (0, 1, 0, 2, 1, 0):
            source.read(PLANE, level=level)
            assert source.nbytes <= bound


def test_what_it_returns_is_the_callers_own(pixels: np.ndarray) -> None:
    with contextlib.closing(CachedSource(stored(pixels))) as source:
        region = Region(10, 10, 20, 20)
        source.read(PLANE, region)[:] = 7
        assert np.array_equal(source.read(PLANE, region), pixels[10:30, 10:30])


def test_a_region_outside_is_refused_and_so_is_reading_after_closing(pixels: np.ndarray) -> None:
    source = CachedSource(stored(pixels))
    with pytest.raises(InvalidInputError, match="level 9"):
        source.read(PLANE, level=9)
    source.close()
    source.close()
    with pytest.raises(ReadError, match="closed"):
        source.read(PLANE)
