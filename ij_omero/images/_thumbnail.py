"""A small picture of an image, and how a notebook shows it."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np

from ij_omero.model import PlaneIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from ij_omero.cells import LoadStates
    from ij_omero.model import Channel, ResolutionLevel
    from ij_omero.pixels import PixelSource

    from ._image import Image

MOST_PIXELS = 1 << 24  # of a plane that is read for a thumbnail
_MOST_CHANNELS = 6
_COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 255), (0, 255, 255), (255, 255, 0))


def thumbnail(source: PixelSource, size: int = 192) -> npt.NDArray[np.uint8] | None:
    """Render the middle z-section of the first timepoint small.

    Parameters
    ----------
    source
        Read at the smallest resolution level that is still large enough.
    size
        The longer side in pixels; smaller images are not enlarged.

    Returns
    -------
    ndarray or None
        (Y, X, 3) uint8; None where too many pixels would have to be read.
    """
    description = source.description
    level = _level_for(source.levels, size)
    if level is None:
        return None
    step = max(1, -(-max(level.width, level.height) // size))
    shown = [(i, c) for i, c in enumerate(description.channels) if c.active][:_MOST_CHANNELS]
    picture: npt.NDArray[np.float32] | None = None
    for index, channel in shown or [(0, description.channels[0])]:
        pixels = source.read(PlaneIndex(description.size_z // 2, index, 0), level=level.index)[::step, ::step]
        if description.pixel_type.is_complex:
            pixels = np.abs(pixels)
        window = channel.window or ((0, 255) if pixels.dtype == np.uint8 else None)
        shade = _shade(pixels.astype(np.float32), window)
        color = np.asarray(_color_of(channel, index, len(shown)), np.float32)
        layer = shade[:, :, None] * color
        picture = layer if picture is None else picture + layer
    return None if picture is None else np.clip(picture, 0, 255).astype(np.uint8)


def _level_for(levels: tuple[ResolutionLevel, ...], size: int) -> ResolutionLevel | None:
    large_enough = [level for level in levels if max(level.width, level.height) >= size]
    level = large_enough[-1] if large_enough else levels[0]
    return level if level.width * level.height <= MOST_PIXELS else None


def _shade(pixels: npt.NDArray[np.float32], window: tuple[float, float] | None) -> npt.NDArray[np.float32]:
    finite = pixels[np.isfinite(pixels)]
    if window is None:
        window = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low, high = window
    scaled = (np.nan_to_num(pixels, nan=low, posinf=high, neginf=low) - low) / (high - low or 1.0)
    shade: npt.NDArray[np.float32] = np.clip(scaled, 0, 1).astype(np.float32)
    return shade


def _color_of(channel: Channel, index: int, count: int) -> tuple[int, int, int]:
    if channel.color is not None:
        return channel.color[:3]
    return (255, 255, 255) if count == 1 else _COLORS[index % len(_COLORS)]


def image_rows(image: Image, states: LoadStates | None) -> list[tuple[str, object]]:
    """Return what a notebook says of an image."""
    description = image.description
    physical = (description.physical_size_x, description.physical_size_y, description.physical_size_z)
    return [
        ("address", image.address),
        ("X x Y x Z x C x T", " x ".join(map(str, description.sizes))),
        ("pixels", image.dtype.name),
        ("pixel size", " x ".join(str(size) for size in physical if size)),
        ("channels", ", ".join(channel.name or f"Channel {i}" for i, channel in enumerate(description.channels))),
        ("levels", len(image.levels)),
        ("cells", f"{states.loaded} of {states.total} loaded, {states.edited} dirty" if states else "closed"),
    ]


def to_html(name: str, rows: Iterable[tuple[str, object]], picture: npt.NDArray[np.uint8] | None) -> str:
    """Return a thumbnail beside a table, as HTML."""
    shown = [(name, str(value)) for name, value in rows if value not in (None, "", ())]
    table = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(value)}</td></tr>'
        for name, value in shown
    )
    shot = ""
    if picture is not None:
        shot = f'<img alt="{html.escape(name)}" src="{_data_url(picture)}"/>'
    return (
        '<div style="display:flex;gap:1em;align-items:flex-start">'
        f"{shot}<div><strong>{html.escape(name)}</strong><table>{table}</table></div></div>"
    )


def _data_url(picture: npt.NDArray[np.uint8]) -> str:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
