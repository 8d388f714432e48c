"""A source that several caches read and none of them closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel
    from ij_omero.pixels import PixelSource, ReadHints


class UnclosedSource:
    """A `PixelSource` whose `close` leaves the source behind it open; closing that is its owner's."""

    def __init__(self, source: PixelSource) -> None:
        self._source = source
        self.description: ImageDescription = source.description
        self.levels: tuple[ResolutionLevel, ...] = source.levels
        self.hints: ReadHints = source.hints

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read; see `PixelSource.read`."""
        return self._source.read(plane, region, level=level, out=out)

    def close(self) -> None:
        """Leave the source open."""
