"""What lies around the tiles that are looked at is in memory before it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ij_omero.images import Connection
from ij_omero.model import Channel, PlaneIndex, Region
from ij_omero.services.viewer import _read_ahead
from ij_omero.services.viewer._pictures import image_region
from ij_omero.services.viewer._shown_images import ShownImages
from ij_omero.stores import MemoryStore

TILE, TILES = 256, 6


class Watched(MemoryStore):
    """A store that tells which parts of which channels were read."""

    def __init__(self) -> None:
        super().__init__(tile_size=TILE)
        self.read: list[tuple[int, Region]] = []

    def open(self, image_id: Any) -> Any:
        source: Any = super().open(image_id)
        read = source.read

        def reading(plane: PlaneIndex, region: Region, **options: Any) -> Any:
            self.read.append((plane.c, region))
            return read(plane, region, **options)

        source.read = reading
        return source

    def covered(self, channel: int) -> np.ndarray:
        there = np.zeros((TILES * TILE, TILES * TILE), bool)
        for c, region in self.read:
            if c == channel:
                there[region.y : region.y + region.height, region.x : region.x + region.width] = True
        return there


@pytest.fixture
def store() -> Watched:
    store = Watched()
    pixels = np.zeros((1, 2, 1, TILES * TILE, TILES * TILE), np.float64)
    channels = [Channel(name, window=(0, 1)) for name in ("first", "second")]  # else they are sampled for one
    Connection(store).save_image(pixels, name="large", channels=channels).close()
    store.read.clear()
    return store


def look(images: ShownImages, x: int, y: int, **query: str) -> None:
    """Ask for a tile as a request does, and wait until nothing is read any more."""
    with images.lease("1") as shown:
        image_region(shown, "0", "0", {"tile": f"0,{x},{y},{TILE},{TILE}", "c": "1,-2", **query})
    shown.ahead.wait(30)


def test_neighbours_of_a_tile_are_read_in_the_channels_that_are_shown(store: Watched) -> None:
    images = ShownImages(store)
    look(images, 2, 2)
    assert store.covered(0)[TILE : 4 * TILE, TILE : 4 * TILE].all()
    assert not store.covered(0)[:, 5 * TILE :].any()
    assert not store.covered(1).any()
    before = len(store.read)
    with images.lease("1") as shown:
        shown.source.read(PlaneIndex(0, 0, 0), Region(3 * TILE, 3 * TILE, TILE, TILE))
    assert len(store.read) == before
    images.close()


def test_what_somebody_waits_for_goes_before(store: Watched) -> None:
    images = ShownImages(store)
    with images.lease("1"):
        look(images, 2, 2)
        assert not store.covered(0)[TILE : 2 * TILE].any()  # the other request is at work still
    images.find("1").ahead.wait(30)  # type: ignore[union-attr]
    assert store.covered(0)[TILE : 4 * TILE, TILE : 4 * TILE].all()
    images.close()


def test_a_projection_and_what_is_too_large_are_not_read_ahead(store: Watched, monkeypatch: Any) -> None:
    images = ShownImages(store)
    look(images, 2, 2, p="intmax")
    monkeypatch.setattr(_read_ahead, "MOST_BYTES", 100_000)
    look(images, 2, 2)
    assert store.covered(0).sum() <= 4 * TILE * TILE
    images.close()
