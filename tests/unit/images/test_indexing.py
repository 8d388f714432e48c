"""image[...] behaves as numpy does, over regions of planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError
from ij_omero.images._indexing import read_selection, select, write_selection

if TYPE_CHECKING:
    from ij_omero.model import PlaneIndex, Region

SHAPE = (2, 3, 4, 50, 60)
Array = np.ndarray[Any, Any]


class Planes:
    """Pixels in memory, and how many were touched."""

    def __init__(self, shape: tuple[int, ...] = SHAPE) -> None:
        self.pixels = np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)
        self.touched = 0

    def read(self, plane: PlaneIndex, region: Region | None = None, *, out: Array | None = None) -> Array:
        assert region is not None
        self.touched += region.width * region.height
        rows = self.pixels[plane.t, plane.c, plane.z, region.y : region.y + region.height]
        pixels: Array = rows[:, region.x : region.x + region.width].copy()
        if out is not None:
            assert out.shape == pixels.shape
            out[...] = pixels
            return out
        return pixels

    def read_planes(self, planes: Any, region: Any = None, *, out: Any) -> None:
        for plane, target in zip(planes, out, strict=True):
            self.read(plane, region, out=target)

    def write(self, plane: PlaneIndex, region: Region, pixels: Array) -> None:
        assert pixels.shape == region.shape
        self.touched += pixels.size
        rows = self.pixels[plane.t, plane.c, plane.z, region.y : region.y + region.height]
        rows[:, region.x : region.x + region.width] = pixels


KEYS = [
    (),
    0,
    -1,
    Ellipsis,
    (0, 1, 3),
    (0, 1, 3, slice(5, 20), slice(10, 60)),
    (slice(None), 2, slice(1, 3), slice(None, None, 3), slice(50, 2, -7)),
    (Ellipsis, 7),
    (1, Ellipsis, slice(-10, None)),
    (slice(None, None, -1), slice(None), 0, -50, -60),
    (0, 0, 0, slice(20, 5), slice(None)),
    (None, 1, slice(0, 2), None, 2, Ellipsis),
    (np.int64(1), np.uint8(2), 0, slice(np.int32(4), None)),
    (0, 0, 0, slice(49, 50), slice(None, None, 1000)),
    (1, 1, 1, 25, 30),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_reads_what_numpy_reads(key: Any) -> None:
    planes = Planes()
    expected = planes.pixels[key]
    got = read_selection(planes, select(key, SHAPE), np.uint32)
    assert np.shape(got) == np.shape(expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_writes_what_numpy_writes(key: Any) -> None:
    planes, expected = Planes(), Planes().pixels
    values = np.arange(expected[key].size, dtype=np.uint32).reshape(expected[key].shape) + 7
    expected[key] = values
    write_selection(planes, select(key, SHAPE), values, np.uint32)
    np.testing.assert_array_equal(planes.pixels, expected)


def test_a_number_is_broadcast_and_touches_only_its_region() -> None:
    planes = Planes()
    expected = planes.pixels.copy()
    expected[0, :, 1, 3:5, 2:9] = 11
    write_selection(planes, select((0, slice(None), 1, slice(3, 5), slice(2, 9)), SHAPE), 11, np.uint32)
    np.testing.assert_array_equal(planes.pixels, expected)
    assert planes.touched == 3 * 2 * 7


def test_a_strided_read_of_a_wide_image_does_not_read_it_whole() -> None:
    shape = (1, 1, 1, 40, 40_000)
    planes = Planes(shape)
    got = read_selection(planes, select((0, 0, 0, slice(None, None, 20), slice(None, None, 10_000)), shape), np.uint32)
    np.testing.assert_array_equal(got, planes.pixels[0, 0, 0, ::20, ::10_000])
    assert planes.touched < 1000


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (2, "outside axis T, which has 2"),
        ((0, 0, 0, 0, -61), "outside axis X"),
        ((0,) * 6, "6 indices"),
        ((Ellipsis, Ellipsis), "one ellipsis"),
        ((0, [1, 2]), "to_numpy"),
        (np.ones(3, bool), "to_numpy"),
        (True, "mask"),
        (1.0, "whole numbers"),
        ("C", "whole numbers"),
        (slice(None, None, 0), "zero"),
        (slice(0.5, None), "axis T"),
    ],
    ids=repr,
)
def test_a_wrong_index_is_said_clearly(key: Any, words: str) -> None:
    with pytest.raises(IndexError, match=words) as caught:
        select(key, SHAPE)
    assert isinstance(caught.value, InvalidInputError)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((3, 3)), "broadcast"),
        (-1, "not all"),
        (2**40, "not all"),
        (0.5, "not all"),
        (np.full((50, 60), np.nan), "not all"),
        (1j, "not all"),
        (2**80, "no pixels"),
        ("blue", "no pixels"),
    ],
    ids=repr,
)
def test_a_wrong_value_is_said_clearly_and_writes_nothing(value: Any, words: str) -> None:
    planes = Planes()
    with pytest.raises(InvalidInputError, match=words):
        write_selection(planes, select((0, 0, 0), SHAPE), value, np.uint32)
    assert planes.touched == 0
