"""Reading cells from a source: wanted neighbours in one request, cut up on this side."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ij_omero.pixels import PlaneSequence, UndecodedReads

from ._grid import slices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from ij_omero.model import PlaneIndex, Region
    from ij_omero.pixels import PixelSource

    from ._entry import ForeignCells
    from ._grid import CellGrid


class Flight:
    """A read under way that others wait for."""

    __slots__ = ("_landed", "error")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._landed = threading.Lock()
        self._landed.acquire()

    def land(self, error: BaseException | None = None) -> None:
        """Let all who wait go on; with an error, they get it."""
        self.error = error
        self._landed.release()

    def wait(self) -> None:
        """Wait until it landed; raises its error."""
        with self._landed:
            pass
        if self.error is not None:
            raise self.error


@dataclass(eq=False, frozen=True)
class PlannedBlock:
    """Cells that are to be read together, by whoever needs one of them or by the background, who comes first.

    Attributes
    ----------
    cells
        Numbers in ascending order: a block of one plane that comes from the source, or a single cell.
    face
        The other runtime at which they are to be at home.
    """

    cells: list[int]
    face: ForeignCells | None


class Block(NamedTuple):
    """A block of cells of one plane that is read in one request."""

    plane: PlaneIndex
    column: int
    row: int
    columns: int
    rows: int

    def cells(self, grid: CellGrid) -> list[int]:
        """Return the numbers of its cells, in their order."""
        first = grid.first_of(self.plane) + self.row * grid.columns + self.column
        return [first + row * grid.columns + column for row in range(self.rows) for column in range(self.columns)]


def blocks_of(grid: CellGrid, cells: Iterable[int], bytes_per_pixel: int, request_bytes: int) -> Iterator[Block]:
    """Join cells to blocks of about a request's size: runs of a row, then equal runs of following rows.

    Parameters
    ----------
    grid
        The cells.
    cells
        Numbers in ascending order.
    bytes_per_pixel, request_bytes
        A block has at least one cell, and beyond that not more than this many bytes.
    """
    cell_bytes = grid.cell_width * grid.cell_height * bytes_per_pixel
    most = max(request_bytes // cell_bytes, 1)
    grown: Block | None = None
    for plane, column, row, columns in _runs(grid, cells, most):
        if (
            grown is not None
            and (grown.plane, grown.column, grown.columns, grown.row + grown.rows) == (plane, column, columns, row)
            and (grown.rows + 1) * columns <= most
        ):
            grown = grown._replace(rows=grown.rows + 1)
            continue
        if grown is not None:
            yield grown
        grown = Block(plane, column, row, columns, 1)
    if grown is not None:
        yield grown


def _runs(grid: CellGrid, cells: Iterable[int], most: int) -> Iterator[tuple[PlaneIndex, int, int, int]]:
    start = previous = -2
    for index in [*cells, -2]:
        if index == previous + 1 and index % grid.columns and index - start < most:
            previous = index
            continue
        if start >= 0:
            plane, _ = grid.locate(start)
            row, column = divmod(start % grid.cells_per_plane, grid.columns)
            yield plane, column, row, previous - start + 1
        start = previous = index


def read_blocks(
    source: PixelSource, grid: CellGrid, level: int, blocks: Sequence[Block]
) -> Iterator[tuple[int, PlaneIndex, Region, npt.NDArray[Any]]]:
    """Read a block, or the same one of several planes; yields (number, plane, region, pixels) for each of the cells."""
    first = blocks[0]
    bounds = grid.rectangle(first.column, first.row, first.columns, first.rows)
    if len(blocks) > 1 and isinstance(source, PlaneSequence):
        pixels = list(np.empty((len(blocks), *bounds.shape), source.description.pixel_type.dtype))
        source.read_planes([block.plane for block in blocks], bounds, level=level, out=pixels)
    else:
        # every cell is copied out of it, so that its bytes may be turned then
        read = source.read_undecoded if isinstance(source, UndecodedReads) else source.read
        pixels = [read(block.plane, bounds, level=level) for block in blocks]
    for block, whole in zip(blocks, pixels, strict=True):
        for index in block.cells(grid):
            _, region = grid.locate(index)
            yield index, block.plane, region, whole[slices(region, bounds)]
