"""Rendering settings as OMERO keeps them per image and user (ome.model.display.RenderingDef)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChannelRendering:
    """How one channel is shown.

    Parameters
    ----------
    window
        (start, end): the pixel values shown darkest and brightest.
    color
        Red, green, blue, alpha, each 0 to 255.
    active
        Whether the channel is shown.
    lookup_table
        The name of a lookup table (``"16_colors.lut"``) that replaces the colour.
    family
        ``linear``, ``polynomial``, ``exponential`` or ``logarithmic``.
    coefficient
        The family's curve coefficient.
    inverted
        Whether the intensities are reversed.
    """

    window: tuple[float, float]
    color: tuple[int, int, int, int] = (255, 255, 255, 255)
    active: bool = True
    lookup_table: str | None = None
    family: str = "linear"
    coefficient: float = 1.0
    inverted: bool = False


@dataclass(frozen=True)
class RenderingSettings:
    """How an image is shown: one entry per channel, the model and the default plane.

    ``model`` is ``"rgb"`` (channels blended in colour) or ``"greyscale"``; ``z`` and ``t`` count from 0.
    """

    channels: tuple[ChannelRendering, ...]
    model: str = "rgb"
    z: int = 0
    t: int = 0
