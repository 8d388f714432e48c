"""A picture with resolution levels, as a `PixelSource`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ReadError
from ij_omero.model import ResolutionLevel
from ij_omero.pixels import check_request

from ._picture_source import PictureSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from ij_omero.model import ImageDescription, PlaneIndex, Region


class PicturePyramid(PictureSource):
    """A `PictureSource` with smaller levels, each opened when it is first read.

    Parameters
    ----------
    description, data, axes, on_close
        Of the full size; see `PictureSource`.
    smaller
        Width, height and how to get the pixels of each smaller level, largest first.
    """

    def __init__(
        self,
        description: ImageDescription,
        data: Any,
        axes: str,
        on_close: Callable[[], None],
        smaller: Sequence[tuple[int, int, Callable[[], Any]]],
    ) -> None:
        super().__init__(description, data, axes, on_close)
        self._smaller = tuple(smaller)
        self._opened: dict[int, PictureSource] = {}
        self._opening = threading.Lock()
        full = self._levels[0]
        self._all_levels = (
            full,
            *(
                ResolutionLevel(index, width, height, min(width, full.tile_width), min(height, full.tile_height))
                for index, (width, height, _) in enumerate(self._smaller, 1)
            ),
        )

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Those of the file, full size first."""
        return self._all_levels

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane; see `PixelSource.read`."""
        if level == 0:
            return super().read(plane, region, out=out)
        region = check_request(self.description, self._all_levels, plane, region, level, out)
        return self._level(level).read(plane, region, out=out)

    def close(self) -> None:
        """Close the file."""
        super().close()
        with self._opening:
            opened, self._opened = self._opened, {}
        for source in opened.values():
            source.close()

    def _level(self, level: int) -> PictureSource:
        with self._opening:
            if self._data is None:
                raise ReadError(f"the picture {self.description.name!r} is closed; open it again")
            if level not in self._opened:
                width, height, pixels = self._smaller[level - 1]
                description = self.description.replace(size_x=width, size_y=height)
                self._opened[level] = PictureSource(description, pixels(), self._axes)
            return self._opened[level]
