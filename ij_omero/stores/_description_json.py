"""Image descriptions as JSON, exactly: the ``ij_omero`` block of an image in a local store.

The block is ``{"format": 1, "image": {...}}`` with the field names of `ImageDescription`. A quantity is
``{"value": 0.25, "unit": "µm"}`` with the symbol of the OME model, a time is ISO 8601, numbers that JSON has not are
the texts ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, and what is unknown is null.
"""

from __future__ import annotations

import datetime
import json
import math
from typing import Any, TypeAlias

import numpy as np

from ij_omero.errors import CorruptedDataError, InvalidInputError
from ij_omero.model import (
    Channel,
    ChannelRendering,
    ImageDescription,
    KeyValue,
    PixelType,
    Quantity,
    RenderingSettings,
)

Json: TypeAlias = "dict[str, Any]"

FORMAT = 1


def description_to_json(description: ImageDescription) -> Json:
    """Return the ``image`` part of the block; ids are left out, the folder's name tells them."""
    return {
        "name": description.name,
        "pixel_type": description.pixel_type.value,
        "sizes": dict(zip("XYZCT", description.sizes, strict=True)),
        "description": description.description,
        "physical_size_x": _quantity(description.physical_size_x),
        "physical_size_y": _quantity(description.physical_size_y),
        "physical_size_z": _quantity(description.physical_size_z),
        "time_increment": _quantity(description.time_increment),
        "channels": [_channel(channel) for channel in description.channels],
        "key_values": [[pair.key, pair.value] for pair in description.key_values],
        "tags": list(description.tags),
        "acquired": description.acquired.isoformat() if description.acquired else None,
        "rendering": _rendering(description.rendering),
        "dataset": description.dataset_name,
        "source_id": description.source_id,
        "source_address": description.source_address,
    }


def description_from_json(block: Json) -> ImageDescription:
    """Return the description that a block holds.

    Raises
    ------
    CorruptedDataError
        The block is not what `description_to_json` writes.
    """
    try:
        sizes, acquired = block["sizes"], block["acquired"]
        return ImageDescription(
            name=block["name"],
            pixel_type=PixelType.named(block["pixel_type"]),
            size_x=int(sizes["X"]),
            size_y=int(sizes["Y"]),
            size_z=int(sizes["Z"]),
            size_c=int(sizes["C"]),
            size_t=int(sizes["T"]),
            description=block["description"],
            physical_size_x=_to_quantity(block["physical_size_x"]),
            physical_size_y=_to_quantity(block["physical_size_y"]),
            physical_size_z=_to_quantity(block["physical_size_z"]),
            time_increment=_to_quantity(block["time_increment"]),
            channels=tuple(_to_channel(channel) for channel in block["channels"]),
            key_values=tuple(KeyValue(key, value) for key, value in block["key_values"]),
            tags=tuple(block["tags"]),
            acquired=datetime.datetime.fromisoformat(acquired) if acquired else None,
            rendering=_to_rendering(block["rendering"]),
            dataset_id=block["dataset"],
            dataset_name=block["dataset"],
            source_id=block.get("source_id"),
            source_address=block.get("source_address"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedDataError(f"the description of an image is damaged: {error!r}") from error


def number(value: float | None) -> float | str | None:
    """Return a float as strict JSON has it."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def json_text(value: Json, indent: int | None = None) -> str:
    """Return strict JSON; numpy's scalars become plain numbers.

    Raises
    ------
    InvalidInputError
        Something in it is neither text nor a number.
    """
    try:
        return json.dumps(value, indent=indent, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"a description holds what is neither text nor a number: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} ({type(value).__name__})")


def to_number(value: Any) -> float | None:
    """Undo `number`."""
    return None if value is None else float(value)


def _quantity(quantity: Quantity | None) -> Json | None:
    return None if quantity is None else {"value": number(quantity.value), "unit": quantity.unit}


def _to_quantity(block: Json | None) -> Quantity | None:
    return None if block is None else Quantity(float(block["value"]), block["unit"])


def _pair(window: tuple[float, float] | None) -> list[Any] | None:
    return None if window is None else [number(window[0]), number(window[1])]


def _to_pair(block: list[Any] | None) -> tuple[float, float] | None:
    if block is None:
        return None
    start, end = block
    return (_same_number(start), _same_number(end))


def _same_number(value: Any) -> float:
    # a whole number stays an int, so that it prints as it was given
    found: float = float(value) if isinstance(value, str) else value
    return found


def _color(block: list[int] | None) -> tuple[int, int, int, int] | None:
    if block is None:
        return None
    red, green, blue, alpha = block
    return (red, green, blue, alpha)


def _channel(channel: Channel) -> Json:
    return {
        "name": channel.name,
        "color": None if channel.color is None else list(channel.color),
        "excitation": _quantity(channel.excitation),
        "emission": _quantity(channel.emission),
        "window": _pair(channel.window),
        "active": channel.active,
        "lookup_table": channel.lookup_table,
    }


def _to_channel(block: Json) -> Channel:
    return Channel(
        name=block["name"],
        color=_color(block["color"]),
        excitation=_to_quantity(block["excitation"]),
        emission=_to_quantity(block["emission"]),
        window=_to_pair(block["window"]),
        active=block["active"],
        lookup_table=block["lookup_table"],
    )


def _rendering(settings: RenderingSettings | None) -> Json | None:
    if settings is None:
        return None
    return {
        "model": settings.model,
        "z": settings.z,
        "t": settings.t,
        "channels": [
            {
                "window": _pair(channel.window),
                "color": list(channel.color),
                "active": channel.active,
                "lookup_table": channel.lookup_table,
                "family": channel.family,
                "coefficient": number(channel.coefficient),
                "inverted": channel.inverted,
            }
            for channel in settings.channels
        ],
    }


def _to_rendering(block: Json | None) -> RenderingSettings | None:
    if block is None:
        return None
    channels = []
    for each in block["channels"]:
        window, color = _to_pair(each["window"]), _color(each["color"])
        if window is None or color is None:
            raise ValueError("rendering settings without a window or a colour")
        channels.append(
            ChannelRendering(
                window=window,
                color=color,
                active=each["active"],
                lookup_table=each["lookup_table"],
                family=each["family"],
                coefficient=float(each["coefficient"]),
                inverted=each["inverted"],
            )
        )
    return RenderingSettings(tuple(channels), block["model"], block["z"], block["t"])
