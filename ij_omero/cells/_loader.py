"""Loading cells: each is read once however many ask for it, neighbours are read together."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ReadError

from ._entry import Entry
from ._reading import Flight, blocks_of, read_block

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from ij_omero.pixels import PixelSource

    from ._edit_store import EditStore
    from ._grid import CellGrid
    from ._memory import CellMemory
    from ._residents import Residents

REWRITTEN = -1
"""The digest of a cell that was written whole without reading the source: equal to no real one."""


class CellLoader:
    """Brings cells into memory, from the edits on disk where there are any, else from the source.

    Several threads that miss the same cell make one read and share its outcome, an error too; the next to ask tries
    afresh. Nobody waits for a cell that it did not ask for.
    """

    def __init__(
        self,
        source: PixelSource,
        grid: CellGrid,
        level: int,
        residents: Residents,
        edits: EditStore,
        memory: CellMemory,
    ) -> None:
        self.reads = 0
        self._source = source
        self._grid = grid
        self._level = level
        self._residents = residents
        self._edits = edits
        self._entries = residents.entries
        self._dtype = source.description.pixel_type.dtype
        self._cell_bytes = grid.cell_width * grid.cell_height * self._dtype.itemsize
        self._memory = memory
        self._flights: dict[int, Flight] = {}
        self._lock = threading.Lock()
        self._last_miss = -2
        self._closed = False

    def close(self) -> None:
        """Load nothing any more; what is under way is not kept."""
        with self._lock:
            self._closed = True

    def check_open(self) -> None:
        """Raise ReadError after `close`."""
        if self._closed:
            raise ReadError(f"the image {self._source.description.name!r} was closed; open it again")

    def load(self, index: int, whole: npt.NDArray[Any] | None = None) -> Entry:
        """Return a cell, loaded where it is not in memory.

        Parameters
        ----------
        index
            The cell's number.
        whole
            Its pixels, where they need not be read since all of them are about to be written.
        """
        if not 0 <= index < len(self._grid):
            self._grid.locate(index)  # raises
        while True:
            with self._lock:
                entry = self._entries.get(index)
                if entry is not None:
                    return entry
                self.check_open()
                flight = self._flights.get(index)
                if flight is None:
                    cells = [index] if whole is not None else self._with_followers(index)
                    flight = Flight()
                    self._flights.update(dict.fromkeys(cells, flight))
                    break
            flight.wait()
        if len(cells) > 1:
            # a fault in a neighbour that nobody asked for must not reach who asked for this one
            with contextlib.suppress(OSError):
                return self._fly(flight, cells, quiet=True)[0]
            return self.load(index)
        return self._fly(flight, cells, whole=whole)[0]

    def load_all(self, wanted: list[int]) -> list[Entry]:
        """Return cells of one plane, in ascending order, reading those that are missing together."""
        found = {}
        missing = []
        for index in wanted:
            entry = self._entries.get(index)
            if entry is None:
                missing.append(index)
            else:
                entry.used = True
                found[index] = entry
        if len(missing) > 1:
            for cells in self.blocks(missing):
                for entry in self.load_block(cells):
                    found[entry.index] = entry
        for index in missing:
            if index not in found:
                found[index] = self.load(index)
        return [found[index] for index in wanted]

    def blocks(self, cells: list[int]) -> list[list[int]]:
        """Join those cells that must come from the source to blocks for `load_block`."""
        edited = self._edits.digests
        apart = [index for index in cells if index not in edited and index not in self._entries]
        request = min(self._source.hints.request_bytes, self._residents.bound // 4)
        return [block.cells(self._grid) for block in blocks_of(self._grid, apart, self._dtype.itemsize, request)]

    def load_block(self, cells: list[int]) -> list[Entry]:
        """Read the cells of a block in one request, unless somebody has or reads one of them by now."""
        with self._lock:
            self.check_open()
            edited = self._edits.digests
            if any(index in self._entries or index in self._flights or index in edited for index in cells):
                return []
            flight = Flight()
            self._flights.update(dict.fromkeys(cells, flight))
        return self._fly(flight, cells)

    def when_settled(self, index: int, work: Callable[[Entry | None], bool]) -> None:
        """Call `work` with a cell (None where it is not in memory) while nobody is loading it, until it is content."""
        while True:
            with self._lock:
                flight = self._flights.get(index)
                entry = self._entries.get(index)
                if flight is None and entry is None:
                    # under the lock, so that nobody begins to load it meanwhile
                    if work(None):
                        return
                    continue
            if entry is not None:
                if work(entry):
                    return
            elif flight is not None:
                with contextlib.suppress(Exception):  # it reaches those who asked for the pixels
                    flight.wait()

    def _with_followers(self, index: int) -> list[int]:
        """Return the cells to read with a missing one: those that follow it, where misses come in order."""
        in_order = index == self._last_miss + 1
        self._last_miss = index
        edited = self._edits.digests
        if not in_order or index in edited:
            return [index]
        most = min(self._source.hints.request_bytes, self._residents.bound // 8) // self._cell_bytes
        end = min(index + max(most, 1), index - index % self._grid.columns + self._grid.columns)
        cells = [index]
        for following in range(index + 1, end):
            if following in self._entries or following in self._flights or following in edited:
                break
            cells.append(following)
        self._last_miss = cells[-1]
        return cells

    def _fly(
        self,
        flight: Flight,
        cells: list[int],
        *,
        quiet: bool = False,
        whole: npt.NDArray[Any] | None = None,
    ) -> list[Entry]:
        """Load cells whose flight is announced; all who wait get the error, or try themselves where it is `quiet`."""
        reserved = 0
        try:
            nbytes = len(cells) * self._cell_bytes
            self._residents.reserve(nbytes)
            reserved = nbytes
            entries = self._fetch(cells, whole)
        except BaseException as error:
            self._residents.release(reserved)
            with self._lock:
                for index in cells:
                    del self._flights[index]
            flight.land(None if quiet else error)
            raise
        loaded = sum(entry.nbytes for entry in entries)
        self._residents.release(reserved - loaded)
        with self._lock:
            if self._closed:
                self._residents.release(loaded)
            else:
                self._residents.add(entries)
            for index in cells:
                del self._flights[index]
        flight.land()
        return entries

    def _fetch(self, cells: list[int], whole: npt.NDArray[Any] | None) -> list[Entry]:
        index = cells[0]
        plane, region = self._grid.locate(index)
        if len(cells) == 1:
            pixels = self._memory.empty(region.shape, self._dtype)
            digest = None
            if whole is not None:
                pixels[...] = whole
                digest = REWRITTEN
            elif index in self._edits.digests:
                digest = self._edits.get(index, pixels)
            else:
                self._source.read(plane, region, level=self._level, out=pixels)
                self.reads += 1
            return [Entry(index, plane, region, pixels, digest)]
        (block,) = blocks_of(self._grid, cells, self._dtype.itemsize, len(cells) * self._cell_bytes)
        read = read_block(self._source, self._grid, self._level, block, self._memory)
        self.reads += len(cells)
        return [Entry(number, plane, bounds, pixels, None) for number, bounds, pixels in read]
