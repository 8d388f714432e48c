"""Small regions of many planes come from the source in few calls, whoever asks for them and in which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.cells import CellCache
from ij_omero.errors import ReadError
from ij_omero.images._indexing import read_selection, select
from ij_omero.model import PlaneIndex, Region
from ij_omero.pixels import Progress, ReadHints, no_progress
from tests._cells import ArraySource, describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CELL = 512  # bytes, 16 x 16 of 16 bits
PLANES = 40


class PlanesSource(ArraySource):
    """Counts calls for several planes as one."""

    def __init__(self, **sizes: int) -> None:
        super().__init__(describe(64, 48, **sizes), hints=ReadHints(request_bytes=4 * CELL, parallel=2))
        self.calls: list[list[PlaneIndex]] = []
        self.broken: PlaneIndex | None = None

    def read(self, plane: PlaneIndex, region: Region | None = None, **options: Any) -> Any:
        self.calls.append([plane])
        if plane == self.broken:
            raise ReadError("this plane is broken")
        return super().read(plane, region, **options)

    def read_planes(
        self,
        planes: Sequence[PlaneIndex],
        region: Region | None = None,
        *,
        level: int = 0,
        out: Sequence[Any],
        progress: Progress = no_progress,
    ) -> None:
        self.calls.append(list(planes))
        if self.broken in planes:
            raise ReadError("one of these planes is broken")
        for plane, target in zip(planes, out, strict=True):
            super().read(plane, region, level=level, out=target)


@pytest.fixture
def source() -> PlanesSource:
    return PlanesSource(z=PLANES, c=3)


@pytest.fixture
def cells(source: PlanesSource, tmp_path: Path) -> Iterator[CellCache]:
    with CellCache(source, spill=tmp_path, cell_shape=(16, 16), autosave=None) as cache:
        yield cache


@pytest.mark.parametrize(
    "key",
    [
        np.s_[0, 1, :, 20:25, 20:25],
        np.s_[0, 1, ::-1, 10:25, 20:45],
        np.s_[0, :, 3, 20:25, 20:25],
        np.s_[0, ..., 40:48, 40:64],
    ],
)
def test_a_region_of_many_planes_at_once(source: PlanesSource, cells: CellCache, key: Any) -> None:
    found = read_selection(cells, select(key, source.pixels.shape), source.pixels.dtype)
    np.testing.assert_array_equal(found, source.pixels[key])
    planes = {tuple(plane) for call in source.calls for plane in call}
    touched = sum(len(call) for call in source.calls)
    assert touched == len(planes)  # none twice
    assert len(source.calls) <= max(1, len(planes) // 3)
    assert cells.load_states.reads == cells.load_states.loaded


@pytest.mark.parametrize("channel", [None, 2])
@pytest.mark.parametrize("region", [Region(20, 20, 5, 5), Region(10, 20, 30, 20)])
def test_plane_after_plane(source: PlanesSource, cells: CellCache, region: Region, channel: int | None) -> None:
    planes = source.description.plane_indices()
    if channel is not None:
        planes = [plane for plane in planes if plane.c == channel]
    for plane in planes:
        expected = source.pixels[plane.t, plane.c, plane.z, region.y :, region.x :][: region.height, : region.width]
        np.testing.assert_array_equal(cells.read(plane, region), expected)
    assert len(source.calls) <= 2 * len(planes) // 3  # the larger region has six cells, and sixteen go into a call
    assert cells.load_states.reads == cells.load_states.loaded


@pytest.mark.parametrize("step", [3, 1])
def test_cell_after_cell_through_the_planes(source: PlanesSource, cells: CellCache, step: int) -> None:
    first = cells.grid.first_of(PlaneIndex(0, 0, 0)) + 5
    wanted = range(first, len(cells.grid), step * cells.grid.cells_per_plane)
    for index in wanted:
        plane, region = cells.grid.locate(index)
        expected = source.pixels[plane.t, plane.c, plane.z, region.y :, region.x :][: region.height, : region.width]
        np.testing.assert_array_equal(cells.cell(index), expected)
    assert len(source.calls) <= 4 + len(wanted) // 3
    assert cells.load_states.loaded == len(wanted)  # nothing that nobody asked for


def test_cells_in_no_order_are_read_one_by_one(source: PlanesSource, cells: CellCache) -> None:
    chosen = np.random.default_rng(3).permutation(len(cells.grid))[:100]
    for index in chosen:
        cells.cell(int(index))
    assert cells.load_states.loaded <= 110


def test_what_was_edited_or_cannot_be_read_is_left_out(source: PlanesSource, cells: CellCache) -> None:
    cells.write(PlaneIndex(4, 1, 0), Region(20, 20, 2, 2), np.full((2, 2), 7, np.uint16))
    source.broken = PlaneIndex(20, 1, 0)
    key = np.s_[0, 1, :, 16:32, 16:32]
    with pytest.raises(ReadError):
        read_selection(cells, select(key, source.pixels.shape), source.pixels.dtype)
    source.broken = None
    expected = source.pixels[key].copy()
    expected[4, 4:6, 4:6] = 7
    found = read_selection(cells, select(key, source.pixels.shape), source.pixels.dtype)
    np.testing.assert_array_equal(found, expected)
