"""Noticing that the same cell of plane after plane is asked for: a small region through z, one channel of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._grid import CellGrid

_MOST_SEEN = 256
"""Cells that are remembered: as many as a region of a plane may have for its way through the planes to be noticed."""


class _Run(NamedTuple):
    """A way through the planes: cells from one to the next, planes along the axis, planes to read at once."""

    step: int
    length: int
    planes: int


class Strides:
    """Follows ways along z, channels or time, and tells which cells of further planes to read with a missing one.

    Three cells one behind the other begin one, as with `Scans`. What is read at once doubles.

    Parameters
    ----------
    grid
        The cells.
    smallest, largest
        Cells to read at once, at first and at most.
    room
        Tells how many cells may be read ahead at this moment.
    """

    def __init__(self, grid: CellGrid, smallest: int, largest: int, room: Callable[[], int]) -> None:
        self._axes: list[tuple[int, int]] = []
        step = grid.cells_per_plane
        for length in (grid.size_c, grid.size_z, grid.size_t):
            if length > 2 and step > 1:  # a step of one is in the cells' order, which `Scans` follows
                self._axes.append((step, length))
            step *= length
        self._smallest = max(smallest, 2)
        self._largest = max(largest, self._smallest)
        self._room = room
        self._seen: dict[int, None] = {}
        self._expected: dict[int, _Run] = {}

    def missed(self, index: int, width: int = 1) -> range | None:
        """Tell that a cell is asked for that is missing; returns cells of its way to read together, it first.

        Parameters
        ----------
        index
            The cell, the first of those of its plane that are asked for together.
        width
            How many these are.
        """
        run = self._expected.pop(index, None)
        if run is None:
            for step, length in self._axes:
                if index - step in self._seen and index // step % length:
                    _remember(self._expected, index + step, _Run(step, length, self._smallest))
            _remember(self._seen, index, None)
            return None
        left = run.length - index // run.step % run.length
        planes = min(run.planes, left, min(self._largest, self._room()) // width)
        if planes < 2:
            return None
        end = index + planes * run.step
        if planes < left:
            _remember(self._expected, end, run._replace(planes=2 * run.planes))
        return range(index, end, run.step)


def _remember(known: dict[int, Any], index: int, what: Any) -> None:
    known[index] = what
    while len(known) > _MOST_SEEN:
        known.pop(next(iter(known)), None)
