"""A lazy array sliced is the array sliced; tiles put together are the plane."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ij_omero.loading import PyramidTileProvider, load_image_lazy
from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import write_array
from ij_omero.stores import MemoryStore

if TYPE_CHECKING:
    from ij_omero.pixels import PixelSource

SHAPE = (1, 1, 3, 45, 70)
PIXELS = np.random.default_rng(1).integers(0, 1000, SHAPE).astype(np.int32)


@cache
def source() -> PixelSource:
    store = MemoryStore(tile_size=32)
    return store.open(write_array(store.create(ImageDescription("n", PixelType.INT32, 70, 45, 3)), PIXELS))


def spans(size: int) -> st.SearchStrategy[Any]:
    return st.slices(size).filter(lambda part: part.step in (None, 1)) | st.integers(-size, size - 1)


@given(index=st.tuples(spans(3), spans(45), spans(70)))
@settings(deadline=None, max_examples=60)
def test_lazy_slices_are_numpy_slices(index: tuple[Any, ...]) -> None:
    lazy = load_image_lazy(source())["images"][0][0]
    np.testing.assert_array_equal(lazy[index].compute(scheduler="sync"), PIXELS[0, 0][index])


@given(tile=st.tuples(st.integers(-2, 5), st.integers(-2, 5)), level=st.integers(0, 2), megabytes=st.integers(0, 2))
@settings(deadline=None, max_examples=40)
def test_tiles_are_parts_of_their_level(tile: tuple[int, int], level: int, megabytes: int) -> None:
    with PyramidTileProvider(source(), max_cache_mb=megabytes) as tiles:
        width, height = tiles.tile_size(level)
        plane = np.asarray(load_image_lazy(source())["images"][0][tiles.n_levels - 1 - level][1])
        x, y = tile[0] * width, tile[1] * height
        found = tiles.get_tile(level, 0, 1, 0, *tile)
        if min(tile) < 0 or x >= plane.shape[1] or y >= plane.shape[0]:
            assert found is None
        else:
            np.testing.assert_array_equal(found, plane[y : y + height, x : x + width])
