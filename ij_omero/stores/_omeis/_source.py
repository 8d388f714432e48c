"""Reading pixels of an OMEIS server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import ConnectionFailedError, ReadError
from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import ReadHints, check_request

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._calls import Omeis

TILE = 512


class OmeisSource:
    """An image's pixels; see `PixelSource`. One resolution level: OMEIS has no pyramids."""

    def __init__(self, omeis: Omeis, pixels_id: int, description: ImageDescription) -> None:
        self._omeis = omeis
        self._pixels_id = pixels_id
        self._closed = False
        self.description = description
        width, height = description.size_x, description.size_y
        self.levels = (ResolutionLevel(0, width, height, min(TILE, width), min(TILE, height)),)
        self.hints = ReadHints(request_bytes=1 << 20, parallel=4)

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of a plane; see `PixelSource.read`."""
        if self._closed:
            raise ReadError("this image was closed; open it again")
        region = check_request(self.description, self.levels, plane, region, level, out)
        # An original server answers nothing for a single pixel: ask for its row
        asked = region if region.width * region.height > 1 else region._replace(x=0, width=self.description.size_x)
        dtype = self.description.pixel_type.dtype.newbyteorder("<")
        try:
            raw = self._get(plane, asked)
        except ConnectionFailedError as error:
            raise ReadError(str(error)) from error
        if len(raw) != asked.width * asked.height * dtype.itemsize:
            raise ReadError(f"the server sent {len(raw)} bytes for {asked.width} x {asked.height} pixels; ask again")
        pixels = np.frombuffer(raw, dtype).reshape(asked.shape)
        pixels = pixels[:, region.x - asked.x : region.x - asked.x + region.width]
        if out is None:
            return pixels.astype(dtype.newbyteorder("="))
        out[...] = pixels
        return out

    def close(self) -> None:
        """Refuse to be read from now on; twice is allowed."""
        self._closed = True

    def _get(self, plane: PlaneIndex, region: Region) -> bytes:
        where = {"PixelsID": self._pixels_id, "BigEndian": 0}
        whole = {"theZ": plane.z, "theC": plane.c, "theT": plane.t}
        if region.shape == (self.description.size_y, self.description.size_x):
            return self._omeis.get("GetPlane", **where, **whole)
        if region.width == self.description.size_x:
            return self._omeis.get("GetRows", **where, **whole, theY=region.y, nRows=region.height)
        z, c, t = plane.z, plane.c, plane.t
        right, bottom = region.x + region.width - 1, region.y + region.height - 1
        return self._omeis.get("GetROI", **where, ROI=f"{region.x},{region.y},{z},{c},{t},{right},{bottom},{z},{c},{t}")
