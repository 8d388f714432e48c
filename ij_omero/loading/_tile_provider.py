"""Tiles of every resolution level on demand, for images of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import PlaneIndex

from ._level_caches import LevelCaches
from ._metadata import metadata_of
from ._opened import ImageLike, open_like

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import Self

    from ij_omero.cells import CellCache


class PyramidTileProvider:
    """Tiles of an image with resolution levels, kept in memory as far as they fit; safe from any thread.

    Levels count from the smallest here, as an OMERO.server's ``RawPixelsStore`` does; the last is full size.

    Parameters
    ----------
    image
        An address, a `PixelSource`, an open image, or an ``ImageWrapper`` of omero-py.
    max_cache_mb
        Mebibytes of tiles in memory, of all levels together.
    **login
        ``user``, ``password`` and the like, for an address.

    Examples
    --------
    >>> with PyramidTileProvider(image) as tiles:  # doctest: +SKIP
    ...     tile = tiles.get_tile(tiles.best_level_for_scale(0.1), 0, 0, 0, tx=2, ty=1)
    """

    def __init__(self, image: ImageLike, max_cache_mb: int = 512, **login: Any) -> None:
        self._opened = open_like(image, **login)
        self._source = self._opened.source
        self._levels = tuple(reversed(self._source.levels))
        self._caches = LevelCaches(self._source, max(1, max_cache_mb << 20), follow_tiles=True)
        self._metadata = metadata_of(self._source.description)
        self._closed = False

    @property
    def n_levels(self) -> int:
        """How many resolution levels there are."""
        return len(self._levels)

    @property
    def metadata(self) -> dict[str, Any]:
        """See `get_image_metadata`."""
        return self._metadata

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' numpy type, in native byte order."""
        return self._source.description.pixel_type.dtype

    def full_size(self) -> tuple[int, int]:
        """Return (width, height) at the highest resolution."""
        return self.level_size(-1)

    def level_size(self, level: int) -> tuple[int, int]:
        """Return (width, height) of a level."""
        return self._levels[level].width, self._levels[level].height

    def tile_size(self, level: int) -> tuple[int, int]:
        """Return (width, height) of a level's tiles; those at the right and bottom edge are smaller."""
        return self._levels[level].tile_width, self._levels[level].tile_height

    def best_level_for_scale(self, scale: float) -> int:
        """Return the smallest level whose pixels are at most two screen pixels wide.

        Parameters
        ----------
        scale
            Screen pixels per pixel of full size.
        """
        full = self._levels[-1].width
        for index, level in enumerate(self._levels):
            if level.width / full >= scale * 0.5:
                return index
        return self.n_levels - 1

    def has_tile(self, level: int, c: int, z: int, t: int, tx: int, ty: int) -> bool:
        """Tell whether a tile is in memory."""
        return self.get_cached_tile(level, c, z, t, tx, ty) is not None

    def get_cached_tile(self, level: int, c: int, z: int, t: int, tx: int, ty: int) -> npt.NDArray[Any] | None:
        """Return a tile (Y, X) if it is in memory, without asking the source for anything; else None."""
        if not 0 <= level < self.n_levels:
            return None
        cache = self._caches.find(self._levels[level].index)
        if cache is None:
            return None
        number = _number(cache, c, z, t, tx, ty)
        if number is None or cache.peek(number) is None:
            return None
        return cache.cell(number)  # unlike peek this counts as use, so that tiles on the screen stay

    def get_tile(self, level: int, c: int, z: int, t: int, tx: int, ty: int) -> npt.NDArray[Any] | None:
        """Return a tile, read where it is not in memory.

        Parameters
        ----------
        level
            0 is the smallest.
        c, z, t
            The plane.
        tx, ty
            The tile's column and row.

        Returns
        -------
        ndarray or None
            (Y, X), read-only, clipped at the image's edges; None beyond them.

        Raises
        ------
        InvalidInputError
            There is no such level.
        ReadError, ConnectionFailedError
            It could not be read; asking again tries again.
        """
        cache = self._cache(level)
        number = _number(cache, c, z, t, tx, ty)
        if number is None:
            return None
        missing = cache.peek(number) is None
        pixels = cache.cell(number)
        if missing:
            self._caches.make_room(cache.level)
        return pixels

    def load_overview(self, z: int = 0, t: int = 0) -> list[npt.NDArray[Any]]:
        """Return the smallest level of every channel, each (1, Y, X)."""
        cache = self._cache(0)
        planes = [PlaneIndex(z, c, t) for c in range(self._source.description.size_c)]
        overview = [cache.read(plane)[np.newaxis] for plane in planes]
        self._caches.make_room(cache.level)
        return overview

    def close(self) -> None:
        """Release memory, threads and what was opened; twice is allowed."""
        self._closed = True
        self._caches.close()
        self._opened.close()

    def __enter__(self) -> Self:
        """Return the provider."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _cache(self, level: int) -> CellCache:
        if not 0 <= level < self.n_levels:
            raise InvalidInputError(f"level {level} does not exist; expected 0 (smallest) to {self.n_levels - 1}")
        if self._closed:
            raise InvalidInputError("this provider is closed; open the image again")
        return self._caches.open(self._levels[level].index)


def _number(cache: CellCache, c: int, z: int, t: int, tx: int, ty: int) -> int | None:
    """Return the tile's cell; None beyond the image."""
    grid = cache.grid
    inside = 0 <= c < grid.size_c and 0 <= z < grid.size_z and 0 <= t < grid.size_t
    if not inside or not 0 <= tx < grid.columns or not 0 <= ty < grid.rows:
        return None
    return grid.first_of(PlaneIndex(z, c, t)) + ty * grid.columns + tx
