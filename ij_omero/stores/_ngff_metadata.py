"""OME-NGFF metadata: written as 0.4, read as 0.1 to 0.5 (https://ngff.openmicroscopy.org, multiscales and omero).

Next to the standard's ``multiscales`` and ``omero`` an image of a local store has an ``ij_omero`` block that holds its
description exactly (see `_description_json`); images of other programs have not, and are described from the standard's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError, InvalidInputError, StorageError
from ij_omero.model import Channel, ImageDescription, ImageId, PixelType, Quantity

from ._description_json import FORMAT, Json, description_from_json, description_to_json, number
from ._ngff_arrays import ZarrArray
from ._zarr_layouts import read_json

if TYPE_CHECKING:
    from pathlib import Path

# https://ngff.openmicroscopy.org/0.4/#axes-md; the names of OME's units that it has too
_NGFF_UNITS = frozenset(
    "angstrom attometer centimeter decimeter exameter femtometer foot gigameter hectometer inch kilometer megameter "
    "meter micrometer mile millimeter nanometer parsec petameter picometer terameter yard yoctometer yottameter "
    "zeptometer zettameter attosecond centisecond day decisecond exasecond femtosecond gigasecond hectosecond hour "
    "kilosecond megasecond microsecond millisecond minute nanosecond petasecond picosecond second terasecond "
    "yoctosecond yottasecond zeptosecond zettasecond".split()
)
_COLORS = ("FF0000", "00FF00", "0000FF", "FF00FF", "00FFFF", "FFFF00")


@dataclass(frozen=True)
class StoredImage:
    """An image folder: what it is, its arrays' folders (full size first) and the order of their axes."""

    description: ImageDescription
    array_folders: tuple[Path, ...]
    axes: str


def image_attributes(
    description: ImageDescription,
    image_id: ImageId,
    level_sizes: list[tuple[int, int]],
    ranges: list[tuple[float, float] | None],
) -> Json:
    """Return the attributes of a new image.

    Parameters
    ----------
    description, image_id
        What the image is.
    level_sizes
        (width, height) of each resolution level.
    ranges
        The smallest and largest pixel value per channel, None where there is none; used as a window for other readers
        where the channel has none.
    """
    steps = {
        "t": description.time_increment,
        "z": description.physical_size_z,
        "y": description.physical_size_y,
        "x": description.physical_size_x,
    }
    axes: list[Json] = []
    for axis, kind in (("t", "time"), ("c", "channel"), ("z", "space"), ("y", "space"), ("x", "space")):
        axes.append({"name": axis, "type": kind})
        step = steps.get(axis)
        if step is not None and step.unit_name.lower() in _NGFF_UNITS:
            axes[-1]["unit"] = step.unit_name.lower()
    scale = [_scale(steps.get(axis)) for axis in "tczyx"]
    datasets = []
    for level in range(len(level_sizes)):
        # A halved pixel's centre lies between those of the pixels that it is the mean of
        factor, shift = 2**level, (2**level - 1) / 2
        transformations: list[Json] = [
            {"type": "scale", "scale": [*scale[:3], scale[3] * factor, scale[4] * factor]},
        ]
        if level:
            shifts = [0.0, 0.0, 0.0, scale[3] * shift, scale[4] * shift]
            transformations.append({"type": "translation", "translation": shifts})
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    return {
        "multiscales": [
            {
                "version": "0.4",
                "name": description.name,
                "axes": axes,
                "datasets": datasets,
                "type": "mean",
                "metadata": {"description": "2 x 2 mean in y and x, rounded half up"},
            }
        ],
        "omero": _omero_block(description, image_id, ranges),
        "ij_omero": {"format": FORMAT, "image": description_to_json(description)},
    }


def _scale(step: Quantity | None) -> float:
    return step.value if step is not None and math.isfinite(step.value) and step.value > 0 else 1.0


def _omero_block(description: ImageDescription, image_id: ImageId, ranges: list[tuple[float, float] | None]) -> Json:
    channels = []
    for index, (channel, found) in enumerate(zip(description.channels, ranges, strict=True)):
        low, high = found or (0.0, 1.0)
        start, end = channel.window or (low, high)
        default = "FFFFFF" if description.size_c == 1 else _COLORS[index % len(_COLORS)]
        entry: Json = {
            "label": channel.name if channel.name is not None else f"Channel {index}",
            "color": "{:02X}{:02X}{:02X}".format(*channel.color[:3]) if channel.color else default,
            "active": channel.active,
            "coefficient": 1,
            "family": "linear",
            "inverted": False,
            "window": {"min": number(low), "max": number(high), "start": number(start), "end": number(end)},
        }
        if channel.lookup_table:
            entry["lut"] = channel.lookup_table
        channels.append(entry)
    rendering = description.rendering
    return {
        "id": image_id,
        "name": description.name,
        "version": "0.4",
        "channels": channels,
        "rdefs": {
            "model": "greyscale" if rendering is not None and rendering.model == "greyscale" else "color",
            "defaultZ": rendering.z if rendering else description.size_z // 2,
            "defaultT": rendering.t if rendering else 0,
        },
    }


def image_attributes_of(folder: Path) -> Json | None:
    """Return the OME attributes of a folder, None where it is no OME-Zarr image."""
    attributes = read_json(folder / ".zattrs")
    if attributes is None:
        metadata = read_json(folder / "zarr.json") or {}
        attributes = metadata.get("attributes") or {}
        attributes = attributes.get("ome", attributes)
    return attributes if isinstance(attributes, dict) and attributes.get("multiscales") else None


