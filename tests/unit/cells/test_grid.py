"""Cells are numbered as imglib2 does, cover every pixel once, and follow the source's tiles."""

from __future__ import annotations

import numpy as np
import pytest

from ij_omero.cells import CellGrid
from ij_omero.errors import InvalidInputError
from ij_omero.model import PixelType, PlaneIndex, Region, ResolutionLevel
from tests._cells import describe


def test_every_pixel_lies_in_exactly_one_cell() -> None:
    grid = CellGrid(50, 33, 2, 3, 2, 16, 10)
    seen = np.zeros((2, 2, 3, 33, 50), int)
    for index in range(len(grid)):
        plane, region = grid.locate(index)
        seen[plane.t, plane.c, plane.z, region.y : region.y + region.height, region.x : region.x + region.width] += 1
        assert list(grid.cells_in(plane, region)) == [index]
    assert (seen == 1).all()


def test_cells_are_numbered_x_y_channel_z_time() -> None:
    grid = CellGrid(40, 40, 2, 3, 2, 20, 20)
    assert grid.locate(1) == (PlaneIndex(0, 0, 0), Region(20, 0, 20, 20))
    assert grid.locate(2) == (PlaneIndex(0, 0, 0), Region(0, 20, 20, 20))
    assert grid.locate(4)[0] == PlaneIndex(z=0, c=1, t=0)
    assert grid.locate(8)[0] == PlaneIndex(z=1, c=0, t=0)
    assert grid.locate(24)[0] == PlaneIndex(z=0, c=0, t=1)


def test_a_region_names_the_cells_it_touches() -> None:
    grid = CellGrid(50, 50, 1, 1, 2, 10, 10)
    assert list(grid.cells_in(PlaneIndex(0, 0, 1), Region(9, 19, 2, 2))) == [25 + 5, 25 + 6, 25 + 10, 25 + 11]


@pytest.mark.parametrize("index", [-1, 25])
def test_a_cell_that_does_not_exist_is_refused(index: int) -> None:
    with pytest.raises(InvalidInputError, match="0 to 24"):
        CellGrid(50, 50, 1, 1, 1, 10, 10).locate(index)


@pytest.mark.parametrize(
    ("size", "tile", "pixel_type", "cell"),
    [
        ((4096, 4096), (512, 512), PixelType.UINT16, (512, 512)),  # the tile itself
        ((4096, 4096), (2048, 2048), PixelType.UINT16, (512, 1024)),  # halved to 1 MiB
        ((100, 60), (512, 512), PixelType.UINT8, (60, 100)),  # not larger than the plane
        ((8192, 8192), (64, 64), PixelType.UINT8, (256, 512)),  # doubled to 128 KiB
        ((230_144, 1000), (230_144, 1), PixelType.UINT16, (1, 230_144)),  # whole rows stay whole rows
        ((3_000_000, 4), (3_000_000, 4), PixelType.DOUBLE, (4, 23_438)),
    ],
)
def test_cells_follow_tiles_within_sensible_bytes(
    size: tuple[int, int], tile: tuple[int, int], pixel_type: PixelType, cell: tuple[int, int]
) -> None:
    level = ResolutionLevel(0, *size, *tile)
    grid = CellGrid.over(describe(*size, pixel_type=pixel_type), level)
    assert (grid.cell_height, grid.cell_width) == cell
    assert grid.cell_width * grid.cell_height * pixel_type.bytes_per_pixel <= 1 << 20
