"""Loading cells: each is read once however many ask for it, neighbours are read together."""

from __future__ import annotations

import contextlib
import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ReadError
from ij_omero.pixels import PlaneSequence

from ._budget import process_budget
from ._digest import digest_of
from ._entry import Entry
from ._reading import Flight, PlannedBlock, blocks_of, read_blocks
from ._scans import Scans
from ._strides import Strides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from ij_omero.model import PlaneIndex, Region
    from ij_omero.pixels import PixelSource

    from ._edit_store import EditStore
    from ._entry import ForeignCells
    from ._grid import CellGrid
    from ._memory import CellMemory
    from ._prefetch import Prefetcher
    from ._reading import Block
    from ._residents import Residents
    from ._scans import Window

REWRITTEN = -1
"""The digest of a cell that was written whole without reading the source: equal to no real one."""
_SCAN_REQUESTS = 4
"""Requests' sizes that a scan reads at once: at one, half of a server's time goes into the call itself."""
_FREE = 8
"""A source whose requests could be this much smaller than a cell costs so little that only another runtime gains."""
_SCAN_BYTES = 4 << 20
"""Bytes of the largest window, where requests are small: handing over to the background has its price too."""


class CellLoader:
    """Brings cells into memory, from the edits on disk where there are any, else from the source.

    Several threads that miss the same cell make one read and share its outcome, an error too; the next to ask tries
    afresh. Nobody waits for a cell that it did not ask for. Where cells are asked for in their order, those that
    follow are read ahead in the background, and given to another runtime that asks for them.
    """

    def __init__(
        self,
        source: PixelSource,
        grid: CellGrid,
        level: int,
        residents: Residents,
        edits: EditStore,
        memory: CellMemory,
        prefetcher: Prefetcher,
    ) -> None:
        self.reads = 0
        self.window_starts: set[int] = set()
        """Cells whose touch is told to `touched`, since more is to be read ahead then."""
        self._source = source
        self._grid = grid
        self._level = level
        self._residents = residents
        self._edits = edits
        self._total = len(grid)
        self._entries = residents.entries
        self._dtype = source.description.pixel_type.dtype
        self._cell_bytes = grid.cell_width * grid.cell_height * self._dtype.itemsize
        self._memory = memory
        self._prefetcher = prefetcher
        self._flights: dict[int, Flight] = {}
        self._planned: dict[int, PlannedBlock] = {}
        self._lock = threading.Lock()
        self._closed = False
        hints = source.hints
        request = hints.request_bytes // self._cell_bytes
        self._costs_nothing = _FREE * hints.request_bytes <= self._cell_bytes
        largest = max(_SCAN_REQUESTS * hints.request_bytes, _SCAN_BYTES) // self._cell_bytes
        self._scans = Scans(grid, request, largest, max(hints.parallel, 1) + 1, self._room_ahead)
        self.joins_planes = request > 1 and isinstance(source, PlaneSequence)
        """Whether cells of several planes are read together."""
        most = max(_SCAN_REQUESTS * request, 2)
        self._strides = Strides(grid, request, most, self._room_ahead) if self.joins_planes else None
        self._scan_request = self._scans.largest * self._cell_bytes if request > 1 else hints.request_bytes

    def close(self) -> None:
        """Load nothing any more; what is under way is not kept."""
        with self._lock:
            self._closed = True

    def check_open(self) -> None:
        """Raise ReadError after `close`."""
        if self._closed:
            raise ReadError(f"the image {self._source.description.name!r} was closed; open it again")

    def load(self, index: int, face: ForeignCells | None = None) -> Entry:
        """Return a cell, loaded where it is not in memory.

        Parameters
        ----------
        index
            The cell's number.
        face
            The other runtime that asks, where one does: what is read is at home there from the start.
        """
        if not 0 <= index < self._total:
            self._grid.locate(index)  # raises
        if self._strides is not None:
            self._load_ahead([index], face)
        return self._load(index, face, follow=True)

    def create(self, index: int, pixels: npt.NDArray[Any]) -> bool:
        """Make a cell of pixels that are written to all of it, without reading it; False where there is one already."""
        with self._lock:
            self.check_open()
            if index in self._entries or index in self._flights:
                return False
            flight = self._announce([index])
        self._fly(flight, [index], whole=pixels)
        return True

    def load_all(self, wanted: list[int]) -> list[Entry]:
        """Return cells of one plane, in ascending order, reading those that are missing together."""
        missing = [index for index in wanted if index not in self._entries]
        if self._strides is not None and len(missing) == len(wanted) and self._load_ahead(missing, None):
            missing = []
        if missing:
            with self._lock:
                blocks = self._plan(missing, self._source.hints.request_bytes, None)
            self._begin([[block] for block in blocks[1:]])
        found = []
        for index in wanted:
            entry = self._entries.get(index) or self._load(index)
            entry.used = True
            found.append(entry)
        return found

    def touched(self, first: int, last: int, face: ForeignCells | None = None) -> None:
        """Tell that a run of cells was asked for, and begin to read what probably comes next."""
        if face is None and self._costs_nothing:
            return
        with self._lock:
            self.window_starts.difference_update(range(first, last + 1))
            windows = self._windows(self._scans.touched(first, last), face)
        self._begin(windows)

    def is_news(self, cells: list[int]) -> bool:
        """Tell whether `touched` should know of these cells: one is missing, or a window begins with it."""
        return any(index not in self._entries or index in self.window_starts for index in cells)

    def blocks(self, cells: list[int]) -> list[list[int]]:
        """Join those cells that must come from the source to blocks for `load_block`."""
        edited = self._edits.digests
        apart = [index for index in cells if index not in edited and index not in self._entries]
        return [block.cells(self._grid) for block in self._joined(apart, self._source.hints.request_bytes)]

    def load_block(self, cells: list[int]) -> None:
        """Read the cells of a block in one request, unless somebody has or reads one of them by now."""
        with self._lock:
            self.check_open()
            edited = self._edits.digests
            if any(index in self._entries or index in self._flights or index in edited for index in cells):
                return
            flight = self._announce(cells)
        self._fly(flight, cells)

    def load_window(self, blocks: list[PlannedBlock]) -> None:
        """Load blocks that were planned, those that nobody came for and began to load meanwhile."""
        for block in blocks:
            with self._lock:
                if self._closed or self._prefetcher.stopped:
                    return
                if self._planned.get(block.cells[0]) is not block:
                    continue
                flight = self._announce(block.cells)
            self._fly(flight, block.cells, quiet=True, face=block.face)

    def load_planes(self, planes: Iterable[Sequence[int]], face: ForeignCells | None = None) -> bool:
        """Read the same cells of several planes together, ascending; not those of which some are there or on their way.

        Whoever asks for a cell that could not be read reads it again. Tells whether something was read.
        """
        with self._lock:
            self.check_open()
            known = (self._entries, self._flights, self._planned, self._edits.digests)
            free = [cells for cells in planes if not any(index in one for one in known for index in cells)]
            if len(free) < 2:
                return False
            together = sorted(set(itertools.chain.from_iterable(free)))
            flight = self._announce(together)
        with contextlib.suppress(OSError):
            self._fly(flight, together, quiet=True, face=face)
        return True

    def _load_ahead(self, cells: list[int], face: ForeignCells | None) -> bool:
        """Read missing cells with those of further planes where somebody is on a way through the planes."""
        if self._strides is None or cells[0] in self._planned:
            return False
        ahead = self._strides.missed(cells[0], len(cells))
        return ahead is not None and self.load_planes(
            ([index + first - cells[0] for index in cells] for first in ahead), face
        )

    def store_soon(self) -> None:
        """Have edits of the cells that are the next to leave stored in the background."""
        self._prefetcher.start(weakref.WeakMethod(self._store_oldest), [None])

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

    def _load(
        self,
        index: int,
        face: ForeignCells | None = None,
        *,
        follow: bool = False,
        alone: bool = False,
    ) -> Entry:
        """Load a cell, with the block that was planned for it; with `follow`, plan what probably comes next."""
        while True:
            if follow and index in self.window_starts:
                self.touched(index, index, face)
            windows: list[list[PlannedBlock]] = []
            with self._lock:
                entry = self._entries.get(index)
                if entry is not None:
                    return entry
                if self._closed:
                    self.check_open()
                flight = self._flights.get(index)
                if flight is None:
                    if follow and index not in self._planned and (face is not None or not self._costs_nothing):
                        windows = self._follow(index, face)
                    block = None if alone else self._planned.get(index)
                    cells = [index] if block is None else block.cells
                    own = self._announce(cells)
            if flight is None:
                break
            flight.wait()
        if windows:
            self._begin(windows)
        if len(cells) == 1:
            return self._fly(own, cells, face=face)[0]
        # a fault in a neighbour that nobody asked for must not reach who asked for this one
        with contextlib.suppress(OSError):
            return next(entry for entry in self._fly(own, cells, quiet=True, face=face) if entry.index == index)
        return self._load(index, face=face, alone=True)

    def _store_oldest(self, _: None) -> None:
        self._residents.store_oldest()

    # -- planning: the lock is held, except to begin -----------------------------------------------------------------

    def _follow(self, index: int, face: ForeignCells | None) -> list[list[PlannedBlock]]:
        windows = self._scans.touched(index, index)
        if windows and windows[0].first == index + 1:
            windows[0] = windows[0]._replace(first=index)
        return self._windows(windows, face)

    def _windows(self, windows: list[Window], face: ForeignCells | None) -> list[list[PlannedBlock]]:
        planned = []
        for first, end in windows:
            blocks = self._plan(range(first, end), self._scan_request, face)
            if blocks:
                planned.append(blocks)
                self.window_starts.add(blocks[0].cells[0])
        return planned

    def _plan(self, cells: Iterable[int], request: int, face: ForeignCells | None) -> list[PlannedBlock]:
        """Join the missing ones of ascending cells to blocks that whoever needs one first loads as a whole."""
        missing = [
            index
            for index in cells
            if index not in self._entries and index not in self._flights and index not in self._planned
        ]
        edited = self._edits.digests
        joined = [block.cells(self._grid) for block in self._joined([i for i in missing if i not in edited], request)]
        joined += [[index] for index in missing if index in edited]
        blocks = [PlannedBlock(numbers, face) for numbers in sorted(joined)]
        for block in blocks:
            self._planned.update(dict.fromkeys(block.cells, block))
        return blocks

    def _joined(self, cells: list[int], request: int) -> Iterator[Block]:
        return blocks_of(self._grid, cells, self._dtype.itemsize, min(request, self._residents.bound // 4))

    def _announce(self, cells: list[int]) -> Flight:
        flight = Flight()
        for index in cells:
            block = self._planned.get(index)
            if block is not None:
                for planned in block.cells:
                    self._planned.pop(planned, None)
            self._flights[index] = flight
        return flight

    def _begin(self, windows: list[list[PlannedBlock]]) -> None:
        if windows:
            self._prefetcher.start(weakref.WeakMethod(self.load_window), windows)

    def _room_ahead(self) -> int:
        bound = (
            self._residents.bound if process_budget.bound is None else min(self._residents.bound, process_budget.bound)
        )
        return bound // 8 // self._cell_bytes

    # -- loading -----------------------------------------------------------------------------------------------------

    def _fly(
        self,
        flight: Flight,
        cells: list[int],
        *,
        quiet: bool = False,
        whole: npt.NDArray[Any] | None = None,
        face: ForeignCells | None = None,
    ) -> list[Entry]:
        """Load cells whose flight is announced; all who wait get the error, or try themselves where it is `quiet`."""
        reserved = 0
        try:
            nbytes = len(cells) * self._cell_bytes
            self._residents.reserve(nbytes)
            reserved = nbytes
            entries, reads = self._fetch(cells, whole, face)
        except BaseException as error:
            self._residents.release(reserved)
            with self._lock:
                for index in cells:
                    del self._flights[index]
            flight.land(None if quiet else error)
            raise
        loaded = entries[0].nbytes if len(entries) == 1 else sum(entry.nbytes for entry in entries)
        self._residents.release(reserved - loaded)
        with self._lock:
            self.reads += reads
            if self._closed:
                self._residents.release(loaded)
            else:
                self._residents.add(entries)
            for index in cells:
                del self._flights[index]
        if face is not None and (quiet or len(cells) > 1):
            self._offer(entries)
        flight.land()
        return entries

    def _offer(self, entries: list[Entry]) -> None:
        """Have the other runtime find cells without asking, all but those whose touch is waited for."""
        for entry in entries:
            if entry.index not in self.window_starts:
                with entry.lock:
                    if entry.foreign is not None and not entry.gone and not entry.retired:
                        entry.foreign.hand_out()

    def _fetch(
        self, cells: list[int], whole: npt.NDArray[Any] | None, face: ForeignCells | None
    ) -> tuple[list[Entry], int]:
        """Return cells, and how many of them the source was asked for."""
        if len(cells) > 1:
            blocks = list(blocks_of(self._grid, cells, self._dtype.itemsize, len(cells) * self._cell_bytes))
            entries = []
            for index, plane, region, part in read_blocks(self._source, self._grid, self._level, blocks):
                pixels = self._empty(region, face)
                pixels[...] = part
                entries.append(self._entry(index, plane, region, pixels, None, face))
            return entries, len(entries)
        (index,) = cells
        plane, region = self._grid.locate(index)
        pixels = self._empty(region, face)
        digest = None
        if whole is not None:
            pixels[...] = whole
            entry = Entry(index, plane, region, pixels, REWRITTEN)
            entry.written = True
            return [entry], 0
        if index in self._edits.digests:
            digest = self._edits.get(index, pixels)
            return [self._entry(index, plane, region, pixels, digest, face)], 0
        self._source.read(plane, region, level=self._level, out=pixels)
        return [self._entry(index, plane, region, pixels, digest, face)], 1

    def _empty(self, region: Region, face: ForeignCells | None) -> npt.NDArray[Any]:
        return self._memory.empty(region.shape, self._dtype) if face is None else face.scratch(region.shape)

    def _entry(
        self,
        index: int,
        plane: PlaneIndex,
        region: Region,
        pixels: npt.NDArray[Any],
        digest: int | None,
        face: ForeignCells | None,
    ) -> Entry:
        if face is None:
            return Entry(index, plane, region, pixels, digest)
        entry = Entry(index, plane, region, pixels, digest_of(pixels, index) if digest is None else digest)
        entry.home = face.take(index, region, pixels)
        entry.written = True
        return entry
