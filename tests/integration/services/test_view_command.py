"""``ij-omero view``: prints the page's address, serves this machine alone, ends at a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from io import BytesIO
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

import ij_omero
from ij_omero.cli import main
from tests._viewer import save_blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests._omero import MakeUser, OmeroUser

PICTURE = "/webgateway/render_image_region/{}/0/0/?tile=0,0,0,64,64"
SHAPES = {"Rectangle", "Ellipse", "Polygon", "PolyLine", "Line", "Point", "Label", "Mask"}
View = tuple["subprocess.Popen[str]", str, str]


@pytest.fixture
def view() -> Iterator[Callable[..., View]]:
    """Start the command and give the process, the server's address and the token."""
    started = []

    def start(*arguments: str, **environment: str) -> View:
        command = [sys.executable, "-m", "ij_omero", "view", "--no-browser", *arguments]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )
        started.append(process)
        assert process.stdout is not None and process.stderr is not None
        page = process.stdout.readline().strip()
        assert page, process.stderr.read()
        address, _, token = page.partition("#token=")
        return process, address, token

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_it_shows_one_image_to_who_has_the_token_and_ends_at_ctrl_c(tmp_path: Path, view: Callable[..., View]) -> None:
    with ij_omero.open_store(tmp_path / "images") as connection:
        address = str(save_blobs(connection).address)
        save_blobs(connection, "another")
    process, page, token = view(address)
    assert page.startswith("http://127.0.0.1:") and page.endswith("/view/1")
    base = page.removesuffix("/view/1")
    assert "<!doctype html>" in httpx.get(page).text
    assert httpx.get(base + PICTURE.format(1)).status_code == 401
    allowed = {"Authorization": f"Bearer {token}"}
    assert httpx.get(base + PICTURE.format(1), headers=allowed).headers["content-type"] == "image/jpeg"
    assert httpx.get(base + PICTURE.format(2), headers=allowed).status_code == 404
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == "Ctrl-C ends it.\n"  # no traceback, and no request with its address


def test_a_folder_shows_all_its_images_until_it_is_told_to_end(tmp_path: Path, view: Callable[..., View]) -> None:
    with ij_omero.open_store(tmp_path / "images") as connection:
        save_blobs(connection)
        save_blobs(connection, "another")
    process, page, token = view(str(tmp_path / "images"))
    found = httpx.get(f"{page}api/images", headers={"Authorization": f"Bearer {token}"}).json()
    assert [image["name"] for image in found] == ["blobs", "another"]
    process.terminate()
    assert process.wait(60) == 0


@pytest.mark.parametrize(("address", "words"), [("images/3.ome.zarr", "images"), ("omero://", "host name")])
def test_what_cannot_be_shown_is_one_line(
    address: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["view", "--no-browser", address]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1


def test_an_image_of_a_server_is_shown_as_its_settings_say(
    omero_user: MakeUser, view: Callable[..., View], tmp_path: Path
) -> None:
    user = omero_user()
    with ij_omero.connect(f"omero://{user.host}:{user.port}", user=user.name, password=user.password) as connection:
        image = save_blobs(connection)
        address, number = str(image.address), image.image_id
    login = {"OMERO_USER": user.name, "OMERO_PASSWORD": user.password, "OMERO_USERDIR": str(tmp_path)}
    process, page, token = view(address, **login)
    base = page.removesuffix(f"/view/{number}")
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        data = client.get(f"/webgateway/imgData/{number}/").json()
        assert [channel["label"] for channel in data["channels"]] == ["DAPI", "GFP", "Cy5"]
        assert [channel["color"] for channel in data["channels"]] == ["0000FF", "00FF00", "FF0000"]
        assert data["channels"][0]["window"]["end"] == 4000
        rois = client.get(f"/webgateway/get_rois_json/{number}").json()
        assert {shape["type"] for roi in rois for shape in roi["shapes"]} == SHAPES
        ours = client.get(f"/webgateway/render_image_region/{number}/1/0/?tile=0,0,0,256,256&format=png")
        theirs = rendered_by_the_server(user, int(number))
    assert same_within_a_grey_level(ours.content, theirs)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def rendered_by_the_server(user: OmeroUser, number: int) -> bytes:
    """The same region as the server's own RenderingEngine gives it, as JPEG of the highest quality."""
    with user.gateway() as gateway:
        image = gateway.getObject("Image", number)
        content: bytes = image.renderJpegRegion(1, 0, 0, 0, 256, 256, compression=1.0)
        return content


def same_within_a_grey_level(ours: bytes, theirs: bytes) -> bool:
    """Whether two pictures agree, but for what JPEG changes."""
    one, other = (np.asarray(Image.open(BytesIO(content)).convert("RGB"), float) for content in (ours, theirs))
    return one.shape == other.shape and bool(np.abs(one - other).mean() < 2)
