"""Rendering planes: what a user sees, and that both kernels see the same."""

from __future__ import annotations

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError, UnsupportedPixelTypeError
from ij_omero.model import ChannelRendering
from ij_omero.rendering import composite_minerva, render_planes

WHITE = (255, 255, 255, 255)


def one(values: list[float], dtype: str, **settings: object) -> list[int]:
    """Render one row in white and return its grey levels."""
    window = settings.pop("window", (0, 255))
    channel = ChannelRendering(window, **settings)  # type: ignore[arg-type]
    picture = render_planes([np.array([values], dtype)], [channel])
    assert (picture == picture[:, :, :1]).all()
    return [int(level) for level in picture[0, :, 0]]


def test_the_window_is_stretched_and_what_lies_outside_is_clipped() -> None:
    assert one([0, 100, 180, 300, 65535], "uint16", window=(100, 300)) == [0, 0, 102, 255, 255]


def test_inversion_turns_the_levels_round() -> None:
    assert one([0, 100, 180, 300, 65535], "uint16", window=(100, 300), inverted=True) == [255, 255, 153, 0, 0]


def test_polynomial_coefficient_is_the_exponent() -> None:
    levels = one([0, 51, 102, 204, 255], "uint8", family="polynomial", coefficient=2.0)
    assert levels == [round(255 * (v / 255) ** 2) for v in (0, 51, 102, 204, 255)]


def test_logarithmic_family_brightens() -> None:
    levels = one([1, 16, 64, 255], "uint8", family="logarithmic")
    assert levels == [0, 128, 191, 255]


def test_a_window_of_one_value_is_a_threshold() -> None:
    assert one([9, 10, 11], "uint8", window=(10, 10)) == [0, 255, 255]


def test_not_a_number_is_dark() -> None:
    assert one([np.nan, -np.inf, np.inf, 1.0], "float32", window=(0, 1)) == [0, 0, 255, 255]


def test_bits_are_black_and_white() -> None:
    assert one([0, 1], "bool", window=(0, 1)) == [0, 255]


def test_channels_add_up_and_saturate() -> None:
    plane = np.array([[0, 100, 200]], np.uint8)
    channels = [ChannelRendering((0, 255), (255, 128, 0, 255)), ChannelRendering((0, 255), (255, 0, 0, 255))]
    assert render_planes([plane, plane], channels)[0].tolist() == [[0, 0, 0], [200, 50, 0], [255, 100, 0]]


def test_any_number_of_channels_saturates() -> None:
    channels = [ChannelRendering((0, 255), WHITE)] * 300
    assert render_planes([np.full((2, 2), 255, np.uint8)] * 300, channels).min() == 255


def test_a_lookup_table_takes_the_place_of_the_colour() -> None:
    table = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 7)], 1).astype(np.uint8)
    channel = ChannelRendering((0, 255), (255, 0, 0, 255), lookup_table="mine.lut")
    picture = render_planes([np.array([[0, 10, 255]], np.uint8)], [channel], lookup_tables={"mine.lut": table})
    assert picture[0].tolist() == [[0, 255, 7], [10, 245, 7], [255, 0, 7]]


def test_an_unknown_lookup_table_is_told_and_the_colour_shown(caplog: pytest.LogCaptureFixture) -> None:
    channel = ChannelRendering((0, 255), (255, 0, 0, 255), lookup_table="gone.lut")
    assert render_planes([np.array([[9]], np.uint8)], [channel])[0, 0].tolist() == [9, 0, 0]
    assert "gone.lut" in caplog.text


