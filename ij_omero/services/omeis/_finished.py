"""Pixels of a finished image as OMEIS has them: raw bytes, x fastest, then y, z, c and t."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from ij_omero.model import Region

from ._parameters import Box
from ._repository import sha1_of_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.model import ImageId
    from ij_omero.services._core import OpenSources

CHUNK = 4 << 20


class FinishedPixels:
    """An image's pixels."""

    def __init__(self, images: OpenSources, image_id: ImageId) -> None:
        self._images = images
        self._image_id = image_id

    def chunks(self, box: Box, *, big_endian: bool) -> Iterator[memoryview]:
        """Yield the bytes of a box, in pieces of whole rows, or of whole planes where these are small.

        Parameters
        ----------
        big_endian
            Their byte order.
        """
        region = box.region
        with self._images.lease(self._image_id) as source:
            dtype = source.description.pixel_type.dtype
            tile = source.levels[0].tile_height
        rows = max(1, CHUNK // (region.width * dtype.itemsize))
        together = max(1, rows // region.height)
        rows = max(rows // tile * tile, min(rows, tile))
        swapped = big_endian != (sys.byteorder == "big")
        planes = list(box.planes)
        for number in range(0, len(planes), together):
            some = planes[number : number + together]
            for first in range(region.y, region.y + region.height, rows if together == 1 else region.height):
                height = min(rows, region.y + region.height - first) if together == 1 else region.height
                band = Region(region.x, first, region.width, height)
                pixels = np.empty((len(some), height, region.width), dtype)
                with self._images.lease(self._image_id) as source:
                    for plane, out in zip(some, pixels, strict=True):
                        source.read(plane, band, out=out)
                if swapped:
                    pixels.byteswap(inplace=True)
                yield pixels.reshape(-1).view(np.uint8).data

    def sha1(self) -> str:
        """Return the digest of all pixels, little endian."""
        with self._images.lease(self._image_id) as source:
            x, y, z, c, t = (size - 1 for size in source.description.sizes)
        return sha1_of_chunks(self.chunks(Box(0, 0, 0, 0, 0, x, y, z, c, t), big_endian=False))
