"""The channel grammar of OMERO.web."""

from __future__ import annotations

import json

import pytest

from ij_omero.model import ChannelRendering, RenderingSettings
from ij_omero.rendering import ChannelRequest, Projection, parse_channels, parse_color, parse_rendering_query

SETTINGS = RenderingSettings(
    (
        ChannelRendering((0, 100), (255, 0, 0, 255)),
        ChannelRendering((0, 200), (0, 255, 0, 255), lookup_table="fire.lut"),
        ChannelRendering((0, 300), (0, 0, 255, 255), active=False),
    )
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "1|100:505$0000FF,-2,3|620:3879$FF0000",
            [
                ChannelRequest(0, True, (100.0, 505.0), (0, 0, 255, 255)),
                ChannelRequest(1, False),
                ChannelRequest(2, True, (620.0, 3879.0), (255, 0, 0, 255)),
            ],
        ),
        ("1$F00", [ChannelRequest(0, True, None, (255, 0, 0, 255))]),
        ("2|0.5:1e3$cool.lut", [ChannelRequest(1, True, (0.5, 1000.0), None, "cool.lut")]),
        (" 1 | 3:4 ", [ChannelRequest(0, True, (3.0, 4.0))]),
        ("1|12:1386r$0000FF", [ChannelRequest(0, True, None, (0, 0, 255, 255))]),
        ("1|7,2|a:b,3|nan:4,4|1:2:3", [ChannelRequest(index, True) for index in range(4)]),
        ("x,,0,1", [ChannelRequest(0, True)]),
        ("", []),
    ],
)
def test_channels(text: str, expected: list[ChannelRequest]) -> None:
    assert parse_channels(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0aF", (0, 170, 255, 255)),
        ("0aF8", (0, 170, 255, 136)),
        ("010203", (1, 2, 3, 255)),
        ("01020304", (1, 2, 3, 4)),
        ("12345", None),
        ("GG0000", None),
        ("1 2 3 4 ", None),
        ("", None),
    ],
)
def test_colors(text: str, expected: tuple[int, int, int, int] | None) -> None:
    assert parse_color(text) == expected


def test_a_request_hides_what_it_does_not_name_and_keeps_what_it_does_not_change() -> None:
    shown = parse_rendering_query({"c": "-1|5:6$FFFFFF,2|10:20,3$00FFFF", "m": "g"}).apply(SETTINGS)
    assert shown.model == "greyscale"
    assert shown.channels == (
        ChannelRendering((0, 100), (255, 0, 0, 255), active=False),
        ChannelRendering((10, 20), (0, 255, 0, 255), lookup_table="fire.lut"),
        ChannelRendering((0, 300), (0, 255, 255, 255)),
    )


def test_a_colour_takes_a_lookup_table_away() -> None:
    assert parse_rendering_query({"c": "2$FF0000"}).apply(SETTINGS).channels[1].lookup_table is None


def test_a_request_without_channels_leaves_them() -> None:
    assert parse_rendering_query({"m": "c"}).apply(SETTINGS) == SETTINGS


def test_maps_invert_and_bend() -> None:
    maps = [
        {"inverted": {"enabled": True}, "quantization": {"family": "polynomial", "coefficient": 1.5}},
        {"reverse": {"enabled": "true"}},
        {"inverted": {"enabled": False}, "reverse": {"enabled": True}},
    ]
    first, second, third = parse_rendering_query({"c": "1,2,3", "maps": json.dumps(maps)}).apply(SETTINGS).channels
    assert (first.inverted, first.family, first.coefficient) == (True, "polynomial", 1.5)
    assert (second.inverted, second.family) == (True, "linear")
    assert not third.inverted


@pytest.mark.parametrize(
    "maps", ["{", "{}", "[1]", '[{"quantization": {"family": "x"}}]', '[{"inverted": 3}]', "[" * 10**5]
)
def test_maps_that_do_not_parse_change_nothing(maps: str) -> None:
    assert parse_rendering_query({"c": "1", "maps": maps}).apply(SETTINGS).channels[0] == SETTINGS.channels[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("intmax", Projection("max")),
        ("intmean|5:25", Projection("mean", 5, 25)),
        ("intsum|5", Projection("sum")),
        ("normal", None),
        ("whatever", None),
    ],
)
def test_projection(text: str, expected: Projection | None) -> None:
    assert parse_rendering_query({"p": text}).projection == expected


@pytest.mark.parametrize(("text", "expected"), [("0.7", 0.7), ("7", None), ("x", None), ("nan", None)])
def test_quality(text: str, expected: float | None) -> None:
    assert parse_rendering_query({"q": text}).quality == expected
