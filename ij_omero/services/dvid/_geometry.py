"""Coordinates, sizes and boxes as they stand in addresses, checked in exact integers before anything is allocated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1
_WHOLE = re.compile(r"[+-]?[0-9]{1,11}")
_SHAPES = {
    "xy": (0, 1),
    "0_1": (0, 1),
    "0,1": (0, 1),
    "xz": (0, 2),
    "0_2": (0, 2),
    "0,2": (0, 2),
    "yz": (1, 2),
    "1_2": (1, 2),
    "1,2": (1, 2),
    "vol": (0, 1, 2),
    "0_1_2": (0, 1, 2),
    "0,1,2": (0, 1, 2),
    "xyz": (0, 1, 2),
}


class Point(NamedTuple):
    """A voxel, or a block, by its coordinates; they may be negative."""

    x: int
    y: int
    z: int


class Box(NamedTuple):
    """Voxels from `offset` on, `size` of them along each axis."""

    offset: Point
    size: Point

    @property
    def last(self) -> Point:
        """The voxel at the far corner."""
        return Point(*(start + size - 1 for start, size in zip(*self, strict=True)))

    @property
    def volume(self) -> int:
        """How many voxels."""
        return self.size.x * self.size.y * self.size.z

    def blocks(self, block: Point) -> Box:
        """Return the blocks that the voxels lie in, as a box in block coordinates."""
        first = block_of(self.offset, block)
        last = block_of(self.last, block)
        return Box(first, Point(*(b - a + 1 for a, b in zip(first, last, strict=True))))

    def is_aligned(self, block: Point) -> bool:
        """Whether the box is made of whole blocks."""
        return all(
            start % side == 0 and size % side == 0
            for start, size, side in zip(self.offset, self.size, block, strict=True)
        )

    def rows(self) -> Iterator[Point]:
        """Yield the first point of every row along x, y fastest."""
        for z in range(self.offset.z, self.offset.z + self.size.z):
            for y in range(self.offset.y, self.offset.y + self.size.y):
                yield Point(self.offset.x, y, z)


def block_of(voxel: Point, block: Point) -> Point:
    """Return the block that a voxel lies in; before 0 too."""
    return Point(*(at // side for at, side in zip(voxel, block, strict=True)))


def parse_shape(text: str) -> tuple[int, ...]:
    """Return the axes of a plane or volume: ``xy`` and ``0_1`` are (0, 1)."""
    axes = _SHAPES.get(text.lower())
    if axes is None:
        raise InvalidInputError(f"Unknown data shape specification ({text})")
    return axes


def parse_numbers(text: str, separator: str, count: int, what: str) -> tuple[int, ...]:
    """Return so many whole numbers of 32 bits, such as ``10_20_30``."""
    parts = text.split(separator)
    if len(parts) != count:
        raise InvalidInputError(f"{what} must have {count} numbers joined by {separator!r}, not {text[:80]!r}")
    return tuple(parse_whole(part, what) for part in parts)


def parse_whole(text: str, what: str) -> int:
    """Return a whole number of 32 bits."""
    text = text.strip()
    if not _WHOLE.fullmatch(text) or not LOWEST <= int(text) <= HIGHEST:
        raise InvalidInputError(f"{what} must be a whole number of 32 bits, not {text[:40]!r}")
    return int(text)


def parse_point(text: str, what: str, separator: str = "_") -> Point:
    """Return a point such as ``0_0_100``."""
    return Point(*parse_numbers(text, separator, 3, what))


def parse_box(axes: tuple[int, ...], size: str, offset: str) -> Box:
    """Return what a size along some axes and an offset mean; other axes have the size 1.

    Raises
    ------
    InvalidInputError
        They do not parse, a size is below 1, or the box leaves the range of 32-bit coordinates.
    """
    sizes = [1, 1, 1]
    for axis, length in zip(axes, parse_numbers(size, "_", len(axes), "the size"), strict=True):
        sizes[axis] = length
    return checked_box(parse_point(offset, "the offset"), Point(*sizes))


def checked_box(offset: Point, size: Point) -> Box:
    """Return a box, or raise InvalidInputError where it is empty or leaves the range of coordinates."""
    box = Box(offset, size)
    if min(size) < 1:
        raise InvalidInputError(f"the size must be 1 or more along every axis, not {tuple(size)}")
    if max(box.last) > HIGHEST or min(offset) < LOWEST:
        raise InvalidInputError(f"{tuple(offset)} with size {tuple(size)} leaves the range of 32-bit coordinates")
    return box
