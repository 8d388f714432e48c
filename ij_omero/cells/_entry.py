"""A cell in memory, and what another runtime must offer to hold cells."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ._digest import digest_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import PlaneIndex, Region


class ForeignHome(Protocol):
    """One cell's pixels in memory of another runtime, which writes to them without telling."""

    def read(self, out: npt.NDArray[Any]) -> None:
        """Copy the whole cell into a contiguous (Y, X) array."""

    def glance(self) -> npt.NDArray[Any]:
        """Return a copy of the whole cell, (Y, X), that this thread's next glance, at any cell, overwrites."""

    def write(self, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Copy (Y, X) pixels to a rectangle, which counts from the cell's own corner; touches nothing else."""

    def retire(self) -> None:
        """Stop handing the cell out; whoever holds it already may go on."""

    def hand_out(self) -> Any:
        """Return what accessors take, the same pixels to all, and have it found without asking from now on."""

    def in_use(self) -> bool:
        """Tell whether somebody may still hold a cell that was retired."""


class ForeignCells(Protocol):
    """Another runtime that can be a home of cells (`ij_omero.imagej` has Java's)."""

    def scratch(self, shape: tuple[int, int]) -> npt.NDArray[Any]:
        """Return a contiguous array whose content `take` copies fastest; this thread's next call overwrites it."""

    def take(self, index: int, region: Region, pixels: npt.NDArray[Any]) -> ForeignHome:
        """Copy a cell over; it is not handed out yet."""

    def collected(self) -> bool:
        """Tell whether the runtime looked for unused objects since the last time it was asked."""

    def nudge(self) -> None:
        """Make the runtime find out which retired cells nobody holds any more."""

    def leave(self) -> None:
        """Forget this thread, which may end; it is known again when it asks again."""

    def close(self) -> None:
        """Hand out nothing any more."""


class Entry:
    """A cell in memory. Its pixels have one home: a numpy array, or an object of another runtime.

    Attributes
    ----------
    home
        Where the pixels are, and where all writes go.
    digest
        Checksum of what the source or the spill holds; None as long as nobody needed it.
    written
        Whether the content may differ from that; a foreign home is written to without telling.
    lock
        Held by whoever writes, moves, stores or evicts the cell; never for another cell's sake.
    used
        Set by hits, cleared by the search for something to evict.
    gone
        Set, under the lock, once the cell was evicted: writers must look it up again.
    retired
        Whether the other runtime no longer hands it out, and only its present holders may write to it.
    """

    __slots__ = ("digest", "gone", "home", "index", "lock", "nbytes", "plane", "region", "retired", "used", "written")

    def __init__(
        self, index: int, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any], digest: int | None
    ) -> None:
        self.index = index
        self.plane = plane
        self.region = region
        self.home: npt.NDArray[Any] | ForeignHome = pixels
        self.nbytes = pixels.nbytes
        self.digest = digest
        self.lock = threading.Lock()
        self.used = False
        self.gone = False
        self.retired = False
        self.written = False

    @property
    def foreign(self) -> ForeignHome | None:
        """The home, where it is in another runtime."""
        home = self.home
        return None if isinstance(home, np.ndarray) else home

    def snapshot(self, dtype: np.dtype[Any], scratch: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Return the pixels as a contiguous array: the home itself, or a copy of a foreign one.

        Parameters
        ----------
        dtype
            The pixels' type.
        scratch
            An array for the copy; one of another shape is not used.
        """
        home = self.home
        if isinstance(home, np.ndarray):
            return home
        if scratch is None or scratch.shape != self.region.shape:
            scratch = np.empty(self.region.shape, dtype)
        home.read(scratch)
        return scratch

    def edited(
        self, dtype: np.dtype[Any], scratch: npt.NDArray[Any] | None = None
    ) -> tuple[npt.NDArray[Any], int] | None:
        """Return pixels and digest of a cell that is neither as in the source nor as on disk; the lock is held."""
        if not self.written:
            return None
        home = self.home
        pixels = home if isinstance(home, np.ndarray) else home.glance()
        digest = digest_of(pixels, self.index)
        if digest == self.digest:
            return None
        if pixels is not home:
            # not read again: the other runtime may have written since, and pixels must fit their digest
            fits = scratch is not None and scratch.shape == pixels.shape
            kept = scratch if fits and scratch is not None else np.empty(pixels.shape, dtype)
            kept[...] = pixels
            pixels = kept
        return pixels, digest

    def store(self, within: Region, pixels: npt.NDArray[Any]) -> None:
        """Write to a rectangle of the cell; the caller holds the lock and has seen that the cell is not gone."""
        home = self.home
        if not isinstance(home, np.ndarray):
            home.write(within, pixels)
            return
        if self.digest is None:
            self.digest = digest_of(home, self.index)
        self.written = True
        home[within.y : within.y + within.height, within.x : within.x + within.width] = pixels
