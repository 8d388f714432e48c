"""Which part of an image an address asks for."""

from __future__ import annotations

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError
from ij_omero.model import ImageDescription, PixelType, Region, ResolutionLevel
from ij_omero.rendering import ChannelRequest, image_data, parse_image_region, parse_scaled_region

PROGRAM_DEFAULT = "/548111/0/0/?c=1|0:65535$FF0000,3|0:65535$0000FF&region=-8160,-16416,48960,48960"
LEVELS = (ResolutionLevel(0, 1000, 700, 256, 200), ResolutionLevel(1, 500, 350, 256, 200))


@pytest.mark.parametrize(
    "address",
    [
        PROGRAM_DEFAULT,
        PROGRAM_DEFAULT[1:],
        "https://omero.example.org/figure/render_scaled_region" + PROGRAM_DEFAULT,
        "https://example.org/?next=/render_scaled_region/1/2/3?/figure/render_scaled_region" + PROGRAM_DEFAULT,
    ],
)
def test_the_programs_default_address(address: str) -> None:
    request = parse_scaled_region(address)
    assert (request.image_id, request.z, request.t, request.max_size) == (548111, 0, 0, 2000)
    assert request.region == (-8160, -16416, 48960, 48960)
    assert request.channels == (
        ChannelRequest(0, True, (0.0, 65535.0), (255, 0, 0, 255)),
        ChannelRequest(2, True, (0.0, 65535.0), (0, 0, 255, 255)),
    )


def test_its_keywords() -> None:
    description = ImageDescription("big", PixelType.UINT16, 1000, 700, 5, 4, 3)
    request = parse_scaled_region("7/2/1/?c=-1|0:5$FFFFFF,3|13107:131070$FF3300&region=0.5,1,20,10&max_size=64")
    keys = request.keys(image_data(description, LEVELS))
    assert keys["ctxy"] == [4, 3, 4, 4]
    assert (keys["limit"], keys["levels"], keys["tile_size"]) == (65535, 2, [200, 256])
    np.testing.assert_allclose(keys["r"], [[0.2, 1.0]])
    np.testing.assert_allclose(keys["c"], [[1.0, 0.2, 0.0]])
    assert keys["chan"].tolist() == [2]
    assert (keys["iid"], keys["z"], keys["t"], keys["max_size"]) == (7, 2, 1, 64)
    assert keys["origin"].tolist() == [0.5, 1.0]
    assert keys["shape"].tolist() == [20.0, 10.0]


def test_its_settings_show_its_channels_only() -> None:
    request = parse_scaled_region("7/0/0/?c=-1|0:5$FFFFFF,3|13:131$FF3300&region=0,0,20,10")
    settings = request.settings(4)
    assert [channel.active for channel in settings.channels] == [False, False, True, False]
    assert settings.channels[2].window == (13.0, 131.0)
    with pytest.raises(InvalidInputError, match="channel 3 does not exist; the image has 1 to 2"):
        request.settings(2)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "does not name a plane"),
        ("/1/0?c=1|0:1$FF0000&region=0,0,1,1", "does not name a plane"),
        ("/1/a/0/?c=1|0:1$FF0000&region=0,0,1,1", "z=a is not a whole number"),
        ("/1/0/0/?region=0,0,1,1", "no c"),
        ("/1/0/0/?c=1|0:1$FF0000", "no region"),
        ("/1/0/0/?c=1|0:1$FF0000&region=0,0,1", "malformed region"),
        ("/1/0/0/?c=1|0:1$FF0000&region=0,0,nan,1", "too far out"),
        ("/1/0/0/?c=1|0:1$FF0000&region=0,0,1e99,1", "too far out"),
        ("/1/0/0/?c=1|0:1$FF0000&region=0,0,0,1", "is empty"),
        ("/1/0/0/?c=1|0:1&region=0,0,1,1", "is not a channel"),
        ("/1/0/0/?c=1|0.5:1$FF0000&region=0,0,1,1", "is not a channel"),
        ("/1/0/0/?c=0|0:1$FF0000&region=0,0,1,1", "is not a channel"),
        ("/1/0/0/?c=1|0:1$FF0000&region=0,0,1,1&a=b=c", "is not a parameter"),
        ("/1/0/0/?c=1|0:1$FF0000&region=0,0,1,1&max_size=0", "at least 1"),
        ("/1/0/0/?c=1|0:1$FF0000&region=0,0,1,1&max_size=1.5", "not a whole number"),
    ],
)
def test_addresses_that_do_not_parse(address: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_scaled_region(address)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"tile": "0,1,2"}, (0, Region(256, 400, 256, 200))),
        ({"tile": "0,3,3"}, (0, Region(768, 600, 232, 100))),
        ({"tile": "1,0,0,300,0"}, (1, Region(0, 0, 300, 200))),
        ({"tile": "0,0,0,5000,90", "region": "x"}, (0, Region(0, 0, 1000, 90))),
        ({"region": "10,20,30,40"}, (0, Region(10, 20, 30, 40))),
        ({"region": "990,690,30,40"}, (0, Region(990, 690, 10, 10))),
        ({"region": "-10,20,30,40"}, (0, Region(0, 20, 30, 40))),
        ({"tile": "0,-1,1"}, (0, Region(0, 200, 256, 200))),
    ],
)
def test_image_regions(query: dict[str, str], expected: tuple[int, Region]) -> None:
    assert parse_image_region(query, LEVELS) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "tile or region argument required"),
        ({"tile": "0,1"}, "malformed tile argument, tile=0,1"),
        ({"tile": "0,a,2"}, "malformed tile argument, tile=0,a,2"),
        ({"tile": "-1,0,0"}, "Invalid resolution level -1 < 0"),
        ({"tile": "2,0,0"}, "Invalid resolution level, 2 > number of available levels 1"),
        ({"region": "1,2,3"}, "malformed region argument, region=1,2,3"),
        ({"region": "1000,0,3,4"}, "does not begin in the image"),
        ({"region": "0,0,0,4"}, "does not begin in the image"),
    ],
)
def test_image_regions_that_do_not_exist(query: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_image_region(query, LEVELS)
    assert message in str(raised.value)


def test_a_level_of_an_image_without_levels() -> None:
    with pytest.raises(InvalidInputError, match="Invalid resolution level 1, non pyramid file"):
        parse_image_region({"tile": "1,0,0"}, LEVELS[:1])
