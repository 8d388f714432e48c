"""What is known of an image, as plain values for JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ij_omero.rendering import image_data

if TYPE_CHECKING:
    from ij_omero.model import Channel, ImageSummary, Quantity, ResolutionLevel

    from ._shown import Shown


def summary_facts(name: str, summary: ImageSummary) -> dict[str, Any]:
    """Return a line of a listing."""
    return {
        "id": summary.image_id,
        "page": f"view/{name}",
        "name": summary.name,
        "sizes": dict(zip("xyzct", summary.sizes, strict=True)),
        "pixelsType": summary.pixel_type.value,
        "dataset": summary.dataset_name,
    }


def image_facts(shown: Shown, address: str) -> dict[str, Any]:
    """Return everything that belongs to an image but is not a pixel, nor how it is rendered.

    ``version`` is what the addresses of its tiles may carry as ``v``; tiles that do may be kept by the browser.
    """
    d = shown.description
    return {
        "id": shown.image_id,
        "version": shown.version,
        "address": address,
        "name": d.name,
        "description": d.description,
        "sizes": dict(zip("xyzct", d.sizes, strict=True)),
        "pixelsType": d.pixel_type.value,
        "bytes": d.nbytes,
        "physicalSizes": {
            "x": _quantity(d.physical_size_x),
            "y": _quantity(d.physical_size_y),
            "z": _quantity(d.physical_size_z),
            "t": _quantity(d.time_increment),
        },
        "channels": [_channel(channel) for channel in d.channels],
        "levels": [_level(level) for level in shown.levels],
        "keyValues": [list(pair) for pair in d.key_values],
        "tags": list(d.tags),
        "acquired": None if d.acquired is None else d.acquired.isoformat(),
        "dataset": d.dataset_name,
        "owner": d.owner,
        "group": d.group,
    }


def image_data_of(shown: Shown) -> dict[str, Any]:
    """Return ``imgData`` of an image; nothing can be changed here, whatever the store permits."""
    details = {key: value for key, value in shown.details.items() if key != "perms"}
    data = image_data(shown.description, shown.levels, settings=shown.settings, extents=shown.extents, details=details)
    return data if data["id"] is not None else {**data, "id": shown.image_id}


def _quantity(quantity: Quantity | None) -> dict[str, Any] | None:
    return None if quantity is None else {"value": quantity.value, "unit": quantity.unit}


def _level(level: ResolutionLevel) -> dict[str, int]:
    tile = {"tileWidth": level.tile_width, "tileHeight": level.tile_height}
    return {"width": level.width, "height": level.height, **tile}


def _channel(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "excitation": _quantity(channel.excitation),
        "emission": _quantity(channel.emission),
    }


def for_json(value: Any) -> Any:
    """Return plain values with what JSON does not know, numbers that are not finite, as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: for_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(one) for one in value]
    return value
