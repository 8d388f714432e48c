"""The cell cache: pixels of any source, read when touched, edited in place, bounded in memory, safe on disk."""

from __future__ import annotations

import functools
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import Region
from ij_omero.pixels import check_region, check_request

from ._autosave import autosaver
from ._body import CacheBody, close_before_others_exit, look_after
from ._budget import process_budget
from ._digest import digest_of
from ._edit_store import EditStore
from ._fitting import fit_pixels
from ._folder import EditFolder, edits_dir
from ._grid import CellGrid, overlap, slices
from ._loader import CellLoader
from ._memory import CellMemory
from ._prefetch import Prefetcher
from ._residents import Residents
from ._saved_view import SavedView
from ._states import LoadStates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from typing_extensions import Self

    from ij_omero.model import ImageAddress, ImageDescription, PlaneIndex
    from ij_omero.pixels import PixelSource

    from ._entry import Entry, ForeignCells
    from ._prefetch import Prefetch

DEFAULT_BOUND = 512 << 20
AUTOSAVE_SECONDS = 5.0


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
        check_region(source.levels, level)
        if bound < 1 or (autosave is not None and autosave <= 0):
            raise InvalidInputError("the bound and the seconds between autosaves must be above 0")
        self._source = source
        self._level = level
        self._dtype = source.description.pixel_type.dtype
        self._grid = CellGrid.over(source.description, source.levels[level], cell_shape)
        self._spill_root = spill if spill is not None else edits_dir()
        self._address = None if address is None else str(address)
        make_folder = functools.partial(
            EditFolder.create,
            self._spill_root,
            address=self._address,
            image_name=source.description.name,
            level=level,
            dtype=self._dtype.str,
            grid=self._grid,
        )
        self._edits = EditStore(make_folder, spill_limit)
        memory = CellMemory(self._cell_bytes, bound // 16 // self._cell_bytes)
        self._residents = Residents(bound, self._dtype, memory, self._edits.put)
        self._entries = self._residents.entries
        self._prefetcher = Prefetcher(source.hints.parallel)
        self._loader = CellLoader(source, self._grid, level, self._residents, self._edits, memory, self._prefetcher)
        self._lock = threading.Lock()
        self._residents.store_soon = self._loader.store_soon
        self.body = CacheBody(source, self._dtype, self._residents, self._edits, self._loader, self._prefetcher)
        """The parts of the cache; not for users."""
        process_budget.add(self._residents)
        if autosave is not None:
            autosaver.add(self, autosave)
        look_after(self, self.body)

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
            own = f"{cache._dtype.str} in {cache._grid.dimensions}"
            cache.close()
            folder.close()
            raise InvalidInputError(
                f"the edits {folder.info.edit_id} are of {folder.info.dtype} pixels in {grid.dimensions} "
                f"(X, Y, C, Z, T), but {description.name!r} has {own}: not the same image"
            )
        try:
            cache._edits.adopt(folder)
        except BaseException:
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
        return self._edits.edit_id

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self.body.closed

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
    def nbytes(self) -> int:
        """Bytes of cells in memory."""
        return self._residents.nbytes

    @property
    def load_states(self) -> LoadStates:
        """How much is loaded and edited; looks at the pixels of every cell that can have been written to."""
        unsaved = self.body.unsaved()
        spilled = set(self._edits.digests)
        return LoadStates(
            total=len(self._grid),
            loaded=len(self._entries),
            edited=len(spilled | unsaved.keys()),
            spilled=len(spilled),
            retired=self._residents.retired_count,
            reads=self._loader.reads,
            nbytes=self._residents.nbytes,
            bound=self._residents.bound,
        )

    def __repr__(self) -> str:
        """Tell name, size and how much is loaded."""
        d = self.description
        return (
            f"<CellCache of {d.name!r}: {self._grid.dimensions} (X, Y, C, Z, T) {self._dtype.name}, "
            f"{len(self._entries)} of {len(self._grid)} cells loaded{', closed' if self.closed else ''}>"
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
            entry = self._loader.load(index)
        elif index in self._loader.window_starts:
            self._loader.touched(index, index)
        entry.used = True
        view = entry.snapshot(self._dtype).view()
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
        step = max(self._cells_at_once, 1)
        if wanted[-1] - wanted[0] == len(wanted) - 1 and self._loader.is_news(wanted):
            self._loader.touched(wanted[0], wanted[-1])
        for start in range(0, len(wanted), step):
            for entry in self._loader.load_all(wanted[start : start + step]):
                part = overlap(entry.region, region)
                out[slices(part, region)] = entry.snapshot(self._dtype)[slices(part, entry.region)]
        return out

    def read_planes(
        self, planes: Sequence[PlaneIndex], region: Region | None = None, *, out: Sequence[npt.NDArray[Any]]
    ) -> None:
        """Read the same rectangle of several planes, as `read` does; small ones come from the source together.

        Parameters
        ----------
        planes
            Which planes, in ascending order where they are to be read together.
        region
            In pixels of the level; None is the whole plane.
        out
            A (Y, X) array for each plane.
        """
        for plane, target in zip(planes, out, strict=True):
            region = check_request(self.description, self._source.levels, plane, region, self._level, target)
        wanted = [] if region is None else [list(self._grid.cells_in(plane, region)) for plane in planes]
        step = self._cells_at_once // len(wanted[0]) if wanted and self._loader.joins_planes else 0
        for start in range(0, len(planes), max(step, 1)):
            if step > 1:
                self._loader.load_planes(wanted[start : start + step])
            for number in range(start, min(start + max(step, 1), len(planes))):
                self.read(planes[number], region, out=out[number])

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
            if index not in self._edits.digests:
                # it may have come back into memory between the two looks
                if index not in self._entries:
                    return None
                continue
            pixels = np.empty(self._grid.locate(index)[1].shape, self._dtype)
            self._edits.get(index, pixels)
            return pixels

    def holds(self, index: int) -> bool:
        """Tell whether `peek` would return a cell's pixels, without reading them."""
        # memory twice: a cell may come back from the disk between the two looks
        return index in self._entries or index in self._edits.digests or index in self._entries

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
        given = fit_pixels(pixels, self._dtype, region.shape)
        for index in self._grid.cells_in(plane, region):
            _, bounds = self._grid.locate(index)
            part = overlap(bounds, region)
            self._write_cell(index, part == bounds, part, given[slices(part, region)])

    def dirty_cells(self) -> list[int]:
        """Return the numbers of all cells with edits, in memory or on disk."""
        return sorted(self.body.edit_digests())

    def autosave(self) -> int:
        """Store the edits that are only in memory, and return how many cells that were.

        What is stored survives the death of this process; `flush` makes it survive a loss of power too.
        """
        return self.body.autosave()

    def flush(self) -> None:
        """Store all edits on disk; when it returns, they survive a loss of power.

        Raises
        ------
        StorageError, DiskFullError
            Some could not be stored; they stay in memory.
        """
        self.autosave()
        self._edits.sync()

    def discard(self) -> None:
        """Undo all edits, in memory and on disk; Java sees the source's pixels again as well."""
        for index in self.dirty_cells():
            self._revert_cell(index)

    def revert(self, plane: PlaneIndex, region: Region | None = None) -> None:
        """Undo the edits in a rectangle of a plane; Java sees the source's pixels again as well."""
        region = check_request(self.description, self._source.levels, plane, region, self._level)
        for index in self._grid.cells_in(plane, region):
            _, bounds = self._grid.locate(index)
            part = overlap(bounds, region)
            if part == bounds:
                self._revert_cell(index)
            else:
                self.write(plane, part, self._source.read(plane, part, level=self._level))

    def note_edits(self) -> Mapping[int, int]:
        """Return what tells the edits of this moment from later ones, for `mark_saved`; take it before saving."""
        return self.body.edit_digests()

    def mark_saved(self, noted: Mapping[int, int]) -> None:
        """Take note that edits were saved elsewhere: closing need not keep them any more.

        Parameters
        ----------
        noted
            `note_edits` of the moment before saving began; what was edited since then counts as not saved.
        """
        self.body.saved = noted

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
        self._loader.check_open()
        most = self._residents.bound // 2 // self._cell_bytes
        missing = [index for index in cells if index not in self._entries][:most]
        return self._prefetcher.start(weakref.WeakMethod(self._loader.load_block), self._loader.blocks(missing))

    # -- other runtimes --------------------------------------------------------------------------------------------

    @property
    def face(self) -> ForeignCells | None:
        """The other runtime that holds cells too, where there is one."""
        return self._residents.face

    def attach(self, make: Callable[[], ForeignCells]) -> ForeignCells:
        """Give another runtime a share in the cells; the same one as before where there is one."""
        with self._lock:
            self._loader.check_open()
            if self._residents.face is None:
                self._residents.face = make()
                self._prefetcher.leave = self._residents.face.leave
                # cells in the other runtime are read at exit, before it ends
                close_before_others_exit()
            return self._residents.face

    def hand_out(self, index: int) -> Any:
        """Return a cell as the other runtime's accessors take it, moving it there where it is at home here.

        From then on the other runtime may write to it without telling.
        """
        face = self._residents.face
        if face is None:
            raise InvalidInputError("no other runtime shares these cells; attach one first")
        while True:
            entry = self._entries.get(index)
            if entry is None:
                entry = self._loader.load(index, face=face)
            elif index in self._loader.window_starts:
                self._loader.touched(index, index, face)
            with entry.lock:
                if entry.gone:
                    continue
                home = entry.home
                if isinstance(home, np.ndarray):
                    if entry.digest is None:
                        entry.digest = digest_of(home, index)
                    home = entry.home = face.take(index, entry.region, home)
                    entry.written = True
                elif entry.retired:
                    self._residents.revive(entry)
                return home.hand_out()

    # -- the end ---------------------------------------------------------------------------------------------------

    def close(self, *, discard: bool = False) -> None:
        """Release memory, threads, files and the source; twice is allowed.

        Edits that were not saved (see `mark_saved`) stay on disk and can be recovered, unless `discard` says otherwise.

        Raises
        ------
        StorageError, DiskFullError
            Edits could not be stored; the cache stays open.
        """
        self.body.close(discard=discard)
        autosaver.remove(self)

    def __enter__(self) -> Self:
        """Return the cache."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # -- within ----------------------------------------------------------------------------------------------------

    @property
    def _cell_bytes(self) -> int:
        return self._grid.cell_width * self._grid.cell_height * self._dtype.itemsize

    @property
    def _cells_at_once(self) -> int:
        """How many cells to have read together: what keeps the source busy and leaves room for others."""
        hints, bound = self._source.hints, self._residents.bound
        return min(2 * hints.parallel * hints.request_bytes, bound // 8) // self._cell_bytes

    def _write_cell(self, index: int, whole: bool, part: Region, pixels: npt.NDArray[Any]) -> None:
        while True:
            entry = self._entries.get(index)
            if entry is None:
                if whole and self._loader.create(index, pixels):
                    return
                entry = self._loader.load(index)
            within = Region(part.x - entry.region.x, part.y - entry.region.y, part.width, part.height)
            with entry.lock:
                if not entry.gone:
                    entry.store(within, pixels)
                    entry.used = True
                    return

    def _revert_cell(self, index: int) -> None:
        plane, region = self._grid.locate(index)

        def revert(entry: Entry | None) -> bool:
            if entry is None:
                self._edits.forget(index)
                return True
            original: npt.NDArray[Any] | None = None
            if entry.foreign is not None:
                original = np.ascontiguousarray(self._source.read(plane, region, level=self._level))
            with entry.lock:
                foreign = entry.foreign
                if entry.gone or (foreign is not None and original is None):
                    return False
                self._edits.forget(index)
                if foreign is None or original is None:
                    self._residents.drop(entry)
                else:
                    foreign.write(Region(0, 0, region.width, region.height), original)
                    entry.digest = digest_of(original, index)
            return True

        self._loader.when_settled(index, revert)
