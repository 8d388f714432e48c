"""OMERO's bytes and numpy's pixels, and the pieces in which a region is asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError, InvalidInputError
from ij_omero.model import PixelType, Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

MAX_CALL = 32 << 20
"""Bytes that one call may carry; Ice's limit is 250 MB, and a call this long already costs nothing extra."""

BAND = 4 << 20
"""Bytes of one call where a region is cut: at 2.4 ms a call and 2.1 ms a megabyte, four fifths of it is transfer."""

MIN_BAND = 2 << 20
"""Below this a call is not cut: two halves would cost more than they gain."""

_INT_MAX = 2**31 - 1


def bands(region: Region, bytes_per_pixel: int, tile_height: int, stores: int) -> list[Region]:
    """Cut a region into full-width bands, each one call, in order from the top.

    Parameters
    ----------
    region
        What is wanted.
    bytes_per_pixel
        Of the pixel type.
    tile_height
        Of the server's tiles: bands end between tiles, or a tile would be decoded twice.
    stores
        How many calls may be in flight at once; more than one make cutting worth while earlier.
    """
    for value in (region.x + region.width, region.y + region.height):
        if value > _INT_MAX:
            raise InvalidInputError(f"Value too large: {value}; OMERO counts pixels with 32 bits, up to {_INT_MAX}")
    row = region.width * bytes_per_pixel
    total = row * region.height
    if total < 2 * MIN_BAND or (stores < 2 and total <= MAX_CALL):
        return [region]
    wanted = min(MAX_CALL, max(MIN_BAND, min(BAND, -(-total // stores)) if stores > 1 else MAX_CALL))
    if row > MAX_CALL:
        return list(_columns(region, bytes_per_pixel))
    height = max(1, wanted // row)
    if tile_height < region.height and tile_height * row <= MAX_CALL:
        height = max(tile_height, height // tile_height * tile_height)
    pieces = []
    y, end = region.y, region.y + region.height
    while y < end:
        # The first band ends on a tile's edge, the others follow it.
        stop = min(end, (y // height + 1) * height if tile_height < region.height else y + height)
        pieces.append(Region(region.x, y, region.width, stop - y))
        y = stop
    return pieces


def _columns(region: Region, bytes_per_pixel: int) -> Iterator[Region]:
    width = MAX_CALL // bytes_per_pixel
    for y in range(region.y, region.y + region.height):
        for x in range(region.x, region.x + region.width, width):
            yield Region(x, y, min(width, region.x + region.width - x), 1)


def wire_dtype(pixel_type: PixelType) -> np.dtype[Any]:
    """Return the dtype in which a type travels: big-endian, and a byte for a bit (the server holds no single bits)."""
    return np.dtype(np.uint8) if pixel_type is PixelType.BIT else pixel_type.dtype.newbyteorder(">")


def received(data: bytes, pixel_type: PixelType, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return the server's bytes as an array in their own order, which nobody can write to."""
    pixels = np.frombuffer(data, wire_dtype(pixel_type))
    expected = math.prod(shape)
    if pixels.size != expected:
        raise CorruptedDataError(f"the server sent {pixels.size} pixels where {expected} were asked for")
    return pixels.reshape(shape)


def decode(data: bytes, pixel_type: PixelType, *targets: npt.NDArray[Any]) -> None:
    """Write the server's bytes of one or more regions into arrays of their shapes, swapped once on the way."""
    pixels = received(data, pixel_type, (sum(target.size for target in targets),))
    start = 0
    for target in targets:
        part = pixels[start : start + target.size].reshape(target.shape)
        start += target.size
        if pixel_type is PixelType.BIT:
            np.not_equal(part, 0, out=target)
        else:
            target[...] = part


def encode(pixels: npt.NDArray[Any], pixel_type: PixelType) -> memoryview:
    """Return the server's bytes of a region; a bit is written as 0 or 255, which every viewer can show."""
    if pixel_type is PixelType.BIT:
        wire = np.where(pixels, np.uint8(255), np.uint8(0))
    else:
        wire = np.ascontiguousarray(pixels, wire_dtype(pixel_type))
    return memoryview(wire.reshape(-1).view(np.uint8).data)
