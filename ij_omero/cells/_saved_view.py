"""What would be saved, as a source: writers read it cell by cell and need no memory of the cache."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.pixels import check_request

from ._grid import overlap, slices
from ._reading import blocks_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel
    from ij_omero.pixels import ReadHints

    from ._cache import CellCache


class SavedView:
    """A `PixelSource` of a cache's level as it would be saved: edited cells where there are, the source elsewhere.

    Reading loads nothing into the cache and evicts nothing from it. The only level is the cache's own, as level 0.
    Closing the view does nothing; it ends with its cache.
    """

    def __init__(self, cache: CellCache) -> None:
        self._cache = cache
        level = cache.source.levels[cache.level]
        self._levels = (replace(level, index=0),)
        description = cache.description
        if cache.level:
            description = _scaled(description, level)
        self._description = description

    @property
    def description(self) -> ImageDescription:
        """What the image is; of a smaller level with its size and distances between pixels."""
        return self._description

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """The one level."""
        return self._levels

    @property
    def hints(self) -> ReadHints:
        """As the source's."""
        return self._cache.source.hints

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane, as `PixelSource.read`."""
        region = check_request(self._description, self._levels, plane, region, level, out)
        cache, grid = self._cache, self._cache.grid
        if cache.closed:
            raise InvalidInputError(f"the image {self._description.name!r} was closed; open it again")
        if out is None:
            out = np.empty(region.shape, cache.dtype)
        original = []
        for index in grid.cells_in(plane, region):
            pixels = cache.peek(index)
            if pixels is None:
                original.append(index)
                continue
            bounds = grid.locate(index)[1]
            part = overlap(bounds, region)
            out[slices(part, region)] = pixels[slices(part, bounds)]
        for block in blocks_of(grid, original, cache.dtype.itemsize, self.hints.request_bytes):
            bounds = grid.rectangle(block.column, block.row, block.columns, block.rows)
            part = overlap(bounds, region)
            cache.source.read(plane, part, level=cache.level, out=out[slices(part, region)])
        return out

    def close(self) -> None:
        """Do nothing: the cache is closed by its owner."""


def _scaled(description: ImageDescription, level: ResolutionLevel) -> ImageDescription:
    x, y = description.physical_size_x, description.physical_size_y
    return description.replace(
        size_x=level.width,
        size_y=level.height,
        physical_size_x=None if x is None else replace(x, value=x.value * description.size_x / level.width),
        physical_size_y=None if y is None else replace(y, value=y.value * description.size_y / level.height),
    )
