"""One cell cache for each resolution level of an image, all levels together within one bound."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ij_omero.cells import CellCache
from ij_omero.errors import InvalidInputError, ReadError

from ._unclosed import UnclosedSource

if TYPE_CHECKING:
    from ij_omero.pixels import PixelSource


class LevelCaches:
    """The caches of an image's levels, made when a level is first read; safe from any thread.

    Parameters
    ----------
    source
        The image; it stays open when the caches are closed.
    bound
        Bytes of cells in memory, of all levels together.
    follow_tiles
        Whether a cell is exactly a tile of the source; otherwise it is of a size that suits reading.
    """

    def __init__(self, source: PixelSource, bound: int, *, follow_tiles: bool = False) -> None:
        if bound < 1:
            raise InvalidInputError("the bound must be above 0")
        self._source = source
        self._bound = bound
        self._follow_tiles = follow_tiles
        self._lock = threading.Lock()
        self._caches: dict[int, CellCache] = {}
        self._order: list[int] = []  # levels, the one that was read last is last
        self._closed = False

    @property
    def nbytes(self) -> int:
        """Bytes of cells in memory."""
        return sum(cache.nbytes for cache in list(self._caches.values()))

    def find(self, level: int) -> CellCache | None:
        """Return a level's cache where there is one already; 0 is full size."""
        return self._caches.get(level)

    def open(self, level: int) -> CellCache:
        """Return a level's cache; 0 is full size.

        Raises
        ------
        ReadError
            The caches are closed.
        """
        cache = self._caches.get(level)
        if cache is not None:
            return cache
        with self._lock:
            if self._closed:
                raise ReadError("this image was closed; open it again")
            if level not in self._caches:
                size = self._source.levels[level]
                self._caches[level] = CellCache(
                    UnclosedSource(self._source),
                    level=level,
                    bound=self._bound,
                    cell_shape=(size.tile_height, size.tile_width) if self._follow_tiles else None,
                    autosave=None,
                )
            return self._caches[level]

    def make_room(self, level: int) -> None:
        """Let go of cells of the levels that were read longest ago until all together keep the bound.

        Parameters
        ----------
        level
            The level that was just read.
        """
        with self._lock:
            self._order = [*(index for index in self._order if index != level), level]
            held = {index: self._caches[index].nbytes for index in self._order if index in self._caches}
            excess = sum(held.values()) - self._bound
            for index in self._order[:-1]:
                if excess <= 0 or index not in held:
                    continue
                other = self._caches[index]
                other.bound = max(1, held[index] - excess)
                excess -= held[index] - other.nbytes
                other.bound = self._bound

    def close(self) -> None:
        """Release memory and threads; twice is allowed."""
        with self._lock:
            self._closed = True
            caches, self._caches = list(self._caches.values()), {}
        for cache in caches:
            cache.close(discard=True)
