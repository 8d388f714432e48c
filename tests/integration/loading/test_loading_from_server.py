"""Code that was written for image wrappers of omero-py runs with a real server behind it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero.loading import (
    PyramidTileProvider,
    RegularImagePlaneProvider,
    get_image_metadata,
    is_large_image,
    load_image_data,
    load_image_lazy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests._omero import MakeUser

PIXELS = np.random.default_rng(8).integers(-3000, 3000, (2, 2, 3, 90, 120)).astype(np.int16)


@pytest.fixture
def wrapper(omero_user: MakeUser) -> Iterator[Any]:
    """An ``ImageWrapper`` in its connection."""
    user = omero_user()
    with user.gateway() as gateway:
        t, c, z = PIXELS.shape[:3]
        planes = (PIXELS[i, j, k] for k, j, i in itertools.product(range(z), range(c), range(t)))
        image = gateway.createImageFromNumpySeq(planes, "wrapped", z, c, t)
        yield gateway.getObject("Image", image.getId())


def test_a_wrapper_is_an_image(wrapper: Any) -> None:
    metadata = get_image_metadata(wrapper)
    assert (metadata["id"], metadata["name"], metadata["pixel_type"]) == (wrapper.getId(), "wrapped", "i2")
    assert not is_large_image(wrapper)
    loaded = load_image_data(wrapper)
    for c in range(2):
        np.testing.assert_array_equal(loaded["images"][c], PIXELS[:, c])
    with RegularImagePlaneProvider(wrapper, max_cache_mb=16) as planes:
        np.testing.assert_array_equal(planes.get_stack(1, 1), PIXELS[1, 1])
    with PyramidTileProvider(wrapper) as tiles:
        assert tiles.full_size() == (120, 90)
        np.testing.assert_array_equal(tiles.load_overview(z=2)[0][0], PIXELS[0, 0, 2])
    lazy = load_image_lazy(wrapper)["images"]
    np.testing.assert_array_equal(lazy[1].compute(), PIXELS[0, 1])
    assert wrapper._conn.isConnected()


def test_an_address_and_an_open_image_are_images(omero_user: MakeUser) -> None:
    user = omero_user()
    with user.gateway() as gateway:
        plane = PIXELS[0, 0, 0]
        number = int(gateway.createImageFromNumpySeq(iter([plane]), "one plane").getId())
    login = {"user": user.name, "password": user.password}
    address = f"omero://{user.host}:{user.port}/image/{number}"
    np.testing.assert_array_equal(load_image_data(address, **login)["images"][0][0], plane)
    np.testing.assert_array_equal(load_image_lazy(address, **login)["images"][0].compute()[0], plane)
    with ij_omero.connect(f"omero://{user.host}:{user.port}", **login) as omero:
        np.testing.assert_array_equal(load_image_data(omero.open_image(number))["images"][0][0], plane)
