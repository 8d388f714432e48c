"""What a viewer wants to know of an image, as one plain dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError

from ._opened import ImageLike, describe_like

if TYPE_CHECKING:
    from ij_omero.model import Channel, ImageDescription, Quantity

LARGE_IMAGE_PIXELS = 4096 * 4096
_WHITE = (255, 255, 255)


def get_image_metadata(image: ImageLike, **login: Any) -> dict[str, Any]:
    """Return an image's metadata.

    Parameters
    ----------
    image
        An address, a `PixelSource`, an open image, or an ``ImageWrapper`` of omero-py.
    **login
        ``user``, ``password`` and the like, for an address.

    Returns
    -------
    dict
        ``name``, ``id``, ``size_x``, ``size_y``, ``size_z``, ``size_c``, ``size_t``, ``pixel_type`` (a numpy type
        such as ``"u2"``), ``pixel_size_x``, ``pixel_size_y``, ``pixel_size_z`` (micrometres whatever the unit on the
        server, or None), and ``channels``, a list of ``name``, ``index``, ``color`` (red, green, blue),
        ``emission_wavelength`` (nanometres or None), ``window_start``, ``window_end``, ``active``.

    Examples
    --------
    >>> get_image_metadata("omero://omero.example.org/image/42")["size_x"]  # doctest: +SKIP
    2048
    """
    return metadata_of(describe_like(image, **login))


def metadata_of(description: ImageDescription) -> dict[str, Any]:
    """Return the metadata of a description; see `get_image_metadata`."""
    dtype = description.pixel_type.dtype
    return {
        "name": description.name,
        "id": description.image_id,
        "size_x": description.size_x,
        "size_y": description.size_y,
        "size_z": description.size_z,
        "size_c": description.size_c,
        "size_t": description.size_t,
        "pixel_type": f"{dtype.kind}{dtype.itemsize}",
        "pixel_size_x": _length(description.physical_size_x, "µm"),
        "pixel_size_y": _length(description.physical_size_y, "µm"),
        "pixel_size_z": _length(description.physical_size_z, "µm"),
        "channels": [_channel(index, channel, dtype) for index, channel in enumerate(description.channels)],
    }


def _length(size: Quantity | None, unit: str) -> float | None:
    if size is None:
        return None
    try:
        return size.to(unit)
    except InvalidInputError:  # a size in pixels has no length
        return None


def _channel(index: int, channel: Channel, dtype: np.dtype[Any]) -> dict[str, Any]:
    emission = _length(channel.emission, "nm")
    start, end = channel.window or _type_window(dtype)
    return {
        "name": (channel.name or "").strip() or (str(index) if emission is None else f"{emission:g}"),
        "index": index,
        "color": channel.color[:3] if channel.color is not None else _WHITE,
        "emission_wavelength": emission,
        "window_start": start,
        "window_end": end,
        "active": channel.active,
    }


def _type_window(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind not in "iu":
        return 0.0, 1.0
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


def is_large_image(image: ImageLike, **login: Any) -> bool:
    """Tell whether an image is better read by tiles: its planes have more than 4096 x 4096 pixels."""
    if hasattr(image, "getSizeX"):
        return int(image.getSizeX()) * int(image.getSizeY()) > LARGE_IMAGE_PIXELS
    description = describe_like(image, **login)
    return description.size_x * description.size_y > LARGE_IMAGE_PIXELS
