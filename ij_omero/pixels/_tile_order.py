"""What every sink checks before it takes a tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError, WriteError

from ._reading import write_order

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import ImageDescription, PlaneIndex, Region

    from ._contracts import WriteLayout


class TileOrder:
    """Follows the tiles of an image as they are written.

    Parameters
    ----------
    description, layout
        Of the sink.
    """

    def __init__(self, description: ImageDescription, layout: WriteLayout) -> None:
        self._dtype = description.pixel_type.dtype
        self._tiles = write_order(description, layout)
        self._next = next(self._tiles, None)

    @property
    def complete(self) -> bool:
        """Whether every tile was written."""
        return self._next is None

    def check(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Raise InvalidInputError unless this is the next tile and its pixels have the right shape and dtype."""
        if self._next is None:
            raise InvalidInputError("all tiles of the image are written already; finish() it")
        if (tuple(plane), tuple(region)) != (tuple(self._next[0]), tuple(self._next[1])):
            raise InvalidInputError(
                f"tile {tuple(region)} (x, y, width, height) of plane {tuple(plane)} (z, c, t) is out of order; "
                f"expected {tuple(self._next[1])} of plane {tuple(self._next[0])} (see write_order)"
            )
        if pixels.shape != (region[3], region[2]) or pixels.dtype.newbyteorder("=") != self._dtype:
            raise InvalidInputError(
                f"expected {(region[3], region[2])} (Y, X) {self._dtype} pixels; got {pixels.shape} {pixels.dtype}"
            )

    def advance(self) -> None:
        """Go on to the tile after this one, once it is written."""
        self._next = next(self._tiles, None)

    def require_complete(self) -> None:
        """Raise WriteError while tiles are missing."""
        if self._next is not None:
            raise WriteError(
                f"the image is not complete: tile {tuple(self._next[1])} (x, y, width, height) of plane "
                f"{tuple(self._next[0])} (z, c, t) and all after it were never written; nothing was kept"
            )
