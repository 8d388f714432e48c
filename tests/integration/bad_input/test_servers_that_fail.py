"""A server that is killed, that hangs or that is started again while an image is read and while one is saved."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero
from ij_omero.cells import list_edits
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

    from tests._omero import MakeUser

pytestmark = [pytest.mark.omero, pytest.mark.timeout(300)]
SMALL = ImageDescription("small", PixelType.UINT16, 50, 40, 2, 2, 1)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that each test leaves up."""
    own = LocalServer(tmp_path_factory.mktemp("server") / "home", port=0)
    own.up()
    yield own
    own.wipe()


def kill(server: LocalServer) -> None:
    for pid in server.status().processes.values():
        if pid:
            os.kill(pid, signal.SIGKILL)


def connected(server: LocalServer) -> ij_omero.Connection:
    return ij_omero.connect(server.host, port=server.port, user="root", password=server.password)


def test_reading_and_saving_end_with_an_error_and_no_edit_is_lost(
    own_server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    pixels = np.random.default_rng(0).integers(0, 6000, (1, 1, 6, 1500, 1500), dtype=np.uint16)
    omero = connected(own_server)
    image = omero.open_image(omero.save_image(pixels, name="large").image_id, share=False)
    image[0, 0, 0, :10, :10] = 7
    reads = 0

    def dying(done: int, total: int, what: str = "") -> None:
        nonlocal reads
        reads += 1
        if reads == 2:
            kill(own_server)

    began = time.monotonic()
    with pytest.raises(ConnectionFailedError):
        omero.save_image(image, name="half", progress=dying)
    with pytest.raises(IJOmeroError, match=r"check that the server is up"):
        image[0, 0, 5]
    assert time.monotonic() - began < 60
    assert image[0, 0, 0, 5, 5] == 7
    omero.close()
    (kept,) = list_edits()
    assert kept.image_name == "large"

    own_server.up()
    with connected(own_server) as omero:
        assert "half" not in {summary.name for summary in omero.list_images()}
        new = omero.save_image(omero.recover_image(kept.edit_id), name="edited")
        pixels[0, 0, 0, :10, :10] = 7
        np.testing.assert_array_equal(new.to_numpy(), pixels)
        assert omero.store.unfinished() == []  # a save removes what an earlier one left
    assert list_edits() == []


def states_of_threads(pid: int) -> Iterator[str]:
    """Yield the third field of Linux' /proc/PID/task/TID/stat, after the program's name in parentheses."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            yield (task / "stat").read_text().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def frozen(server: LocalServer) -> Iterator[None]:
    """Stop the server's Java process, which answers nothing any more and holds its connections open."""
    pid = server.status().processes["blitz"]
    assert pid
    os.kill(pid, signal.SIGSTOP)
    # one of its threads takes the signal and stops the others, which may answer until then
    deadline = time.monotonic() + 30
    while set(states_of_threads(pid)) != {"T"} and time.monotonic() < deadline:
        os.sched_yield()
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
        assert "half" not in {summary.name for summary in store.list_images()}
        assert store.unfinished() == []


WRITER = """
import os, signal, sys
import numpy as np
import ij_omero

def dying(done, total, what=""):
    os.kill(os.getpid(), signal.SIGKILL)

with ij_omero.connect("127.0.0.1", port=int(sys.argv[1]), user="root", password=sys.argv[2]) as omero:
    omero.save_image(np.zeros((2, 50, 50), np.uint8), name="half", progress=dying)
"""


def test_the_next_save_removes_what_a_killed_one_left(omero_user: MakeUser) -> None:
    user = omero_user()
    program = WRITER.replace('"root"', repr(user.name))
    killed = subprocess.run([sys.executable, "-c", program, str(user.port), user.password], check=False)
    assert killed.returncode == -signal.SIGKILL
    with user.gateway() as gateway:
        assert [image.getName() for image in gateway.getObjects("Image")] == ["[unfinished] half"]
    with ij_omero.connect(user.host, port=user.port, user=user.name, password=user.password) as omero:
        omero.save_image(np.zeros((50, 50), np.uint8), name="whole")
    with user.gateway() as gateway:
        assert [image.getName() for image in gateway.getObjects("Image")] == ["whole"]
