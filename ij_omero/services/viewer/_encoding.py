"""Pictures as files that a browser takes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ij_omero.errors import InvalidInputError
from ij_omero.services._core import encode_jpeg

if TYPE_CHECKING:
    import numpy.typing as npt

DEFAULT_QUALITY = 0.9
MEDIA_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "tif": "image/tiff"}
_SPELLINGS = {"jpg": "jpeg", "tiff": "tif"}


class Picture(NamedTuple):
    """An encoded picture and its media type."""

    content: bytes
    media_type: str


def parse_format(text: str) -> str:
    """Return ``jpeg``, ``png`` or ``tif``; nothing is ``jpeg``, as in OMERO.web.

    Raises
    ------
    InvalidInputError
        It is another format.
    """
    name = _SPELLINGS.get(text.lower(), text.lower()) or "jpeg"
    if name not in MEDIA_TYPES:
        raise InvalidInputError(f"format={text[:40]} is not known; expected jpeg, png or tif")
    return name


def shrunk(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return a (Y, X, 3) picture of (width, height) pixels, each the mean of those that it stands for."""
    if pixels.shape[1::-1] == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def encode(pixels: npt.NDArray[np.uint8], name: str = "jpeg", quality: float | None = None) -> Picture:
    """Encode a picture.

    Parameters
    ----------
    pixels
        (Y, X, 3).
    name
        See `parse_format`.
    quality
        Of a JPEG, 0 to 1; None is 0.9.
    """
    if name == "jpeg":
        percent = max(1, round(100 * (DEFAULT_QUALITY if quality is None else quality)))
        return Picture(encode_jpeg(pixels, percent), MEDIA_TYPES[name])
    options: dict[str, object]
    if name == "png":
        options = {"compress_level": 1}  # the default takes ten times as long for a tenth fewer bytes
    else:
        options = {"compression": "tiff_deflate"}
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, {"tif": "tiff"}.get(name, name), **options)
    return Picture(buffer.getvalue(), MEDIA_TYPES[name])
