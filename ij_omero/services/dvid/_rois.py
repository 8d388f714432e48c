"""Regions made of blocks, kept as spans along x: ``[z, y, x0, x1]``, both ends included."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError

from ._geometry import HIGHEST, LOWEST, Box, Point, block_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

MOST_SPANS = 1 << 20
Span = tuple[int, int, int, int]


def parse_spans(told: Any) -> list[Span]:
    """Return spans as a client sent them, in order and joined where they meet.

    Raises
    ------
    InvalidInputError
        They are no list of four whole numbers each, or one ends before it begins.
    """
    if not isinstance(told, list) or len(told) > MOST_SPANS:
        raise InvalidInputError(f"an ROI is a list of up to {MOST_SPANS} spans [z, y, x0, x1]")
    for span in told:
        if not isinstance(span, list) or len(span) != 4 or not all(type(number) is int for number in span):
            raise InvalidInputError("every span of an ROI is four whole numbers [z, y, x0, x1]")
        if min(span) < LOWEST or max(span) > HIGHEST or span[2] > span[3]:
            raise InvalidInputError(f"the span {span} leaves the range of block coordinates or ends before it begins")
    return joined(tuple(span) for span in told)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in the order of z, y, x, those that overlap or touch as one."""
    result: list[Span] = []
    for z, y, first, last in sorted(spans):
        if result and result[-1][:2] == (z, y) and first <= result[-1][3] + 1:
            result[-1] = (z, y, result[-1][2], max(last, result[-1][3]))
        else:
            result.append((z, y, first, last))
    return result


def spans_of(blocks: Iterable[tuple[int, int, int]]) -> list[Span]:
    """Return the spans that hold blocks (x, y, z)."""
    return joined((z, y, x, x) for x, y, z in blocks)


class BlockRegion:
    """A region that voxels are masked by.

    Parameters
    ----------
    spans
        In order, as `joined` returns them.
    block
        The size of the region's blocks.
    """

    def __init__(self, spans: Sequence[Span], block: Point) -> None:
        self.spans = spans
        self.block = block
        self._rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for z, y, first, last in spans:
            self._rows.setdefault((z, y), []).append((first, last))

    @classmethod
    def from_value(cls, value: memoryview | bytes | None, block: Point) -> BlockRegion:
        """Return the region of a stored value; of none, an empty one."""
        return cls([] if value is None else [tuple(span) for span in json.loads(bytes(value))], block)

    def to_value(self) -> bytes:
        """Return it as it is stored."""
        return json.dumps(self.spans).encode()

    def holds(self, at: Point) -> bool:
        """Whether a block lies in the region."""
        return any(first <= at.x <= last for first, last in self._rows.get((at.z, at.y), ()))

    def holds_voxel(self, at: Point) -> bool:
        """Whether a voxel lies in the region."""
        return self.holds(block_of(at, self.block))

    def mask(self, box: Box) -> npt.NDArray[np.bool_]:
        """Return the (Z, Y, X) voxels of a box that lie in the region."""
        inside = np.zeros((box.size.z, box.size.y, box.size.x), bool)
        asked = box.blocks(self.block)
        for z, y in itertools.product(_blocks(asked, 2), _blocks(asked, 1)):
            for first, last in self._rows.get((z, y), ()):
                inside[
                    _part(z, z, self.block.z, box.offset.z, box.size.z),
                    _part(y, y, self.block.y, box.offset.y, box.size.y),
                    _part(first, last, self.block.x, box.offset.x, box.size.x),
                ] = True
        return inside

    def apply(self, voxels: npt.NDArray[Any], box: Box, attenuation: int) -> None:
        """Make voxels outside 0, or shift them right by so many bits; `voxels` may have a last axis of values."""
        outside = ~self.mask(box)
        if attenuation:
            voxels[outside] >>= attenuation
        else:
            voxels[outside] = 0


def _blocks(box: Box, axis: int) -> range:
    return range(box.offset[axis], box.offset[axis] + box.size[axis])


def _part(first: int, last: int, side: int, start: int, size: int) -> slice:
    return slice(max(first * side - start, 0), max(min((last + 1) * side - start, size), 0))
