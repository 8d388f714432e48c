"""The viewer's routes answer as a real OMERO.web does for the same image."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

import ij_omero
from tests._viewer import SIZE_X, SIZE_Y, save_blobs, viewing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.localserver import LocalServer
    from tests._omero import MakeUser

LARGE_X, LARGE_Y = 3300, 3210  # above the server's plane limit: it makes resolution levels


class Both(NamedTuple):
    """Clients of the viewer and of OMERO.web, and the ids of a small and of a large image that both show."""

    ours: httpx.Client
    theirs: httpx.Client
    image_id: int
    large_id: int


@pytest.fixture(scope="module")
def both(omero_web: str, omero_user: MakeUser) -> Iterator[Both]:
    user = omero_user()
    server = f"omero://{user.host}:{user.port}"
    with ij_omero.connect(server, user=user.name, password=user.password) as connection:
        image_id = int(save_blobs(connection).image_id)
        y, x = np.mgrid[:LARGE_Y, :LARGE_X]
        large = (100 + 99 * np.sin(x / 300) * np.sin(y / 170)).astype(np.uint8)
        large_id = int(connection.save_image(large[None, None, None], name="large").image_id)
        with viewing(connection) as ours, httpx.Client(base_url=omero_web, timeout=60, follow_redirects=True) as theirs:
            token = theirs.get("api/v0/token/").json()["data"]
            form = {"server": 1, "username": user.name, "password": user.password}
            headers = {"X-CSRFToken": token, "Referer": omero_web}
            assert theirs.post("api/v0/login/", data=form, headers=headers).json()["success"]
            yield Both(ours, theirs, image_id, large_id)


def pixels(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return np.asarray(Pillow.open(io.BytesIO(answer.content)).convert("RGB"), int)


def told_by_both(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    return {key: ours.get(key) for key in theirs if key != "shapes"}


def test_rois_tiles_and_histograms_agree(both: Both) -> None:
    ours, theirs, image_id, _ = both
    path = f"webgateway/get_rois_json/{image_id}"
    mine, other = ours.get(path).json(), theirs.get(path).json()
    assert len(mine) == len(other)
    for one, two in zip(mine, other, strict=True):
        assert told_by_both(one, two) == {key: two[key] for key in two if key != "shapes"}
        shapes = list(zip(one["shapes"], two["shapes"], strict=True))
        assert [told_by_both(*pair) for pair in shapes] == two["shapes"]

    path = f"webgateway/imgData/{image_id}/"
    mine, other = ours.get(path).json(), theirs.get(path).json()
    assert not any(mine.pop("perms").values())
    assert mine == {key: other[key] for key in other if key != "perms"}

    look = "c=1|100:3000$0000FF,-2,3|0:9000$FF0000&m=c&q=1"
    for request in ("tile=0,0,0,256,256", "region=100,50,300,200"):
        path = f"webgateway/render_image_region/{image_id}/1/1/?{request}&{look}"
        assert np.abs(pixels(ours.get(path)) - pixels(theirs.get(path))).max() <= 4  # two JPEG encoders
    path = f"webgateway/render_image/{image_id}/0/1/?{look}"
    assert np.abs(pixels(ours.get(path)) - pixels(theirs.get(path))).max() <= 4
    assert pixels(ours.get(path)).shape == (SIZE_Y, SIZE_X, 3)

    path = f"webgateway/histogram_json/{image_id}/channel/1/?theZ=1&theT=0&bins=16"
    mine, other = (np.array(client.get(path).json()["data"]) for client in (ours, theirs))
    assert mine.sum() == other.sum() == SIZE_X * SIZE_Y
    # its bins go over the values of all planes, these over those of one
    assert np.abs(np.cumsum(mine) - np.cumsum(other)).max() < 0.01 * SIZE_X * SIZE_Y


@pytest.mark.parametrize(
    "request_",
    [
        "region=-100,-50,400,300",
        "region=3000,3000,900,700",
        "region=-1000,-1200,6000,6100",
        "region=-1000,-1200,6000,6100&max_size=300",
        "region=0,0,3300,3210&max_size=500",
        "region=10.6,20.4,100.9,50.5",
    ],
)
def test_scaled_regions_agree_inside_and_outside_the_image(both: Both, request_: str) -> None:
    path = f"figure/render_scaled_region/{both.large_id}/0/0/?{request_}&c=1|0:255$FFFFFF&q=1"
    mine, other = pixels(both.ours.get(path)), pixels(both.theirs.get(path))
    assert mine.shape == other.shape
    # theirs went through JPEG twice where it exceeds the image
    difference = np.abs(mine - other)
    assert difference.mean() < 0.5 and (difference > 8).mean() < 0.005


@pytest.mark.parametrize(
    "request_", ["region=-10,-10,50,60", "region=3290,3200,50,50", "tile=0,-1,1", "tile=1,2,1", "tile=0,0,0,5000,90"]
)
def test_regions_that_exceed_the_image_agree(both: Both, request_: str) -> None:
    path = f"webgateway/render_image_region/{both.large_id}/0/0/?{request_}&c=1|0:255$FFFFFF&q=1"
    mine, other = pixels(both.ours.get(path)), pixels(both.theirs.get(path))
    assert mine.shape == other.shape
    assert np.abs(mine - other).max() <= 4


@pytest.mark.parametrize(
    "request_", ["tile=a", "tile=9,0,0", "tile=-1,0,0", "region=1,2,3", "", "tile=0,99,99", "region=9000,9000,5,5"]
)
def test_what_one_refuses_the_other_refuses(both: Both, request_: str) -> None:
    path = f"webgateway/render_image_region/{both.large_id}/0/0/?{request_}"
    mine, other = both.ours.get(path), both.theirs.get(path)
    assert 400 <= mine.status_code < 500 and 400 <= other.status_code < 500
    if other.status_code == 400:
        assert (mine.status_code, mine.text.split()) == (400, other.text.split())


def test_a_lookup_table_of_the_server_is_used_by_its_name(both: Both, omero_server: LocalServer) -> None:
    table = np.random.default_rng(5).integers(0, 256, (256, 3)).astype(np.uint8)
    folder = Path(omero_server.env()["OMERODIR"]) / "lib" / "scripts" / "luts"
    folder.mkdir(exist_ok=True)
    folder.joinpath("confetti.lut").write_bytes(table.T.tobytes())
    region = f"webgateway/render_image_region/{both.large_id}/0/0/?region=0,0,300,300"
    shown = pixels(both.ours.get(f"{region}&c=1|0:255$confetti.lut&m=c&format=png"))
    levels = pixels(both.ours.get(f"{region}&c=1|0:255$FFFFFF&format=png"))[:, :, 0]
    assert len(np.unique(levels)) > 10
    np.testing.assert_array_equal(shown, table[levels])


def test_thumbnails_are_of_one_size(both: Both) -> None:
    for image_id in (both.image_id, both.large_id):
        for size in ("", "100/", "210/"):
            path = f"webgateway/render_thumbnail/{image_id}/{size}"
            mine, other = pixels(both.ours.get(path)), pixels(both.theirs.get(path))
            assert max(mine.shape) == max(other.shape)
            assert abs(mine.shape[0] - other.shape[0]) <= 1
