"""Bitmaps as OMERO packs them: row after row without padding between, the first pixel in the highest bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ij_omero.errors import CorruptedDataError

if TYPE_CHECKING:
    import numpy.typing as npt


def pack_bits(bits: npt.NDArray[np.bool_]) -> bytes:
    """Return the bytes of a bitmap of (Y, X); the last byte is filled up with zeros."""
    return np.packbits(bits.reshape(-1)).tobytes()


def unpack_bits(data: bytes, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Return the bitmap (Y, X) of packed bytes; some programs store a whole byte per pixel, which is taken too.

    Raises
    ------
    CorruptedDataError
        There are fewer bits than pixels.
    """
    pixels = width * height
    packed = np.frombuffer(data, np.uint8)
    if pixels > 8 and len(packed) == pixels:
        return np.not_equal(packed, 0).reshape(height, width)
    if len(packed) * 8 < pixels:
        raise CorruptedDataError(f"a mask of {width} x {height} pixels has only {len(packed)} bytes")
    return np.asarray(np.unpackbits(packed, count=pixels), bool).reshape(height, width)
