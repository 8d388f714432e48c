"""``imgData``: what OMERO.web tells a viewer about an image, from any store's description or from OME-XML."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, NotFoundError

from ._quantization import pixel_range
from ._settings import settings_for
from ._split_channels import split_channel_grids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ij_omero.model import (
        Channel,
        ChannelRendering,
        ImageDescription,
        Quantity,
        RenderingSettings,
        ResolutionLevel,
    )


def image_data(
    description: ImageDescription,
    levels: Sequence[ResolutionLevel],
    *,
    settings: RenderingSettings | None = None,
    projection: str = "normal",
    extents: Sequence[tuple[float, float] | None] | None = None,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe an image as OMERO.web's ``webgateway/imgData`` does; ready for JSON.

    Parameters
    ----------
    description, levels
        The image.
    settings
        How it is shown; None is what the image says of itself.
    projection
        ``normal``, ``intmax``, ``intmean`` or ``intsum``.
    extents
        The least and greatest pixel value of each channel, where they are known (``window.min`` and ``window.max``);
        None is the range of the pixel type, which OMERO.web tells of images without statistics.
    details
        What the description does not hold, laid over the answer key by key: ``{"meta": {"projectName": ..},
        "perms": .., "nominalMagnification": .., "channels": [{"window": {"min": ..}}, ..]}``. Some stores know it:
        `ij_omero.pixels.ImageDataDetails`.

    Returns
    -------
    dict
        ``id``, ``meta``, ``perms``, ``tiles``, ``size``, ``pixel_size`` in micrometres, ``pixel_range``, ``channels``,
        ``split_channel``, ``rdefs``, ``interpolate``, ``init_zoom``; with resolution levels also ``tile_size``,
        ``levels``, ``resolutions`` and ``zoomLevelScaling``.
    """
    settings = settings or settings_for(description)
    dtype = description.pixel_type.dtype
    type_range = pixel_range(np.dtype(np.float64) if dtype.kind == "c" else dtype)
    data: dict[str, Any] = {
        "id": description.image_id,
        "meta": _meta(description),
        "perms": {"canAnnotate": False, "canEdit": False, "canDelete": False, "canLink": False},
        "tiles": len(levels) > 1,
        "interpolate": True,
        "init_zoom": 0,
        "size": {
            "width": description.size_x,
            "height": description.size_y,
            "z": description.size_z,
            "t": description.size_t,
            "c": description.size_c,
        },
        "pixel_size": {
            "x": _micrometres(description.physical_size_x),
            "y": _micrometres(description.physical_size_y),
            "z": _micrometres(description.physical_size_z),
        },
        "pixel_range": _pixel_range(description),
        "channels": [
            _channel(index, channel, shown, (extents[index] if extents else None) or type_range)
            for index, (channel, shown) in enumerate(zip(description.channels, settings.channels, strict=True))
        ],
        "split_channel": split_channel_grids(description.size_c, description.size_x, description.size_y),
        "rdefs": {
            "model": "greyscale" if settings.model == "greyscale" else "color",
            "projection": projection,
            "defaultZ": settings.z,
            "defaultT": settings.t,
            "invertAxis": False,
        },
    }
    if len(levels) > 1:
        full = levels[0]
        data["tile_size"] = {"width": full.tile_width, "height": full.tile_height}
        data["levels"] = len(levels)
        data["resolutions"] = {str(level.index): {"sizeX": level.width, "sizeY": level.height} for level in levels}
        data["zoomLevelScaling"] = {str(level.index): level.width / full.width for level in levels}
    return _laid_over(data, details or {})


def _laid_over(data: dict[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, **{key: _merged(data.get(key), value) for key, value in details.items()}}


def _merged(value: Any, over: Any) -> Any:
    if isinstance(value, dict) and isinstance(over, dict):
        return _laid_over(value, over)
    if isinstance(value, list) and isinstance(over, list) and len(value) == len(over):
        return [_merged(one, other) for one, other in zip(value, over, strict=True)]
    return over


def _meta(description: ImageDescription) -> dict[str, Any]:
    acquired = description.acquired
    return {
        "imageName": description.name,
        "imageDescription": description.description,
        "imageAuthor": description.owner or "",
        "imageArchived": False,
        "projectName": "Multiple",
        "projectId": None,
        "projectDescription": "",
        "datasetName": description.dataset_name or "Multiple",
        "datasetId": description.dataset_id,
        "datasetDescription": "",
        "wellSampleId": "",
        "wellId": "",
        "imageTimestamp": "" if acquired is None else time.mktime(acquired.astimezone().timetuple()),
        "imageId": description.image_id,
        "pixelsType": description.pixel_type.value,
    }


def _micrometres(size: Quantity | None) -> float | None:
    if size is None:
        return None
    try:
        return size.to("MICROMETER")
    except InvalidInputError:  # a size in pixels has no length
        return None


def _pixel_range(description: ImageDescription) -> list[float]:
    """Return the range of the type's bytes; for floats too, where it means nothing, as in the original."""
    dtype = description.pixel_type.dtype
    top = 1 << (8 * dtype.itemsize)
    signed = dtype.kind not in ("b", "u")
    return [-top // 2, top // 2 - 1] if signed else [0, top - 1]


def _channel(index: int, channel: Channel, shown: ChannelRendering, extent: tuple[float, float]) -> dict[str, Any]:
    emission = None if channel.emission is None else channel.emission.value
    label = channel.name if channel.name and channel.name.strip() else None
    if label is None and emission is not None:
        label = str(int(emission) if int(emission) == emission else emission)
    data = {
        "emissionWave": emission,
        "label": label if label is not None else str(index),
        "color": "".join(f"{part:02X}" for part in shown.color[:3]),
        "inverted": shown.inverted,
        "reverseIntensity": shown.inverted,
        "family": shown.family,
        "coefficient": shown.coefficient,
        "window": {"min": extent[0], "max": extent[1], "start": shown.window[0], "end": shown.window[1]},
        "active": shown.active,
    }
    if shown.lookup_table:
        data["lut"] = shown.lookup_table
    return data


def select_key(data: Mapping[str, Any], key: str) -> Any:
    """Return one part of ``imgData`` by a path such as ``meta.imageName``.

    Raises
    ------
    NotFoundError
        There is no such part.
    """
    part: Any = data
    for name in key.split("."):
        if not isinstance(part, dict) and part is not data:
            raise NotFoundError(f"imgData has no {key}")
        if name not in part:
            raise NotFoundError(f"imgData has no {key}; there are {', '.join(map(str, part))}")
        part = part[name]
    return part
