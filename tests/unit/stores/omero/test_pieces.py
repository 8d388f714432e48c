"""Cutting regions, bytes and bits, marks: what needs no server."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ij_omero.errors import CorruptedDataError, InvalidInputError
from ij_omero.model import PixelType, Region
from ij_omero.stores._omero._marks import is_unfinished, read_mark, unfinished_mark
from ij_omero.stores._omero._mask_bits import pack_bits, unpack_bits
from ij_omero.stores._omero._pixel_bytes import MAX_CALL, bands, decode, encode
from ij_omero.stores._omero._statistics import ChannelRanges


@pytest.mark.parametrize("stores", [1, 2, 4])
@pytest.mark.parametrize("tile_height", [1, 65, 256, 512, 100_000])
@pytest.mark.parametrize(
    "region",
    [Region(0, 0, 1, 1), Region(7, 300, 2048, 1500), Region(0, 0, 100_000, 2000), Region(3, 5, 2**31 - 10, 2)],
)
def test_bands_cover_the_region_once(region: Region, tile_height: int, stores: int) -> None:
    pieces = bands(region, 2, tile_height, stores)
    assert sum(piece.width * piece.height for piece in pieces) == region.width * region.height
    for piece in pieces:
        assert region.contains(piece)
        assert piece.width * piece.height * 2 <= MAX_CALL
    for first, second in itertools.pairwise(pieces):
        assert first.intersection(second) is None


def test_small_regions_are_one_call_and_planes_keep_two_stores_busy() -> None:
    assert len(bands(Region(0, 0, 1024, 1024), 2, 512, 2)) == 1
    assert len(bands(Region(0, 0, 2048, 2048), 2, 512, 2)) == 2
    assert len(bands(Region(0, 0, 2048, 2048), 2, 512, 1)) == 1


def test_bands_end_between_tiles() -> None:
    pieces = bands(Region(0, 100, 4000, 3400), 1, 512, 2)
    assert all((piece.y + piece.height) % 512 == 0 for piece in pieces[:-1])


def test_values_beyond_32_bits_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="Value too large"):
        bands(Region(2**31 - 5, 0, 10, 10), 1, 1, 1)


@pytest.mark.parametrize("kind", list(PixelType))
def test_bytes_go_there_and_back(kind: PixelType) -> None:
    pixels = np.arange(35).reshape(5, 7).astype(kind.dtype)
    frame = np.zeros((7, 9), kind.dtype)
    decode(bytes(encode(pixels[:, ::-1], kind)), kind, frame[1:-1, 1:-1])
    np.testing.assert_array_equal(frame[1:-1, 1:-1], pixels[:, ::-1])


def test_bytes_on_the_wire_are_big_endian() -> None:
    assert bytes(encode(np.array([[1, 258]], "<u2"), PixelType.UINT16)) == b"\0\1\1\2"


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8), (7, 9)])
def test_masks_keep_their_last_row_and_column(shape: tuple[int, int]) -> None:
    bits = np.random.default_rng(0).random(shape) > 0.5
    bits[-1, -1] = True
    np.testing.assert_array_equal(unpack_bits(pack_bits(bits), shape[1], shape[0]), bits)


def test_short_masks_are_corrupted() -> None:
    with pytest.raises(CorruptedDataError, match="only 1 bytes"):
        unpack_bits(b"\0", 5, 5)


def test_statistics_leave_out_what_is_not_finite() -> None:
    ranges = ChannelRanges(2)
    ranges.add(0, np.array([[np.nan, 2.0, np.inf]]))
    ranges.add(0, np.array([[-1.0]]))
    ranges.add(1, np.array([[np.nan]]))
    assert (ranges.of(0), ranges.of(1)) == ((-1.0, 2.0), (0.0, 0.0))


def test_marks_tell_whether_their_writer_lives() -> None:
    mark = unfinished_mark("näme")
    assert is_unfinished(mark)
    assert not is_unfinished("an ordinary description")
    assert read_mark(5, mark, {5}).being_written is True
    assert read_mark(5, mark, set()).being_written is False
    assert read_mark(5, mark.replace('"host": "', '"host": "other-'), set()).being_written is None
    assert read_mark(5, mark[:30], set()).being_written is None
