"""Images <-> ImageJ 1's ``ImagePlus``, plane by plane, as hyperstacks of channels, slices and frames.

ImageJ 1 holds 8- and 16-bit unsigned, 32-bit float and RGB pixels. What else the OME model has becomes the nearest that
loses nothing: int8 and int16 become signed 16-bit (ImageJ's own convention, pixels + 32768 with a calibration that
takes it off again), ``bit`` becomes 0 and 255. int32, uint32 and double become float32, which is exact to 2^24 only.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import UnsupportedPixelTypeError
from ij_omero.model import Channel, ImageDescription, PixelType

from ._calibration import read_calibration, write_calibration
from ._color_tables import color_of, lut_of, ramp_to, read_java_table, read_lut, tables_of, telling
from ._image_array import ImageArray, image_array
from ._primitive_arrays import from_java_array, to_java_array
from ._rois import read_overlay
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

_log = logging.getLogger(__name__)
_SIGNED_OFFSET = 32768
_RGB = ((255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255))
_RGB_NAMES = ("Red", "Green", "Blue")


def to_imageplus(
    image: Any,
    description: ImageDescription | None = None,
    *,
    title: str | None = None,
) -> Any:
    """Make an ``ij.ImagePlus`` of an image.

    Parameters
    ----------
    image
        An array of (Y, X), (Z, Y, X), (C, Z, Y, X) or (T, C, Z, Y, X), an :class:`ImageArray`, a ``net.imagej.Dataset``
        (read plane by plane), an object with a ``to_dataset()`` (such as ``ij_omero``'s images),
        or an ImagePlus, which is
        handed back as it is.
    description
        Calibration, channel names, colours and windows, for an array that brings none.
    title
        The image's title; its name without it.

    Returns
    -------
    ij.ImagePlus
        A hyperstack in ImageJ's order (X, Y, C, Z, T); a composite image where there are 2 to 7 channels.

    Raises
    ------
    InvalidInputError
        This is no image, or its sizes do not fit the description.
    UnsupportedPixelTypeError
        Complex pixels, which ImageJ has not.
    """
    start().imagej1()
    if is_imageplus(image):
        return image
    if hasattr(image, "to_dataset"):
        if isinstance(getattr(image, "description", None), ImageDescription) and hasattr(image, "__getitem__"):
            # an open image's cells are read here as a Dataset's would be, and SciJava need not be started
            description = description or image.description
            tables = tables_of(description, getattr(image, "lookup_tables", None))
            return _build(lambda t, c, z: image[t, c, z], description, title, tables)
        image = image.to_dataset()
    if is_dataset(image):
        from ._dataset_planes import dataset_description, dataset_plane

        description = description or dataset_description(image)
        return _build(lambda t, c, z: dataset_plane(image, t, c, z), description, title, _tables_of_dataset(image))
    whole = image_array(image, description)
    return _build(lambda t, c, z: whole.pixels[t, c, z], whole.description, title, tables_of(whole.description))


def _tables_of_dataset(dataset: Any) -> list[npt.NDArray[np.uint8] | None]:
    image = dataset.getImgPlus()
    found = [image.getColorTable(index) for index in range(int(image.getColorTableCount()))]
    return [None if table is None else read_java_table(table) for table in found]


def is_imageplus(value: Any) -> bool:
    """Tell whether a value is a Java ``ij.ImagePlus``."""
    return isinstance(value, java_class("ij.ImagePlus"))


def is_dataset(value: Any) -> bool:
    """Tell whether a value is a Java ``net.imagej.Dataset``."""
    return isinstance(value, java_class("net.imagej.Dataset"))


def _build(
    plane: Callable[[int, int, int], npt.NDArray[Any]],
    description: ImageDescription,
    title: str | None,
    tables: Sequence[npt.NDArray[np.uint8] | None],
) -> Any:
    size_x, size_y, size_z, size_c, size_t = description.sizes
    processor, prepare = _processor(description.pixel_type)
    stack = java_class("ij.ImageStack")(size_x, size_y)
    for t in range(size_t):
        for z in range(size_z):
            for c in range(size_c):
                pixels = to_java_array(prepare(np.asarray(plane(t, c, z))))
                label = description.channels[c].name
                stack.addSlice(label, processor(size_x, size_y, pixels))
    imp = java_class("ij.ImagePlus")(title or description.name, stack)
    imp.setDimensions(size_c, size_z, size_t)
    imp.setOpenAsHyperStack(stack.size() > 1)
    if description.pixel_type in (PixelType.INT8, PixelType.INT16):
        imp.getCalibration().setSigned16BitCalibration()
    write_calibration(imp, description)
    return _show_channels(imp, description, tables)


def _processor(pixel_type: PixelType) -> tuple[Callable[..., Any], Callable[[npt.NDArray[Any]], npt.NDArray[Any]]]:
    """Return the constructor of a processor and what makes a plane's pixels fit for it."""
    if pixel_type.is_complex:
        raise UnsupportedPixelTypeError(
            f"ImageJ has no {pixel_type.value} pixels; take the real part, imaginary part or modulus first"
        )
    if pixel_type is PixelType.UINT8:
        byte = java_class("ij.process.ByteProcessor")
        return byte, lambda plane: plane
    if pixel_type is PixelType.BIT:
        return java_class("ij.process.ByteProcessor"), lambda plane: plane.astype(np.uint8) * np.uint8(255)
    short = java_class("ij.process.ShortProcessor")
    if pixel_type is PixelType.UINT16:
        return lambda x, y, pixels: short(x, y, pixels, None), lambda plane: plane
    if pixel_type in (PixelType.INT8, PixelType.INT16):
        return (
            lambda x, y, pixels: short(x, y, pixels, None),
            lambda plane: (plane.astype(np.int32) + _SIGNED_OFFSET).astype(np.uint16),
        )
    if pixel_type is not PixelType.FLOAT:
        _log.info("%s pixels become 32-bit float in ImageJ 1, exact up to 2^24 only", pixel_type.value)
    floats = java_class("ij.process.FloatProcessor")
    return lambda x, y, pixels: floats(x, y, pixels), lambda plane: plane.astype(np.float32)


def _show_channels(imp: Any, description: ImageDescription, tables: Sequence[npt.NDArray[np.uint8] | None]) -> Any:
    """Give each channel its colours and window; ImageJ makes composite images of up to 7 channels."""
    channels = description.channels
    grays = ramp_to(None)
    # None where a channel is as ImageJ shows it anyway
    luts = [
        None if table is None or (not channel.color and np.array_equal(table, grays)) else lut_of(table, channel.window)
        for channel, table in itertools.zip_longest(channels, tables[: len(channels)])
    ]
    if 2 <= len(channels) <= 7:
        composite_class = java_class("ij.CompositeImage")
        composite = composite_class(
            imp, composite_class.COMPOSITE if any(lut is not None for lut in luts) else composite_class.GRAYSCALE
        )
        for number, (channel, lut) in enumerate(zip(channels, luts, strict=True), start=1):
            composite.setPosition(number, 1, 1)
            if lut is not None:
                composite.setChannelLut(lut, number)
            if channel.window:
                composite.setDisplayRange(*_in_pixels(channel.window, description.pixel_type))
        shown = composite.getActiveChannels()  # ImageJ's own array, one entry for each channel that it could have
        for index, channel in enumerate(channels):
            shown[index] = channel.active
        composite.setPosition(1, 1, 1)
        composite.setOpenAsHyperStack(True)
        return composite
    only = luts[0] if tables[0] is None or not np.array_equal(tables[0], grays) else None
    if only is not None:
        imp.setLut(only)
    if channels[0].window:
        imp.setDisplayRange(*_in_pixels(channels[0].window, description.pixel_type))
    return imp


def _in_pixels(window: tuple[float, float], pixel_type: PixelType) -> tuple[float, float]:
    """Take a window into the raw pixels of a signed image."""
    offset = _SIGNED_OFFSET if pixel_type in (PixelType.INT8, PixelType.INT16) else 0
    return (window[0] + offset, window[1] + offset)


def from_imageplus(imp: Any) -> ImageArray:
    """Copy an ``ij.ImagePlus`` into an array with its description.

    Returns
    -------
    ImageArray
        Pixels in (T, C, Z, Y, X): uint8, uint16, int16 (of an image with ImageJ's signed calibration) or float32. An
        RGB image becomes three channels. Calibration, channel colours, windows and names, the overlay and the
        selection come along.
    """
    size_c, size_z, size_t = int(imp.getNChannels()), int(imp.getNSlices()), int(imp.getNFrames())
    size_x, size_y = int(imp.getWidth()), int(imp.getHeight())
    stack = imp.getStack()
    signed = bool(imp.getCalibration().isSigned16Bit())
    rgb = int(imp.getBitDepth()) == 24
    planes = []
    for number in range(1, size_c * size_z * size_t + 1):
        raw = stack.getPixels(number) if stack.size() >= number else imp.getProcessor().getPixels()
        planes.append(_plane(raw, size_y, size_x, signed=signed))
    # ImageJ's order is channel fastest, then slice, then frame
    pixels = np.stack(planes).reshape(size_t, size_z, size_c, *planes[0].shape).swapaxes(1, 2)
    if rgb:
        # (T, C, Z, Y, X, 3) -> each channel (there is only one, save in odd stacks) becomes three
        pixels = np.moveaxis(pixels, -1, 2).reshape(size_t, size_c * 3, size_z, size_y, size_x)
    pixels = np.ascontiguousarray(pixels)
    channels = _rgb_channels(size_c) if rgb else _channels(imp, size_c, signed=signed)
    description = ImageDescription(
        str(imp.getTitle()),
        PixelType.of(pixels.dtype),
        size_x,
        size_y,
        size_z,
        pixels.shape[1],
        size_t,
        channels=channels,
    )
    tables = () if rgb else tables_of_imageplus(imp)
    return ImageArray(pixels, description.replace(**read_calibration(imp)), read_overlay(imp), tables=tables)


def tables_of_imageplus(imp: Any) -> tuple[npt.NDArray[np.uint8] | None, ...]:
    """Return what `ImageArray.tables` says, of an ImagePlus."""
    luts = list(imp.getLuts()) if imp.isComposite() else [imp.getProcessor().getLut()] * int(imp.getNChannels())
    return tuple(None if lut is None else telling(read_lut(lut)) for lut in luts)


def _plane(raw: Any, size_y: int, size_x: int, *, signed: bool) -> npt.NDArray[Any]:
    """Copy one plane's Java array: (Y, X), or (Y, X, 3) of an RGB plane."""
    kind = str(raw.getClass().getSimpleName())
    if kind == "byte[]":
        return from_java_array(raw, np.uint8).reshape(size_y, size_x)
    if kind == "short[]":
        plane = from_java_array(raw, np.uint16).reshape(size_y, size_x)
        return (plane ^ np.uint16(_SIGNED_OFFSET)).view(np.int16) if signed else plane
    if kind == "float[]":
        return from_java_array(raw, np.float32).reshape(size_y, size_x)
    packed = from_java_array(raw, np.uint32).reshape(size_y, size_x)
    return np.stack([(packed >> shift) & 0xFF for shift in (16, 8, 0)], axis=-1).astype(np.uint8)


def _rgb_channels(count: int) -> tuple[Channel, ...]:
    return tuple(
        Channel(name=name, color=color) for _ in range(count) for name, color in zip(_RGB_NAMES, _RGB, strict=True)
    )


def _channels(imp: Any, count: int, *, signed: bool) -> tuple[Channel, ...]:
    """Read colours, windows and names of the channels, and which of them are shown."""
    composite = bool(imp.isComposite())
    luts = list(imp.getLuts()) if composite else [imp.getProcessor().getLut()]
    shown = list(imp.getActiveChannels()) if composite else []
    labels = _channel_labels(imp, count)
    offset = _SIGNED_OFFSET if signed else 0
    channels = []
    for index in range(count):
        lut = luts[index] if index < len(luts) else None
        window = None
        if composite and lut is not None:
            window = (float(lut.min) - offset, float(lut.max) - offset)
        elif not composite:
            window = (float(imp.getDisplayRangeMin()) - offset, float(imp.getDisplayRangeMax()) - offset)
        channels.append(
            Channel(
                name=labels[index],
                color=color_of(read_lut(lut)) if lut is not None else None,
                window=window if window and window[0] < window[1] else None,
                active=bool(shown[index]) if index < len(shown) else True,
            )
        )
    return tuple(channels)


def _channel_labels(imp: Any, count: int) -> list[str | None]:
    """Return the label that all slices of a channel share, which is where this package writes channel names."""
    stack = imp.getStack()
    shared: list[str | None] = []
    for index in range(count):
        found = {
            None if stack.getSliceLabel(number) is None else str(stack.getSliceLabel(number)).splitlines()[0]
            for number in range(index + 1, stack.size() + 1, count)
        }
        shared.append(found.pop() or None if len(found) == 1 else None)
    return shared
