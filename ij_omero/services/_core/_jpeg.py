"""JPEG, by the faster of two libraries."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy.typing as npt

_LONGEST = 65535
_SIMPLEJPEG = importlib.util.find_spec("simplejpeg") is not None


def encode_jpeg(pixels: npt.NDArray[np.uint8], quality: int) -> bytes:
    """Return a picture as JPEG, with colours at half the resolution as Pillow has them by default.

    simplejpeg, where it is installed, takes two thirds of Pillow's time: both call libjpeg-turbo, but Pillow copies the
    pixels twice before.

    Parameters
    ----------
    pixels
        (Y, X) grey or (Y, X, 3), uint8.
    quality
        1 to 100.

    Raises
    ------
    InvalidInputError
        It has more rows or columns than a JPEG can have.
    """
    if max(pixels.shape[:2]) > _LONGEST:
        raise InvalidInputError(f"a JPEG has at most {_LONGEST} rows and columns; this has {pixels.shape[:2]} (Y, X)")
    if not _SIMPLEJPEG or not pixels.size:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        return buffer.getvalue()
    import simplejpeg

    grey = pixels.ndim == 2
    rows: Any = np.ascontiguousarray(pixels[:, :, None] if grey else pixels)
    colors = {"colorspace": "GRAY", "colorsubsampling": "Gray"} if grey else {"colorsubsampling": "420"}
    content: bytes = simplejpeg.encode_jpeg(rows, quality=quality, **colors)
    return content
