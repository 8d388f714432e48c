"""Planes of voxels as pictures: PNG, JPEG, TIFF, BMP."""

from __future__ import annotations

import io
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

from ij_omero.errors import InvalidInputError
from ij_omero.services._core import encode_jpeg

from ._block_codecs import JPEG_QUALITY

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._voxel_types import VoxelType

_TYPES = {"png": "image/png", "jpg": "image/jpeg", "tif": "image/tiff", "bmp": "image/bmp"}
_ALIASES = {"": "png", "jpeg": "jpg", "tiff": "tif"}
_PNG_LEVEL = 1  # as small as the default level within a tenth for pictures of cells, at a third of the time
_COLOR_TYPES = {2: 0, 3: 6}  # axes of the picture -> PNG's grey, or red, green, blue, alpha


def parse_format(text: str) -> tuple[str, int]:
    """Return a picture format and the quality of its JPEG, from ``jpg:80`` for example."""
    name, colon, quality = text.partition(":")
    name = _ALIASES.get(name.lower(), name.lower())
    if name not in _TYPES:
        raise InvalidInputError(f"Illegal image format requested: {text.partition(':')[0][:40]}")
    if not colon:
        return name, JPEG_QUALITY
    if not re.fullmatch(r"[0-9]{1,3}", quality):
        raise InvalidInputError(f"the quality of a JPEG is 1 to 100, not {quality[:20]!r}")
    return name, min(max(int(quality), 1), 100)


def encode_picture(plane: npt.NDArray[Any], kind: VoxelType, image_format: str, quality: int) -> tuple[bytes, str]:
    """Return a plane as a picture, and its media type.

    Voxels of 1 and 2 bytes become grey of 8 and 16 bits, rgba8blk 8-bit red, green, blue and alpha. The bytes of other
    voxels become 4 channels: those of 4 bytes 8-bit ones, those of 8 bytes 16-bit ones, the first byte first.

    Parameters
    ----------
    plane
        (Y, X) of `VoxelType.stored`.
    """
    picture = _picture_of(plane, kind)
    if image_format == "png":
        body = _png(picture)
    elif image_format == "jpg":
        body = encode_jpeg(_opaque(picture), quality)
    elif image_format == "tif":
        buffer = io.BytesIO()
        color: Any = {"photometric": "rgb", "extrasamples": ("unassalpha",)} if picture.ndim == 3 else {}
        tifffile.imwrite(buffer, picture, compression="zlib", **({"photometric": "minisblack"} | color))
        body = buffer.getvalue()
    else:
        buffer = io.BytesIO()
        Image.fromarray(_eight_bits(picture)).save(buffer, "BMP")
        body = buffer.getvalue()
    return body, _TYPES[image_format]


def _picture_of(plane: npt.NDArray[Any], kind: VoxelType) -> npt.NDArray[Any]:
    """Return (Y, X) grey or (Y, X, 4), of 8 or 16 bits in native order."""
    plane = np.ascontiguousarray(plane)
    if kind.nbytes <= 2:
        return plane.astype(plane.dtype.newbyteorder("="), copy=False)
    parts = plane.view(np.uint8).reshape(*plane.shape, kind.nbytes)
    if kind.nbytes == 4:
        return parts
    return np.ascontiguousarray(parts).view(">u2").astype(np.uint16)


def _eight_bits(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if picture.dtype.itemsize == 1:
        return picture
    high: npt.NDArray[np.uint8] = (picture >> 8).astype(np.uint8)
    return high


def _opaque(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a picture as a JPEG can hold it: colours over black by their alpha."""
    picture = _eight_bits(picture)
    if picture.ndim == 2:
        return picture
    colors: npt.NDArray[np.uint8] = ((picture[..., :3].astype(np.uint16) * picture[..., 3:] + 127) // 255).astype(
        np.uint8
    )
    return colors


def _png(picture: npt.NDArray[Any]) -> bytes:
    height, width = picture.shape[:2]
    rows = picture.astype(picture.dtype.newbyteorder(">"), copy=False).reshape(height, -1).view(np.uint8)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2  # each row as its difference from the row above
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, picture.dtype.itemsize * 8, _COLOR_TYPES[picture.ndim], 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.data, _PNG_LEVEL)), (b"IEND", b"")):
        parts += [struct.pack(">I", len(body)), name, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))]
    return b"".join(parts)


def isotropic_size(width: int, height: int, across: float, down: float) -> tuple[int, int]:
    """Return the voxels to read for a picture of a size whose pixels shall be square.

    Parameters
    ----------
    width, height
        Of the picture, in pixels of the finer of the two distances.
    across, down
        Distance of voxels along the picture's rows and columns.
    """
    if across < down:
        return width, max(1, int(height * across / down + 0.5))
    if down < across:
        return max(1, int(width * down / across + 0.5)), height
    return width, height


def magnify(plane: npt.NDArray[Any], kind: VoxelType, width: int, height: int) -> npt.NDArray[Any]:
    """Return a plane at another size, by linear interpolation between the centres of voxels."""
    if plane.shape == (height, width):
        return plane
    values = kind.voxels(plane)
    rows, columns = _weights(plane.shape[0], height), _weights(plane.shape[1], width)
    whole = kind.dtype.kind != "f"
    result = np.empty((height, width, *values.shape[2:]), kind.dtype)
    for start in range(0, height, 256):  # so that no copy in float64 is as large as the picture
        band = slice(start, start + 256)
        low, high, part = (each[band] for each in rows)
        extra = (1,) * (values.ndim - 1)
        upper = values[low].astype(np.float64)
        mixed = upper + (values[high] - upper) * part.reshape(-1, *extra)
        left, right, across = columns
        beside = mixed[:, left]
        mixed = beside + (mixed[:, right] - beside) * across.reshape(1, -1, *extra[1:])
        result[band] = rounded(mixed, kind) if whole else mixed
    return result if kind.values == 1 else result.view(kind.stored)[..., 0]


def rounded(values: npt.NDArray[np.float64], kind: VoxelType) -> npt.NDArray[Any]:
    """Return values as whole numbers of the type, those beyond its range at its ends."""
    limits = np.iinfo(kind.dtype)
    inside = np.rint(values)
    result = inside.clip(limits.min, np.nextafter(float(limits.max), 0)).astype(kind.dtype)
    result[inside >= limits.max] = limits.max
    return result


def _weights(source: int, target: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    at = ((np.arange(target) + 0.5) * source / target - 0.5).clip(0, source - 1)
    low = np.floor(at).astype(np.intp)
    return low, np.minimum(low + 1, source - 1), at - low
