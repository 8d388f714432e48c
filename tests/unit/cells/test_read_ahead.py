"""Cells that are asked for in their order are read ahead: few calls, several at once, within the bound."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.cells import CellCache, CellGrid
from ij_omero.cells._scans import Scans, Window
from ij_omero.errors import ReadError
from ij_omero.model import PlaneIndex, Region
from ij_omero.pixels import ReadHints
from ij_omero.pixels.wrappers import LatencySource, LoggingSource, Request, SourceWrapper
from tests._cells import ArraySource, describe

if TYPE_CHECKING:
    from pathlib import Path

CELL = 512  # bytes, 16 x 16 of 16 bits
HINTS = ReadHints(request_bytes=8 * CELL, parallel=2)


class Meeting(SourceWrapper):
    """Holds each read of more than a cell until another one is under way as well, or the last plane is read."""

    def __init__(self, source: ArraySource) -> None:
        super().__init__(source)
        self.most = 0
        self._inside = 0
        self._changed = threading.Condition()

    def read(self, plane: PlaneIndex, region: Region | None = None, **options: Any) -> Any:
        joined = region is None or region.width > 16
        with self._changed:
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._changed.notify_all()
            if joined and plane.z < 6:
                self._changed.wait_for(lambda: self.most >= 2, timeout=30)
        try:
            return super().read(plane, region, **options)
        finally:
            with self._changed:
                self._inside -= 1


def open_cells(source: Any, tmp_path: Path, **options: Any) -> CellCache:
    return CellCache(source, spill=tmp_path, **{"cell_shape": (16, 16), "autosave": None, **options})


def scan(cells: CellCache, source: ArraySource) -> None:
    for index in range(len(cells.grid)):
        plane, region = cells.grid.locate(index)
        expected = source.pixels[plane.t, plane.c, plane.z, region.y : region.y + 16, region.x : region.x + 16]
        np.testing.assert_array_equal(cells.cell(index), expected)


def test_a_scan_makes_few_calls_and_several_at_once(tmp_path: Path) -> None:
    source = ArraySource(describe(128, 128, z=8), hints=HINTS)
    meeting = Meeting(source)
    with open_cells(meeting, tmp_path) as cells:
        scan(cells, source)
        assert cells.load_states.reads == len(cells.grid) == 512
    assert meeting.most >= 2
    # one cell, what is left of its row, a few growing steps, and then whole planes
    assert len(source.reads) <= 16
    assert [region for plane, region in source.reads if plane.z == 7] == [Region(0, 0, 128, 128)]


def test_planes_that_are_read_in_order_are_read_ahead_as_well(tmp_path: Path) -> None:
    source = ArraySource(describe(64, 64, z=12), hints=HINTS)
    log = LoggingSource(LatencySource(source, 0.001))
    with open_cells(log, tmp_path) as cells:
        for z in range(3):
            np.testing.assert_array_equal(cells.read(PlaneIndex(z, 0, 0)), source.pixels[0, 0, z])
    assert max(request.plane.z for request in log.requests) >= 3
    asked = [(request.plane, request.region) for request in log.requests]
    assert len(set(asked)) == len(asked)


def test_what_is_asked_for_in_no_order_is_read_alone(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160), hints=HINTS)
    order = [7 * index % 100 for index in range(100)]
    with open_cells(source, tmp_path) as cells:
        for index in order:
            cells.cell(index)
    assert [region for _, region in source.reads] == [cells.grid.locate(index)[1] for index in order]


def test_two_cells_that_follow_each_other_by_chance_are_no_scan(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160), hints=HINTS)
    with open_cells(source, tmp_path) as cells:
        for index in (40, 3, 41, 77, 4, 12):
            cells.cell(index)
        assert cells.load_states.reads == len(source.reads) == 6


def test_reading_ahead_keeps_to_an_eighth_of_the_bound(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160, z=4), hints=HINTS)
    with open_cells(source, tmp_path, bound=64 * CELL) as cells:
        for index in range(3):
            cells.cell(index)
        cells._prefetcher.stop()
        assert cells.load_states.loaded <= 3 + 8


def test_two_threads_that_scan_do_not_disturb_each_other(tmp_path: Path) -> None:
    source = ArraySource(describe(128, 128, z=8), hints=HINTS)
    with open_cells(source, tmp_path) as cells:
        half = len(cells.grid) // 2
        for index in range(half):
            cells.cell(index)
            cells.cell(half + index)
        assert cells.load_states.reads == 2 * half
    assert len(source.reads) <= 40


def test_a_fault_ahead_reaches_only_who_asks_for_that_cell(tmp_path: Path) -> None:
    bad = Region(48, 32, 16, 16)

    def fail(_: PlaneIndex, region: Region) -> None:
        if region.contains(bad):
            raise ReadError("this tile is bad")

    source = ArraySource(describe(64, 64), hints=HINTS, before=fail)
    with open_cells(source, tmp_path) as cells:
        for index in range(16):
            if cells.grid.locate(index)[1] == bad:
                with pytest.raises(ReadError, match="bad"):
                    cells.cell(index)
            else:
                cells.cell(index)


def test_closing_in_the_middle_of_a_scan_waits_for_no_more_than_the_calls_under_way(tmp_path: Path) -> None:
    gate, entered = threading.Event(), threading.Semaphore(0)

    class Gated(LoggingSource):
        def before(self, request: Request) -> None:
            super().before(request)
            if threading.current_thread().name.startswith("ij-omero-prefetch"):
                entered.release()
                gate.wait(30)

    source = Gated(ArraySource(describe(128, 128, z=8), hints=HINTS))
    cells = open_cells(source, tmp_path)
    threads = threading.active_count()
    for index in range(3):
        cells.cell(index)
    assert entered.acquire(timeout=30)
    closing = threading.Thread(target=cells.close)
    closing.start()
    gate.set()
    closing.join(30)
    assert not closing.is_alive()
    assert threading.active_count() <= threads
    assert source.closed
    assert len(source.requests) <= 5


def test_edits_on_disk_are_read_ahead_too(tmp_path: Path) -> None:
    source = ArraySource(describe(128, 128, z=2), hints=HINTS)
    with open_cells(source, tmp_path, bound=64 * CELL) as cells:
        expected = source.pixels.copy()
        for index in range(0, len(cells.grid), 3):
            plane, region = cells.grid.locate(index)
            cells.write(plane, region, index)
            expected[0, 0, plane.z, region.y : region.y + 16, region.x : region.x + 16] = index
        cells.autosave()
        for index in range(len(cells.grid)):
            plane, region = cells.grid.locate(index)
            part = expected[0, 0, plane.z, region.y : region.y + 16, region.x : region.x + 16]
            np.testing.assert_array_equal(cells.cell(index), part)
        cells.close(discard=True)


def grid(columns: int, rows: int, planes: int) -> CellGrid:
    return CellGrid(columns * 16, rows * 16, 1, planes, 1, 16, 16)


def walk(scans: Scans, count: int) -> list[Window]:
    """Ask for cell after cell, and tell of those that a cache would tell of."""
    windows: list[Window] = []
    for index in range(count):
        if not any(window.first < index < window.end for window in windows):
            windows += scans.touched(index, index)
    return windows


def test_windows_grow_and_end_with_rows_and_planes() -> None:
    windows = walk(Scans(grid(10, 10, 3), 4, 32, 2, lambda: 1000), 300)
    assert [index for window in windows for index in range(*window)] == list(range(3, 300))
    assert windows[0] == Window(3, 7)
    assert max(window.end - window.first for window in windows) >= 30
    assert all(window.end % 10 == 0 for window in windows[4:])
    assert {100, 200, 300} <= {window.end for window in windows}


def test_planes_that_are_not_much_larger_are_read_whole() -> None:
    windows = walk(Scans(grid(4, 4, 20), 2, 12, 2, lambda: 1000), 320)
    assert [index for window in windows for index in range(*window)] == list(range(3, 320))
    assert all(window.first % 16 == 0 and window.end % 16 == 0 for window in windows[8:])


def test_without_room_nothing_is_read_ahead() -> None:
    scans = Scans(grid(10, 10, 3), 4, 32, 2, lambda: 1)
    assert [scans.touched(index, index) for index in range(4)] == [[]] * 4
