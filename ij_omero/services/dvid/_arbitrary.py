"""Planes in any orientation: real-world corners, a distance between pixels, trilinear interpolation."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError

from ._block_codecs import decode
from ._geometry import HIGHEST, LOWEST, Point
from ._pictures import rounded
from ._versioned_values import block_key
from ._volumes import check_blocks

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._instances import Instance
    from ._versioned_values import VersionedValues

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
POINTS_AT_ONCE = 1 << 18
KEPT_BYTES = 64 << 20
MOST_PIXELS = 1 << 24
ROUNDING = 1e-6
_CORNERS = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]


@dataclass(frozen=True)
class ArbitraryPlane:
    """A rectangle of pixels anywhere in the volume.

    Attributes
    ----------
    corner
        (x, y, z) of the first pixel, in units of the resolution.
    across, down
        From one pixel to the next of its row, and of its column.
    width, height
        Pixels.
    """

    corner: npt.NDArray[np.float64]
    across: npt.NDArray[np.float64]
    down: npt.NDArray[np.float64]
    width: int
    height: int

    @classmethod
    def parse(cls, corners: tuple[str, str, str], distance: str, limit: int) -> ArbitraryPlane:
        """Return the plane of its corners top left, top right, bottom left, and the distance of pixels.

        Raises
        ------
        InvalidInputError
            They do not parse, or the plane has more pixels than `limit`.
        """
        corner, right, lower = (_vector(text) for text in corners)
        step = _number(distance)
        if not step > 0:
            raise InvalidInputError(f"the resolution must be more than 0, not {distance[:40]!r}")
        wide, high = (math.dist(end, corner) / step for end in (right, lower))
        if not (wide < 1 << 31 and high < 1 << 31):
            raise InvalidInputError(f"Bad arbitrary image size requested: {wide:g} x {high:g} pixels")
        # 200.2 - 100.2 is a little less than 100: such an edge keeps its last pixel
        columns, rows = math.floor(wide + ROUNDING), math.floor(high + ROUNDING)
        if (columns + 1) * (rows + 1) > min(limit, MOST_PIXELS):
            raise InvalidInputError(
                f"Requested payload ({(columns + 1) * (rows + 1)} pixels) exceeds this DVID server's set limit "
                f"({min(limit, MOST_PIXELS)})"
            )
        across, down = ((end - corner) / max(count, 1) for end, count in ((right, columns), (lower, rows)))
        return cls(corner, across, down, columns + 1, rows + 1)


def read_arbitrary(blocks: VersionedValues, instance: Instance, plane: ArbitraryPlane) -> npt.NDArray[Any]:
    """Return the (Y, X) plane, of `VoxelType.stored`."""
    kind = instance.voxels
    reader = _PointReader(blocks, instance)
    size = np.array(instance.voxel_size)
    values = np.empty((plane.height * plane.width, kind.values), kind.dtype)
    for start in range(0, len(values), POINTS_AT_ONCE):
        pixels = np.arange(start, min(start + POINTS_AT_ONCE, len(values)))
        x, y = pixels % plane.width, pixels // plane.width
        at = (plane.corner + x[:, None] * plane.across + y[:, None] * plane.down) / size
        if np.abs(at).max() > HIGHEST - 1:
            raise InvalidInputError("the plane leaves the range of 32-bit coordinates")
        values[start : start + len(pixels)] = _interpolated(reader, at)
    return values.view(kind.stored).reshape(plane.height, plane.width)


def _interpolated(reader: _PointReader, at: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Return the (n, values) at voxel coordinates (n, 3)."""
    kind = reader.instance.voxels
    low = np.floor(at)
    part = at - low
    base = low.astype(np.int64)
    if kind.dtype == np.uint64:  # float64 does not hold them: the nearest voxel
        return reader.values(np.floor(at + 0.5).astype(np.int64))
    total = np.zeros((len(at), kind.values))
    for corner in _CORNERS:
        weight = np.prod(np.where(corner, part, 1 - part), axis=1)
        used = weight > 0
        if used.any():
            total[used] += reader.values(base[used] + corner) * weight[used, None]
    return rounded(total, kind) if kind.dtype.kind != "f" else total.astype(kind.dtype)


class _PointReader:
    """Single voxels; blocks that were read are kept, up to a bound."""

    def __init__(self, blocks: VersionedValues, instance: Instance) -> None:
        self.instance = instance
        self._blocks = blocks
        self._kept: dict[tuple[int, ...], npt.NDArray[Any] | None] = {}
        self._looked_up = 0
        self._most = max(8, KEPT_BYTES // instance.block_bytes)

    def values(self, at: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return the (n, values) of voxels (n, 3), x first."""
        kind, sides = self.instance.voxels, np.array(self.instance.block)
        within, places = at % sides, at // sides
        result = np.full(len(at), kind.background(self.instance.background), kind.stored)
        order = _by_place(places)
        ordered = places[order]
        begins = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
        for begin, end in itertools.pairwise([*begins.tolist(), len(order)]):
            block = self._block(tuple(ordered[begin].tolist()))
            if block is not None:
                points = order[begin:end]
                x, y, z = within[points].T
                result[points] = block[z, y, x]
        return kind.voxels(result).reshape(len(at), kind.values)

    def _block(self, place: tuple[int, ...]) -> npt.NDArray[Any] | None:
        if place in self._kept:
            return self._kept[place]
        if not all(LOWEST <= coordinate <= HIGHEST for coordinate in place):
            return None
        self._looked_up += 1
        check_blocks(self._looked_up)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        value = self._blocks.get(block_key(Point(*place)))
        block = self.instance.block
        found = None
        if value is not None:
            plain = decode(value, self.instance.block_bytes).view(self.instance.voxels.stored)
            found = plain.reshape(block.z, block.y, block.x)
        self._kept[place] = found
        return found


def _by_place(places: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return an order of blocks (n, 3) in which the same ones follow one another, those along x together."""
    spans = [int(span) for span in np.ptp(places, axis=0) + 1]
    if math.prod(spans) >= 1 << 62:
        return np.lexsort(places.T)
    x, y, z = (places - places.min(axis=0)).T
    # one number for each block sorts several times as fast as three
    return np.argsort((z * spans[1] + y) * spans[0] + x, kind="stable")


def _vector(text: str) -> npt.NDArray[np.float64]:
    parts = text.split("_")
    if len(parts) != 3:
        raise InvalidInputError(
            f"a corner must be real-world coordinates x_y_z, as in 20.3_11.8_109.4, not {text[:80]!r}"
        )
    return np.array([_number(part) for part in parts])


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not abs(float(text)) < 1e30:
        raise InvalidInputError(f"expected a number, not {text[:40]!r}")
    return float(text)
