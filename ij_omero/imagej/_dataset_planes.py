"""Reading a ``net.imagej.Dataset`` plane by plane, whatever its image is made of; only what is read is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, UnsupportedPixelTypeError
from ij_omero.model import Channel, ImageDescription, PixelType

from ._calibration import quantity_of
from ._color_tables import color_of, read_java_table, telling
from ._primitive_arrays import from_java_array
from ._runtime import java_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ij_omero.model import Quantity

AXES = {"X": "X", "Y": "Y", "Z": "Z", "Channel": "C", "Time": "T"}
HIDDEN_PROPERTY = "ij_omero.hidden channels"
_UNKNOWN = "Unknown"
_PIXEL_TYPES = {
    "BitType": PixelType.BIT,
    "NativeBoolType": PixelType.BIT,
    "ByteType": PixelType.INT8,
    "UnsignedByteType": PixelType.UINT8,
    "ShortType": PixelType.INT16,
    "UnsignedShortType": PixelType.UINT16,
    "IntType": PixelType.INT32,
    "UnsignedIntType": PixelType.UINT32,
    "FloatType": PixelType.FLOAT,
    "DoubleType": PixelType.DOUBLE,
}


def dataset_axes(dataset: Any) -> dict[str, int]:
    """Return the dimension of each axis X, Y, Z, C, T that a Dataset has; `axis_letters` says which."""
    dimensions = range(int(dataset.numDimensions()))
    labels = [str(dataset.axis(dimension).type().getLabel()) for dimension in dimensions]
    lengths = [int(dataset.dimension(dimension)) for dimension in dimensions]
    letters = axis_letters(labels, lengths, f"the Dataset {dataset.getName()}")
    return {letter: dimension for dimension, letter in enumerate(letters) if letter is not None}


def axis_letters(labels: Sequence[str], lengths: Sequence[int], what: str) -> list[str | None]:
    """Return which of X, Y, Z, C, T each axis of ImageJ is.

    Axes of unknown kind, as images have that ImageJ made without saying what their axes are, become the first that are
    free. None is an axis of length 1 that none of them is.

    Raises
    ------
    InvalidInputError
        Another kind of axis, one that is there twice, more axes than five, or no X and Y.
    """
    letters: list[str | None] = []
    for label, length in zip(labels, lengths, strict=True):
        letter = AXES.get(label)
        if (letter is None or letter in letters) and label != _UNKNOWN and length != 1:
            raise InvalidInputError(
                f"{what} has an axis {label!r} that OMERO's images lack; expected X, Y, Channel, Z and Time, each once"
            )
        letters.append(None if letter in letters else letter)
    free = [letter for letter in "XYZCT" if letter not in letters]
    for number, (label, length) in enumerate(zip(labels, lengths, strict=True)):
        if label == _UNKNOWN and free:
            letters[number] = free.pop(0)
        elif label == _UNKNOWN and length != 1:
            raise InvalidInputError(f"{what} has {len(labels)} axes, more than X, Y, Z, C and T of OMERO's images")
    if "X" not in letters or "Y" not in letters:
        raise InvalidInputError(f"{what} has no X and Y axes")
    return letters


def dataset_pixel_type(dataset: Any) -> PixelType:
    """Return the pixel type of a Dataset.

    Raises
    ------
    UnsupportedPixelTypeError
        The OME model has no such type.
    """
    name = str(dataset.getImgPlus().firstElement().getClass().getSimpleName())
    if name not in _PIXEL_TYPES:
        raise UnsupportedPixelTypeError(
            f"the Dataset {dataset.getName()} has pixels of {name}; convert it to 8, 16 or 32 bits or float first"
        )
    return _PIXEL_TYPES[name]


def dataset_description(dataset: Any) -> ImageDescription:
    """Describe a Dataset: sizes, calibration and channel names and windows; no pixel is read but the first."""
    axes = dataset_axes(dataset)
    sizes = {axis: int(dataset.dimension(axes[axis])) if axis in axes else 1 for axis in "XYZCT"}
    image = dataset.getImgPlus()
    scales: dict[str, Quantity | None] = {}
    for axis in "XYZT":
        if axis not in axes:
            continue
        of_axis = dataset.axis(axes[axis])
        unit = of_axis.unit()
        scale = float(of_axis.averageScale(0.0, 1.0))
        scales[axis] = quantity_of(scale, str(unit) if unit is not None else None)
    channels = tuple(_channel(image, index) for index in range(sizes["C"]))
    return ImageDescription(
        str(dataset.getName() or "image"),
        dataset_pixel_type(dataset),
        sizes["X"],
        sizes["Y"],
        sizes["Z"],
        sizes["C"],
        sizes["T"],
        physical_size_x=scales.get("X"),
        physical_size_y=scales.get("Y"),
        physical_size_z=scales.get("Z"),
        time_increment=scales.get("T"),
        channels=channels,
    )


def _channel(image: Any, index: int) -> Channel:
    """Read the name, colour and window of a channel, and whether it is shown, where an ImgPlus has them."""
    hidden = image.getProperties().get(HIDDEN_PROPERTY)
    names = image.getProperties().get("channel names")
    name = str(names.get(index)) if names is not None and index < names.size() else None
    low, high = float(image.getChannelMinimum(index)), float(image.getChannelMaximum(index))
    table = image.getColorTable(index) if index < int(image.getColorTableCount()) else None
    color = None if table is None else color_of(read_java_table(table))
    return Channel(
        name=None if name == f"Channel {index + 1}" else name,
        color=color,
        window=(low, high) if low < high else None,
        active=hidden is None or not any(int(one) == index for one in hidden),
    )


def tables_of_dataset(dataset: Any) -> tuple[npt.NDArray[np.uint8] | None, ...]:
    """Return what `ImageArray.tables` says, of a Dataset."""
    image = dataset.getImgPlus()
    axes = dataset_axes(dataset)
    channels = int(dataset.dimension(axes["C"])) if "C" in axes else 1
    tables = [image.getColorTable(index) for index in range(min(channels, int(image.getColorTableCount())))]
    return tuple(None if table is None else telling(read_java_table(table)) for table in tables)


def dataset_plane(dataset: Any, t: int, c: int, z: int) -> npt.NDArray[Any]:
    """Read one plane of a Dataset as (Y, X)."""
    import jpype

    axes = dataset_axes(dataset)
    pixel_type = dataset_pixel_type(dataset)
    image = dataset.getImgPlus().getImg()
    low = [0] * int(dataset.numDimensions())
    high = [0] * len(low)
    for axis, index in (("T", t), ("C", c), ("Z", z)):
        if axis in axes:
            low[axes[axis]] = high[axes[axis]] = index
    size_x, size_y = int(dataset.dimension(axes["X"])), int(dataset.dimension(axes["Y"]))
    high[axes["X"]], high[axes["Y"]] = size_x - 1, size_y - 1
    longs = jpype.JArray(jpype.JLong)
    views = java_class("net.imglib2.view.Views")
    plane = views.zeroMin(views.interval(image, longs(low), longs(high)))
    dims = longs([last - first + 1 for first, last in zip(low, high, strict=True)])
    values = _copy(plane, dims, size_x * size_y, pixel_type)
    # the copy has the dimensions in their order: X fastest where it comes before Y
    if axes["X"] < axes["Y"]:
        return values.reshape(size_y, size_x)
    return np.ascontiguousarray(values.reshape(size_x, size_y).T)


def _copy(plane: Any, dims: Any, count: int, pixel_type: PixelType) -> npt.NDArray[Any]:
    """Copy a view into a new array image of its type, in Java, and that into numpy."""
    import jpype

    arrays = java_class("net.imglib2.img.array.ArrayImgs")
    copy = java_class("net.imglib2.util.ImgUtil").copy
    if pixel_type is PixelType.BIT and _type_name(plane) == "BitType":
        bits = arrays.bits(dims)
        copy(plane, bits)
        words = from_java_array(bits.update(None).getCurrentStorageArray(), np.uint8)
        return np.unpackbits(words, count=count, bitorder="little").astype(bool)
    factory, element = _ARRAYS[pixel_type]
    buffer = jpype.JArray(getattr(jpype, element))(count)
    copy(plane, getattr(arrays, factory)(buffer, dims))
    return from_java_array(buffer, pixel_type.dtype)


def _type_name(image: Any) -> str:
    return str(java_class("net.imglib2.util.Util").getTypeFromInterval(image).getClass().getSimpleName())


_ARRAYS = {
    PixelType.BIT: ("booleans", "JBoolean"),
    PixelType.INT8: ("bytes", "JByte"),
    PixelType.UINT8: ("unsignedBytes", "JByte"),
    PixelType.INT16: ("shorts", "JShort"),
    PixelType.UINT16: ("unsignedShorts", "JShort"),
    PixelType.INT32: ("ints", "JInt"),
    PixelType.UINT32: ("unsignedInts", "JInt"),
    PixelType.FLOAT: ("floats", "JFloat"),
    PixelType.DOUBLE: ("doubles", "JDouble"),
}
