"""An image of 100,000 x 100,000 pixels on its way to a real OMERO.server: tile by tile, in little memory."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import write_order
from tests._huge_images import SIZE, make_huge_image

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.stores import OmeroStore
    from tests._omero import OmeroUser

TILES = 40
LITTLE = 64 << 20


def test_saving_a_huge_image_holds_a_few_tiles(tmp_path: Path, user: OmeroUser) -> None:
    zarr: Any = pytest.importorskip("zarr", minversion="3", reason="zarr 2, for Python 3.10, has no create_array")
    path = make_huge_image(tmp_path, zarr)
    told: list[tuple[int, int]] = []

    def enough(done: int, total: int, what: str = "") -> None:
        told.append((done, total))
        if done == TILES:
            raise KeyboardInterrupt

    with ij_omero.connect(user.host, user=user.name, password=user.password, port=user.port) as connection:
        with ij_omero.open_image(path) as image:
            tracemalloc.start()
            try:
                with pytest.raises(KeyboardInterrupt):
                    connection.save_image(image, name="huge", progress=enough)
                assert tracemalloc.get_traced_memory()[1] < LITTLE
            finally:
                tracemalloc.stop()
        assert told[-1] == (TILES, 196 * 196)
        assert list(connection.list_images()) == []
    with user.gateway() as gateway:
        assert list(gateway.getObjects("Image")) == []


def test_the_server_knows_its_size_and_takes_its_tiles(store: OmeroStore, user: OmeroUser) -> None:
    description = ImageDescription("huge", PixelType.UINT16, SIZE, SIZE)
    assert description.nbytes == 20_000_000_000
    with store.create(description) as sink:
        assert (sink.layout.tile_width, sink.layout.tile_height) == (512, 512)
        for _, (plane, region) in zip(range(5), write_order(description, sink.layout), strict=False):
            sink.write(plane, region, np.full(region.shape, 9, np.uint16))
        with user.gateway() as gateway:
            (image,) = gateway.getObjects("Image")
            assert (image.getSizeX(), image.getSizeY()) == (SIZE, SIZE)
    assert store.unfinished() == []
