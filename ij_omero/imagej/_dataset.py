"""A lazily loaded, editable ``net.imagej.Dataset`` over a cell cache, and the way back from one to its cache."""

from __future__ import annotations

import functools
import itertools
import weakref
from typing import TYPE_CHECKING, Any

from ij_omero.errors import UnsupportedPixelTypeError

from ._cell_image import cell_image_in_the_making
from ._color_tables import TABLES_PROPERTY, java_table, tables_of
from ._dataset_planes import HIDDEN_PROPERTY
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from ij_omero.cells import CellCache
    from ij_omero.model import ImageDescription, Quantity

    from ._runtime import Runtime

ADDRESS_PROPERTY = "ij_omero.address"
_numbers = itertools.count(1)
_known: dict[int, weakref.ref[CellCache]] = {}
"""Caches by the numbers that Java's table of images (`_images`) has for them."""


def to_dataset(
    cache: CellCache,
    runtime: Runtime | None = None,
    *,
    lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None,
) -> Any:
    """Return a ``net.imagej.Dataset`` whose pixels are the cache's cells; no pixel is read.

    All five axes X, Y, Channel, Z and Time are kept, those of length 1 included. Physical sizes with their units,
    name, channel names, colours, lookup tables and windows come with it.

    Parameters
    ----------
    cache
        The image's cells; the Dataset keeps it alive, but closing it is up to its owner.
    runtime
        The ImageJ to use; started where none runs.
    lookup_tables
        The tables, (256, 3) of red, green and blue, that channels name; one that is missing leaves the channel in its
        colour.

    Raises
    ------
    UnsupportedPixelTypeError
        The pixels are complex numbers, which a Dataset cannot hold.
    MissingDependencyError, ImageJError
        ImageJ cannot be started.
    """
    description = cache.saved_view.description
    if description.pixel_type.is_complex:
        raise UnsupportedPixelTypeError(
            f"{description.name!r} has {description.pixel_type.value} pixels, which a Dataset cannot hold; take its "
            "real part or its magnitude first, or use ij_omero.imagej.cell_image"
        )
    runtime = runtime or start()
    with cell_image_in_the_making(cache) as pixels:
        image = java_class("net.imagej.ImgPlus")(pixels, description.name, image_axes(description))
        describe_channels(image, description, lookup_tables)
        remember_cells(cache, pixels)
        if cache.address is not None:
            image.getProperties().put(ADDRESS_PROPERTY, cache.address)
            image.setSource(cache.address)
        return runtime.service("net.imagej.DatasetService").create(image)


def cells_of(image: Any) -> CellCache | None:
    """Return the cache behind a Dataset, ImgPlus or image of cells; None for any other.

    A Dataset that was made from another's pixels (duplicated, computed) has no cache.
    """
    pixels = image.getImgPlus() if hasattr(image, "getImgPlus") else image
    while hasattr(pixels, "getImg"):
        pixels = pixels.getImg()
    number = _images().get(pixels)
    weak_cache = None if number is None else _known.get(int(number))
    return None if weak_cache is None else weak_cache()


def source_address(image: Any) -> str | None:
    """Return the address of the image that a Dataset or ImgPlus was opened from, or copied from with its properties."""
    properties = image.getProperties() if hasattr(image, "getProperties") else None
    if properties is None:
        return None
    text = properties.get(ADDRESS_PROPERTY)
    if text is not None:
        return str(text)
    cells = cells_of(image)
    return None if cells is None else cells.address


def remember_cells(cache: CellCache, pixels: Any) -> None:
    """Note whose cells an image of Java shows, so that `cells_of` finds them; holds neither."""
    number = next(_numbers)

    def forget(_: object) -> None:
        _known.pop(number, None)

    _known[number] = weakref.ref(cache, forget)
    _images().put(pixels, java_class("java.lang.Long")(number))


@functools.cache
def _images() -> Any:
    """Return Java's table of images by identity, which holds none of them."""
    return java_class("java.util.Collections").synchronizedMap(java_class("java.util.WeakHashMap")())


def image_axes(description: ImageDescription) -> Any:
    """Return the axes X, Y, Channel, Z, Time of an image in Java, with scale and unit where they are known."""
    import jpype

    axes = java_class("net.imagej.axis.Axes")
    linear = java_class("net.imagej.axis.DefaultLinearAxis")

    def axis(kind: Any, size: Quantity | None) -> Any:
        return linear(kind) if size is None else linear(kind, size.unit, size.value)

    return jpype.JArray(java_class("net.imagej.axis.CalibratedAxis"))(
        [
            axis(axes.X, description.physical_size_x),
            axis(axes.Y, description.physical_size_y),
            axis(axes.CHANNEL, None),
            axis(axes.Z, description.physical_size_z),
            axis(axes.TIME, description.time_increment),
        ]
    )


def describe_channels(
    image: Any, description: ImageDescription, lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None
) -> None:
    """Give an ImgPlus the names, colours or lookup tables, and windows of the channels, and which of them are shown."""
    image.setCompositeChannelCount(description.size_c)
    planes = description.plane_count
    image.initializeColorTables(planes if planes <= _MOST_COLOR_TABLES else description.size_c)
    tables = [java_table(table) for table in tables_of(description, lookup_tables)]
    for index in range(int(image.getColorTableCount())):
        image.setColorTable(tables[index % description.size_c], index)
    for index, channel in enumerate(description.channels):
        if channel.window is not None:
            image.setChannelMinimum(index, channel.window[0])
            image.setChannelMaximum(index, channel.window[1])
    names = java_class("java.util.ArrayList")()
    for index, channel in enumerate(description.channels):
        names.add(channel.name or f"Channel {index + 1}")
    image.getProperties().put("channel names", names)
    hidden = java_class("java.util.ArrayList")()
    for index, channel in enumerate(description.channels):
        if not channel.active:
            hidden.add(java_class("java.lang.Integer")(index))
    image.getProperties().put(HIDDEN_PROPERTY, hidden)
    image.getProperties().put(TABLES_PROPERTY, java_class("java.util.Arrays").asList(*tables))


_MOST_COLOR_TABLES = 100_000
