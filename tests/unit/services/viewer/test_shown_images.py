"""Images are opened once, kept while there is room, and opened afresh after a failure."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from ij_omero.errors import ImageNotFoundError, InvalidInputError, ReadError
from ij_omero.images import Connection
from ij_omero.model import PlaneIndex, Region
from ij_omero.services.viewer._sampling import MOST_PIXELS, sample
from ij_omero.services.viewer._shown_images import ShownImages
from ij_omero.stores import MemoryStore

SIDE = 512
BYTES = SIDE * SIDE * 2


class Counting(MemoryStore):
    """A store that counts what was opened, and fails when told to."""

    def __init__(self) -> None:
        super().__init__(tile_size=SIDE)
        self.opened: list[Any] = []
        self.broken = False

    def open(self, image_id: Any) -> Any:
        self.opened.append(image_id)
        source: Any = super().open(image_id)
        read = source.read

        def reading(*args: Any, **options: Any) -> Any:
            if self.broken:
                raise ReadError("the disk is gone")
            return read(*args, **options)

        source.read = reading
        return source


@pytest.fixture
def store() -> Counting:
    store = Counting()
    connection = Connection(store)
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 1 << 16, (SIDE, SIDE), np.uint16)
        connection.save_image(pixels, name=f"noise {seed}").close()
    store.opened.clear()
    return store


def look(images: ShownImages, name: str) -> None:
    with images.lease(name) as shown:
        shown.source.read(PlaneIndex(0, 0, 0))


def test_many_who_ask_at_once_open_an_image_once(store: Counting) -> None:
    images = ShownImages(store)
    together = threading.Barrier(8)

    def ask(_: int) -> None:
        together.wait()
        look(images, "1")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))
    assert store.opened == [1]
    images.close()


def test_images_together_keep_the_bound(store: Counting) -> None:
    images = ShownImages(store, bound=2 * BYTES)
    for name in ("1", "2", "3", "2", "3"):
        look(images, name)
    assert store.opened == [1, 2, 3]  # the first one went
    look(images, "1")
    assert store.opened == [1, 2, 3, 1]
    look(images, "3")
    assert store.opened == [1, 2, 3, 1]  # and 2, which was used longest ago, made room
    images.close()


def test_an_image_in_use_is_never_closed(store: Counting) -> None:
    images = ShownImages(store, bound=1)
    with images.lease("1") as shown:
        for name in ("2", "3"):
            look(images, name)
        assert shown.source.read(PlaneIndex(0, 0, 0), Region(0, 0, 4, 4)).shape == (4, 4)
    images.close()


def test_after_a_failure_an_image_is_opened_afresh(store: Counting) -> None:
    images = ShownImages(store)
    store.broken = True
    with images.lease("1") as other:
        with pytest.raises(ReadError, match="disk"):
            look(images, "1")
        store.broken = False
        assert other.source.read(PlaneIndex(0, 0, 0)).shape == (SIDE, SIDE)  # who reads already may go on
    look(images, "1")
    assert store.opened == [1, 1]
    images.close()
    with pytest.raises(ReadError):
        look(images, "1")


@pytest.mark.parametrize("name", ["0x1", "one", "../1", "", "9" * 30, "1\n", "\ud800", "5"])
def test_what_names_no_image_is_not_found(store: Counting, name: str) -> None:
    with pytest.raises(ImageNotFoundError):
        look(ShownImages(store), name)


def test_bounds_and_choices_are_checked(store: Counting) -> None:
    with pytest.raises(InvalidInputError):
        ShownImages(store, bound=0)
    with pytest.raises(InvalidInputError):
        ShownImages(store, pixels_id=3)


def test_a_sample_of_a_large_plane_is_small_and_from_everywhere() -> None:
    """Without small levels, from a plane of which each quarter has its own value."""
    height, width = 3000, 2600
    pixels = np.zeros((height, width), np.uint8)
    pixels[:1500, 1300:], pixels[1500:, :1300], pixels[1500:, 1300:] = 1, 2, 3
    store = MemoryStore(tile_size=4096)
    image = Connection(store).save_image(pixels)
    source = store.open(image.image_id)
    assert len(source.levels) == 1
    found = sample(source, 0, 0, 0)
    assert MOST_PIXELS // 2 < found.size <= MOST_PIXELS
    assert np.bincount(found, minlength=4).tolist() == [found.size // 4] * 4
