"""Which part of an image a client asks for: ``render_image_region`` and ``render_scaled_region``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import ChannelRendering, ImageId, Region, RenderingSettings

from ._channel_requests import ChannelRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ij_omero.model import ResolutionLevel

DEFAULT_MAX_SIZE = 2000
DEFAULT_MAX_TILE = 1024
_FARTHEST = 1 << 40  # of a coordinate; beyond it products no longer fit into 64 bits
_CHANNEL = re.compile(r"\s*(-?[0-9]+)\|(-?[0-9]+):(-?[0-9]+)\$([0-9A-Fa-f]{6})\s*")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class ScaledRegionRequest:
    """What a ``render_scaled_region`` address says.

    Parameters
    ----------
    image_id, z, t
        Which plane of which image; a number where the id is one.
    channels
        In the order of the address, hidden ones with ``active`` false.
    x, y, width, height
        In pixels of full size; the origin may be negative and the region may exceed the image.
    max_size
        The longest side of the answer.
    """

    image_id: ImageId
    z: int
    t: int
    channels: tuple[ChannelRequest, ...]
    x: float
    y: float
    width: float
    height: float
    max_size: int = DEFAULT_MAX_SIZE

    @property
    def region(self) -> tuple[float, float, float, float]:
        """(x, y, width, height) in pixels of full size."""
        return (self.x, self.y, self.width, self.height)

    def settings(self, size_c: int) -> RenderingSettings:
        """Return the settings that show exactly the channels of the address.

        Raises
        ------
        InvalidInputError
            The address names a channel that the image does not have.
        """
        hidden = ChannelRendering((0.0, 1.0), active=False)
        channels = [hidden] * size_c
        for request in self.channels:
            if request.index >= size_c:
                raise InvalidInputError(f"channel {request.index + 1} does not exist; the image has 1 to {size_c}")
            if request.active and request.window is not None and request.color is not None:
                channels[request.index] = ChannelRendering(request.window, request.color)
        return RenderingSettings(tuple(channels), z=self.z, t=self.t)

    def keys(self, image_data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords of the original programs, completed from an image's ``imgData``.

        ``r`` is (N, 2) and ``c`` (N, 3), both divided by their greatest value and clipped to 0 to 1; ``chan`` (N,)
        counts from 0; ``ctxy`` holds channels, timepoints and tiles in x and y; ``tile_size`` is height, width.
        """
        size = image_data["size"]
        tile = image_data.get("tile_size", {"width": size["width"], "height": size["height"]})
        limit = _limit(image_data["meta"]["pixelsType"])
        shown = [channel for channel in self.channels if channel.active]
        windows = np.array([channel.window for channel in shown], float).reshape(-1, 2)
        colors = np.array([(channel.color or (0, 0, 0, 0))[:3] for channel in shown], float).reshape(-1, 3)
        return {
            "ctxy": [size["c"], size["t"], -(-size["width"] // tile["width"]), -(-size["height"] // tile["height"])],
            "limit": limit,
            "levels": image_data.get("levels", 1),
            "tile_size": [tile["height"], tile["width"]],
            "r": np.clip(windows / limit, 0, 1),
            "c": np.clip(colors / 255, 0, 1),
            "chan": np.array([channel.index for channel in shown], np.int64),
            "max_size": self.max_size,
            "origin": np.array([self.x, self.y]),
            "shape": np.array([self.width, self.height]),
            "iid": self.image_id,
            "t": self.t,
            "z": self.z,
        }


def _limit(pixels_type: str) -> float:
    """Return the greatest value of a type by its OMERO name; 1 for floats, which the original could not show."""
    names = {"float": "float32", "double": "float64", "bit": "bool"}
    dtype = np.dtype(names.get(pixels_type, pixels_type))
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def parse_scaled_region(address: str) -> ScaledRegionRequest:
    """Read ``[...render_scaled_region]/IMAGE/Z/T/?c=CHANNEL,...&region=x,y,width,height[&max_size=N]``.

    A channel is ``[-]index|min:max$RRGGBB``, all parts given, the index from 1; a minus hides it.

    Raises
    ------
    InvalidInputError
        A part is missing or does not parse.

    Examples
    --------
    >>> parse_scaled_region("/548111/0/0/?c=1|0:65535$FF0000&region=0,0,1024,1024").image_id
    548111
    """
    text = address[address.rfind("render_scaled_region") :].removeprefix("render_scaled_region")
    path, _, query_text = (text if "render_scaled_region" in address else address).partition("?")
    parts = path.removeprefix("/").split("/")
    if len(parts) < 3 or not parts[0]:
        raise InvalidInputError(f"{path!r} does not name a plane; expected /image/z/t/?c=...&region=...")
    query = _parse_query(query_text)
    for key, example in (("c", "1|0:65535$FF0000"), ("region", "0,0,1024,1024")):
        if key not in query:
            raise InvalidInputError(f"the address has no {key}; expected for example {key}={example}")
    x, y, width, height = parse_float_region(query["region"])
    return ScaledRegionRequest(
        int(parts[0]) if _WHOLE.fullmatch(parts[0]) else unquote(parts[0]),
        _whole("z", parts[1]),
        _whole("t", parts[2]),
        tuple(_parse_strict_channel(channel) for channel in query["c"].split(",")),
        x,
        y,
        width,
        height,
        parse_max_size(query.get("max_size", str(DEFAULT_MAX_SIZE))),
    )


def _parse_query(text: str) -> dict[str, str]:
    query = {}
    for part in text.split("&"):
        if not part:
            continue
        if part.count("=") != 1:
            raise InvalidInputError(f"{part!r} is not a parameter; expected name=value")
        key, value = part.split("=")
        query[key] = unquote(value)
    return query


def _parse_strict_channel(text: str) -> ChannelRequest:
    match = _CHANNEL.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise InvalidInputError(f"{text!r} is not a channel; expected [-]index|min:max$RRGGBB with the index from 1")
    number = int(match[1])
    red, green, blue = bytes.fromhex(match[4])
    window = (float(int(match[2])), float(int(match[3])))
    return ChannelRequest(abs(number) - 1, number > 0, window, (red, green, blue, 255))


def parse_float_region(text: str) -> tuple[float, float, float, float]:
    """Read ``x,y,width,height`` of a scaled region.

    Raises
    ------
    InvalidInputError
        They are not four numbers, or the size is not above 0.
    """
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise InvalidInputError(f"malformed region argument, region={text}; expected x,y,width,height") from None
    if not all(abs(value) <= _FARTHEST for value in (x, y, width, height)):
        raise InvalidInputError(f"region {text} is too far out; coordinates go up to {_FARTHEST}")
    if width <= 0 or height <= 0:
        raise InvalidInputError(f"region {text} is empty; width and height must be above 0")
    return x, y, width, height


def parse_max_size(text: str) -> int:
    """Read the longest side of an answer, a whole number from 1."""
    size = _whole("max_size", text)
    if size < 1:
        raise InvalidInputError(f"max_size is {size}; it must be at least 1")
    return size


def _whole(name: str, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise InvalidInputError(f"{name}={text} is not a whole number")
    return int(text)


def parse_image_region(
    query: Mapping[str, str], levels: Sequence[ResolutionLevel], *, max_tile: int = DEFAULT_MAX_TILE
) -> tuple[int, Region]:
    """Read ``tile=level,x,y[,width,height]`` or ``region=x,y,width,height`` of ``render_image_region``.

    Parameters
    ----------
    query
        The request's parameters; ``tile`` goes before ``region``.
    levels
        Of the image; the level of a tile counts from full size, x and y count tiles.
    max_tile
        No side of a tile is longer; sizes that are not above 0 are the level's own.

    Returns
    -------
    (level, region)
        As an OMERO.server has it: moved to begin at 0 where x or y are negative, then clipped to the level.

    Raises
    ------
    InvalidInputError
        Neither is given, or it is malformed (with OMERO.web's words), or it does not meet the image.
    """
    if query.get("tile"):
        level, region = _parse_tile(query["tile"], levels, max_tile)
    elif query.get("region"):
        level, numbers = 0, _whole_numbers(query["region"])
        if numbers is None or len(numbers) < 4:
            raise InvalidInputError(f"malformed region argument, region={query['region']}")
        region = Region(*numbers[:4])
    else:
        raise InvalidInputError("tile or region argument required")
    bounds = levels[level].bounds
    moved = Region(max(region.x, 0), max(region.y, 0), region.width, region.height)
    met = moved.intersection(bounds) if region.width > 0 and region.height > 0 else None
    if met is None:
        raise InvalidInputError(
            f"region {tuple(region)} (x, y, width, height) does not begin in the image, which is "
            f"{bounds.width} x {bounds.height} at level {level}"
        )
    return level, met


def _parse_tile(text: str, levels: Sequence[ResolutionLevel], max_tile: int) -> tuple[int, Region]:
    numbers = _whole_numbers(text)
    if numbers is None or len(numbers) < 3:
        raise InvalidInputError(f"malformed tile argument, tile={text}")
    index = numbers[0]
    if index < 0:
        raise InvalidInputError(f"Invalid resolution level {index} < 0")
    if index >= len(levels):
        if len(levels) == 1:
            raise InvalidInputError(f"Invalid resolution level {index}, non pyramid file")
        raise InvalidInputError(f"Invalid resolution level, {index} > number of available levels {len(levels) - 1}")
    width, height = levels[index].tile_width, levels[index].tile_height
    if len(numbers) > 4:
        width, height = (
            min(asked, max_tile) if asked > 0 else own for asked, own in zip(numbers[3:5], (width, height), strict=True)
        )
    return index, Region(numbers[1] * width, numbers[2] * height, width, height)


def _whole_numbers(text: str) -> list[int] | None:
    parts = [part.strip() for part in text.split(",")]
    return [int(part) for part in parts] if all(_WHOLE.fullmatch(part) for part in parts) else None


def check_float_region(region: Sequence[float]) -> tuple[float, float, float, float]:
    """Return a region given as numbers, checked as `parse_float_region` does."""
    if len(region) != 4 or not all(math.isfinite(value) for value in region):
        raise InvalidInputError(f"region {tuple(region)} is not x, y, width, height")
    return parse_float_region(",".join(repr(float(value)) for value in region))
