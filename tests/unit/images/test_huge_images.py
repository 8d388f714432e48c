"""100,000 x 100,000 pixels, 20 GB a plane: opened, read and edited anywhere without ever holding one."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import xarray  # noqa: F401 - to_xarray would load it while memory is watched

import ij_omero
from ij_omero.model import PlaneIndex, Region
from tests._huge_images import CORNER, LEVELS, PLANE_BYTES, SIZE, corner_pixels, make_huge_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

zarr: Any = pytest.importorskip("zarr", minversion="3", reason="zarr 2, for Python 3.10, has no create_array")
LITTLE = 64 << 20


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    return make_huge_image(tmp_path, zarr)


@pytest.fixture(autouse=True)
def little_memory(huge: Path) -> Iterator[None]:
    """No test may hold more than a few tiles, let alone a plane."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LITTLE < PLANE_BYTES // 100


def test_every_level_is_read_where_it_is_touched(huge: Path) -> None:
    with ij_omero.open_image(huge) as image:
        assert (image.shape, image.nbytes) == ((1, 1, 1, SIZE, SIZE), PLANE_BYTES)
        assert [level.width for level in image.levels][:3] == [100_000, 50_000, 25_000]
        assert len(image.levels) == LEVELS
        np.testing.assert_array_equal(image[(0, 0, 0, *CORNER)], corner_pixels())
        assert image.loaded < 4
        source = image.cache.source
        for level in image.levels:
            assert source.read(PlaneIndex(0, 0, 0), Region(0, 0, 2, 2), level=level.index)[0, 0] == level.index + 1
        assert image.to_numpy(level=LEVELS - 1).shape[-2:] == (391, 391)


def test_edits_at_the_far_corner(huge: Path) -> None:
    with ij_omero.open_image(huge) as image:
        image[0, 0, 0, SIZE - 1, SIZE - 3 :] = 7
        assert image.dirty == 1
        image.flush()
        expected = corner_pixels()
        expected[-1, -3:] = 7
        np.testing.assert_array_equal(image[(0, 0, 0, *CORNER)], expected)
        assert image[0, 0, 0, 0, 0] == 1
        image.discard_edits()


def test_lazy_arrays_compute_what_is_asked_for(huge: Path) -> None:
    with ij_omero.open_image(huge) as image:
        array = image.to_xarray()
        assert array.sizes["X"] == SIZE
        with dask.config.set(scheduler="threads"):
            np.testing.assert_array_equal(array[(0, 0, 0, *CORNER)], corner_pixels())
