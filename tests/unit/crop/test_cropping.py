"""Crops of local images, addresses, and how servers' failures are told."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Pillow

from ij_omero.crop import HttpClient, crop, parse_crop_address, save_picture
from ij_omero.errors import (
    AccessDeniedError,
    AddressError,
    ConnectionFailedError,
    CorruptedDataError,
    InvalidInputError,
    LoginError,
    ReadError,
    StorageError,
)
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
from ij_omero.pixels import write_array
from ij_omero.rendering import Look, parse_scaled_region, render_scaled_region
from ij_omero.stores import LocalStore, export_picture, read_picture

from .conftest import Answer, picture_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import StandIn

REQUEST = "/1/0/0/?c=1|0:60000$FF0000,-2|0:9$FFFFFF&region=-100,50,900,800&max_size=300"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with one image that has resolution levels."""
    rows, columns = np.mgrid[:900, :1300]
    pixels = np.stack([rows * 60, columns * 40]).astype(np.uint16)[None, :, None]
    folder = tmp_path / "images"
    with (
        contextlib.closing(LocalStore(folder)) as images,
        images.create(ImageDescription("ramps", PixelType.UINT16, 1300, 900, 1, 2, 1)) as sink,
    ):
        write_array(sink, pixels)
    return folder


@pytest.mark.parametrize("composite", ["minerva", "omero"])
def test_folders_images_and_ome_tiff_pyramids_give_what_rendering_gives(
    store: Path, tmp_path: Path, composite: str
) -> None:
    region = parse_scaled_region(REQUEST)
    with contextlib.closing(LocalStore(store, create=False)) as images:
        source = images.open(1)
        file = export_picture(source, tmp_path / "ramps.ome.tif")
        expected = render_scaled_region(
            source,
            0,
            0,
            region.region,
            max_size=300,
            look=Look(region.settings(2), composite=composite),
            convention={"omero": "figure", "minerva": "minerva"}[composite],
        )
        assert len(source.levels) > 1
    told: list[tuple[int, int]] = []
    for server in (store, store / "1.ome.zarr", file):
        done = crop(
            REQUEST, server=str(server), composite=composite, progress=lambda d, t, what="": told.append((d, t))
        )
        np.testing.assert_array_equal(done.picture, expected)
        assert done.level == 2
    assert told[-1][0] > 0
    assert all(done <= total for done, total in told)


def test_levels_of_an_ome_tiff_are_those_of_the_file(store: Path, tmp_path: Path) -> None:
    with contextlib.closing(LocalStore(store, create=False)) as images:
        file = export_picture(images.open(1), tmp_path / "ramps.ome.tif")
    description, source = read_picture(file)
    assert [(level.width, level.height) for level in source.levels] == [(1300, 900), (650, 450), (325, 225)]

    full = source.read(PlaneIndex(0, 1, 0)).astype(float)
    half = source.read(PlaneIndex(0, 1, 0), Region(20, 10, 300, 200), level=1)
    assert np.abs(half - full[20:420:2, 40:640:2]).max() <= 60
    assert description.size_x == 1300
    source.close()
    with pytest.raises(ReadError, match="closed"):
        source.read(PlaneIndex(0, 0, 0), level=2)


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("https://omero.example.org/figure/render_scaled_region/7/0/0/", "https://omero.example.org"),
        ("https://x.org/omero/webgateway/render_scaled_region/7/0/0/", "https://x.org/omero"),
        ("omero://host:4065/render_scaled_region/7/0/0/", "omero://host:4065"),
        ("~/images/render_scaled_region/7/0/0/", "~/images"),
    ],
)
def test_addresses_say_where_the_image_is(address: str, server: str) -> None:
    request = parse_crop_address(f"{address}?c=1|0:9$FF0000&region=0,0,9,9")
    assert request.server == server
    assert request.region.image_id == 7
    other = parse_crop_address(f"{address}?c=1|0:9$FF0000&region=0,0,9,9", "omero://other")
    assert other.server == "omero://other"


def test_what_names_no_server_or_no_channel_is_refused(store: Path) -> None:
    with pytest.raises(AddressError, match="where the image is"):
        parse_crop_address(REQUEST)
    with pytest.raises(InvalidInputError, match="at least one channel"):
        crop("/1/0/0/?c=-1|0:9$FF0000&region=0,0,9,9", server=str(store))
    with pytest.raises(InvalidInputError, match="without a user"):
        crop(REQUEST, server="https://ana:secret@omero.example.org")
    with pytest.raises(InvalidInputError, match="host\\[:port\\]"):
        crop(REQUEST, server="https://omero.example.org:40x64")