def test_greyscale_shows_the_first_active_channel() -> None:
    planes = [None, np.array([[40]], np.uint8), np.array([[90]], np.uint8)]
    channels = [
        ChannelRendering((0, 255), active=False),
        ChannelRendering((0, 255), (255, 0, 0, 255)),
        ChannelRendering((0, 255)),
    ]
    assert render_planes(planes, channels, model="greyscale")[0, 0].tolist() == [40, 40, 40]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize(
    ("family", "coefficient"), [("linear", 1), ("polynomial", 0.6), ("exponential", 0.4), ("logarithmic", 1)]
)
def test_both_kernels_give_the_same_bytes(dtype: str, family: str, coefficient: float) -> None:
    random = np.random.default_rng(1)
    if dtype.startswith("float"):
        planes = [random.normal(50, 60, (130, 700)).astype(dtype) for _ in range(3)]
        planes[0][0, :3] = [np.nan, np.inf, -np.inf]
        windows = [(-20.5, 100.0), (0.0, 0.0), (10.0, 11.0)]
    else:
        limits = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        planes = [random.integers(*limits, (130, 700), endpoint=True).astype(dtype) for _ in range(3)]
        span = limits[1] - limits[0]
        windows = [(limits[0] + span * a, limits[0] + span * b) for a, b in [(0.1, 0.7), (0, 1), (0.333, 0.335)]]
    colors = [(255, 0, 255, 255), (147, 155, 12, 255), (30, 60, 90, 100)]
    channels = [
        ChannelRendering(window, color, family=family, coefficient=coefficient, inverted=index == 1)
        for index, (window, color) in enumerate(zip(windows, colors, strict=True))
    ]
    # views with strides, as planes of an interleaved image are
    planes = [np.stack([plane, plane], 2)[:, :, 0] for plane in planes]
    expected = render_planes(planes, channels, kernel="numpy")
    assert expected.any()
    np.testing.assert_array_equal(render_planes(planes, channels, kernel="numba"), expected)


def test_it_renders_into_a_part_of_a_larger_picture() -> None:
    canvas = np.full((6, 7, 3), 221, np.uint8)
    plane = np.full((2, 3), 9, np.uint8)
    for kernel in ("numpy", "numba"):
        render_planes([plane], [ChannelRendering((0, 255))], out=canvas[1:3, 2:5], kernel=kernel)
        assert (canvas[1:3, 2:5] == 9).all()
        assert (canvas == 9).sum() == 18


@pytest.mark.parametrize(
    ("planes", "channel", "message"),
    [
        ([np.zeros((2, 2), np.uint8)] * 2, ChannelRendering((0, 1)), "2 planes were given for 1 channels"),
        ([np.zeros((2, 2, 3), np.uint8)], ChannelRendering((0, 1)), "expected (Y, X)"),
        ([np.zeros((2, 2), np.uint8)], ChannelRendering((0, 1), family="cubic"), "unknown family 'cubic'"),
        ([np.zeros((2, 2), np.uint8)], ChannelRendering((0, 1), coefficient=0), "must be above 0"),
        ([np.zeros((2, 2), np.uint8)], ChannelRendering((float("nan"), 1)), "not a pair of numbers"),
        ([np.zeros((2, 2), np.uint8)], ChannelRendering((0, 1), (256, 0, 0, 255)), "each 0 to 255"),
        ([None], ChannelRendering((0, 1)), "at least one channel must be specified"),
    ],
)
def test_what_does_not_fit_is_refused(planes: list[np.ndarray], channel: ChannelRendering, message: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        render_planes(planes, [channel])
    assert message in str(raised.value)


def test_complex_pixels_are_refused() -> None:
    with pytest.raises(UnsupportedPixelTypeError, match="magnitude"):
        render_planes([np.zeros((2, 2), np.complex64)], [ChannelRendering((0, 1))])


def minerva_by_its_formula(planes: list[np.ndarray], channels: list[ChannelRendering]) -> np.ndarray:
    """The composite written as the scaled region programs have it, in double precision."""
    total = np.zeros((*planes[0].shape, 3))
    for plane, channel in zip(planes, channels, strict=True):
        limit = np.iinfo(plane.dtype).max
        low, high = np.clip(np.array(channel.window) / limit, 0, 1)
        value = (np.clip(plane / limit, low, high) - low) / (high - low)
        total += value[..., None] * np.array(channel.color[:3]) / 255
    return (255 * np.clip(total, 0, 1) ** (1 / 2.2)).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_minerva_composite_follows_its_formula(dtype: str) -> None:
    random = np.random.default_rng(2)
    limit = np.iinfo(dtype).max
    planes = [random.integers(0, limit, (70, 900), dtype) for _ in range(3)]
    channels = [
        ChannelRendering((limit * 0.01, limit * 0.9), (255, 0, 0, 255)),
        ChannelRendering((0, limit), (0, 90, 200, 255)),
        ChannelRendering((limit * 0.5, limit * 3), (10, 10, 10, 255)),
    ]
    ours = composite_minerva(planes, channels).astype(int)
    assert np.abs(ours - minerva_by_its_formula(planes, channels)).max() <= 1


def test_minerva_composite_leaves_out_hidden_channels_and_takes_floats_from_0_to_1() -> None:
    planes = [np.array([[0.0, 0.25, 2.0, np.nan]], np.float32), None]
    channels = [ChannelRendering((0, 1)), ChannelRendering((0, 1), active=False)]
    assert composite_minerva(planes, channels, gamma=1)[0, :, 0].tolist() == [0, 63, 255, 0]


def test_minerva_composite_says_what_it_lacks() -> None:
    with pytest.raises(InvalidInputError, match="at least one channel must be specified"):
        composite_minerva([], [])
    with pytest.raises(InvalidInputError, match="equal dimensions"):
        composite_minerva([np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)], [ChannelRendering((0, 1))] * 2)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("kernel", ["numpy", "numba"])
