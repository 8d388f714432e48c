"""An image as Python sees it when it comes out of ImageJ: an array and what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import ImageDescription, PixelType

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import Roi


@dataclass(frozen=True, eq=False)
class ImageArray:
    """Pixels with their description.

    Parameters
    ----------
    pixels
        Array of (T, C, Z, Y, X); always five axes, those of length 1 included.
    description
        Name, sizes, calibration and channels.
    rois
        The image's overlay and selection.
    made_from
        The address of the image that it was made from, where that is known.
    tables
        The table (256, 3) in which ImageJ showed each channel, None for one that leads from black to the channel's
        colour; empty where nobody knows.
    """

    pixels: npt.NDArray[Any]
    description: ImageDescription
    rois: tuple[Roi, ...] = ()
    made_from: str | None = None
    tables: tuple[npt.NDArray[np.uint8] | None, ...] = ()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Let numpy take the pixels."""
        return np.array(self.pixels, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        """Tell name, sizes and type instead of all pixels."""
        x, y, z, c, t = self.description.sizes
        return f"<ImageArray {self.description.name!r}: X {x}, Y {y}, Z {z}, C {c}, T {t}, {self.pixels.dtype.name}>"


def image_array(pixels: Any, description: ImageDescription | None = None, name: str = "image") -> ImageArray:
    """Complete an array to five axes and describe it.

    Parameters
    ----------
    pixels
        Array of (Y, X), (Z, Y, X), (C, Z, Y, X) or (T, C, Z, Y, X).
    description
        What is known of it; its sizes must fit. Made from the array without it.
    name
        The image's name where there is no description.

    Raises
    ------
    InvalidInputError
        The array has another number of axes, no pixels, or other sizes than the description.
    UnsupportedPixelTypeError
        The OME model has no such pixel type.
    """
    if isinstance(pixels, ImageArray):
        return replace(pixels, description=description or pixels.description)
    array = np.asarray(pixels)
    if not 2 <= array.ndim <= 5 or array.size == 0:
        raise InvalidInputError(
            f"an image needs pixels in 2 to 5 axes, (Y, X) to (T, C, Z, Y, X); this array has shape {array.shape}"
        )
    array = array.reshape((1,) * (5 - array.ndim) + array.shape)
    if description is None:
        t, c, z, y, x = array.shape
        description = ImageDescription(name, PixelType.of(array.dtype), x, y, z, c, t)
    elif array.shape != description.shape:
        raise InvalidInputError(
            f"the array has shape {array.shape} in (T, C, Z, Y, X), but image {description.name!r} is described "
            f"with {description.shape}"
        )
    return ImageArray(array, description)