def value_ranges(folder: Path) -> list[tuple[float, float] | None]:
    """Return the least and greatest pixel value of each channel as an image tells them; None where it does not."""
    omero = (image_attributes_of(folder) or {}).get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    return [_range_of(channel) for channel in channels] if isinstance(channels, list) else []


def _range_of(channel: Any) -> tuple[float, float] | None:
    window = channel.get("window") if isinstance(channel, dict) else None
    if not isinstance(window, dict):
        return None
    low: Any = window.get("min")
    high: Any = window.get("max")
    known = all(isinstance(value, int | float) and math.isfinite(value) for value in (low, high))
    return (float(low), float(high)) if known else None


def stored_image(folder: Path, image_id: ImageId) -> StoredImage | None:
    """Return what an image folder holds, None where it is no OME-Zarr image.

    Raises
    ------
    CorruptedDataError
        The metadata is damaged.
    UnsupportedPixelTypeError
        The pixels have a type that the OME model has not.
    """
    attributes = image_attributes_of(folder)
    if attributes is None:
        return None
    try:
        multiscale = attributes["multiscales"][0]
        folders = tuple(folder / dataset["path"] for dataset in multiscale["datasets"])
        axes = _axes(multiscale)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise CorruptedDataError(f"the OME-Zarr metadata of {folder} is damaged: {error!r}") from error
    if not folders:
        raise CorruptedDataError(f"the OME-Zarr image {folder} has no arrays")
    own = attributes.get("ij_omero")
    if isinstance(own, dict):
        if own.get("format") != FORMAT:
            raise StorageError(
                f"{folder} was written by another version of ij_omero (format {own.get('format')!r}; this one reads "
                f"{FORMAT}); update ij_omero"
            )
        description = description_from_json(own.get("image") or {})
    else:
        try:
            description = _foreign_description(folder, folders[0], axes, multiscale, attributes)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            if isinstance(error, InvalidInputError):
                raise
            raise CorruptedDataError(f"the OME-Zarr metadata of {folder} is damaged: {error!r}") from error
    return StoredImage(description.replace(image_id=image_id), folders, axes)


def _axes(multiscale: Json) -> str:
    """Return the axes' letters; before 0.3 there was no choice, in 0.3 they were names without types."""
    names = []
    for axis in multiscale.get("axes", "tczyx"):
        name = axis if isinstance(axis, str) else axis["name"]
        kind = None if isinstance(axis, str) else axis.get("type")
        letter = {"time": "t", "channel": "c"}.get(str(kind), str(name).lower())
        names.append(letter)
    axes = "".join(names)
    if not set(axes) <= set("tczyx") or len(set(axes)) != len(names) or not {"y", "x"} <= set(axes):
        raise StorageError(f"cannot read an image with the axes {names}; expected some of t, c, z, and y and x")
    return axes


def _foreign_description(folder: Path, first: Path, axes: str, multiscale: Json, attributes: Json) -> ImageDescription:
    array = ZarrArray(first)
    sizes = dict(zip(axes, array.shape, strict=True))
    scale = np.ones(len(axes))
    steps = [*multiscale["datasets"][0].get("coordinateTransformations", []),
             *(multiscale.get("coordinateTransformations") or [])]  # fmt: skip
    for transformation in steps:
        if transformation.get("type") == "scale" and "scale" in transformation:
            scale = scale * np.asarray(transformation["scale"], float)
    units = [axis.get("unit") if isinstance(axis, dict) else None for axis in multiscale.get("axes", "")]
    quantities: dict[str, Quantity] = {}
    for axis, unit, step in zip(axes, units, scale.tolist(), strict=False):
        if unit is not None:
            try:
                quantities[axis] = Quantity(step, str(unit).upper() if str(unit) in _NGFF_UNITS else str(unit))
            except InvalidInputError:
                continue  # a unit outside OME's: the image is still worth reading, without a calibration
    name = multiscale.get("name")
    return ImageDescription(
        name=name if isinstance(name, str) and name else folder.name,
        pixel_type=PixelType.of(array.dtype),
        size_x=int(sizes.get("x", 1)),
        size_y=int(sizes.get("y", 1)),
        size_z=int(sizes.get("z", 1)),
        size_c=int(sizes.get("c", 1)),
        size_t=int(sizes.get("t", 1)),
        physical_size_x=quantities.get("x"),
        physical_size_y=quantities.get("y"),
        physical_size_z=quantities.get("z"),
        time_increment=quantities.get("t"),
        channels=_foreign_channels(attributes.get("omero"), int(sizes.get("c", 1))),
    )


def _foreign_channels(omero: Any, count: int) -> tuple[Channel, ...]:
    entries = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(entries, list) or len(entries) != count:
        return ()
    channels = []
    for entry in entries:
        color, window = str(entry.get("color") or "").lstrip("#"), entry.get("window") or {}
        try:
            rgb = bytes.fromhex(color[:6])
        except ValueError:
            rgb = b""
        has_window = "start" in window and "end" in window
        channels.append(
            Channel(
                name=entry.get("label"),
                color=(rgb[0], rgb[1], rgb[2], 255) if len(rgb) == 3 else None,
                window=(float(window["start"]), float(window["end"])) if has_window else None,
                active=bool(entry.get("active", True)),
                lookup_table=entry.get("lut"),
            )
        )
    return tuple(channels)
