"""What a request for a picture asks for, checked in whole numbers before anything is read, and rendered."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ij_omero.errors import InvalidInputError
from ij_omero.rendering import (
    parse_float_region,
    parse_image_region,
    parse_rendering_query,
    render_region,
    render_scaled_region,
    scaled_frame,
)

from ._encoding import Picture, encode, parse_format, shrunk
from ._read_ahead import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from ij_omero.model import Region, RenderingSettings
    from ij_omero.rendering import Projection

    from ._shown import Shown

MOST_PIXELS = 1 << 24
"""Of an answer: 48 MiB before encoding."""
MOST_READ = 1 << 30
"""Pixels that are read for one answer, of all channels and z-sections together."""
LARGEST_THUMBNAIL = 1024
DEFAULT_THUMBNAIL = 96
LARGEST_WHOLE = 2048
"""Pixels along the longer side of a resolution level that is rendered whole for a thumbnail."""
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def whole(name: str, text: str) -> int:
    """Read a whole number.

    Raises
    ------
    InvalidInputError
        It is none, or has more than 18 digits.
    """
    if not _WHOLE.fullmatch(text):
        raise InvalidInputError(f"{name}={text[:40]} is not a whole number")
    return int(text)


def position(shown: Shown, z: str, t: str) -> tuple[int, int]:
    """Read a plane's z and t and check that the image has it."""
    found = whole("z", z), whole("t", t)
    for axis, place, size in zip("zt", found, (shown.description.size_z, shown.description.size_t), strict=True):
        if not 0 <= place < size:
            raise InvalidInputError(f"{axis}={place} lies outside the image; expected 0 to {size - 1}")
    return found


def image_region(shown: Shown, z: str, t: str, query: Mapping[str, str]) -> Picture:
    """Answer ``render_image_region``: a tile of a level, or a region of full size."""
    plane_z, plane_t = position(shown, z, t)
    level, region = parse_image_region(query, shown.levels)
    return _rendered(shown, plane_z, plane_t, level, region, query)


def whole_plane(shown: Shown, z: str | None, t: str | None, query: Mapping[str, str]) -> Picture:
    """Answer ``render_image``: a plane at full size; its default plane where none is named."""
    settings = shown.settings
    plane_z, plane_t = position(shown, str(settings.z) if z is None else z, str(settings.t) if t is None else t)
    return _rendered(shown, plane_z, plane_t, 0, shown.levels[0].bounds, query)


def _rendered(shown: Shown, z: int, t: int, level: int, region: Region, query: Mapping[str, str]) -> Picture:
    name = parse_format(query.get("format", ""))
    request = parse_rendering_query(query)
    settings = request.apply(shown.settings)
    look = replace(shown.look(settings), projection=request.projection)
    _check(shown, settings, request.projection, region.width * region.height, region.width * region.height)
    pixels = render_region(shown.source, z, t, region, level=level, look=look, max_pixels=MOST_PIXELS)
    if "tile" in query and request.projection is None:
        active = [index for index, channel in enumerate(settings.channels) if channel.active]
        shown.ahead.note(View(level, z, t, tuple(active if settings.model == "rgb" else active[:1])), region)
    return encode(pixels, name, request.quality)


def scaled_region(shown: Shown, z: str, t: str, query: Mapping[str, str]) -> Picture:
    """Answer ``render_scaled_region``: a region of full size, scaled down to ``max_size``."""
    plane_z, plane_t = position(shown, z, t)
    if "region" not in query:
        raise InvalidInputError("region argument required, for example region=0,0,1024,1024")
    region = parse_float_region(query["region"])
    max_size = whole("max_size", query.get("max_size", "2000"))
    name, quality, pixels = _scaled(shown, plane_z, plane_t, region, max_size, query)
    return encode(pixels, name, quality)


def thumbnail(shown: Shown, width: str | None, height: str | None, query: Mapping[str, str]) -> Picture:
    """Answer ``render_thumbnail``: the default plane, no larger than ``width`` (and ``height``)."""
    most_x = DEFAULT_THUMBNAIL if width is None else whole("width", width)
    most_y = most_x if height is None else whole("height", height)
    if not (1 <= most_x <= LARGEST_THUMBNAIL and 1 <= most_y <= LARGEST_THUMBNAIL):
        raise InvalidInputError(f"a thumbnail of {most_x} x {most_y}: sizes are 1 to {LARGEST_THUMBNAIL}")
    settings, full = shown.settings, shown.levels[0]
    z, t = position(shown, query.get("z", str(settings.z)), query.get("t", str(settings.t)))
    part, whole_side = min((1, 1), (most_x, full.width), (most_y, full.height), key=lambda pair: pair[0] / pair[1])
    size = max(1, full.width * part // whole_side), max(1, full.height * part // whole_side)
    detail = min(max(level.width, level.height) for level in shown.levels if level.width >= size[0])
    # the smallest level that has as many pixels is taken whole where it is not too large for that
    most = detail + 1 if detail <= LARGEST_WHOLE else 2 * max(size)
    name, quality, pixels = _scaled(shown, z, t, (0, 0, full.width, full.height), most, query)
    return encode(shrunk(pixels, size), name, quality)


def _scaled(
    shown: Shown,
    z: int,
    t: int,
    region: tuple[float, float, float, float],
    max_size: int,
    query: Mapping[str, str],
) -> tuple[str, float | None, npt.NDArray[np.uint8]]:
    """Render a region no larger than a size; return it with the format and the quality that it is asked for in."""
    name = parse_format(query.get("format", ""))
    request = parse_rendering_query(query)
    settings = request.apply(shown.settings)
    frame = scaled_frame(shown.levels, region, max_size)
    level = shown.levels[frame.level]
    inside_x = min(frame.x + frame.width, level.width) - max(frame.x, 0)
    inside_y = min(frame.y + frame.height, level.height) - max(frame.y, 0)
    of_a_plane = max(0, inside_x) * max(0, inside_y)
    _check(shown, settings, request.projection, frame.out_width * frame.out_height, of_a_plane)
    look = replace(shown.look(settings), projection=request.projection)
    pixels = render_scaled_region(shown.source, z, t, region, max_size=max_size, look=look, max_pixels=MOST_PIXELS)
    return name, request.quality, pixels


def _check(
    shown: Shown, settings: RenderingSettings, projection: Projection | None, answered: int, of_a_plane: int
) -> None:
    """Refuse what would take too much memory or time; all in whole numbers."""
    if answered > MOST_PIXELS:
        raise InvalidInputError(f"a picture of {answered} pixels is too large; at most {MOST_PIXELS} are rendered")
    channels = sum(channel.active for channel in settings.channels)
    sections = 1 if projection is None else len(projection.sections(shown.description.size_z))
    read = of_a_plane * channels * sections
    if read > MOST_READ:
        raise InvalidInputError(
            f"{read} pixels would have to be read for this picture, and at most {MOST_READ} are; ask for a smaller "
            "region, fewer channels or fewer z-sections"
        )
