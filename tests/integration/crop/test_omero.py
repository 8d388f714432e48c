"""Crops of one image through a real OMERO.web, through Ice, and what OMERO.web itself renders."""

from __future__ import annotations

import http.cookiejar
import io
import json
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

from ij_omero.crop import WebGateway, crop
from ij_omero.errors import ImageNotFoundError, LoginError
from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import write_array
from ij_omero.rendering import (
    Look,
    image_data,
    parse_image_region,
    parse_rendering_query,
    render_region,
    settings_for,
)
from ij_omero.stores import OmeroStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tests._omero import MakeUser, OmeroUser

SIZE_X, SIZE_Y = 1300, 900


@pytest.fixture
def user(omero_user: MakeUser) -> OmeroUser:
    return omero_user()


@pytest.fixture
def store(user: OmeroUser) -> Iterator[OmeroStore]:
    with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as connected:
        yield connected


def saved(store: OmeroStore, size_x: int, size_y: int, pixel_type: PixelType = PixelType.UINT16) -> Any:
    """Store smooth channels, which JPEG changes little: two of 16 bits, or one of 8."""
    rows, columns = np.mgrid[:size_y, :size_x]
    if pixel_type is PixelType.UINT16:
        pixels = np.stack([rows * 40 + columns * 5, columns * 30])
    else:
        pixels = (rows * 150 // size_y + columns * 100 // size_x)[None]
    description = ImageDescription("smooth", pixel_type, size_x, size_y, 1, len(pixels), 1)
    with store.create(description) as sink:
        return write_array(sink, pixels.astype(pixel_type.dtype)[None, :, None])


@pytest.fixture
def image_id(store: OmeroStore) -> Any:
    return saved(store, SIZE_X, SIZE_Y)


class Browser:
    """A browser that is logged in to OMERO.web; it knows nothing of this package."""

    def __init__(self, address: str, user: OmeroUser) -> None:
        self.address = address
        cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        token = json.loads(self.get("api/v0/token/"))["data"]
        form = urllib.parse.urlencode({"server": 1, "username": user.name, "password": user.password}).encode()
        headers = {"X-CSRFToken": token, "Referer": address}
        request = urllib.request.Request(f"{address}api/v0/login/", form, headers)  # noqa: S310
        with self._opener.open(request, timeout=60) as answer:
            assert json.loads(answer.read())["success"]
        self.cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)

    def get(self, path: str) -> bytes:
        with self._opener.open(f"{self.address}{path}", timeout=60) as answer:
            content: bytes = answer.read()
            return content

    def picture(self, path: str) -> npt.NDArray[np.uint8]:
        with Pillow.open(io.BytesIO(self.get(path))) as picture:
            return np.array(picture.convert("RGB"))


@pytest.fixture
def browser(omero_web: str, user: OmeroUser) -> Browser:
    return Browser(omero_web, user)


def distance(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    assert ours.shape == theirs.shape
    return np.abs(ours.astype(int) - theirs.astype(int))


def linear(picture: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Undo the display's gamma, which spreads the darkest of 256 levels over twenty."""
    return 255 * (picture / 255.0) ** 2.2


def test_the_web_gateway_and_ice_give_the_same_crop(
    omero_web: str, user: OmeroUser, browser: Browser, image_id: Any
) -> None:
    request = f"/{image_id}/0/0/?c=1|0:45000$FF0000,2|1000:40000$0040FF&region=-100,-50,1300,900&max_size=700"
    login = {"user": user.name, "password": user.password}
    address = f"{omero_web}figure/render_scaled_region{request}"
    by_ice = crop(request, server=f"omero://{user.host}:{user.port}", **login)
    assert by_ice.picture.any(axis=2).mean() > 0.8
    assert not by_ice.picture[:20].any()
    for web in (crop(address, **login), crop(address, cookie=browser.cookie)):
        assert web.level == by_ice.level
        # the gateway's tiles have passed through JPEG in 8 bits
        assert distance(linear(web.picture), linear(by_ice.picture)).max() <= 4
    in_omero_colours = [crop(request, server=where, composite="omero", **login).picture for where in
                        (omero_web, f"omero://{user.host}:{user.port}")]  # fmt: skip
    assert distance(*in_omero_colours).max() <= 4


def test_refusals_of_a_real_omero_web(omero_web: str, user: OmeroUser, image_id: Any) -> None:
    with pytest.raises(LoginError, match="check the user and the password"):
        WebGateway(omero_web, user=user.name, password="wrong")
    with WebGateway(omero_web) as stranger, pytest.raises(LoginError, match="wants a login"):
        stranger.image_data(image_id)
    with (
        WebGateway(omero_web, user=user.name, password=user.password) as gateway,
        pytest.raises(ImageNotFoundError, match="shows no image 987654"),
    ):
        gateway.image_data(987654)


@pytest.mark.parametrize(
    ("size", "pixel_type"), [((SIZE_X, SIZE_Y), PixelType.UINT16), ((3300, 3100), PixelType.UINT8)]
)
def test_image_data_and_regions_are_those_of_omero_web(
    browser: Browser, store: OmeroStore, size: tuple[int, int], pixel_type: PixelType
) -> None:
    image_id = saved(store, *size, pixel_type)
    theirs = json.loads(browser.get(f"webgateway/imgData/{image_id}/"))
    source = store.open(image_id)
    levels = source.levels
    assert (len(levels) > 1) == (size[0] > 3192)
    details = store.image_data_details(image_id)
    assert json.loads(json.dumps(image_data(source.description, levels, details=details))) == theirs
    tiles = ["0,0,1", "0,0,1,300,200"] + (["2,0,0", "1,3,2,256,256"] if len(levels) > 1 else [])
    for query in [f"tile={tile}" for tile in tiles] + ["region=100,200,333,222"]:
        look = "c=1|50:240$FF8000,-2|0:9$FFFFFF&m=c" if "region" in query else "c=1|20:230$FFFFFF&m=g"
        if pixel_type is PixelType.UINT16:
            look = look.replace("50:240", "500:30000").replace("20:230", "0:60000")
        asked = dict(urllib.parse.parse_qsl(f"{query}&{look}"))
        level, region = parse_image_region(asked, levels)
        settings = parse_rendering_query(asked).apply(settings_for(source.description))
        picture = render_region(source, 0, 0, region, level=level, look=Look(settings))
        path = f"webgateway/render_image_region/{image_id}/0/0/?{urllib.parse.urlencode(asked)}&q=1"
        apart = distance(picture, browser.picture(path))
        # it answers in JPEG only: grey within two levels of it, colours (at half the resolution) a little more
        assert apart.max() <= (2 if "m=g" in look else 12), query
        assert apart.mean() < 1.5, query


def test_split_channels_are_laid_out_as_omero_web_does(browser: Browser, store: OmeroStore, image_id: Any) -> None:
    source = store.open(image_id)
    for model, key in (("g", "g"), ("c", "c")):
        grid = image_data(source.description, source.levels)["split_channel"][key]
        sheet = browser.picture(f"webgateway/render_split_channel/{image_id}/0/0/?c=1|0:45000$FF0000&m={model}")
        assert sheet.shape[:2] == (grid["height"], grid["width"])
