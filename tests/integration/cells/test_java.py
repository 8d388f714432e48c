"""The same cells from Java: what one side writes the other sees, and nothing is lost under a tiny bound."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.cells import CellCache, list_edits, recover_edits
from ij_omero.cells._residents import RETIRED_FLOOR
from ij_omero.errors import ReadError, UnsupportedPixelTypeError
from ij_omero.imagej import _cell_image, _java_cells
from ij_omero.imagej._cell_image import cell_image
from ij_omero.imagej._dataset import cells_of, to_dataset
from ij_omero.imagej._dataset_planes import dataset_description, dataset_plane
from ij_omero.imagej._runtime import java_class, start
from ij_omero.model import Channel, PixelType, PlaneIndex, Quantity, Region
from ij_omero.pixels import ReadHints, read_array
from ij_omero.pixels.wrappers import LoggingSource
from tests._cells import P0, ArraySource, describe

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.pixels import PixelSource

pytestmark = pytest.mark.jvm
PLAIN = [pixel_type for pixel_type in PixelType if not pixel_type.is_complex]


@pytest.fixture(scope="module", autouse=True)
def runtime() -> Any:
    return start()


def open_cells(tmp_path: Path, source: PixelSource, **options: object) -> CellCache:
    return CellCache(source, spill=tmp_path, **{"cell_shape": (16, 16), "autosave": None, **options})  # type: ignore[arg-type]


def at(access: Any, x: int, y: int, c: int = 0, z: int = 0, t: int = 0) -> Any:
    import jpype

    access.setPosition(jpype.JArray(jpype.JLong)([x, y, c, z, t]))
    return access.get()


@pytest.mark.parametrize("pixel_type", PLAIN)
def test_each_pixel_type_crosses_both_ways(tmp_path: Path, pixel_type: PixelType) -> None:
    source = ArraySource(describe(37, 21, z=2, c=2, t=2, pixel_type=pixel_type))
    with open_cells(tmp_path, source) as cells:
        access = to_dataset(cells).randomAccess()
        for x, y, c, z, t in [(0, 0, 0, 0, 0), (36, 20, 1, 1, 1), (17, 3, 0, 1, 0), (5, 16, 1, 0, 1)]:
            assert at(access, x, y, c, z, t).getRealDouble() == float(source.pixels[t, c, z, y, x])
            low = source.pixels.dtype.type(0 if x else 1)
            at(access, x, y, c, z, t).setReal(float(low))
            assert cells.read(PlaneIndex(z, c, t), Region(x, y, 1, 1))[0, 0] == low
        value = source.pixels[0, 0, 0, 9, 9]
        cells.write(PlaneIndex(1, 0, 1), Region(10, 10, 15, 7), np.full((7, 15), value))
        assert at(access, 24, 16, 0, 1, 1).getRealDouble() == float(value)
        assert at(access, 25, 16, 0, 1, 1).getRealDouble() == float(source.pixels[1, 0, 1, 16, 25])


@pytest.mark.parametrize("pixel_type", PLAIN)
def test_a_dataset_over_cells_is_read_back_plane_by_plane(tmp_path: Path, pixel_type: PixelType) -> None:
    source = ArraySource(describe(37, 21, z=2, c=2, pixel_type=pixel_type))
    with open_cells(tmp_path, source) as cells:
        dataset = to_dataset(cells)
        assert dataset_description(dataset).pixel_type is pixel_type
        for c, z in [(0, 0), (1, 1)]:
            plane = dataset_plane(dataset, 0, c, z)
            assert plane.dtype == source.pixels.dtype
            np.testing.assert_array_equal(plane, source.pixels[0, c, z])


@pytest.mark.parametrize("pixel_type", [PixelType.COMPLEX, PixelType.DOUBLE_COMPLEX])
def test_complex_pixels_are_an_image_but_no_dataset(tmp_path: Path, pixel_type: PixelType) -> None:
    source = ArraySource(describe(20, 20, pixel_type=pixel_type))
    with open_cells(tmp_path, source) as cells:
        pixel = at(cell_image(cells).randomAccess(), 18, 3)
        assert complex(pixel.getRealDouble(), pixel.getImaginaryDouble()) == complex(source.pixels[0, 0, 0, 3, 18])
        cells.write(P0, Region(17, 2, 3, 3), 1 - 2j)
        assert (pixel.getRealDouble(), pixel.getImaginaryDouble()) == (1, -2)
        with pytest.raises(UnsupportedPixelTypeError, match="magnitude"):
            to_dataset(cells)


def test_a_dataset_tells_what_the_image_is_and_reads_nothing(tmp_path: Path) -> None:
    source = ArraySource(
        describe(
            40,
            30,
            c=2,
            physical_size_x=Quantity(0.25, "µm"),
            physical_size_y=Quantity(0.5, "µm"),
            physical_size_z=Quantity(2, "µm"),
            time_increment=Quantity(3, "s"),
            channels=(
                Channel("DAPI", color=(0, 0, 255, 255), window=(10, 2000)),
                Channel("GFP", color=(0, 255, 0, 255)),
            ),
        )
    )
    with open_cells(tmp_path, source, address="omero://example.org/image/42") as cells:
        dataset = to_dataset(cells)
        assert str(dataset.getName()) == "cells"
        kinds = [str(dataset.axis(d).type().getLabel()) for d in range(int(dataset.numDimensions()))]
        assert kinds == ["X", "Y", "Channel", "Z", "Time"]
        assert [int(dataset.dimension(d)) for d in range(5)] == [40, 30, 2, 1, 1]
        assert [float(dataset.axis(d).averageScale(0, 1)) for d in (0, 1, 3, 4)] == [0.25, 0.5, 2, 3]
        assert [str(dataset.axis(d).unit()) for d in (0, 1, 3, 4)] == ["µm", "µm", "µm", "s"]
        assert int(dataset.getCompositeChannelCount()) == 2
        assert (float(dataset.getChannelMinimum(0)), float(dataset.getChannelMaximum(0))) == (10, 2000)
        table = dataset.getColorTable(0)
        assert [int(table.get(band, 255)) for band in range(3)] == [0, 0, 255]
        properties = dataset.getProperties()
        assert [str(name) for name in properties.get("channel names")] == ["DAPI", "GFP"]
        assert str(properties.get("ij_omero.address")) == "omero://example.org/image/42"
        assert cells_of(dataset) is cells
        assert cells_of(dataset.getImgPlus()) is cells
        assert source.reads == []


def test_copies_duplicates_and_views_work(tmp_path: Path) -> None:
    import jpype

    source = ArraySource(describe(50, 40, z=2))
    with open_cells(tmp_path, source, bound=6 * 512) as cells:
        dataset = to_dataset(cells)
        duplicate = dataset.duplicate()
        assert cells_of(duplicate) is None
        at(duplicate.randomAccess(), 0, 0).setReal(1.0)
        assert cells.dirty_cells() == []
        copy = dataset.getImgPlus().copy()
        assert at(copy.randomAccess(), 49, 39, 0, 1).getRealDouble() == source.pixels[0, 0, 1, 39, 49]
        image = dataset.getImgPlus().getImg()
        plain = image.factory().create(jpype.JArray(jpype.JLong)([50, 40, 1, 2, 1]))
        java_class("net.imglib2.util.ImgUtil").copy(image, plain)
        assert at(plain.randomAccess(), 33, 21).getRealDouble() == source.pixels[0, 0, 0, 21, 33]
        view = java_class("net.imglib2.view.Views").hyperSlice(image, 3, 1)
        assert view.getAt(jpype.JArray(jpype.JLong)([7, 8, 0, 0])).getRealDouble() == source.pixels[0, 0, 1, 8, 7]


def test_without_a_compiler_the_same_image_is_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _cell_image.compiled_classes() is not None, "the embedded class path has javassist"
    monkeypatch.setattr(_cell_image, "compiled_classes", lambda: None)
    monkeypatch.setattr(_java_cells, "compiled_classes", lambda: None)
    source = ArraySource(describe(50, 40, z=2))
    with open_cells(tmp_path, source, bound=6 * 512) as cells:
        dataset = to_dataset(cells)
        assert source.reads == []
        access = dataset.randomAccess()
        assert at(access, 33, 21).getRealDouble() == source.pixels[0, 0, 0, 21, 33]
        at(access, 33, 21).setReal(5.0)
        assert cells.read(P0, Region(33, 21, 1, 1))[0, 0] == 5
        assert at(dataset.getImgPlus().copy().randomAccess(), 33, 21).getRealDouble() == 5


def test_two_datasets_of_one_cache_share_its_pixels(tmp_path: Path) -> None:
    with open_cells(tmp_path, ArraySource(describe(40, 40))) as cells:
        one, other = to_dataset(cells).randomAccess(), to_dataset(cells).randomAccess()
        at(one, 3, 3).setReal(99.0)
        assert at(other, 3, 3).getRealDouble() == 99


def test_an_accessor_that_outlives_its_eviction_still_writes(tmp_path: Path) -> None:
    source = ArraySource(describe(160, 160))
    with open_cells(tmp_path, source, bound=4 * 512) as cells:
        image = cell_image(cells)
        old = image.randomAccess()
        at(old, 5, 5)
        read_array(cells.saved_view)
        for index in range(100):
            cells.hand_out(index)
        java_class("java.lang.System").gc()
        for index in range(100):
            cells.hand_out(index)
        old.get().setReal(4321.0)
        assert cells.read(P0, Region(5, 5, 1, 1))[0, 0] == 4321
        assert at(image.randomAccess(), 5, 5).getRealDouble() == 4321
        del old
        java_class("java.lang.System").gc()
        cells.bound = 512
        for index in range(1, 100):
            cells.hand_out(index)
        assert cells.read(P0, Region(5, 5, 1, 1))[0, 0] == 4321


def test_java_and_python_threads_race_under_a_tiny_bound(tmp_path: Path) -> None:
    source = ArraySource(describe(256, 256, z=4), tile=(64, 64))
    bound = 4 * 8192
    with open_cells(tmp_path, source, bound=bound, cell_shape=(64, 64), autosave=0.02) as cells:
        image = cell_image(cells)
        worst = [0]

        def java(seed: int) -> None:
            access = image.randomAccess()
            rng = np.random.default_rng(seed)
            for _ in range(1500):
                x, y, z = int(rng.integers(0, 64)) * 4 + seed, int(rng.integers(0, 256)), int(rng.integers(0, 4))
                value = int(rng.integers(0, 65536))
                at(access, x, y, 0, z).setInteger(value)
                mine[seed][z, y, x] = value
                worst[0] = max(worst[0], cells._residents.nbytes)

        def python(seed: int) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(1500):
                x, y, z = int(rng.integers(0, 64)) * 4 + seed, int(rng.integers(0, 256)), int(rng.integers(0, 4))
                value = int(rng.integers(0, 65536))
                cells.write(PlaneIndex(z, 0, 0), Region(x, y, 1, 1), value)
                mine[seed][z, y, x] = value
                assert cells.read(PlaneIndex(z, 0, 0), Region(x, y, 1, 1))[0, 0] == value

        mine = [source.pixels[0, 0].copy() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(java, 0), pool.submit(java, 1), pool.submit(python, 2), pool.submit(python, 3)]:
                done.result(300)
        expected = np.empty((4, 256, 256), np.uint16)
        for seed in range(4):
            expected[:, :, seed::4] = mine[seed][:, :, seed::4]
        np.testing.assert_array_equal(read_array(cells.saved_view)[0, 0], expected)
        assert worst[0] <= bound + RETIRED_FLOOR + 8 * 8192


def test_the_bound_holds_while_java_passes_over_an_image_of_many_times_it(tmp_path: Path) -> None:
    source = ArraySource(describe(2048, 2048, z=16), tile=(256, 256))
    bound = 32 << 20
    with open_cells(tmp_path, source, bound=bound, cell_shape=(256, 256)) as cells:
        image = cell_image(cells)
        most = 0
        watch = threading.Event()

        def sample() -> None:
            nonlocal most
            while not watch.wait(0.002):
                most = max(most, cells._residents.nbytes)

        watcher = threading.Thread(target=sample)
        watcher.start()
        try:
            copy = image.factory().create(image)
            java_class("net.imglib2.util.ImgUtil").copy(image, copy)
        finally:
            watch.set()
            watcher.join()
        assert at(copy.randomAccess(), 2047, 2047, 0, 15).getInteger() == source.pixels[0, 0, 15, 2047, 2047]
        assert bound // 2 < most <= bound * 1.1 + (4 << 17)


def test_cells_that_java_probably_asks_for_next_are_there_without_asking_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # one thread in the background, so that what it was given last is done last
    source = ArraySource(describe(512, 512, z=2), tile=(64, 64), hints=ReadHints(request_bytes=1 << 16))
    log = LoggingSource(source)
    with open_cells(tmp_path, log, cell_shape=(64, 64), bound=2 << 20) as cells:
        cells.write(P0, Region(64 * 4, 0, 64, 64), 77)
        cells.autosave()
        asked: list[int] = []
        hand_out = cells.hand_out
        monkeypatch.setattr(cells, "hand_out", lambda index: asked.append(index) or hand_out(index))
        access = cell_image(cells).randomAccess()
        for x in (0, 64, 128):
            at(access, x, 0)
        cells.prefetch_cells([len(cells.grid) - 1]).wait(60)
        assert len(log.requests) <= 6
        for x in range(0, 512, 64):
            expected = 77 if x == 256 else source.pixels[0, 0, 0, 63, x + 63]
            assert at(access, x + 63, 63).getInteger() == expected
        # the one that Python wrote to is still at home there
        assert set(asked) == {0, 1, 2, 4}
        at(access, 64 * 2, 0).setInteger(5)
        assert cells.read(P0, Region(64 * 2, 0, 1, 1))[0, 0] == 5


def test_a_cursor_sees_edits_that_left_memory_while_it_is_read_ahead_of(tmp_path: Path) -> None:
    source = ArraySource(describe(512, 512, z=8), tile=(64, 64), hints=ReadHints(request_bytes=1 << 16, parallel=2))
    with open_cells(tmp_path, source, cell_shape=(64, 64), bound=2 << 20) as cells:
        for index in range(0, len(cells.grid), 5):
            plane, region = cells.grid.locate(index)
            cells.write(plane, region, index)
        image = cell_image(cells)
        copy = image.factory().create(image)
        java_class("net.imglib2.util.ImgUtil").copy(image, copy)
        expected = read_array(cells.saved_view)
        for index in range(len(cells.grid)):
            plane, region = cells.grid.locate(index)
            value = at(copy.randomAccess(), region.x + 63, region.y + 63, 0, plane.z).getInteger()
            assert value == expected[0, 0, plane.z, region.y + 63, region.x + 63]
        cells.close(discard=True)


def test_a_failed_read_reaches_java_and_is_tried_again(tmp_path: Path) -> None:
    def fail(plane: PlaneIndex, region: Region) -> None:
        if len(source.reads) == 1:
            raise ReadError("the server went away")

    source = ArraySource(describe(40, 40), before=fail)
    with open_cells(tmp_path, source) as cells:
        dataset = to_dataset(cells)
        with pytest.raises(ReadError, match="went away"):
            at(dataset.randomAccess(), 3, 3)
        assert at(dataset.randomAccess(), 3, 3).getInteger() == source.pixels[0, 0, 0, 3, 3]


def test_discard_shows_java_the_original_pixels(tmp_path: Path) -> None:
    source = ArraySource(describe(40, 40))
    with open_cells(tmp_path, source) as cells:
        pixel = at(to_dataset(cells).randomAccess(), 3, 3)
        pixel.setInteger(7)
        cells.flush()
        pixel.setInteger(8)
        cells.discard()
        assert pixel.getInteger() == source.pixels[0, 0, 0, 3, 3]
        assert cells.dirty_cells() == []


def test_an_image_that_nobody_uses_is_collected_on_both_sides(tmp_path: Path) -> None:
    system = java_class("java.lang.System")
    cells = open_cells(tmp_path, ArraySource(describe(64, 64)))
    image = cell_image(cells)
    at(image.randomAccess(), 1, 1).setReal(9.0)
    weak_image = java_class("java.lang.ref.WeakReference")(image)
    weak_cells = weakref.ref(cells)
    del cells
    system.gc()
    gc.collect()
    assert weak_cells() is not None, "the image keeps its cells"
    assert at(image.randomAccess(), 40, 40) is not None
    del image
    patience = threading.Event()
    for _ in range(100):
        system.gc()
        gc.collect()
        if weak_image.get() is None and weak_cells() is None:
            break
        patience.wait(0.05)
    assert weak_image.get() is None
    assert weak_cells() is None
    # what Java wrote is kept although nobody closed the image
    for _ in range(3000):
        if [edit.in_use for edit in list_edits(tmp_path)] == [False]:
            break
        patience.wait(0.01)
    (edit,) = list_edits(tmp_path)
    with recover_edits(edit.edit_id, ArraySource(describe(64, 64)), root=tmp_path, autosave=None) as again:
        assert again.read(P0, Region(1, 1, 1, 1))[0, 0] == 9


def test_closing_lets_go_of_java_memory(tmp_path: Path) -> None:
    runtime = java_class("java.lang.Runtime").getRuntime()
    system = java_class("java.lang.System")

    def used() -> int:
        system.gc()
        return int(runtime.totalMemory() - runtime.freeMemory())

    before = used()
    cells = open_cells(tmp_path, ArraySource(describe(4096, 2048), tile=(512, 512)), cell_shape=(512, 512))
    image = cell_image(cells)
    for index in range(len(cells.grid)):
        cells.hand_out(index)
    assert used() > before + (12 << 20)
    cells.close()
    gc.collect()
    assert used() < before + (4 << 20)
    with pytest.raises(ReadError, match="open it again"):
        at(image.randomAccess(), 1, 1)
