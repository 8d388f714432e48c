"""What a web client asks of the channels: OMERO.web's ``c``, ``maps``, ``m``, ``p`` and ``q``.

The grammar is that of ``webgateway.views`` (ome/omero-web): lenient, what does not parse is left out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError

from ._projection import Projection
from ._quantization import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ij_omero.model import ChannelRendering, RenderingSettings

_PROJECTIONS = {"intmax": "max", "intmean": "mean", "intsum": "sum"}
_MODELS = {"g": "greyscale", "c": "rgb"}
_SHORT_COLOR, _FULL_COLOR = 4, 8
_OPAQUE_COLOR = 6
_MOST_TEXT = 1 << 20


@dataclass(frozen=True)
class ChannelRequest:
    """One entry of ``c``; what is None stays as it is in the image's settings.

    ``index`` counts from 0; ``color`` is red, green, blue, alpha.
    """

    index: int
    active: bool
    window: tuple[float, float] | None = None
    color: tuple[int, int, int, int] | None = None
    lookup_table: str | None = None
    inverted: bool | None = None
    family: str | None = None
    coefficient: float = 1.0


@dataclass(frozen=True)
class RenderingRequest:
    """How a request wants an image shown.

    ``channels`` is None where the request does not speak of channels. ``quality`` is that of a JPEG, 0 to 1.
    """

    channels: tuple[ChannelRequest, ...] | None = None
    model: str | None = None
    projection: Projection | None = None
    quality: float | None = None

    def apply(self, settings: RenderingSettings) -> RenderingSettings:
        """Return an image's settings as the request changes them.

        Channels that the request does not name, or names with a minus, are hidden and otherwise unchanged.
        """
        channels = settings.channels
        if self.channels is not None:
            wanted = {request.index: request for request in reversed(self.channels) if request.active}
            channels = tuple(_changed(channel, wanted.get(index)) for index, channel in enumerate(channels))
        return replace(settings, channels=channels, model=self.model or settings.model)


def _changed(channel: ChannelRendering, request: ChannelRequest | None) -> ChannelRendering:
    if request is None:
        return replace(channel, active=False)
    changes: dict[str, Any] = {"active": True}
    if request.window is not None:
        changes["window"] = request.window
    if request.lookup_table is not None:
        changes["lookup_table"] = request.lookup_table
    elif request.color is not None:
        changes.update(color=request.color, lookup_table=None)
    if request.inverted is not None:
        changes["inverted"] = request.inverted
    if request.family is not None:
        changes.update(family=request.family, coefficient=request.coefficient)
    return replace(channel, **changes)


def parse_channels(text: str) -> list[ChannelRequest]:
    """Read ``[-]index[|start:end][$COLOR|$name.lut],...``; entries that do not parse are left out.

    Examples
    --------
    >>> parse_channels("1|100:505$0000FF,-2")[0].window
    (100.0, 505.0)
    """
    return [request for part in _limited(text).split(",") if (request := _parse_channel(part)) is not None]


def _parse_channel(text: str) -> ChannelRequest | None:
    head, _, rest = text.partition("|")
    head, _, color = head.strip().partition("$")
    window = None
    if rest:
        bounds, separator, other = rest.strip().partition("$")
        color = other if separator else color
        window = _parse_window(bounds)
    try:
        number = int(head)
    except ValueError:
        return None
    if number == 0:
        return None
    table = color if color.endswith(".lut") else None
    return ChannelRequest(abs(number) - 1, number > 0, window, None if table else parse_color(color), table)


def _parse_window(text: str) -> tuple[float, float] | None:
    parts = text.split(":")
    try:
        start, end = (float(part) for part in parts)
    except ValueError:
        return None
    return (start, end) if math.isfinite(start) and math.isfinite(end) else None


def parse_color(text: str) -> tuple[int, int, int, int] | None:
    """Read ``abc``, ``abcd``, ``aabbcc`` or ``aabbccdd`` as red, green, blue, alpha; None where it is none of these."""
    if len(text) in (_SHORT_COLOR - 1, _SHORT_COLOR):
        text = "".join(2 * digit for digit in text)
    if len(text) == _OPAQUE_COLOR:
        text += "FF"
    if len(text) != _FULL_COLOR or not text.isascii() or not text.isalnum():
        return None
    try:
        red, green, blue, alpha = bytes.fromhex(text)
    except ValueError:
        return None
    return red, green, blue, alpha


def parse_rendering_query(query: Mapping[str, str]) -> RenderingRequest:
    """Read ``c``, ``maps``, ``m``, ``p`` and ``q`` of a request; other keys are not looked at.

    ``maps`` is JSON: a list with one object per entry of ``c``, each with ``inverted`` (or ``reverse``)
    ``{"enabled": true}`` and ``quantization`` ``{"family": .., "coefficient": ..}``. ``p`` is ``normal``, ``intmax``,
    ``intmean`` or ``intsum``, with ``|first:last`` z-section.
    """
    channels = None
    if "c" in query:
        channels = parse_channels(query["c"])
        if "maps" in query:
            maps = _parse_maps(query["maps"])
            channels = [_with_map(r, maps[i]) if i < len(maps) else r for i, r in enumerate(channels)]
    return RenderingRequest(
        None if channels is None else tuple(channels),
        _MODELS.get(query.get("m", "")),
        parse_projection(query.get("p", "")),
        _parse_quality(query.get("q", "")),
    )


def _parse_maps(text: str) -> list[Any]:
    try:
        maps = json.loads(_limited(text))
    except (ValueError, RecursionError):
        return []
    return maps if isinstance(maps, list) else []


def _with_map(request: ChannelRequest, entry: Any) -> ChannelRequest:
    if not isinstance(entry, dict):
        return request
    changes: dict[str, Any] = {}
    turned = entry["inverted"] if entry.get("inverted") is not None else entry.get("reverse")
    if turned is not None:
        changes["inverted"] = isinstance(turned, dict) and turned.get("enabled") in (True, "true")
    curve = entry.get("quantization")
    if isinstance(curve, dict) and curve.get("family") in FAMILIES:
        coefficient = curve.get("coefficient", 1.0)
        number = isinstance(coefficient, int | float) and not isinstance(coefficient, bool)
        if number and 0 < coefficient < math.inf:
            changes.update(family=curve["family"], coefficient=float(coefficient))
    return replace(request, **changes)


def parse_projection(text: str) -> Projection | None:
    """Read ``intmax``, ``intmean`` or ``intsum``, with ``|first:last``; anything else is no projection."""
    name, _, bounds = text.partition("|")
    if name not in _PROJECTIONS:
        return None
    try:
        first, last = (int(part) for part in bounds.split(":"))
    except ValueError:
        return Projection(_PROJECTIONS[name])
    return Projection(_PROJECTIONS[name], first, last)


def _parse_quality(text: str) -> float | None:
    try:
        quality = float(text)
    except ValueError:
        return None
    return quality if 0 <= quality <= 1 else None


def _limited(text: str) -> str:
    if len(text) > _MOST_TEXT:
        raise InvalidInputError(f"a query of {len(text)} characters is too long; expected at most {_MOST_TEXT}")
    return text
