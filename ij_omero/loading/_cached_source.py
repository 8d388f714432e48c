"""A source that keeps what was read of another one in memory, at every resolution level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ij_omero.pixels import check_request

from ._level_caches import LevelCaches

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.cells import CellCache, Prefetch
    from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel
    from ij_omero.pixels import PixelSource, ReadHints

DEFAULT_BOUND = 512 << 20


class CachedSource:
    """A `PixelSource` that reads each cell of another source once, as long as it stays in memory.

    Parameters
    ----------
    source
        The image; closed with this.
    bound
        Bytes of cells in memory, of all levels together. A region that is being read may exceed it.

    Examples
    --------
    >>> with contextlib.closing(CachedSource(store.open(3))) as source:  # doctest: +SKIP
    ...     tile = source.read(PlaneIndex(0, 0, 0), Region(0, 0, 512, 512), level=2)
    """

    def __init__(self, source: PixelSource, bound: int = DEFAULT_BOUND) -> None:
        self._source = source
        self._caches = LevelCaches(source, bound)
        self.description: ImageDescription = source.description
        self.levels: tuple[ResolutionLevel, ...] = source.levels
        self.hints: ReadHints = source.hints

    @property
    def nbytes(self) -> int:
        """Bytes of cells in memory."""
        return self._caches.nbytes

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read; see `PixelSource.read`."""
        region = check_request(self.description, self.levels, plane, region, level, out)
        cache: CellCache = self._caches.open(level)
        before = cache.nbytes
        pixels = cache.read(plane, region, out=out)
        if cache.nbytes > before:
            self._caches.make_room(level)
        return pixels

    def prefetch(self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0) -> Prefetch:
        """Read a region's cells in the background, as far as they fit into half of the bound.

        Returns
        -------
        Prefetch
            To wait for it or to cancel it.
        """
        self._caches.make_room(level)
        return self._caches.open(level).prefetch(plane, region)

    def close(self) -> None:
        """Release memory and close the source; twice is allowed."""
        self._caches.close()
        self._source.close()
