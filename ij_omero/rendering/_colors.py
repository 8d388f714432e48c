"""Grey levels 0 to 255 to red, green and blue, as OMERO's RenderingEngine mixes them."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy.typing as npt

_LEVELS = np.arange(256)


class Mix(enum.IntEnum):
    """How a grey level becomes one component of a colour."""

    NONE = 0
    """Nothing is added."""
    WHOLE = 1
    """The level itself."""
    TABLE = 2
    """``table[level]``."""
    SHARE = 3
    """``floor(level * share + 0.001)``, which equals the table; faster where there is no gather instruction."""


@dataclass(frozen=True, eq=False)
class ColorMixer:
    """What a channel adds to red, green and blue.

    ``tables`` is (3, 256) uint8, ``codes`` (3,) uint8 the `Mix` of each component, ``shares`` (3,) float32. ``parts``
    holds the same for the components that are not NONE: index, mix, table, share.
    """

    tables: npt.NDArray[np.uint8]
    codes: npt.NDArray[np.uint8]
    shares: npt.NDArray[np.float32]
    parts: tuple[tuple[int, Mix, npt.NDArray[np.uint8], np.float32], ...]


SHARE_OFFSET = np.float32(1e-3)


@functools.lru_cache(maxsize=256)
def mixer_for_color(color: tuple[int, int, int, int]) -> ColorMixer:
    """Return what a channel of one colour adds.

    Truncates as ``RenderHSBRegionTask`` (ome/omero-renderer) does: once for the colour, once for alpha.

    Raises
    ------
    InvalidInputError
        A component is not 0 to 255.
    """
    if len(color) != 4 or any(not 0 <= part <= 255 for part in color):
        raise InvalidInputError(f"colour {color} is not (red, green, blue, alpha) with each 0 to 255")
    alpha = np.float32(color[3]) / np.float32(255)
    tables = np.stack([(part / 255.0 * _LEVELS).astype(np.int64) for part in color[:3]])
    if color[3] != 255:
        tables = (tables.astype(np.float32) * alpha).astype(np.int64)
    return _mixer(tables.astype(np.uint8))


def mixer_for_lookup_table(table: npt.NDArray[np.uint8]) -> ColorMixer:
    """Return what a channel with a (256, 3) uint8 lookup table adds; alpha plays no part, as on the server."""
    return _mixer(np.ascontiguousarray(table.T))


def _mixer(tables: npt.NDArray[np.uint8]) -> ColorMixer:
    shares = (tables[:, -1] / 255).astype(np.float32)
    mixes = [_mix(table, share) for table, share in zip(tables, shares, strict=True)]
    tables.setflags(write=False)
    parts = [(i, mix, tables[i], shares[i]) for i, mix in enumerate(mixes) if mix is not Mix.NONE]
    return ColorMixer(tables, np.array(mixes, np.uint8), shares, tuple(parts))


def _mix(table: npt.NDArray[np.uint8], share: np.float32) -> Mix:
    if not table.any():
        return Mix.NONE
    if np.array_equal(table, _LEVELS):
        return Mix.WHOLE
    shared = (_LEVELS.astype(np.float32) * share + SHARE_OFFSET).astype(np.uint8)
    return Mix.SHARE if np.array_equal(shared, table) else Mix.TABLE
