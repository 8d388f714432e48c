"""The grids in which the channels of an image are shown side by side."""

from __future__ import annotations

import math

from ij_omero.errors import InvalidInputError

BORDER = 2


def split_channel_grids(
    count: int, width: int, height: int, *, layout: str = "omero", border: int = BORDER
) -> dict[str, dict[str, int]]:
    """Lay channels out in a grid, as ``imgData``'s ``split_channel`` has it.

    Parameters
    ----------
    count, width, height
        Channels, and pixels of one panel.
    layout
        ``"omero"``: the squarest grid that holds them all, with empty panels where needed. ``"minerva"``: the
        squarest pair of factors, without empty panels.
    border
        Pixels around and between the panels.

    Returns
    -------
    dict
        ``"g"`` for the channels in grey, ``"c"`` for the same and one panel with all of them; each with ``gridx``,
        ``gridy``, ``border``, ``width`` and ``height``.

    Raises
    ------
    InvalidInputError
        There is no such layout.
    """
    if layout not in ("omero", "minerva"):
        raise InvalidInputError(f"unknown layout {layout!r}; expected omero or minerva")
    shape = _squarest if layout == "omero" else _factors
    return {key: _grid(*shape(panels), width, height, border) for key, panels in (("g", count), ("c", count + 1))}


def _squarest(panels: int) -> tuple[int, int]:
    """As ``ImageWrapper.splitChannelDims`` (ome/omero-py)."""
    across = math.sqrt(panels)
    down = round(across)
    return (down + 1 if across > down else down), down


def _factors(panels: int) -> tuple[int, int]:
    for across in range(math.isqrt(panels), 0, -1):
        if panels % across == 0:
            return across, panels // across
    return 0, 0


def _grid(across: int, down: int, width: int, height: int, border: int) -> dict[str, int]:
    return {
        "gridx": across,
        "gridy": down,
        "border": border,
        "width": border + across * (border + width),
        "height": border + down * (border + height),
    }
