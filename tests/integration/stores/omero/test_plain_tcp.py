"""Pixels over plain TCP, where somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import read_array, write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import OmeroStore

if TYPE_CHECKING:
    from tests._omero import OmeroUser

SMALL = ImageDescription("small", PixelType.UINT16, 50, 40, 2, 2, 1)


def test_pixels_travel_over_plain_tcp_where_asked(user: OmeroUser) -> None:
    pixels = example_pixels(SMALL)
    with OmeroStore.connect(user.host, user.name, user.password, port=user.port, encrypted=False) as store:
        image_id = write_array(store.create(SMALL), pixels)
        np.testing.assert_array_equal(read_array(store.open(image_id)), pixels)
        connection = store.session.connection().factory.ice_getConnection()
        assert connection.type() == "tcp"
    with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as store:
        np.testing.assert_array_equal(read_array(store.open(image_id)), pixels)
        assert store.session.connection().factory.ice_getConnection().type() == "ssl"
