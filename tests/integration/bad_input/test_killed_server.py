"""A server that is killed while an image is read and while one is saved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero
from ij_omero.cells import list_edits
from ij_omero.errors import ConnectionFailedError, IJOmeroError
from ij_omero.localserver import LocalServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests._omero import MakeUser

pytestmark = [pytest.mark.omero, pytest.mark.timeout(300)]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    own = LocalServer(tmp_path / "home", port=0)
    own.up()
    yield own
    own.wipe()


def kill(server: LocalServer) -> None:
    for pid in server.status().processes.values():
        if pid:
            os.kill(pid, signal.SIGKILL)


def connected(server: LocalServer) -> ij_omero.Connection:
    return ij_omero.connect(server.host, port=server.port, user="root", password=server.password)


def test_reading_and_saving_end_with_an_error_and_no_edit_is_lost(server: LocalServer) -> None:
    pixels = np.random.default_rng(0).integers(0, 6000, (1, 1, 6, 1500, 1500), dtype=np.uint16)
    omero = connected(server)
    image = omero.open_image(omero.save_image(pixels, name="large").image_id, share=False)
    image[0, 0, 0, :10, :10] = 7
    reads = 0

    def dying(done: int, total: int, what: str = "") -> None:
        nonlocal reads
        reads += 1
        if reads == 2:
            kill(server)

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

    server.up()
    with connected(server) as omero:
        assert [summary.name for summary in omero.list_images()] == ["large"]
        new = omero.save_image(omero.recover_image(kept.edit_id), name="edited")
        pixels[0, 0, 0, :10, :10] = 7
        np.testing.assert_array_equal(new.to_numpy(), pixels)
    assert list_edits() == []


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
