"""Crops from a Minerva server, against a stand-in with its routes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
import pytest

from ij_omero.crop import crop
from ij_omero.errors import ImageNotFoundError, InvalidInputError, LoginError
from ij_omero.model import ChannelRendering
from ij_omero.rendering import composite_minerva

from .conftest import Answer, picture_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import StandIn

UUID = "769cfb14-f583-4f22-9f48-94a24e09fd7f"
TOKEN = "a-secret-token"
SIZE_X, SIZE_Y, TILE = 300, 200, 64
XML = f"""<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:{UUID}" Name="cells">
<Pixels ID="Pixels:0" Type="uint16" SizeX="{SIZE_X}" SizeY="{SIZE_Y}" SizeZ="1" SizeC="3" SizeT="1">
<Channel ID="Channel:0:0"/><Channel ID="Channel:0:1"/><Channel ID="Channel:0:2"/></Pixels></Image></OME>"""
ROWS, COLUMNS = np.mgrid[:SIZE_Y, :SIZE_X]
PLANES = [(ROWS * 300 + COLUMNS * 10).astype(np.uint16), (COLUMNS * 200).astype(np.uint16), None]


def level_of(plane: np.ndarray, level: int) -> np.ndarray:
    return plane[:: 1 << level, :: 1 << level]


def minerva(path: str, headers: dict[str, str]) -> Answer:
    if headers.get("Authorization") != TOKEN:
        return Answer(401)
    if path == f"/dev/image/{UUID}":
        return Answer(body=json.dumps({"data": {"uuid": UUID, "pyramid_levels": 3, "tile_size": TILE}}).encode())
    if path == f"/dev/image/{UUID}/metadata":
        return Answer(body=XML.encode())
    tile = re.fullmatch(rf"/dev/image/{UUID}/render-tile/(\d+)/(\d+)/0/0/(\d+)/(\d),FFFFFF,([\d.e-]+),([\d.e-]+)",
                        unquote(path))  # fmt: skip
    if tile is None:
        return Answer(404)
    x, y, level, channel = map(int, tile.groups()[:4])
    low, high = (float(part) * 65535 for part in tile.groups()[4:])
    pixels = level_of(PLANES[channel], level)[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE]
    if not pixels.size:
        return Answer(404)
    grey = np.clip((pixels - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)
    return Answer(body=picture_bytes(np.repeat(grey[..., None], 3, 2)))


@pytest.fixture
def cut(stand_in: StandIn) -> Callable[..., np.ndarray]:
    stand_in.answer = minerva

    def run(query: str, image: str = UUID, token: str | None = TOKEN, **more: object) -> np.ndarray:
        server = f"minerva+{stand_in.address}/dev"
        return crop(f"/{image}/0/0/?{query}", server=server, token=token, **more).picture

    return run


CHANNELS = "c=1|1000:41000$FF0000,-3|0:9$FFFFFF,2|0:60000$0040FF"
RENDERED = [ChannelRendering((1000, 41000), (255, 0, 0, 255)), ChannelRendering((0, 60000), (0, 64, 255, 255))]


def linear(picture: np.ndarray) -> np.ndarray:
    """Undo the display's gamma, which spreads the darkest of 256 levels over twenty."""
    return 255 * (picture / 255.0) ** 2.2


def test_tiles_become_the_composite_of_the_whole_planes(cut: Callable[..., np.ndarray]) -> None:
    ours = cut(f"{CHANNELS}&region=30,20,200,150")
    theirs = composite_minerva([plane[20:170, 30:230] for plane in PLANES[:2]], RENDERED)
    assert np.abs(linear(ours) - linear(theirs)).max() <= 2.5
    assert ours.shape == (150, 200, 3)


def test_a_small_max_size_takes_a_smaller_level_and_what_lies_outside_is_black(
    cut: Callable[..., np.ndarray], stand_in: StandIn
) -> None:
    ours = cut(f"{CHANNELS}&region=-40,-40,380,280&max_size=100")
    theirs = np.zeros((70, 95, 3), np.uint8)
    theirs[10:60, 10:85] = composite_minerva([level_of(plane, 2) for plane in PLANES[:2]], RENDERED)
    assert np.abs(linear(ours) - linear(theirs)).max() <= 2.5
    tiles = [path for path, _ in stand_in.requests if "render-tile" in path]
    # both channels, 2 x 1 tiles of the smallest level, each once
    assert len(tiles) == len(set(tiles)) == 4


def test_a_tile_that_the_server_lacks_is_black_and_told(
    cut: Callable[..., np.ndarray], stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.answer = lambda path, headers: Answer(404) if "/render-tile/1/0/" in path else minerva(path, headers)
    picture = cut("c=2|0:60000$00FF00&region=0,0,128,64")
    assert not picture[:, 64:].any()
    assert picture[:, 1:64, 1].all()
    assert "tile x=1, y=0" in caplog.text


def test_wrong_tokens_and_unknown_images_are_told_without_the_token(
    cut: Callable[..., np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for token in (None, "another-secret"):
        with pytest.raises(LoginError, match="wants a login") as raised:
            cut(f"{CHANNELS}&region=0,0,9,9", token=token)
        assert "secret" not in str(raised.value)
    with pytest.raises(ImageNotFoundError, match="no image 12"):
        cut(f"{CHANNELS}&region=0,0,9,9", image="12")
    with pytest.raises(InvalidInputError, match="channel 4 does not exist"):
        cut("c=4|0:9$FFFFFF&region=0,0,9,9")
    assert "secret" not in caplog.text


def test_metadata_may_come_from_a_file(cut: Callable[..., np.ndarray], stand_in: StandIn) -> None:
    stand_in.answer = lambda path, headers: Answer(404) if path.endswith("metadata") else minerva(path, headers)
    with pytest.raises(ImageNotFoundError):
        cut(f"{CHANNELS}&region=0,0,9,9")
    assert cut(f"{CHANNELS}&region=0,0,9,9", ome_xml=XML.encode()).shape == (9, 9, 3)


def test_a_busy_server_is_asked_again(cut: Callable[..., np.ndarray], stand_in: StandIn) -> None:
    busy = iter([True, True])

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if "render-tile" in path and next(busy, False):
            return Answer(503, b"busy", (("Retry-After", "0"),))
        return minerva(path, headers)

    stand_in.answer = answer
    assert cut("c=1|0:60000$FFFFFF&region=0,0,64,64").any()
