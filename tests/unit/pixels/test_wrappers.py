"""Wrapped sources and sinks do what they say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero.errors import ConnectionFailedError, InvalidInputError, ReadError, WriteError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
from ij_omero.pixels import PixelSource, WriteLayout, read_array, write_array, write_order
from ij_omero.pixels.conformance import example_pixels
from ij_omero.pixels.wrappers import FaultySink, FaultySource, LatencySource, LoggingSource
from ij_omero.stores import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

DESCRIPTION = ImageDescription("wrapped", PixelType.UINT8, 20, 10, 2)
PLANE = PlaneIndex(0, 0, 0)


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore(tile_size=8)
    yield store
    store.close()


@pytest.fixture
def source(store: MemoryStore) -> PixelSource:
    return store.open(write_array(store.create(DESCRIPTION), example_pixels(DESCRIPTION)))


def test_faults_come_where_they_are_asked_for(source: PixelSource) -> None:
    flaky = FaultySource(source, lambda request: request.number % 2 == 1)
    with pytest.raises(ReadError, match="injected"):
        flaky.read(PLANE)
    np.testing.assert_array_equal(flaky.read(PLANE), source.read(PLANE))
    lost = FaultySource(source, lambda request: True, lambda request: ConnectionFailedError("gone"))
    with pytest.raises(ConnectionFailedError):
        lost.read(PLANE)


def test_latency_waits(source: PixelSource) -> None:
    start = time.perf_counter()
    LatencySource(source, 0.02).read(PLANE)
    assert time.perf_counter() - start >= 0.02


def test_requests_are_kept(source: PixelSource) -> None:
    log = LoggingSource(source)
    log.read(PLANE)
    log.read(PLANE, Region(1, 2, 3, 3), level=1)
    assert [(each.number, each.region, each.level) for each in log.requests] == [(1, None, 0), (2, (1, 2, 3, 3), 1)]
    assert not log.closed
    log.close()
    assert log.closed
    with pytest.raises(ReadError):
        source.read(PLANE)


@pytest.mark.parametrize("at", [0, 3, None])
def test_a_failing_sink_leaves_nothing(store: MemoryStore, at: int | None) -> None:
    with pytest.raises(WriteError, match="injected"):
        write_array(FaultySink(store.create(DESCRIPTION), at), example_pixels(DESCRIPTION))
    assert list(store.list_images()) == []


def test_arrays_of_another_shape_are_refused_and_abandoned(store: MemoryStore) -> None:
    with pytest.raises(InvalidInputError, match="shape"):
        write_array(store.create(DESCRIPTION), np.zeros((1, 1, 2, 10, 21), np.uint8))


def test_tiles_run_x_y_z_c_t() -> None:
    description = ImageDescription("order", PixelType.UINT8, 5, 3, 2, 2, 2)
    tiles = list(write_order(description, WriteLayout(4, 2)))
    assert [tuple(region) for _, region in tiles[:4]] == [(0, 0, 4, 2), (4, 0, 1, 2), (0, 2, 4, 1), (4, 2, 1, 1)]
    assert [tuple(plane) for plane, _ in tiles[::4]] == [
        (0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1),
    ]  # fmt: skip


def test_progress_can_cancel(store: MemoryStore) -> None:
    seen = []

    def progress(done: int, total: int, what: str = "") -> None:
        seen.append((done, total))
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_array(store.create(DESCRIPTION), example_pixels(DESCRIPTION), progress)
    assert seen == [(number, 12) for number in range(1, 6)]
    assert list(store.list_images()) == []


def test_progress_of_reading(source: PixelSource) -> None:
    seen = []
    read_array(source, progress=lambda done, total, what="": seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
