"""What users mistype, on a real server: one line that says what to do, exit code 1, within seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero

if TYPE_CHECKING:
    from pathlib import Path

    from tests._omero import MakeUser

pytestmark = pytest.mark.omero


def run(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMERO_")}
    own |= {"OMERO_USERDIR": str(folder), "IJ_OMERO_EDITS": str(folder / "edits"), "OMERO_PASSWORD": "secret"}
    command = [sys.executable, "-m", "ij_omero", *map(str, arguments)]
    return subprocess.run(command, env={**own, **environment}, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("address", "password", "words"),
    [
        ("omero://{name}@{host}:{port}/image/99999999", "secret", "Invalid image ID: 99999999"),
        ("omero://{name}@{host}:{port}/image/{foreign}", "secret", "may not see it"),
        ("omero://{name}@{host}:{port}/image/seven", "secret", "not a whole number"),
        ("omero://{name}@{host}:{port}/image/1", "wrong", "wrong user or password"),
        ("omero://{name}@{host}:1/image/1", "secret", "check that the server is up"),
        ("omero://{name}@no-such-host.invalid/image/1", "secret", "there is no host"),
        ("omero://", "secret", "no valid host name"),
        ("ftp://{host}/image/1", "secret", "unknown kind of address"),
        ("/no/such/image.ome.zarr", "secret", "no image 'image.ome.zarr'"),
    ],
)
def test_a_wrong_address_is_one_line(
    address: str, password: str, words: str, omero_user: MakeUser, tmp_path: Path
) -> None:
    user, stranger = omero_user(), omero_user()
    login = {"port": stranger.port, "user": stranger.name, "password": stranger.password}
    with ij_omero.connect(stranger.host, **login) as omero:
        foreign = omero.save_image(np.zeros((4, 4), np.uint8), name="private").image_id
    place = address.format(name=user.name, host=user.host, port=user.port, foreign=foreign)
    began = time.monotonic()
    done = run(tmp_path, "info", place, OMERO_PASSWORD=password)
    assert time.monotonic() - began < 30
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr


def test_an_import_that_is_refused_leaves_nothing(omero_user: MakeUser, tmp_path: Path) -> None:
    user = omero_user()
    np.save(tmp_path / "picture.npy", np.zeros((4, 4), np.uint8))
    np.save(tmp_path / "complex.npy", np.zeros((4, 4), np.complex128))
    server = f"omero://{user.name}@{user.host}:{user.port}"
    for arguments, words in (
        ([tmp_path / "picture.npy", "--dataset", "99999999"], "there is no dataset 99999999"),
        ([tmp_path / "complex.npy"], "refuses double-complex"),
        ([tmp_path / "missing.npy"], "there is no file"),
    ):
        done = run(tmp_path, "import", *arguments, "--to", server)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert words in done.stderr
    with user.gateway() as gateway:
        assert list(gateway.getObjects("Image")) == []


@pytest.mark.jvm
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["No Such Module"], "ImageJ has no module"),
        (["Gaussian Blur...", "--set", "sigma=blue"], "expected a number"),
        (["Gaussian Blur...", "--set", "radius=2"], "has no input 'radius'"),
    ],
)
def test_a_module_that_cannot_run_changes_nothing(
    arguments: list[str], words: str, omero_user: MakeUser, tmp_path: Path
) -> None:
    user = omero_user()
    with ij_omero.connect(user.host, port=user.port, user=user.name, password=user.password) as omero:
        image = omero.save_image(np.zeros((40, 40), np.uint8), name="only")
        address = str(image.address)
    done = run(tmp_path, "run", arguments[0], address, *arguments[1:])
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    with user.gateway() as gateway:
        assert [one.getName() for one in gateway.getObjects("Image")] == ["only"]
