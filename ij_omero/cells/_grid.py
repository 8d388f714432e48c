"""The grid of cells over one resolution level of an image."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError
from ij_omero.model import PlaneIndex, Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.model import ImageDescription, ResolutionLevel

LARGEST_CELL_BYTES = 1 << 20
SMALLEST_CELL_BYTES = 128 << 10


@dataclass(frozen=True)
class CellGrid:
    """Cells of one resolution level, each a rectangle of one plane.

    Cells are numbered as imglib2 does on an image with the axes X, Y, C, Z, T: column fastest, then row, channel,
    z-section and timepoint. Cells at the right and bottom edges are clipped.

    Parameters
    ----------
    width, height
        The level's size in pixels.
    size_c, size_z, size_t
        Channels, z-sections, timepoints.
    cell_width, cell_height
        The size of a cell that is not clipped.
    """

    width: int
    height: int
    size_c: int
    size_z: int
    size_t: int
    cell_width: int
    cell_height: int

    def __post_init__(self) -> None:
        """Check the sizes."""
        if min(self.dimensions) < 1 or min(self.cell_dimensions) < 1:
            raise InvalidInputError(
                f"a cell grid needs sizes of at least 1, not {self.dimensions} in {self.cell_dimensions}"
            )

    @classmethod
    def over(
        cls, description: ImageDescription, level: ResolutionLevel, cell_shape: tuple[int, int] | None = None
    ) -> CellGrid:
        """Lay a grid over a level whose cells follow the tiles of its source.

        Tiles above 1 MiB are halved (a multiple of cells still makes a tile), tiles below 128 KiB are doubled, and no
        cell is larger than its plane.

        Parameters
        ----------
        description
            The image.
        level
            One of its resolution levels.
        cell_shape
            (Y, X) of a cell, to choose another than the source's.
        """
        if cell_shape is None:
            cell_shape = _follow_tiles(level, description.pixel_type.bytes_per_pixel)
        height, width = cell_shape
        return cls(
            level.width,
            level.height,
            description.size_c,
            description.size_z,
            description.size_t,
            min(width, level.width),
            min(height, level.height),
        )

    @property
    def dimensions(self) -> tuple[int, int, int, int, int]:
        """The level's size (X, Y, C, Z, T)."""
        return (self.width, self.height, self.size_c, self.size_z, self.size_t)

    @property
    def cell_dimensions(self) -> tuple[int, int, int, int, int]:
        """A cell's size (X, Y, C, Z, T)."""
        return (self.cell_width, self.cell_height, 1, 1, 1)

    @functools.cached_property
    def columns(self) -> int:
        """Cells across a plane."""
        return -(-self.width // self.cell_width)

    @functools.cached_property
    def rows(self) -> int:
        """Cells down a plane."""
        return -(-self.height // self.cell_height)

    @functools.cached_property
    def cells_per_plane(self) -> int:
        """Cells in one plane."""
        return self.columns * self.rows

    @functools.cached_property
    def _count(self) -> int:
        return self.cells_per_plane * self.size_c * self.size_z * self.size_t

    def __len__(self) -> int:
        """Return how many cells there are."""
        return self._count

    def first_of(self, plane: PlaneIndex) -> int:
        """Return the number of a plane's first cell."""
        return ((plane.t * self.size_z + plane.z) * self.size_c + plane.c) * self.cells_per_plane

    def locate(self, index: int) -> tuple[PlaneIndex, Region]:
        """Return the plane and the rectangle of a cell.

        Raises
        ------
        InvalidInputError
            There is no cell of this number.
        """
        if not 0 <= index < self._count:
            raise InvalidInputError(f"cell {index} does not exist; the image has cells 0 to {len(self) - 1}")
        plane, within = divmod(index, self.cells_per_plane)
        row, column = divmod(within, self.columns)
        plane, c = divmod(plane, self.size_c)
        t, z = divmod(plane, self.size_z)
        return PlaneIndex(z, c, t), self.rectangle(column, row)

    def rectangle(self, column: int, row: int, columns: int = 1, rows: int = 1) -> Region:
        """Return what a block of cells of a plane covers, clipped to the plane."""
        x, y = column * self.cell_width, row * self.cell_height
        return Region(
            x,
            y,
            min(columns * self.cell_width, self.width - x),
            min(rows * self.cell_height, self.height - y),
        )

    def covering(self, region: Region) -> tuple[range, range]:
        """Return the columns and the rows of cells that a region of a plane touches."""
        return (
            range(region.x // self.cell_width, -(-(region.x + region.width) // self.cell_width)),
            range(region.y // self.cell_height, -(-(region.y + region.height) // self.cell_height)),
        )

    def cells_in(self, plane: PlaneIndex, region: Region) -> Iterator[int]:
        """Yield the numbers of the cells that a region of a plane touches, in their order."""
        columns, rows = self.covering(region)
        first = self.first_of(plane)
        for row in rows:
            start = first + row * self.columns
            yield from range(start + columns.start, start + columns.stop)

    def to_json(self) -> dict[str, Any]:
        """Return what `CellGrid(**...)` takes."""
        return asdict(self)


def overlap(one: Region, other: Region) -> Region:
    """Return what two rectangles that meet both cover."""
    x, y = max(one.x, other.x), max(one.y, other.y)
    right, bottom = min(one.x + one.width, other.x + other.width), min(one.y + one.height, other.y + other.height)
    return Region(x, y, right - x, bottom - y)


def slices(part: Region, of: Region) -> tuple[slice, slice]:
    """Return where a part of a rectangle lies in its (Y, X) array."""
    x, y = part.x - of.x, part.y - of.y
    return slice(y, y + part.height), slice(x, x + part.width)


def _follow_tiles(level: ResolutionLevel, bytes_per_pixel: int) -> tuple[int, int]:
    width, height = min(level.tile_width, level.width), min(level.tile_height, level.height)
    while width * height * bytes_per_pixel > LARGEST_CELL_BYTES and width * height > 1:
        if width > height:
            width = -(-width // 2)
        else:
            height = -(-height // 2)
    while width * height * bytes_per_pixel < SMALLEST_CELL_BYTES and (width < level.width or height < level.height):
        if width < level.width and (width <= height or height >= level.height):
            width = min(width * 2, level.width)
        else:
            height = min(height * 2, level.height)
    return height, width
