"""A server that hangs, one that is started again while an image is read or saved, and pixels over plain TCP."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero.errors import ConnectionFailedError, IJOmeroError, OperationTimeoutError
from ij_omero.localserver import LocalServer
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
from ij_omero.pixels import read_array, write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import OmeroStore
from ij_omero.stores._omero._credentials import Login
from ij_omero.stores._omero._session import OmeroSession

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests._omero import OmeroUser

pytestmark = [pytest.mark.omero, pytest.mark.timeout(300)]
SMALL = ImageDescription("small", PixelType.UINT16, 50, 40, 2, 2, 1)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[LocalServer]:
    server = LocalServer(tmp_path / "home", port=0)
    server.up()
    yield server
    server.wipe()


@contextlib.contextmanager
def frozen(server: LocalServer) -> Iterator[None]:
    """Stop the server's Java process, which answers nothing any more and holds its connections open."""
    pid = server.status().processes["blitz"]
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_frozen_server_blocks_nobody_for_ever(own_server: LocalServer) -> None:
    login = Login(own_server.host, own_server.port, "root", password=own_server.password)
    with OmeroStore(OmeroSession(login, read_timeout=2.0), shared=False) as store:
        pixels = example_pixels(SMALL)
        source = store.open(write_array(store.create(SMALL), pixels))
        np.testing.assert_array_equal(read_array(source), pixels)
        with frozen(own_server):
            began = time.monotonic()
            with pytest.raises(OperationTimeoutError, match="longer than allowed"):
                source.read(PlaneIndex(0, 0, 0))
            with pytest.raises(OperationTimeoutError):
                store.describe(source.description.image_id or 0)
            assert time.monotonic() - began < 30
        np.testing.assert_array_equal(read_array(source), pixels)


def test_a_server_that_starts_again(own_server: LocalServer) -> None:
    pixels = example_pixels(SMALL)
    login = Login(own_server.host, own_server.port, "root", password=own_server.password)
    with OmeroStore(OmeroSession(login, patience=60.0), shared=False) as store:
        source = store.open(write_array(store.create(SMALL), pixels))
        np.testing.assert_array_equal(source.read(PlaneIndex(0, 0, 0)), pixels[0, 0, 0])
        sink = store.create(SMALL.replace(name="half"))
        sink.write(PlaneIndex(0, 0, 0), Region(0, 0, 50, 40), pixels[0, 0, 0])
        own_server.down()
        own_server.up()
        began = time.monotonic()
        np.testing.assert_array_equal(source.read(PlaneIndex(1, 1, 0)), pixels[0, 1, 1])
        assert time.monotonic() - began < 15
        with pytest.raises((ConnectionFailedError, IJOmeroError)), sink:
            for plane in SMALL.plane_indices()[1:]:
                sink.write(plane, Region(0, 0, 50, 40), pixels[plane.t, plane.c, plane.z])
            sink.finish()
        assert [summary.name for summary in store.list_images()] == ["small"]
        assert store.unfinished() == []


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