def test_every_value_has_the_level_of_double_precision_also_between_two_levels(dtype: str, kernel: str) -> None:
    """Single precision is used where it gives the same; ties are decided by how double precision rounds."""
    limits = np.iinfo(dtype)
    values = np.arange(limits.min, limits.max + 1).astype(dtype)[None]
    random = np.random.default_rng(11)
    windows = [(1000.0, 41000.0), (0.0, 51.0), (-100.0, 155.0), (3.0, 4.0), (0.25, 99.75), (limits.min, limits.max)]
    windows += [tuple(sorted(random.uniform(limits.min, limits.max, 2))) for _ in range(6)]
    for start, end in windows:
        low, high = max(start, limits.min), min(end, limits.max)
        if end - start > limits.max - limits.min or high <= low:
            continue
        slope = 255 / (high - low)
        expected = np.clip(np.floor(slope * values.astype(float) - slope * low + 0.5), 0, 255)
        expected[values >= high] = 255
        expected[values < low] = 0
        ours = render_planes([values], [ChannelRendering((start, end))], kernel=kernel)
        np.testing.assert_array_equal(ours[..., 0], expected, err_msg=f"{start}:{end}")


@pytest.mark.parametrize("count", [1, 5, 9])
def test_both_kernels_agree_on_large_pictures_of_many_channels_of_several_types(count: int) -> None:
    pytest.importorskip("numba")
    random = np.random.default_rng(count)
    types = ["uint16", "uint8", "uint16", "float32"]
    planes = [(random.random((1030, 1041)) * 250).astype(types[i % 4]) for i in range(count)]
    planes[0] = np.repeat(planes[0], 2, axis=1)[:, ::2].astype(planes[0].dtype.newbyteorder(">"))
    channels = [
        ChannelRendering((10.0, 200.0 + i), (40 * i % 256, 155, 255 - 20 * i, 255), inverted=i == 3)
        for i in range(count)
    ]
    by_numpy = render_planes(planes, channels, kernel="numpy")
    assert len(np.unique(by_numpy)) > 100
    np.testing.assert_array_equal(render_planes(planes, channels, kernel="numba"), by_numpy)
    margins = np.zeros((1050, 1060, 3), np.uint8)
    render_planes(planes, channels, kernel="numba", out=margins[10:-10, 9:-10])
    np.testing.assert_array_equal(margins[10:-10, 9:-10], by_numpy)
