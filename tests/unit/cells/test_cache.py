"""The cache as Python sees it: what is read, what is kept, what is shared between threads."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero.cells import CellCache, list_edits, set_process_bound
from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.model import PixelType, PlaneIndex, Region
from ij_omero.pixels import PixelSource, ReadHints, read_array
from tests._cells import P0, ArraySource, Gate, describe

if TYPE_CHECKING:
    from pathlib import Path

CELL = (16, 16)


def open_cells(tmp_path: Path, source: ArraySource, **options: object) -> CellCache:
    return CellCache(source, spill=tmp_path, **{"cell_shape": CELL, "autosave": None, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("pixel_type", list(PixelType))
def test_every_pixel_type_is_read_edited_spilled_and_read_back(tmp_path: Path, pixel_type: PixelType) -> None:
    source = ArraySource(describe(40, 37, z=2, c=2, t=2, pixel_type=pixel_type))
    expected = source.pixels.copy()
    with open_cells(tmp_path, source, bound=3000) as cells:
        for plane in source.description.plane_indices():
            flipped = cells.read(plane)[::-1]
            cells.write(plane, None, flipped)
            expected[plane.t, plane.c, plane.z] = flipped
        np.testing.assert_array_equal(read_array(cells.saved_view), expected)
        for plane in source.description.plane_indices():
            np.testing.assert_array_equal(cells.read(plane), expected[plane.t, plane.c, plane.z])
        assert cells.load_states.nbytes <= 3000
        cells.discard()
        np.testing.assert_array_equal(read_array(cells.saved_view), source.pixels)


def test_opening_reads_nothing_and_reading_reads_only_what_is_touched(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160))
    with open_cells(tmp_path, source) as cells:
        assert source.reads == []
        cells.read(P0, Region(20, 20, 4, 4))
        assert source.reads == [(P0, Region(16, 16, 16, 16))]
        assert (cells.load_states.loaded, cells.load_states.edited, cells.load_states.total) == (1, 0, 100)
        cells.read(P0, Region(17, 17, 8, 8))
        assert len(source.reads) == 1
    assert list(tmp_path.iterdir()) == [], "a session without edits leaves no files"


def test_a_smaller_resolution_level_is_cached_as_well(tmp_path: Path) -> None:
    source = ArraySource(describe(100, 70))
    with open_cells(tmp_path, source, level=1) as cells:
        np.testing.assert_array_equal(cells.read(P0), source.half[0, 0, 0])
        cells.write(P0, Region(0, 0, 2, 2), 9)
        view = cells.saved_view
        assert (view.description.size_x, view.description.size_y) == (50, 35)
        assert (read_array(view)[0, 0, 0, :2, :2] == 9).all()


def test_cells_that_are_wanted_together_are_read_together(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160), hints=ReadHints(request_bytes=20 * 512))
    with open_cells(tmp_path, source) as cells:
        cells.read(P0)
        assert len(source.reads) == 5  # 100 cells of 512 bytes, 20 to a request
        assert cells.load_states.reads == 100


def test_cells_that_are_missed_in_order_are_read_ahead(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160), hints=ReadHints(request_bytes=5 * 512))
    with open_cells(tmp_path, source) as cells:
        for index in range(100):
            _plane, region = cells.grid.locate(index)
            expected = source.pixels[0, 0, 0, region.y : region.y + 16, region.x : region.x + 16]
            np.testing.assert_array_equal(cells.cell(index), expected)
        assert len(source.reads) < 50


def test_a_cell_is_a_read_only_view_that_shows_later_writes(tmp_path: Path) -> None:
    with open_cells(tmp_path, ArraySource(describe(64, 64))) as cells:
        view = cells.cell(0)
        cells.write(P0, Region(0, 0, 1, 1), 12345)
        assert view[0, 0] == 12345
        assert np.shares_memory(view, cells.cell(0))
        with pytest.raises(ValueError, match="read-only"):
            view[0, 0] = 1


def test_what_is_read_is_the_callers_own(tmp_path: Path) -> None:
    source = ArraySource(describe(64, 64))
    with open_cells(tmp_path, source) as cells:
        cells.read(P0)[...] = 0
        cells.read(P0, Region(0, 0, 16, 16))[...] = 0
        np.testing.assert_array_equal(cells.read(P0), source.pixels[0, 0, 0])


def test_edits_are_found_by_content(tmp_path: Path) -> None:
    source = ArraySource(describe(64, 64))
    with open_cells(tmp_path, source) as cells:
        region = Region(10, 10, 20, 20)
        before = cells.read(P0, region)
        cells.write(P0, region, before)
        assert cells.dirty_cells() == []
        cells.write(P0, Region(0, 0, 1, 1), int(before[0, 0]) ^ 1)
        cells.write(P0, Region(40, 0, 1, 1), int(source.pixels[0, 0, 0, 0, 40]) ^ 1)
        assert cells.dirty_cells() == [0, 2]
        cells.write(P0, Region(0, 0, 1, 1), int(source.pixels[0, 0, 0, 0, 0]))
        assert cells.dirty_cells() == [2]


def test_a_cell_that_is_overwritten_whole_is_not_read_first(tmp_path: Path) -> None:
    source = ArraySource(describe(64, 64))
    with open_cells(tmp_path, source) as cells:
        cells.write(P0, None, 7)
        assert source.reads == []
        assert (cells.read(P0) == 7).all()
        assert len(cells.dirty_cells()) == 16


def test_an_evicted_edit_is_preferred_over_the_source(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160))
    with open_cells(tmp_path, source, bound=2048) as cells:
        cells.write(P0, Region(3, 3, 1, 1), 4242)
        cells.read(P0)
        states = cells.load_states
        assert (states.spilled, states.edited) == (1, 1)
        assert states.nbytes <= 2048
        assert cells.read(P0, Region(3, 3, 1, 1))[0, 0] == 4242


def test_the_bound_holds_and_can_be_lowered(tmp_path: Path) -> None:
    source = ArraySource(describe(320, 320))
    with open_cells(tmp_path, source, bound=100 * 512) as cells:
        rng = np.random.default_rng(1)
        for index in rng.integers(0, 400, 2000).tolist():
            cells.cell(index)
            assert cells.load_states.nbytes <= 100 * 512
        assert cells.load_states.loaded > 80
        cells.bound = 10 * 512
        assert cells.load_states.nbytes <= 10 * 512
        np.testing.assert_array_equal(cells.read(P0), source.pixels[0, 0, 0])


def test_a_bound_over_the_process_is_shared_by_its_caches(tmp_path: Path) -> None:
    with (
        open_cells(tmp_path, ArraySource(describe(320, 320))) as one,
        open_cells(tmp_path, ArraySource(describe(320, 320))) as other,
    ):
        one.read(P0)
        other.write(P0, None, 3)
        try:
            set_process_bound(50 * 512)
            assert one.load_states.nbytes + other.load_states.nbytes <= 50 * 512
            one.read(P0)
            other.read(P0)
            assert one.load_states.nbytes + other.load_states.nbytes <= 50 * 512
        finally:
            set_process_bound(None)
        assert (other.read(P0) == 3).all()


def test_many_threads_that_miss_one_cell_make_one_read(tmp_path: Path) -> None:
    gate = Gate()
    source = ArraySource(describe(64, 64), before=gate)
    with open_cells(tmp_path, source) as cells, ThreadPoolExecutor(8) as pool:
        views = [pool.submit(cells.cell, 5) for _ in range(8)]
        assert gate.entered.acquire(timeout=30)
        gate.open.set()
        assert len({view.result(30).ctypes.data for view in views}) == 1
        assert len(source.reads) == 1


def test_a_failed_read_reaches_all_who_waited_and_is_tried_afresh(tmp_path: Path) -> None:
    gate = Gate()

    def fail(plane: PlaneIndex, region: Region) -> None:
        gate(plane, region)
        if len(source.reads) == 1:
            raise ReadError("the server went away")

    source = ArraySource(describe(64, 64), before=fail)
    with open_cells(tmp_path, source) as cells:
        outcomes: list[str] = []

        def ask() -> None:
            try:
                cells.cell(5)
            except ReadError as error:
                outcomes.append(str(error))

        first = threading.Thread(target=ask)
        first.start()
        assert gate.entered.acquire(timeout=30)
        # the others find the read under way; they are waiting once they are blocked in it
        others = [threading.Thread(target=ask) for _ in range(3)]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join(0.2)
        gate.open.set()
        for thread in [first, *others]:
            thread.join(30)
        assert outcomes == ["the server went away"] * 4
        assert len(source.reads) == 1
        np.testing.assert_array_equal(cells.cell(5), source.pixels[0, 0, 0, 16:32, 16:32])


def test_nobody_waits_for_another_cell(tmp_path: Path) -> None:
    gate = Gate()
    source = ArraySource(describe(64, 64), before=lambda plane, region: gate(plane, region) if region.x == 0 else None)
    with open_cells(tmp_path, source) as cells, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cells.cell, 0)
        assert gate.entered.acquire(timeout=30)
        np.testing.assert_array_equal(cells.cell(6), source.pixels[0, 0, 0, 16:32, 32:48])
        assert not slow.done()
        gate.open.set()
        slow.result(30)


def test_a_fault_in_a_neighbour_read_ahead_does_not_reach_who_did_not_ask_for_it(tmp_path: Path) -> None:
    def fail(plane: PlaneIndex, region: Region) -> None:
        if region.x + region.width > 48:
            raise ReadError("this tile is bad")

    source = ArraySource(describe(160, 160), before=fail)
    with open_cells(tmp_path, source) as cells:
        for index in range(3):
            cells.cell(index)
        with pytest.raises(ReadError, match="bad"):
            cells.cell(3)


def test_prefetch_loads_in_the_background_and_can_be_cancelled(tmp_path: Path) -> None:
    gate = Gate()
    source = ArraySource(describe(160, 160), before=gate)
    with open_cells(tmp_path, source) as cells:
        ahead = cells.prefetch(P0)
        assert gate.entered.acquire(timeout=30)
        ahead.cancel()
        gate.open.set()
        ahead.wait(30)
        assert 0 < cells.load_states.loaded < 100
        cells.prefetch(P0).wait(30)
        reads = len(source.reads)
        assert cells.load_states.loaded == 100
        np.testing.assert_array_equal(cells.read(P0), source.pixels[0, 0, 0])
        assert len(source.reads) == reads


def test_prefetch_takes_at_most_half_of_the_bound(tmp_path: Path) -> None:
    with open_cells(tmp_path, ArraySource(describe(160, 160)), bound=20 * 512) as cells:
        cells.prefetch(P0).wait(30)
        assert cells.load_states.loaded == 10


def test_discard_and_revert_go_back_to_the_source(tmp_path: Path) -> None:
    source = ArraySource(describe(64, 64))
    with open_cells(tmp_path, source) as cells:
        cells.write(P0, None, 1)
        cells.flush()
        cells.write(P0, None, 2)
        cells.revert(P0, Region(8, 8, 16, 16))
        expected = np.full((64, 64), 2, np.uint16)
        expected[8:24, 8:24] = source.pixels[0, 0, 0, 8:24, 8:24]
        np.testing.assert_array_equal(cells.read(P0), expected)
        cells.discard()
        np.testing.assert_array_equal(cells.read(P0), source.pixels[0, 0, 0])
        assert cells.dirty_cells() == []


def test_the_saved_view_streams_without_loading_cells(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160, z=2))
    with open_cells(tmp_path, source, bound=4096) as cells:
        cells.write(P0, Region(5, 5, 90, 90), 77)
        expected = source.pixels.copy()
        expected[0, 0, 0, 5:95, 5:95] = 77
        before = cells.load_states
        view = cells.saved_view
        assert isinstance(view, PixelSource)
        np.testing.assert_array_equal(read_array(view), expected)
        np.testing.assert_array_equal(view.read(P0, Region(90, 90, 20, 20)), expected[0, 0, 0, 90:110, 90:110])
        after = cells.load_states
        # what is stored in the background meanwhile is no load
        assert (after.loaded, after.reads, after.nbytes) == (before.loaded, before.reads, before.nbytes)


def test_edits_that_are_only_in_memory_are_saved_in_the_background(tmp_path: Path) -> None:
    with open_cells(tmp_path, ArraySource(describe(64, 64)), autosave=0.01) as cells:
        cells.write(P0, Region(0, 0, 1, 1), 9)
        patience = threading.Event()
        for _ in range(3000):
            if cells.load_states.spilled:
                break
            patience.wait(0.01)
        assert cells.load_states.spilled == 1
        assert cells.load_states.loaded == 1


def test_concurrent_writers_and_readers_under_a_tiny_bound_lose_nothing(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160))
    with open_cells(tmp_path, source, bound=8 * 512) as cells:

        def work(seed: int) -> None:
            # each thread owns the pixels whose column is its seed modulo 4, in every cell
            rng = np.random.default_rng(seed)
            for _ in range(400):
                x, y = int(rng.integers(0, 40)) * 4 + seed, int(rng.integers(0, 160))
                value = int(rng.integers(0, 65536))
                cells.write(P0, Region(x, y, 1, 1), value)
                mine[seed][y, x] = value
                assert cells.read(P0, Region(x, y, 1, 1))[0, 0] == value

        mine = [source.pixels[0, 0, 0].copy() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        expected = np.empty((160, 160), np.uint16)
        for seed in range(4):
            expected[:, seed::4] = mine[seed][:, seed::4]
        np.testing.assert_array_equal(cells.read(P0), expected)
        assert cells.load_states.nbytes <= 8 * 512


def test_closing_releases_threads_files_and_memory(tmp_path: Path) -> None:
    def handles() -> set[str]:
        links = set()
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the listing's own handle is gone by then
            try:
                links.add(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115
            except FileNotFoundError:
                continue
        return {link for link in links if str(tmp_path) in link}

    threads = set(threading.enumerate())
    source = ArraySource(describe(64, 64))
    cells = open_cells(tmp_path, source, autosave=60.0)
    cells.write(P0, None, 1)
    cells.prefetch(P0).wait(30)
    cells.flush()
    assert handles()
    cells.close(discard=True)
    cells.close()
    assert source.closed
    assert handles() == set()
    assert set(threading.enumerate()) == threads
    assert cells.load_states.nbytes == 0
    gone = weakref.ref(cells)
    del cells
    gc.collect()
    assert gone() is None


def test_a_closed_cache_says_so(tmp_path: Path) -> None:
    cells = open_cells(tmp_path, ArraySource(describe(64, 64)))
    cells.close()
    for act in (lambda: cells.cell(0), lambda: cells.read(P0), lambda: cells.write(P0, None, 1)):
        with pytest.raises(ReadError, match="open it again"):
            act()


def test_closing_keeps_unsaved_edits_and_only_those(tmp_path: Path) -> None:
    cells = open_cells(tmp_path, ArraySource(describe(64, 64)))
    cells.write(P0, Region(0, 0, 1, 1), 9)
    cells.mark_saved(cells.note_edits())
    cells.close()
    assert list_edits(tmp_path) == []
    cells = open_cells(tmp_path, ArraySource(describe(64, 64)))
    cells.write(P0, Region(0, 0, 1, 1), 9)
    cells.mark_saved(cells.note_edits())
    cells.write(P0, Region(0, 0, 1, 1), 10)
    cells.close()
    assert [edit.edit_id for edit in list_edits(tmp_path)] == [cells.edit_id]


def test_what_is_edited_while_a_save_runs_is_not_saved_with_it(tmp_path: Path) -> None:
    cells = open_cells(tmp_path, ArraySource(describe(64, 64)))
    cells.write(P0, Region(0, 0, 1, 1), 9)
    noted = cells.note_edits()
    saved = read_array(cells.saved_view)
    cells.write(P0, Region(40, 40, 1, 1), 10)
    cells.mark_saved(noted)
    cells.close()
    assert saved[0, 0, 0, 40, 40] != 10
    (edit,) = list_edits(tmp_path)
    assert edit.edit_id == cells.edit_id


def test_edits_that_were_saved_and_then_undone_leave_no_files(tmp_path: Path) -> None:
    cells = open_cells(tmp_path, ArraySource(describe(64, 64)))
    cells.write(P0, None, 9)
    cells.flush()
    cells.mark_saved(cells.note_edits())
    cells.discard()
    cells.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.zeros((3, 3), np.uint16), "shape"),
        (np.zeros((2, 2), np.float64), "astype"),
        (70000, "0 to 65535"),
        (-1, "0 to 65535"),
        (1.5, "whole number"),
        (float("nan"), "whole number"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(tmp_path: Path, pixels: object, says: str) -> None:
    with open_cells(tmp_path, ArraySource(describe(64, 64))) as cells:
        with pytest.raises(InvalidInputError, match=says):
            cells.write(P0, Region(0, 0, 2, 2), pixels)  # type: ignore[arg-type]
        assert cells.dirty_cells() == []


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="levels 0 to 1"):
        open_cells(tmp_path, ArraySource(describe(64, 64)), level=2)
    with pytest.raises(InvalidInputError, match="above 0"):
        open_cells(tmp_path, ArraySource(describe(64, 64)), bound=0)
    with open_cells(tmp_path, ArraySource(describe(64, 64))) as cells:
        for region in (Region(60, 0, 5, 1), Region(-1, 0, 1, 1), Region(0, 0, 0, 1)):
            with pytest.raises(InvalidInputError):
                cells.read(P0, region)
        with pytest.raises(InvalidInputError, match="z=1"):
            cells.read(PlaneIndex(1, 0, 0))
        with pytest.raises(InvalidInputError, match="cell 16"):
            cells.cell(16)
