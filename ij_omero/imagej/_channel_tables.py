"""In which tables of colours a picture of ImageJ shows its channels, whatever kind of picture it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._dataset_planes import tables_of_dataset
from ._image_array import ImageArray
from ._imageplus import is_dataset, is_imageplus, tables_of_imageplus
from ._runtime import current

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def channel_tables(image: Any) -> tuple[npt.NDArray[np.uint8] | None, ...]:
    """Return the table of each channel, (256, 3) of red, green and blue.

    Parameters
    ----------
    image
        An :class:`ImageArray`, an ``ij.ImagePlus`` or a ``net.imagej.Dataset``; of anything else nothing is known.

    Returns
    -------
    tuple
        None for a channel whose colour says it all; empty where nothing is known.
    """
    if isinstance(image, ImageArray):
        return image.tables
    if current() is None:
        return ()
    if is_imageplus(image):
        return tables_of_imageplus(image)
    return tables_of_dataset(image) if is_dataset(image) else ()
