"""Metadata, planes, tiles and lazy arrays over any store."""

from __future__ import annotations

import pickle
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.loading import (
    PyramidTileProvider,
    RegularImagePlaneProvider,
    get_image_metadata,
    is_large_image,
    load_image_data,
    load_image_lazy,
)
from ij_omero.model import Channel, ImageDescription, PixelType, PlaneIndex, Quantity, Region, ResolutionLevel
from ij_omero.pixels import ReadHints, check_request, write_array
from ij_omero.pixels.wrappers import FaultySource, LoggingSource
from ij_omero.stores import LocalStore, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from ij_omero.pixels import PixelSource

SHAPE = (2, 3, 4, 150, 210)
PIXELS = np.random.default_rng(3).integers(0, 60000, SHAPE).astype(np.uint16)
DESCRIPTION = ImageDescription(
    "cells",
    PixelType.UINT16,
    210,
    150,
    4,
    3,
    2,
    physical_size_x=Quantity(250, "nm"),
    physical_size_y=Quantity(1, "pixel"),
    channels=(
        Channel("DAPI", (0, 0, 255, 255), emission=Quantity(461, "nm"), window=(5.0, 900.0)),
        Channel(emission=Quantity(0.5095, "µm"), active=False),
        Channel(),
    ),
)


@pytest.fixture(params=["memory", "folder"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an image with resolution levels."""
    store = MemoryStore(tile_size=64) if request.param == "memory" else LocalStore(tmp_path / "images", tile_size=64)
    image_id = write_array(store.create(DESCRIPTION), PIXELS)
    yield str(store.address_of(image_id))
    store.close()


def source_of(pixels: npt.NDArray[Any] = PIXELS, tile: int = 64) -> PixelSource:
    store = MemoryStore(tile_size=tile)
    t, c, z, y, x = pixels.shape
    description = ImageDescription("an image", PixelType.of(pixels.dtype), x, y, z, c, t)
    return store.open(write_array(store.create(description), pixels))


class Huge:
    """A source with many tiles that holds none of them."""

    def __init__(self, size: int, levels: int = 1, tile: int = 512) -> None:
        self.description = ImageDescription("huge", PixelType.UINT16, size, size)
        self.levels = tuple(ResolutionLevel(i, size >> i, size >> i, tile, tile) for i in range(levels))
        self.hints = ReadHints()

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        region = check_request(self.description, self.levels, plane, region, level, out)
        pixels = np.full(region.shape, level, np.uint16) if out is None else out
        pixels[:] = level
        return pixels

    def close(self) -> None:
        pass


def test_metadata(address: str) -> None:
    metadata = get_image_metadata(address)
    assert {key: metadata[key] for key in ("size_x", "size_y", "size_z", "size_c", "size_t")} == {
        "size_x": 210,
        "size_y": 150,
        "size_z": 4,
        "size_c": 3,
        "size_t": 2,
    }
    assert (metadata["name"], metadata["pixel_type"], str(metadata["id"])) == ("cells", "u2", "1")
    assert (metadata["pixel_size_x"], metadata["pixel_size_y"], metadata["pixel_size_z"]) == (0.25, None, None)
    first, second, third = metadata["channels"]
    assert first == {
        "name": "DAPI",
        "index": 0,
        "color": (0, 0, 255),
        "emission_wavelength": 461.0,
        "window_start": 5.0,
        "window_end": 900.0,
        "active": True,
    }
    assert (second["name"], second["color"], second["active"]) == ("509.5", (255, 255, 255), False)
    assert (third["name"], third["emission_wavelength"], third["window_end"]) == ("2", None, 65535.0)


def test_large_is_more_than_4096_by_4096() -> None:
    assert not is_large_image(Huge(4096))
    assert is_large_image(Huge(4097))


def test_something_else_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="list is not an image"):
        load_image_data([1, 2])


def test_everything_at_once(address: str) -> None:
    loaded = load_image_data(address)
    assert loaded["metadata"] == get_image_metadata(address)
    assert [image.shape for image in loaded["images"]] == [(2, 4, 150, 210)] * 3
    for c, image in enumerate(loaded["images"]):
        np.testing.assert_array_equal(image, PIXELS[:, c])


def test_one_timepoint_has_no_time_axis() -> None:
    loaded = load_image_data(source_of(PIXELS[:1]))
    np.testing.assert_array_equal(loaded["images"][2], PIXELS[0, 2])


def test_lazy_levels_come_full_size_first_and_agree_with_the_source(address: str) -> None:
    loaded = load_image_lazy(address)
    assert len(loaded["images"]) == 3
    levels = loaded["images"][1]
    assert [level.shape for level in levels] == [(4, 150, 210), (4, 75, 105), (4, 38, 53)]
    np.testing.assert_array_equal(levels[0].compute(scheduler="threads"), PIXELS[0, 1])
    np.testing.assert_array_equal(levels[0][2, 10:80, 60:70].compute(), PIXELS[0, 1, 2, 10:80, 60:70])


def test_lazy_without_levels_is_one_array_per_channel() -> None:
    (image,) = load_image_lazy(Huge(1000))["images"]
    assert image.shape == (1, 1000, 1000)
    assert image.dtype == np.uint16


def test_a_hundred_thousand_tiles_are_laid_out_at_once() -> None:
    source = Huge(160_000)
    load_image_lazy(Huge(100))  # dask is imported
    start = time.process_time()
    (image,) = load_image_lazy(source)["images"]
    assert time.process_time() - start < 5  # a task per tile would take longer
    assert image.npartitions * (image.chunksize[1] * image.chunksize[2]) >= 97_000 * 512 * 512
    assert not image[0, -3:, -3:].compute().any()


def test_lazy_arrays_open_the_image_again_where_they_are_sent(address: str) -> None:
    image = load_image_lazy(address)["images"][0][0]
    copy = pickle.loads(pickle.dumps(image))  # noqa: S301
    np.testing.assert_array_equal(copy.compute(scheduler="sync"), PIXELS[0, 0])


def test_arrays_that_arrive_one_after_the_other_share_one_opened_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker unpickles an array for every task; it must not log in for every task."""
    store = LocalStore(tmp_path / "images", tile_size=64)
    sent = pickle.dumps(load_image_lazy(str(store.address_of(write_array(store.create(DESCRIPTION), PIXELS)))))
    opened: list[object] = []
    open_source = LocalStore.open
    monkeypatch.setattr(LocalStore, "open", lambda store, image: opened.append(image) or open_source(store, image))
    for _ in range(3):
        image = pickle.loads(sent)["images"][0][0]  # noqa: S301
        np.testing.assert_array_equal(image.compute(scheduler="sync"), PIXELS[0, 0])
        del image
    assert len(opened) == 1


def test_lazy_arrays_work_in_another_process(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "images", tile_size=64)
    address = str(store.address_of(write_array(store.create(DESCRIPTION), PIXELS)))
    image = load_image_lazy(address)["images"][2][0]
    np.testing.assert_array_equal(image.compute(scheduler="processes", num_workers=1), PIXELS[0, 2])


def test_an_array_over_a_bare_source_says_that_it_cannot_travel() -> None:
    with pytest.raises(InvalidInputError, match="open the image by its address"):
        pickle.dumps(load_image_lazy(Huge(100))["images"][0])


def test_the_tile_that_failed_is_named() -> None:
    broken = FaultySource(source_of(tile=64), fails=lambda request: request.region is not None)
    image = load_image_lazy(broken)["images"][1][0]
    with pytest.raises(ReadError, match=r"tile x=0, y=0, \d+ x \d+ of z=3, c=1, t=0, level 0 of the image"):
        image[3].compute(scheduler="sync")


def test_planes_are_read_once_and_stacks_use_them() -> None:
    source = LoggingSource(source_of())
    with RegularImagePlaneProvider(source) as planes:
        np.testing.assert_array_equal(planes.get_plane(1, 2, 1), PIXELS[1, 1, 2])
        asked = len(source.requests)
        assert planes.get_plane(1, 2, 1) is not None
        assert len(source.requests) == asked
        told: list[tuple[int, int]] = []
        stack = planes.get_stack(1, 1, progress=lambda done, total: told.append((done, total)))
        np.testing.assert_array_equal(stack, PIXELS[1, 1])
        assert told == [(4, 4)]
        assert planes.metadata["size_z"] == 4


def test_progress_is_told_every_fifth_section() -> None:
    told: list[tuple[int, int]] = []
    with RegularImagePlaneProvider(source_of(np.zeros((1, 1, 12, 5, 5), np.uint8))) as planes:
        planes.get_stack(0, progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 12), (10, 12), (12, 12)]


def test_planes_outside_are_refused_and_not_prefetched() -> None:
    with RegularImagePlaneProvider(source_of()) as planes:
        planes.prefetch_planes([(0, 0, 0), (0, 0, 0), (7, 0, 0), (0, -1, 0)])
        planes.prefetch_neighbors([0, 1], 0, 1)
        with pytest.raises(InvalidInputError, match="expected c below 3"):
            planes.get_plane(3, 0)


def test_prefetched_planes_are_there() -> None:
    source = LoggingSource(source_of())
    with RegularImagePlaneProvider(source) as planes:
        planes.prefetch_neighbors([2], 1, 0)
        expected = {PlaneIndex(0, 2, 0), PlaneIndex(2, 2, 0), PlaneIndex(1, 2, 1)}
        deadline = time.monotonic() + 10
        while {request.plane for request in source.requests} != expected and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        assert {request.plane for request in source.requests} == expected
        np.testing.assert_array_equal(planes.get_plane(2, 2, 0), PIXELS[0, 2, 2])


def test_a_callers_source_stays_open() -> None:
    source = source_of()
    RegularImagePlaneProvider(source).close()
    PyramidTileProvider(source).close()
    assert source.read(PlaneIndex(0, 0, 0)).shape == (150, 210)


def test_tiles_of_every_level(address: str) -> None:
    with PyramidTileProvider(address) as tiles:
        assert tiles.n_levels == 3
        assert tiles.dtype == np.uint16
        assert (tiles.full_size(), tiles.level_size(0), tiles.level_size(2)) == ((210, 150), (53, 38), (210, 150))
        assert tiles.tile_size(2) == (64, 64)
        tile = tiles.get_tile(2, 1, 3, 1, 1, 2)
        assert tile is not None
        np.testing.assert_array_equal(tile, PIXELS[1, 1, 3, 128:150, 64:128])
        for beyond in ((4, 0), (0, 3), (-1, 0)):
            assert tiles.get_tile(2, 1, 3, 1, *beyond) is None
        assert tiles.get_tile(2, 3, 0, 0, 0, 0) is None
        with pytest.raises(InvalidInputError, match="level 3 does not exist"):
            tiles.get_tile(3, 0, 0, 0, 0, 0)


def test_cached_tiles_are_known_without_asking_the_source() -> None:
    source = LoggingSource(source_of())
    with PyramidTileProvider(source) as tiles:
        assert tiles.get_cached_tile(1, 0, 0, 0, 0, 0) is None
        assert source.requests == []
        tiles.get_tile(1, 0, 0, 0, 0, 0)
        asked = len(source.requests)
        assert tiles.has_tile(1, 0, 0, 0, 0, 0)
        assert not tiles.has_tile(1, 0, 0, 0, 1, 0)
        assert tiles.get_cached_tile(1, 0, 0, 0, 0, 0) is not None
        assert len(source.requests) == asked


@pytest.mark.parametrize(("scale", "level"), [(0.01, 0), (0.4, 0), (0.6, 1), (1.0, 1), (1.01, 2), (8.0, 2)])
def test_the_level_for_a_scale(scale: float, level: int) -> None:
    with PyramidTileProvider(Huge(1000, levels=3)) as tiles:
        assert tiles.best_level_for_scale(scale) == level


def test_the_overview_is_the_smallest_level() -> None:
    source = source_of()
    with PyramidTileProvider(source) as tiles:
        overview = tiles.load_overview(z=1, t=1)
        assert [plane.shape for plane in overview] == [(1, 38, 53)] * 3
        np.testing.assert_array_equal(overview[2][0], source.read(PlaneIndex(1, 2, 1), level=2))


def test_all_levels_together_keep_the_bound() -> None:
    with PyramidTileProvider(Huge(16384, levels=4), max_cache_mb=8) as tiles:
        for level in (3, 2, 1, 0):
            for index in range(16):
                tiles.get_tile(level, 0, 0, 0, index % 4, index // 4)
        held = [tiles.has_tile(level, 0, 0, 0, x, y) for level in range(4) for x in range(8) for y in range(8)]
        assert sum(held) * 512 * 512 * 2 <= 9 << 20
        assert tiles.has_tile(0, 0, 0, 0, 3, 3)


def test_many_threads_get_the_same_tiles() -> None:
    source = source_of()
    wrong: list[int] = []

    def look(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(60):
            c, z, tx, ty = (int(random.integers(0, size)) for size in (3, 4, 4, 3))
            tile = tiles.get_tile(2, c, z, 0, tx, ty)
            if not np.array_equal(tile, PIXELS[0, c, z, ty * 64 : ty * 64 + 64, tx * 64 : tx * 64 + 64]):
                wrong.append(seed)

    with PyramidTileProvider(source, max_cache_mb=0) as tiles:
        threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
