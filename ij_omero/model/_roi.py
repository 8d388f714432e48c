"""Regions of interest with the shapes of the OME model (OME-XML schema 2016-06, ROI).

Coordinates are in pixels, with (0, 0) at the upper left corner of the upper left pixel. Positions ``z``, ``c`` and
``t`` count from 0; None means all of them. Colours are (red, green, blue, alpha), each 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ij_omero.errors import InvalidInputError


class AffineTransform(NamedTuple):
    """x' = a00 x + a01 y + a02, y' = a10 x + a11 y + a12 (OME's AffineTransform)."""

    a00: float = 1.0
    a01: float = 0.0
    a02: float = 0.0
    a10: float = 0.0
    a11: float = 1.0
    a12: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _ShapeAttributes:
    """What all shapes have."""

    z: int | None = None
    c: int | None = None
    t: int | None = None
    text: str | None = None
    stroke_color: tuple[int, int, int, int] | None = None
    fill_color: tuple[int, int, int, int] | None = None
    stroke_width: float | None = None
    font_size: float | None = None
    transform: AffineTransform | None = None
    shape_id: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Rectangle(_ShapeAttributes):
    """A rectangle by its upper left corner and size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Ellipse(_ShapeAttributes):
    """An ellipse by its centre and radii."""

    x: float
    y: float
    radius_x: float
    radius_y: float


@dataclass(frozen=True)
class Line(_ShapeAttributes):
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Point(_ShapeAttributes):
    """A point."""

    x: float
    y: float


@dataclass(frozen=True)
class Polygon(_ShapeAttributes):
    """A closed polygon; the last point joins the first."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Polyline(_ShapeAttributes):
    """An open line through points."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Label(_ShapeAttributes):
    """Text at a place; the words are in ``text``."""

    x: float
    y: float


@dataclass(frozen=True, eq=False)
class Mask(_ShapeAttributes):
    """A bitmap placed with its upper left corner at (x, y); ``bits`` is a bool array of (Y, X)."""

    x: float
    y: float
    bits: npt.NDArray[np.bool_] = field(repr=False)

    def __post_init__(self) -> None:
        """Check the bitmap."""
        bits = np.asarray(self.bits)
        if bits.ndim != 2 or bits.size == 0:
            raise InvalidInputError(
                f"a mask needs a 2-D bitmap with at least one pixel; this one has shape {bits.shape}"
            )
        object.__setattr__(self, "bits", bits.astype(bool, copy=False))

    @property
    def width(self) -> int:
        """Columns of the bitmap."""
        return int(self.bits.shape[1])

    @property
    def height(self) -> int:
        """Rows of the bitmap."""
        return int(self.bits.shape[0])

    def __eq__(self, other: object) -> bool:
        """Compare all but the ids."""
        if not isinstance(other, Mask):
            return NotImplemented
        compared = [each.name for each in fields(self) if each.compare and each.name != "bits"]
        same = all(getattr(self, name) == getattr(other, name) for name in compared)
        return same and np.array_equal(self.bits, other.bits)

    def __hash__(self) -> int:
        """Hash what is compared, save the bitmap's content."""
        return hash((self.x, self.y, self.z, self.c, self.t, self.bits.shape))


Shape: TypeAlias = Rectangle | Ellipse | Line | Point | Polygon | Polyline | Label | Mask


@dataclass(frozen=True)
class Roi:
    """One region of interest: a name and one or more shapes."""

    shapes: tuple[Shape, ...]
    name: str | None = None
    description: str | None = None
    roi_id: int | str | None = field(default=None, compare=False)
