"""Where pixels are: the index of a plane, and a rectangle in it."""

from __future__ import annotations

from typing import NamedTuple


class PlaneIndex(NamedTuple):
    """A plane of an image; all three count from 0."""

    z: int
    c: int
    t: int


class Region(NamedTuple):
    """A rectangle of pixels in a plane, in pixels of its resolution level; ``x`` and ``y`` count from 0."""

    x: int
    y: int
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X), as numpy has it."""
        return (self.height, self.width)

    def intersection(self, other: Region) -> Region | None:
        """Return what both cover, or None where they do not meet."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = min(self.x + self.width, other.x + other.width) - x
        height = min(self.y + self.height, other.y + other.height) - y
        return Region(x, y, width, height) if width > 0 and height > 0 else None

    def contains(self, other: Region) -> bool:
        """Whether the other rectangle lies wholly in this one."""
        return self.intersection(other) == other
