"""The cell cache: pixels of any source, read when touched, edited in place, bounded in memory, safe on disk."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, ReadError, StorageError
from ij_omero.model import Region
from ij_omero.pixels import check_request

from ._autosave import autosaver
from ._budget import process_budget
from ._digest import digest_of
from ._entry import Entry
from ._folder import EditFolder, edits_dir
from ._grid import CellGrid
from ._prefetch import Prefetcher
from ._reading import Flight, blocks_of, read_block
from ._residents import Residents
from ._saved_view import SavedView
from ._spill import CellSpill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from typing_extensions import Self

    from ij_omero.model import ImageAddress, ImageDescription, PlaneIndex
    from ij_omero.pixels import PixelSource

    from ._entry import ForeignCells, ForeignHome
    from ._prefetch import Prefetch
    from ._residents import Edited

_log = logging.getLogger(__name__)
DEFAULT_BOUND = 512 << 20
AUTOSAVE_SECONDS = 5.0
_UNKNOWN = -1
"""The digest of a cell that was written whole without reading the source: equal to no real one."""


@dataclass(frozen=True)
class LoadStates:
    """How much of an image is loaded.

    Attributes
    ----------
    total
        Cells of the image.
    loaded
        Cells in memory.
    edited
        Cells whose pixels differ from the source's, as far as is known: in memory or on disk.
    spilled
        Cells whose edits are on disk.
    retired
        Cells that were evicted while Java might still hold them.
    reads
        Cells read from the source so far.
    nbytes, bound
        Bytes in memory, and how many there may be.
    """

    total: int
    loaded: int
    edited: int
    spilled: int
    retired: int
    reads: int
    nbytes: int
    bound: int


class CellCache:
    """The pixels of one resolution level as cells, read when they are touched, and edited in place.

    Reading and writing is allowed from any thread. Edits are found by content. An edited cell that leaves memory, or
    that an autosave finds, is kept in a private folder, and preferred over the source from then on; it survives the
    death of the process, see `list_edits`.

    Parameters
    ----------
    source
        Where pixels come from; closed with the cache.
    level
        The resolution level, 0 is full size.
    bound
        Bytes of cells in memory. Cells that are being loaded, or that somebody works on, may exceed it.
    spill
        The folder below which edits are kept; None is `edits_dir()`. Nothing is made there before the first edit.
    cell_shape
        (Y, X) of a cell; None follows the source's tiles.
    autosave
        Seconds between two looks for edits that are only in memory; None for none.
    address
        The image's address, by which its edits can be recovered.
    spill_limit
        Bytes of edits on disk; None is as many as fit.

    Raises
    ------
    InvalidInputError
        The level does not exist, or an argument is out of its range.

    Examples
    --------
    >>> with CellCache(store.open(3)) as cells:  # doctest: +SKIP
    ...     corner = cells.read(PlaneIndex(0, 0, 0), Region(0, 0, 64, 64))
    """

    def __init__(
        self,
        source: PixelSource,
        *,
        level: int = 0,
        bound: int = DEFAULT_BOUND,
        spill: Path | None = None,
        cell_shape: tuple[int, int] | None = None,
        autosave: float | None = AUTOSAVE_SECONDS,
        address: ImageAddress | str | None = None,
        spill_limit: int | None = None,
    ) -> None:
        if not 0 <= level < len(source.levels):
            raise InvalidInputError(
                f"resolution level {level} does not exist; the image has levels 0 to {len(source.levels) - 1}"
            )
        if bound < 1 or (autosave is not None and autosave <= 0):
            raise InvalidInputError("the bound and the seconds between autosaves must be above 0")
        self._source = source
        self._level = level
        self._dtype = source.description.pixel_type.dtype
        self._grid = CellGrid.over(source.description, source.levels[level], cell_shape)
        self._spill_root = spill if spill is not None else edits_dir()
        self._spill_limit = spill_limit
        self._spill: CellSpill | None = None
        self._spill_opening = threading.Lock()
        self._address = None if address is None else str(address)
        self._residents = Residents(bound, self._dtype, self._store_edited)
        self._entries = self._residents.entries
        self._flights: dict[int, Flight] = {}
        self._lock = threading.Lock()
        self._reads = 0
        self._last_miss = -2
        self._saved: dict[int, int] = {}
        self._closed = False
        self._prefetcher = Prefetcher(weakref.WeakMethod(self._prefetch_block), source.hints.parallel)
        process_budget.add(self._residents)
        if autosave is not None:
            autosaver.add(self, autosave)
        _open_caches.add(self)

    @classmethod
    def reopen(cls, source: PixelSource, folder: EditFolder, **options: Any) -> Self:
        """Open a source with the edits of an earlier session; see `recover_edits`."""
        grid, description = folder.info.grid, source.description
        cache = cls(
            source,
            level=folder.info.level,
            cell_shape=(grid.cell_height, grid.cell_width),
            address=folder.info.address,
            **options,
        )
        if cache._grid != grid or folder.info.dtype != cache._dtype.str:
            cache._spill_root = folder.path.parent
            cache.close()
            folder.close()
            raise InvalidInputError(
                f"the edits {folder.info.edit_id} are of {folder.info.dtype} pixels in {grid.dimensions} (X, Y, C, Z, T),"
                f" but {description.name!r} has {cache._dtype.str} in {cache._grid.dimensions}: not the same image"
            )
        cache._spill_root = folder.path.parent
        try:
            cache._spill = CellSpill(folder, limit=cache._spill_limit)
        except BaseException:
            folder.close()
            cache.close()
            raise
        return cache

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def description(self) -> ImageDescription:
        """What the image is, as its source tells."""
        return self._source.description

    @property
    def source(self) -> PixelSource:
        """Where unedited pixels come from."""
        return self._source

    @property
    def level(self) -> int:
        """The resolution level; 0 is full size."""
        return self._level

    @property
    def grid(self) -> CellGrid:
        """The cells."""
        return self._grid

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' numpy type."""
        return self._dtype

    @property
    def address(self) -> str | None:
        """The image's address, where it was given one."""
        return self._address

    @property
    def edit_id(self) -> str | None:
        """The name of its edits on disk; None before the first."""
        return None if self._spill is None else self._spill.folder.info.edit_id

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def bound(self) -> int:
        """Bytes of cells in memory; setting it lower lets cells go at once."""
        return self._residents.bound

    @bound.setter
    def bound(self, nbytes: int) -> None:
        if nbytes < 1:
            raise InvalidInputError("the bound must be above 0")
        self._residents.bound = nbytes
        self._residents.shrink()

    @property
    def load_states(self) -> LoadStates:
        """How much is loaded and edited; looks at the pixels of every cell that can have been written to."""
        spilled = set() if self._spill is None else set(self._spill.digests)
        return LoadStates(
            total=len(self._grid),
            loaded=len(self._entries),
            edited=len(spilled | self._unsaved().keys()),
            spilled=len(spilled),
            retired=self._residents.retired_count,
            reads=self._reads,
            nbytes=self._residents.nbytes,
            bound=self._residents.bound,
        )

    def __repr__(self) -> str:
        """Tell name, size and how much is loaded."""
        d = self.description
        return (
            f"<CellCache of {d.name!r}: {self._grid.dimensions} (X, Y, C, Z, T) {self._dtype.name}, "
            f"{len(self._entries)} of {len(self._grid)} cells loaded{', closed' if self._closed else ''}>"
        )

    # -- reading ---------------------------------------------------------------------------------------------------

    def cell(self, index: int) -> npt.NDArray[Any]:
        """Return a cell's pixels without copying them.

        The view is read-only and shows later writes as long as the cell stays in memory and Java has not asked for it;
        a cell that Java works on is copied. Whoever keeps the view keeps the memory, beyond the bound.

        Parameters
        ----------
        index
            The cell's number, see `CellGrid`.

        Returns
        -------
        ndarray
            (Y, X), read-only.

        Raises
        ------
        InvalidInputError
            There is no such cell.
        ReadError, ConnectionFailedError, CorruptedDataError, StorageError
            It could not be loaded; asking again tries again.
        """
        entry = self._entries.get(index)
        if entry is None:
            entry = self._load(index)
        entry.used = True
        pixels = entry.pixels
        view = entry.snapshot(self._dtype) if pixels is None else pixels.view()
        view.flags.writeable = False
        return view

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of a plane; cells that are missing are read together.

        Parameters
        ----------
        plane
            Which plane.
        region
            In pixels of the level; None is the whole plane.
        out
            A (Y, X) array of the region's shape and the image's dtype to read into.

        Returns
        -------
        ndarray
            (Y, X), the caller's own.
        """
        region = check_request(self.description, self._source.levels, plane, region, self._level, out)
        if out is None:
            out = np.empty(region.shape, self._dtype)
        wanted = list(self._grid.cells_in(plane, region))
        step = max(min(2 * self._source.hints.request_bytes, self._residents.bound // 8) // self._cell_bytes, 1)
        for start in range(0, len(wanted), step):
            for entry in self._load_all(wanted[start : start + step]):
                _copy_out(entry, region, out, self._dtype)
        return out

    def peek(self, index: int) -> npt.NDArray[Any] | None:
        """Return the pixels of a cell that is in memory or has edits on disk, else None; loads and evicts nothing.

        Returns
        -------
        ndarray or None
            (Y, X), not to be written to.
        """
        while True:
            entry = self._entries.get(index)
            if entry is not None:
                return entry.snapshot(self._dtype)
            spill = self._spill
            if spill is None or index not in spill.digests:
                # it may have come back into memory between the two looks
                if index not in self._entries:
                    return None
                continue
            pixels = np.empty(self._grid.locate(index)[1].shape, self._dtype)
            spill.get(index, pixels)
            return pixels

    @property
    def saved_view(self) -> SavedView:
        """A source of what would be saved: edited cells where there are, the source elsewhere; loads no cells."""
        return SavedView(self)

    # -- writing ---------------------------------------------------------------------------------------------------

    def write(self, plane: PlaneIndex, region: Region | None, pixels: npt.ArrayLike) -> None:
        """Write a rectangle of a plane; Java sees it at once, as Python sees what Java writes.

        Parameters
        ----------
        plane, region
            Where; None is the whole plane.
        pixels
            (Y, X) of the region's shape, or a single value; of the image's dtype or one that fits into it safely.

        Raises
        ------
        InvalidInputError
            The pixels do not fit.
        ReadError, ConnectionFailedError, StorageError, DiskFullError
            A cell that is only partly covered could not be loaded, or no room could be made; cells before it are
            written.
        """
        region = check_request(self.description, self._source.levels, plane, region, self._level)
        given = self._fitting(pixels, region)
        for index in self._grid.cells_in(plane, region):
            _, bounds = self._grid.locate(index)
            part = bounds.intersection(region)
            assert part is not None
            x, y = part.x - region.x, part.y - region.y
            piece = given[y : y + part.height, x : x + part.width]
            within = Region(part.x - bounds.x, part.y - bounds.y, part.width, part.height)
            while True:
                entry = self._entries.get(index)
                if entry is None and part == bounds:
                    entry = self._load(index, lambda: np.ascontiguousarray(piece).copy())  # noqa: B023 - called at once
                elif entry is None:
                    entry = self._load(index)
                with entry.lock:
                    if not entry.gone:
                        entry.store(within, piece)
                        entry.used = True
                        break

    def dirty_cells(self) -> list[int]:
        """Return the numbers of all cells with edits, in memory or on disk."""
        spilled = set() if self._spill is None else set(self._spill.digests)
        return sorted(spilled | self._unsaved().keys())

    def autosave(self) -> int:
        """Store the edits that are only in memory, and return how many cells that were.

        What is stored survives the death of this process; `flush` makes it survive a loss of power too.
        """
        count = 0
        for entry in self._residents.everything():
            if entry.digest is None:
                continue
            # one lock from the look to the commit, or an older state could be stored over a newer one
            with entry.lock:
                if entry.gone:
                    continue
                pixels = entry.snapshot(self._dtype)
                digest = digest_of(pixels, entry.index)
                if digest != entry.digest:
                    self._store_edited([(entry.index, pixels, digest)])
                    entry.digest = digest
                    count += 1
        return count

    def flush(self) -> None:
        """Store all edits on disk; when it returns, they survive a loss of power.

        Raises
        ------
        StorageError, DiskFullError
            Some could not be stored; they stay in memory.
        """
        self.autosave()
        if self._spill is not None:
            self._spill.sync()

    def discard(self) -> None:
        """Undo all edits, in memory and on disk; Java sees the source's pixels again as well."""
        for index in self.dirty_cells():
            self._revert_cell(index)

    def revert(self, plane: PlaneIndex, region: Region | None = None) -> None:
        """Undo the edits in a rectangle of a plane; Java sees the source's pixels again as well."""
        region = check_request(self.description, self._source.levels, plane, region, self._level)
        for index in self._grid.cells_in(plane, region):
            _, bounds = self._grid.locate(index)
            part = bounds.intersection(region)
            if part == bounds:
                self._revert_cell(index)
            elif part is not None:
                self.write(plane, part, self._source.read(plane, part, level=self._level))

    def mark_saved(self) -> None:
        """Take note that all edits of this moment were saved elsewhere: closing need not keep them any more."""
        self._saved = self._edits()

    # -- loading ahead ---------------------------------------------------------------------------------------------

    def prefetch(self, plane: PlaneIndex, region: Region | None = None) -> Prefetch:
        """Load the cells of a region in the background, as far as they fit into half of the bound.

        Returns
        -------
        Prefetch
            To wait for it or to cancel it; errors are kept for whoever reads the cell.
        """
        region = check_request(self.description, self._source.levels, plane, region, self._level)
        return self.prefetch_cells(list(self._grid.cells_in(plane, region)))

    def prefetch_cells(self, cells: Sequence[int]) -> Prefetch:
        """Load cells in the background in the order given, as far as they fit into half of the bound."""
        self._check_open()
        most = self._residents.bound // 2 // self._cell_bytes
        spilled: Iterable[int] = () if self._spill is None else self._spill.digests
        missing = [index for index in cells if index not in self._entries and index not in spilled][:most]
        blocks = blocks_of(self._grid, missing, self._dtype.itemsize, self._source.hints.request_bytes)
        return self._prefetcher.start([block.cells(self._grid) for block in blocks])

    # -- other runtimes --------------------------------------------------------------------------------------------

    @property
    def face(self) -> ForeignCells | None:
        """The other runtime that holds cells too, where there is one."""
        return self._residents.face

    def attach(self, make: Callable[[], ForeignCells]) -> ForeignCells:
        """Give another runtime a share in the cells; the same one as before where there is one."""
        with self._lock:
            self._check_open()
            if self._residents.face is None:
                self._residents.face = make()
            return self._residents.face

    def hand_over(self, index: int) -> ForeignHome:
        """Return a cell's home in the other runtime, moving it there where it is at home here.

        From then on the other runtime may write to it without telling.
        """
        face = self._residents.face
        assert face is not None
        while True:
            entry = self._entries.get(index)
            if entry is None:
                entry = self._load(index)
            with entry.lock:
                if entry.gone:
                    continue
                if entry.retired:
                    self._residents.revive(entry)
                    assert entry.foreign is not None
                    entry.foreign.revive()
                elif entry.foreign is None:
                    assert entry.pixels is not None
                    if entry.digest is None:
                        entry.digest = digest_of(entry.pixels, index)
                    entry.foreign = face.take(index, entry.region, entry.pixels)
                    entry.pixels = None
                return entry.foreign

    # -- the end ---------------------------------------------------------------------------------------------------

    def close(self, *, discard: bool = False) -> None:
        """Release memory, threads, files and the source; twice is allowed.

        Edits that were not saved (see `mark_saved`) stay on disk and can be recovered, unless `discard` says otherwise.

        Raises
        ------
        StorageError, DiskFullError
            Edits could not be stored; the cache stays open.
        """
        if self._closed:
            return
        self._prefetcher.stop()
        if not discard and self._edits() != self._saved:
            self.flush()
            _log.warning(
                "unsaved edits of %r are kept: `ij-omero edits recover %s`", self.description.name, self.edit_id
            )
        else:
            discard = True
        with self._lock:
            self._closed = True
        autosaver.remove(self)
        process_budget.remove(self._residents)
        if self._residents.face is not None:
            self._residents.face.close()
        for entry in self._residents.everything():
            with entry.lock:
                self._residents.drop(entry)
        if self._spill is not None:
            self._spill.close(delete=discard)
        self._source.close()
        _open_caches.discard(self)

    def __enter__(self) -> Self:
        """Return the cache."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __del__(self) -> None:
        """Close what nobody can reach any more, keeping its edits."""
        if not getattr(self, "_closed", True):
            with contextlib.suppress(Exception):
                self.close()

    # -- within ----------------------------------------------------------------------------------------------------

    @property
    def _cell_bytes(self) -> int:
        return self._grid.cell_width * self._grid.cell_height * self._dtype.itemsize

    def _check_open(self) -> None:
        if self._closed:
            raise ReadError(f"the image {self.description.name!r} was closed; open it again")

    def _load(self, index: int, whole: Callable[[], npt.NDArray[Any]] | None = None) -> Entry:
        """Return a cell that was not in memory; `whole` gives its pixels where they need not be read."""
        if not 0 <= index < len(self._grid):
            self._grid.locate(index)  # raises
        while True:
            with self._lock:
                self._check_open()
                entry = self._entries.get(index)
                if entry is not None:
                    return entry
                flight = self._flights.get(index)
                if flight is None:
                    cells = [index] if whole is not None else self._with_followers(index)
                    mine = Flight()
                    self._flights.update(dict.fromkeys(cells, mine))
                    break
            flight.wait()
        if len(cells) > 1:
            # a fault in a neighbour that nobody asked for must not reach who asked for this one
            with contextlib.suppress(OSError):
                return self._fly(mine, cells, quiet=True)[0]
            return self._load(index)
        return self._fly(mine, cells, whole=whole)[0]

    def _with_followers(self, index: int) -> list[int]:
        """Return the cells to read with a missing one: those that follow it, where misses come in order."""
        in_order = index == self._last_miss + 1
        self._last_miss = index
        spilled: Iterable[int] = () if self._spill is None else self._spill.digests
        if not in_order or index in spilled:
            return [index]
        most = min(self._source.hints.request_bytes, self._residents.bound // 8) // self._cell_bytes
        end = min(index + max(most, 1), index - index % self._grid.columns + self._grid.columns)
        cells = [index]
        for following in range(index + 1, end):
            if following in self._entries or following in self._flights or following in spilled:
                break
            cells.append(following)
        self._last_miss = cells[-1]
        return cells

    def _load_all(self, wanted: list[int]) -> list[Entry]:
        """Return cells of one plane, reading the missing ones together."""
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
            spilled: Iterable[int] = () if self._spill is None else self._spill.digests
            apart = [index for index in missing if index not in spilled]
            for block in blocks_of(self._grid, apart, self._dtype.itemsize, self._source.hints.request_bytes):
                for entry in self._load_block(block.cells(self._grid)):
                    found[entry.index] = entry
        for index in missing:
            if index not in found:
                found[index] = self._load(index)
        return [found[index] for index in wanted]

    def _load_block(self, cells: list[int]) -> list[Entry]:
        """Read the cells of a block that nobody has or reads yet; the others are left out."""
        with self._lock:
            self._check_open()
            free = [index for index in cells if index not in self._entries and index not in self._flights]
            if len(free) != len(cells):
                return []
            flight = Flight()
            self._flights.update(dict.fromkeys(cells, flight))
        return self._fly(flight, cells)

    def _fly(
        self,
        flight: Flight,
        cells: list[int],
        *,
        quiet: bool = False,
        whole: Callable[[], npt.NDArray[Any]] | None = None,
    ) -> list[Entry]:
        """Load the cells of a block whose flight is announced; all who wait get the error, unless it is `quiet`."""
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
        self._residents.release(reserved - sum(entry.nbytes for entry in entries))
        with self._lock:
            if self._closed:
                self._residents.release(sum(entry.nbytes for entry in entries))
            else:
                self._residents.add(entries)
            for index in cells:
                del self._flights[index]
        flight.land()
        return entries

    def _fetch(self, cells: list[int], whole: Callable[[], npt.NDArray[Any]] | None) -> list[Entry]:
        index = cells[0]
        plane, region = self._grid.locate(index)
        spill = self._spill
        if whole is not None:
            return [Entry(index, plane, region, whole(), _UNKNOWN)]
        if spill is not None and len(cells) == 1 and index in spill.digests:
            pixels = np.empty(region.shape, self._dtype)
            return [Entry(index, plane, region, pixels, spill.get(index, pixels))]
        (block,) = blocks_of(self._grid, cells, self._dtype.itemsize, len(cells) * self._cell_bytes)
        read = read_block(self._source, self._grid, self._level, block)
        self._reads += len(cells)
        return [Entry(number, plane, bounds, pixels, None) for number, bounds, pixels in read]

    def _prefetch_block(self, cells: list[int]) -> None:
        if not self._closed:
            self._load_block(cells)

    def _unsaved(self) -> dict[int, int]:
        """Return number and digest of the cells in memory whose content is neither the source's nor on disk."""
        found = {}
        for entry in self._residents.everything():
            if entry.digest is None:
                continue
            with entry.lock:
                if not entry.gone:
                    digest = digest_of(entry.snapshot(self._dtype), entry.index)
                    if digest != entry.digest:
                        found[entry.index] = digest
        return found

    def _edits(self) -> dict[int, int]:
        """Return the digests of all edited cells."""
        edits = {} if self._spill is None else dict(self._spill.digests)
        edits.update(self._unsaved())
        return edits

    def _store_edited(self, edited: list[Edited]) -> None:
        with self._spill_opening:
            if self._spill is None:
                folder = EditFolder.create(
                    self._spill_root,
                    address=self._address,
                    image_name=self.description.name,
                    level=self._level,
                    dtype=self._dtype.str,
                    grid=self._grid,
                )
                try:
                    self._spill = CellSpill(folder, limit=self._spill_limit)
                except BaseException:
                    folder.close(delete=True)
                    raise
        self._spill.put(edited)

    def _revert_cell(self, index: int) -> None:
        plane, region = self._grid.locate(index)
        while True:
            with self._lock:
                flight = self._flights.get(index)
                entry = self._entries.get(index)
                if flight is None and entry is None:
                    # under the lock, so that nobody begins to load the edited pixels meanwhile
                    self._forget_spilled(index)
                    return
            if flight is not None:
                with contextlib.suppress(Exception):
                    flight.wait()
                continue
            assert entry is not None
            original: npt.NDArray[Any] | None = None
            if entry.foreign is not None:
                original = np.ascontiguousarray(self._source.read(plane, region, level=self._level))
            with entry.lock:
                if entry.gone or (entry.foreign is not None and original is None):
                    continue
                self._forget_spilled(index)
                if entry.foreign is None:
                    self._residents.drop(entry)
                elif original is not None:
                    entry.foreign.write(Region(0, 0, region.width, region.height), original)
                    entry.digest = digest_of(original, index)
                return

    def _forget_spilled(self, index: int) -> None:
        if self._spill is not None and index in self._spill.digests:
            self._spill.remove([index])

    def _fitting(self, pixels: npt.ArrayLike, region: Region) -> npt.NDArray[Any]:
        given = np.asarray(pixels)
        if given.shape not in ((), region.shape):
            raise InvalidInputError(f"the pixels have shape {given.shape}; the region's is (Y, X) {region.shape}")
        if isinstance(pixels, (bool, int, float, complex)):
            try:
                with np.errstate(over="raise"):
                    given = np.asarray(self._dtype.type(pixels))
                if given != pixels and not (given != given):
                    raise OverflowError
            except (OverflowError, FloatingPointError, TypeError):
                if self._dtype.kind not in "fc" or isinstance(pixels, complex):
                    raise InvalidInputError(f"{pixels!r} is no {self._dtype.name} pixel value") from None
        elif not np.can_cast(given.dtype, self._dtype, "safe"):
            raise InvalidInputError(
                f"{given.dtype.name} pixels do not fit into a {self._dtype.name} image; convert them with astype first"
            )
        return np.broadcast_to(given.astype(self._dtype, copy=False), region.shape)


def _copy_out(entry: Entry, region: Region, out: npt.NDArray[Any], dtype: np.dtype[Any]) -> None:
    part = entry.region.intersection(region)
    assert part is not None
    pixels = entry.snapshot(dtype)
    x, y = part.x - entry.region.x, part.y - entry.region.y
    to_x, to_y = part.x - region.x, part.y - region.y
    out[to_y : to_y + part.height, to_x : to_x + part.width] = pixels[y : y + part.height, x : x + part.width]


_open_caches: weakref.WeakSet[CellCache] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for cache in list(_open_caches):
        try:
            cache.close()
        except StorageError:
            _log.exception("edits of %r could not be kept", cache.description.name)
