"""What would be saved of an image's cells, with planes that nobody touched read together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError
from ij_omero.pixels import PlaneSequence, Progress, check_request, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ij_omero.cells import CellCache
    from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel
    from ij_omero.pixels import ReadHints


class SavedPlanes:
    """A `PixelSource` and `PlaneSequence` of a cache as it would be saved.

    Small planes of a server cost a call each when they are read one by one. Those of which the cache holds no cell are
    asked of the source together; the others are the cache's to give.

    Parameters
    ----------
    cache
        The cells; they stay open when this is closed.
    description
        Another description of the same sizes and type; the cache's own without it.
    """

    def __init__(self, cache: CellCache, description: ImageDescription | None = None) -> None:
        self._cache = cache
        self._view = cache.saved_view
        self._description = description or self._view.description

    @property
    def description(self) -> ImageDescription:
        """What the image is."""
        return self._description

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """The one level."""
        return self._view.levels

    @property
    def hints(self) -> ReadHints:
        """As the source's."""
        return self._view.hints

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a region, as `PixelSource.read` says."""
        return self._view.read(plane, region, level=level, out=out)

    def read_planes(
        self,
        planes: Sequence[PlaneIndex],
        region: Region | None = None,
        *,
        level: int = 0,
        out: Sequence[npt.NDArray[Any]],
        progress: Progress = no_progress,
    ) -> None:
        """Read the same rectangle of several planes; see `PlaneSequence`."""
        source = self._cache.source
        together: list[tuple[PlaneIndex, npt.NDArray[Any]]] = []
        done = 0
        for plane, target in zip(planes, out, strict=True):
            bounds = check_request(self._view.description, self.levels, plane, region, level, target)
            held = any(self._cache.holds(index) for index in self._cache.grid.cells_in(plane, bounds))
            if not held and isinstance(source, PlaneSequence):
                together.append((plane, target))
                continue
            self._view.read(plane, bounds, out=target)
            done += 1
            progress(done, len(planes), "reading pixels")
        if not together or not isinstance(source, PlaneSequence):
            return
        if self._cache.closed:
            raise InvalidInputError(f"the image {self._description.name!r} was closed; open it again")
        wanted, targets = [plane for plane, _ in together], [target for _, target in together]
        source.read_planes(wanted, region, level=self._cache.level, out=targets)
        progress(len(planes), len(planes), "reading pixels")

    def close(self) -> None:
        """Do nothing: the cache is closed by its owner."""
