"""The viewer's routes answer as a real OMERO.web does for the same image."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

import ij_omero
from tests._viewer import SIZE_X, SIZE_Y, save_blobs, viewing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests._omero import MakeUser

Clients = tuple[httpx.Client, httpx.Client, int]


@pytest.fixture
def clients(omero_web: str, omero_user: MakeUser) -> Iterator[Clients]:
    """Clients of the viewer and of OMERO.web, and the id of an image that both show."""
    user = omero_user()
    server = f"omero://{user.host}:{user.port}"
    with ij_omero.connect(server, user=user.name, password=user.password) as connection:
        image_id = int(save_blobs(connection).image_id)
        with viewing(connection) as ours, httpx.Client(base_url=omero_web, timeout=60, follow_redirects=True) as theirs:
            token = theirs.get("api/v0/token/").json()["data"]
            form = {"server": 1, "username": user.name, "password": user.password}
            headers = {"X-CSRFToken": token, "Referer": omero_web}
            assert theirs.post("api/v0/login/", data=form, headers=headers).json()["success"]
            yield ours, theirs, image_id


def pixels(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return np.asarray(Pillow.open(io.BytesIO(answer.content)).convert("RGB"), int)


def told_by_both(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    return {key: ours.get(key) for key in theirs if key != "shapes"}


def test_rois_tiles_and_histograms_agree(clients: Clients) -> None:
    ours, theirs, image_id = clients
    path = f"webgateway/get_rois_json/{image_id}"
    mine, other = ours.get(path).json(), theirs.get(path).json()
    assert len(mine) == len(other)
    for one, two in zip(mine, other, strict=True):
        assert told_by_both(one, two) == {key: two[key] for key in two if key != "shapes"}
        shapes = list(zip(one["shapes"], two["shapes"], strict=True))
        assert [told_by_both(*pair) for pair in shapes] == two["shapes"]

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


def test_thumbnails_are_of_one_size(clients: Clients) -> None:
    ours, theirs, image_id = clients
    for path in ("", "100/"):
        mine, other = (
            pixels(client.get(f"webgateway/render_thumbnail/{image_id}/{path}")) for client in (ours, theirs)
        )
        assert max(mine.shape) == max(other.shape)
        assert abs(mine.shape[0] - other.shape[0]) <= 1