def test_pictures_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    for name in ("out.png", "deeper/out.tif", "out.tiff"):
        path = save_picture(picture, tmp_path / name)
        np.testing.assert_array_equal(np.array(Pillow.open(path)), picture)
    with Pillow.open(save_picture(picture, tmp_path / "out.JPG")) as file:
        assert file.format == "JPEG"
    with pytest.raises(InvalidInputError, match="kind of picture"):
        save_picture(picture, tmp_path / "out.gif")
    blocked = tmp_path / "blocked.png"
    blocked.mkdir()
    with pytest.raises(StorageError, match=r"cannot write .*blocked\.png"):
        save_picture(picture, blocked)
    with pytest.raises(StorageError):
        save_picture(picture, tmp_path / "out.png" / "out.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "blocked.png",
        "deeper",
        "out.JPG",
        "out.png",
        "out.tiff",
    ]


GATEWAY_DATA = {
    "id": 7,
    "meta": {"imageName": "seen", "pixelsType": "uint16"},
    "size": {"width": 100, "height": 60, "z": 1, "c": 2, "t": 1},
    "channels": [{"label": "a"}, {"label": "b"}],
}


def test_the_web_gateway_is_asked_with_the_cookie_and_for_one_channel_at_a_time(stand_in: StandIn) -> None:
    tile = picture_bytes(np.full((60, 100, 3), 255, np.uint8), "JPEG")

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if headers.get("Cookie") != "sessionid=abc":
            return Answer(302, headers=(("Location", "/webclient/login/?url=x"),))
        return Answer(body=json.dumps(GATEWAY_DATA).encode() if "imgData" in path else tile)

    stand_in.answer = answer
    address = f"{stand_in.address}/figure/render_scaled_region/7/0/0/?c=-1|0:9$FFFFFF,2|5:4095$FF0000&region=0,0,80,40"
    assert (crop(address, cookie="sessionid=abc").picture == (255, 0, 0)).all()
    (path,) = (path for path, _ in stand_in.requests if "render_image_region" in path)
    for part in ("/webgateway/render_image_region/7/0/0/?m=g", "tile=0%2C0%2C0%2C100%2C60", "c=2%7C5%3A4095%24FFFFFF"):
        assert part in path
    with pytest.raises(LoginError, match="wants a login"):
        crop(address)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (Answer(403), AccessDeniedError, "refused"),
        (Answer(500, b"Traceback: boom"), ReadError, "answered 500: Traceback"),
        (Answer(500, b"<html>"), ReadError, "answered 500$"),
        (Answer(200, b"<html>"), CorruptedDataError, "no JSON"),
        (Answer(200, b"[1]"), CorruptedDataError, "no JSON object"),
        (Answer(200, b'{"size": {}}'), CorruptedDataError, "lacks"),
        (Answer(200, b'{"Exception": "ConcurrencyException"}'), ReadError, "ConcurrencyException"),
        (Answer(302, headers=(("Location", "https://elsewhere.example.org/"),)), ReadError, "answered 302"),
    ],
)
def test_what_a_server_refuses_is_told(stand_in: StandIn, answer: Answer, error: type[Exception], message: str) -> None:
    stand_in.answer = lambda path, headers: answer
    with pytest.raises(error, match=message):
        crop(f"{stand_in.address}/figure/render_scaled_region/7/0/0/?c=1|0:9$FF0000&region=0,0,80,40", cookie="a=b")


@pytest.mark.parametrize("body", [b"", b"no picture", picture_bytes(np.zeros((9000, 2), np.uint8))])
def test_tiles_that_are_no_tiles_are_told(stand_in: StandIn, body: bytes) -> None:
    stand_in.answer = lambda path, headers: Answer(
        body=json.dumps(GATEWAY_DATA).encode() if "imgData" in path else body
    )
    with pytest.raises(CorruptedDataError, match="the server sent a tile"):
        crop(f"{stand_in.address}/figure/render_scaled_region/7/0/0/?c=1|0:9$FF0000&region=0,0,80,40", cookie="a=b")


def test_a_server_that_is_not_there_is_told(stand_in: StandIn) -> None:
    stand_in.close()
    client = HttpClient(stand_in.address)
    with pytest.raises(ConnectionFailedError, match="cannot reach http"):
        client.get("webgateway/imgData/1/")
    client.close()


@pytest.mark.parametrize("address", ["ftp://host", "https://", "https://ana@host", "host"])
def test_only_plain_web_addresses_are_taken(address: str) -> None:
    with pytest.raises(InvalidInputError, match="http"):
        HttpClient(address)


def test_large_ome_tiff_pyramids_are_read_lazily_at_every_level(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(LocalStore(store, create=False)) as images:
        file = export_picture(images.open(1), tmp_path / "ramps.ome.tif")
    held = [source.read(PlaneIndex(0, 1, 0), level=level) for source in [read_picture(file)[1]] for level in range(3)]
    monkeypatch.setattr("ij_omero.stores._tiff_reading._WHOLE", 1000)
    _, source = read_picture(file)
    for level, expected in enumerate(held):
        np.testing.assert_array_equal(source.read(PlaneIndex(0, 1, 0), level=level), expected)
    source.close()
