"""Noticing that cells are asked for in their order, and which of them to read before they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._grid import CellGrid

_MOST_SCANS = 8
"""Threads of one program that each run through a part of an image; more are forgotten, the oldest first."""

_CERTAIN = 2
"""Steps from a cell to its successor that make a scan; from a run of cells to the next one counts as many."""


class Window(NamedTuple):
    """Cells to be loaded by one background task; touching the first of them is told to `Scans.touched`."""

    first: int
    end: int


class _Scan:
    """One run through cells in their order: from `seen` to `end` they are loaded or on their way."""

    __slots__ = ("end", "seen", "size", "starts", "steps")

    def __init__(self, seen: int) -> None:
        self.seen = seen
        self.end = seen + 1
        self.size = 0
        self.steps = 0
        self.starts: list[int] = []


class Scans:
    """Follows several runs through the cells of one image.

    Three cells touched one after the other begin a scan, or two runs of several: two cells follow each other by chance
    where few are asked for in no order. Its windows double from one request's size to the largest that pays, so that
    a short scan reads little that nobody asked for.

    Parameters
    ----------
    grid
        The cells.
    smallest, largest
        Cells in the first and in the largest window.
    windows
        How many windows to keep ahead of who asks.
    room
        Tells how many cells all scans together may have ahead at this moment.
    """

    def __init__(self, grid: CellGrid, smallest: int, largest: int, windows: int, room: Callable[[], int]) -> None:
        self._grid = grid
        self._count = len(grid)
        self._smallest = max(smallest, 1)
        self.largest = max(largest, self._smallest)
        """Cells of the largest window; a whole plane where that is not much larger."""
        if grid.cells_per_plane <= 2 * self.largest:
            self.largest = max(self.largest, grid.cells_per_plane)
        self._windows = windows
        self._room = room
        self._scans: list[_Scan] = []

    def touched(self, first: int, last: int) -> list[Window]:
        """Tell that cells were asked for that are missing, or begin a window; returns what to load now.

        Parameters
        ----------
        first, last
            The first and the last of a run of cells.
        """
        scan = next((scan for scan in self._scans if scan.seen < first <= scan.end), None)
        if scan is None:
            self._scans.append(_Scan(last))
            del self._scans[:-_MOST_SCANS]
            return []
        self._scans.remove(scan)
        self._scans.append(scan)
        scan.seen = last
        scan.end = max(scan.end, last + 1)
        scan.steps += 1 if first == last else _CERTAIN
        if scan.steps < _CERTAIN:
            return []
        scan.size = min(max(2 * scan.size, self._smallest), self.largest)
        room = self._room() // sum(1 for one in self._scans if one.size)
        size = min(scan.size, room // 2)
        windows: list[Window] = []
        scan.starts = [start for start in scan.starts if start > last]
        while (
            size and scan.end < self._count and len(scan.starts) < self._windows and scan.end - last - 1 + size <= room
        ):
            end = min(self._aligned(scan.end, size), self._count)
            windows.append(Window(scan.end, end))
            scan.starts.append(scan.end)
            scan.end = end
        return windows

    def _aligned(self, first: int, size: int) -> int:
        """Return where a window of about this size ends: with planes where it holds some, else with a row of cells."""
        per_plane, columns = self._grid.cells_per_plane, self._grid.columns
        plane_end = first - first % per_plane + per_plane
        end = first + size
        if end >= plane_end:
            return max(end - end % per_plane, plane_end)
        if 2 * (plane_end - end) < size:
            return plane_end
        row_end = end - end % per_plane % columns
        return row_end if row_end > first else end
