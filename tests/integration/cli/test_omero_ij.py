"""``omero ij``: this package's commands in the real omero command, with the session of its login."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ij_omero.localserver import LocalServer
    from tests._omero import MakeUser, OmeroUser


@pytest.fixture
def user(omero_user: MakeUser) -> OmeroUser:
    return omero_user()


@pytest.fixture
def image_id(user: OmeroUser) -> int:
    picture = np.zeros((32, 32), np.uint8)
    picture[8:24, 8:24] = 200
    with user.gateway() as gateway:
        return int(gateway.createImageFromNumpySeq(iter([picture]), "a square", 1, 1, 1).getId())


def omero_ij(server: LocalServer, user: OmeroUser, *arguments: str) -> subprocess.CompletedProcess[str]:
    login = ["-s", user.host, "-p", str(user.port), "-u", user.name, "-w", user.password]
    return server.omero("ij", *login, *arguments)


def test_commands_use_the_login(omero_server: LocalServer, user: OmeroUser, image_id: int) -> None:
    told = omero_ij(omero_server, user, "info", f"Image:{image_id}")
    assert told.returncode == 0, told.stderr
    assert "a square" in told.stdout and f"/image/{image_id}" in told.stdout
    # the session of the login stays open for the next command
    listed = omero_server.omero("ij", "list")
    assert listed.returncode == 0, listed.stderr
    assert "a square" in listed.stdout
    missing = omero_ij(omero_server, user, "info", f"Image:{2**40}")
    assert missing.returncode == 1
    assert f"Invalid image ID: {2**40}" in missing.stderr


@pytest.mark.jvm
def test_a_module_runs_on_an_image_of_the_server(omero_server: LocalServer, user: OmeroUser, image_id: int) -> None:
    done = omero_ij(omero_server, user, "run", "Invert", f"Image:{image_id}", "--name", "inverted")
    assert done.returncode == 0, done.stderr
    with user.gateway() as gateway:
        (image,) = gateway.getObjects("Image", attributes={"name": "inverted"})
        pixels = image.getPrimaryPixels().getPlane(0, 0, 0)
    assert (pixels[0, 0], pixels[16, 16]) == (255, 55)


def test_a_picture_is_imported_into_the_server_of_the_login(
    omero_server: LocalServer, user: OmeroUser, tmp_path: Any
) -> None:
    from PIL import Image

    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "small.png")
    done = omero_ij(omero_server, user, "import", str(tmp_path / "small.png"))
    assert done.returncode == 0, done.stderr
    with user.gateway() as gateway:
        assert [one.getSizeX() for one in gateway.getObjects("Image", attributes={"name": "small.png"})] == [8]


def test_without_a_command_it_tells_what_there_is(omero_server: LocalServer) -> None:
    for arguments in ((), ("help",)):
        done = omero_server.omero("ij", *arguments)
        assert done.returncode == 0, done.stderr
        assert "Commands:" in done.stdout and "modules" in done.stdout
    assert "Image:42" in omero_server.omero("ij", "--help").stdout
    assert omero_server.omero("ij", "nonsense").returncode == 2


def test_other_omero_commands_do_not_load_this_package() -> None:
    program = "import sys; from omero.cli import CLI; CLI().loadplugins(); assert 'ij_omero' not in sys.modules"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
