"""Arrays <-> ``net.imagej.Dataset``: whole images at once, for what has no cell cache behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ij_omero.errors import UnsupportedPixelTypeError
from ij_omero.model import PixelType

from ._dataset import describe_channels, image_axes
from ._dataset_planes import dataset_description, dataset_plane, tables_of_dataset
from ._image_array import ImageArray, image_array
from ._primitive_arrays import to_java_array
from ._runtime import java_class, start

_FACTORIES = {
    PixelType.INT8: "bytes",
    PixelType.UINT8: "unsignedBytes",
    PixelType.INT16: "shorts",
    PixelType.UINT16: "unsignedShorts",
    PixelType.INT32: "ints",
    PixelType.UINT32: "unsignedInts",
    PixelType.FLOAT: "floats",
    PixelType.DOUBLE: "doubles",
}


def array_to_dataset(image: Any) -> Any:
    """Copy an array or :class:`ImageArray` into a ``net.imagej.Dataset`` of the axes X, Y, Channel, Z, Time.

    Raises
    ------
    UnsupportedPixelTypeError
        Complex pixels.
    """
    import jpype

    runtime = start()
    whole: ImageArray = image_array(image)
    description = whole.description
    if description.pixel_type.is_complex:
        raise UnsupportedPixelTypeError(
            f"a Dataset cannot hold {description.pixel_type.value} pixels; take the real part or the modulus first"
        )
    # the Dataset's X, Y, C, Z, T with X fastest are (T, Z, C, Y, X) in C order
    pixels = np.ascontiguousarray(whole.pixels.swapaxes(1, 2))
    x, y, z, c, t = description.sizes
    dims = jpype.JArray(jpype.JLong)([x, y, c, z, t])
    arrays = java_class("net.imglib2.img.array.ArrayImgs")
    if description.pixel_type is PixelType.BIT:
        packed = np.packbits(pixels.reshape(-1), bitorder="little")
        words = np.zeros(-(-packed.size // 8) * 8, np.uint8)
        words[: packed.size] = packed
        img = arrays.bits(java_class(_LONG_ACCESS)(to_java_array(words.view(np.int64))), dims)
    else:
        img = getattr(arrays, _FACTORIES[description.pixel_type])(to_java_array(pixels), dims)
    img_plus = java_class("net.imagej.ImgPlus")(img, description.name, image_axes(description))
    describe_channels(img_plus, description)
    dataset = runtime.service("net.imagej.DatasetService").create(img_plus)
    dataset.setName(description.name)
    return dataset


_LONG_ACCESS = "net.imglib2.img.basictypeaccess.array.LongArray"


def from_dataset(dataset: Any) -> ImageArray:
    """Copy a ``net.imagej.Dataset`` into an array of (T, C, Z, Y, X) with its description.

    Raises
    ------
    InvalidInputError
        It has axes that the OME model lacks.
    UnsupportedPixelTypeError
        It has pixels that the OME model lacks.
    """
    description = dataset_description(dataset)
    pixels = np.empty(description.shape, description.pixel_type.dtype)
    for plane in description.plane_indices():
        pixels[plane.t, plane.c, plane.z] = dataset_plane(dataset, plane.t, plane.c, plane.z)
    return ImageArray(pixels, description, tables=tables_of_dataset(dataset))
