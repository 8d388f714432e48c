"""The command, as a process of its own, on a real OMERO.server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Pillow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ij_omero.localserver import LocalServer
    from tests._omero import OmeroUser


@pytest.fixture
def user(omero_user: Callable[[], OmeroUser]) -> OmeroUser:
    return omero_user()


@pytest.fixture
def run(user: OmeroUser, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``ij-omero`` as the user, whose password is in the environment."""
    own = {
        "OMERO_HOST": user.host,
        "OMERO_PORT": str(user.port),
        "OMERO_PASSWORD": user.password,
        "IJ_OMERO_EDITS": str(tmp_path / "edits"),
        "OMERO_USERDIR": str(tmp_path / "omero"),
    }

    def run(*arguments: object, told: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ij_omero", *map(str, arguments)]
        every = {**os.environ, **own, **environment}
        return subprocess.run(command, input=told, capture_output=True, text=True, env=every, timeout=120, check=False)

    return run


@pytest.fixture
def server(user: OmeroUser) -> str:
    return f"omero://{user.name}@{user.host}:{user.port}"


def test_a_picture_goes_to_the_server_and_comes_back(
    run: Callable[..., subprocess.CompletedProcess[str]], server: str, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (50, 40, 3), dtype=np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / "noise.png")
    done = run("import", tmp_path / "noise.png", "--to", server, "--json")
    assert done.returncode == 0, done.stderr
    (imported,) = json.loads(done.stdout)
    assert imported["address"] == f"{server}/image/{imported['id']}"
    assert [one["id"] for one in json.loads(run("list", server, "--json").stdout)] == [imported["id"]]
    facts = json.loads(run("info", imported["address"], "--json").stdout)
    assert (facts["sizes"]["x"], facts["sizes"]["c"], facts["name"]) == (40, 3, "noise.png")
    assert run("export", imported["address"], tmp_path / "back.png").returncode == 0
    with Pillow.open(tmp_path / "back.png") as back:
        np.testing.assert_array_equal(np.asarray(back), pixels)


@pytest.mark.parametrize(
    ("options", "password", "words"),
    [
        (["--password-file", "-"], "", "wrong user or password"),
        ([], "wrong", "wrong user or password"),
        (["--session", "00000000-0000-0000-0000-000000000000"], "", "session"),
    ],
)
def test_a_wrong_secret_is_one_line(
    run: Callable[..., subprocess.CompletedProcess[str]], server: str, options: list[str], password: str, words: str
) -> None:
    environment = {"OMERO_PASSWORD": password} if password else {}
    done = run("list", server, *options, told="wrong\n", **environment)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_an_unknown_image_is_one_line(run: Callable[..., subprocess.CompletedProcess[str]], server: str) -> None:
    done = run("info", f"{server}/image/99999999")
    assert done.returncode == 1
    assert "99999999" in done.stderr
    assert done.stderr.count("\n") == 1


def test_status_and_environment_of_a_running_server(
    run: Callable[..., subprocess.CompletedProcess[str]], omero_server: LocalServer
) -> None:
    status = run("server", "status", "--home", omero_server.home, "--json")
    assert (status.returncode, json.loads(status.stdout)["state"]) == (0, "up")
    lines = run("server", "env", "--home", omero_server.home).stdout.splitlines()
    assert f"export OMERO_PORT={omero_server.port}" in lines
    here = f"{omero_server.host}:{omero_server.port}"
    checks = json.loads(run("doctor", "--server", here, "--json").stdout)
    assert [check["state"] for check in checks if check["name"] == here] == ["ok"]
