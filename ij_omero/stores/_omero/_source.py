"""An image of the server as a `PixelSource`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import ReadError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import ReadHints, check_request

from ._failures import LOST
from ._pixel_bytes import MIN_BAND, bands, decode
from ._raw_stores import RawStores

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._raw_stores import RawStore
    from ._session import Connection, OmeroSession


class OmeroSource:
    """Reads pixels of one image, from any thread.

    Parameters
    ----------
    session
        The login; a dropped connection is joined again in the middle of reading.
    description
        What the image is.
    context
        The Ice context (group) in which the image is read.
    parallel
        How many calls to keep in flight.
    """

    def __init__(
        self,
        session: OmeroSession,
        description: ImageDescription,
        context: dict[str, str],
        *,
        parallel: int = 2,
    ) -> None:
        if description.pixels_id is None:
            raise ReadError(f"image {description.image_id} has no pixels")
        self._session = session
        self._description = description
        self._stores = RawStores(session, description.pixels_id, context, parallel)
        self._levels: tuple[ResolutionLevel, ...] | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def description(self) -> ImageDescription:
        """What the image is."""
        return self._description

    @property
    def hints(self) -> ReadHints:
        """Two megabytes per call at least, a few calls at once."""
        return ReadHints(request_bytes=MIN_BAND, parallel=self._stores.size)

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Resolution levels, full size first; asked of the server when first needed."""
        self._check_open()
        with self._lock:
            if self._levels is None:
                self._levels = self._session.call(f"opening {self._name}", self._read_levels)
            return self._levels

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane; see `PixelSource.read`."""
        self._check_open()
        levels = self.levels
        plane = PlaneIndex(*plane)
        region = check_request(self._description, levels, plane, region, level, out)
        target = np.empty(region.shape, self._description.pixel_type.dtype) if out is None else out
        wire_size = 1 if self._description.pixel_type is PixelType.BIT else self._description.pixel_type.bytes_per_pixel
        pieces = bands(region, wire_size, levels[level].tile_height, self._stores.size)
        # What the server counts: its level 0 is the smallest.
        server_level = len(levels) - 1 - level if len(levels) > 1 else None

        def fetch(_: Connection) -> None:
            with self._stores.lend(len(pieces)) as stores:
                self._fetch(stores, plane, region, pieces, server_level, target)

        self._session.call(f"reading {self._name}", fetch)
        return target

    def close(self) -> None:
        """Close the stores on the server; twice is allowed."""
        self._closed = True
        self._stores.close()

    @property
    def _name(self) -> str:
        return f"image {self._description.image_id}"

    def _check_open(self) -> None:
        if self._closed:
            raise ReadError(f"{self._name} is closed; open it again")

    def _fetch(
        self,
        stores: list[RawStore],
        plane: PlaneIndex,
        region: Region,
        pieces: list[Region],
        server_level: int | None,
        target: npt.NDArray[Any],
    ) -> None:
        """Read the pieces with one call in flight on each store, decoding one while the next is on its way."""
        pixel_type = self._description.pixel_type
        for store in stores:
            if server_level is not None and store.level != server_level:
                store.proxy.setResolutionLevel(server_level)
                store.level = server_level
        if len(pieces) == 1:
            data = stores[0].proxy.getTile(plane.z, plane.c, plane.t, *pieces[0])
            decode(data, pixel_type, target)
            return
        waiting = iter(pieces)
        flights: list[tuple[RawStore, Region, Any]] = []
        try:
            for store in stores:
                piece = next(waiting)
                flights.append((store, piece, store.proxy.begin_getTile(plane.z, plane.c, plane.t, *piece)))
            while flights:
                store, piece, call = flights.pop(0)
                data = store.proxy.end_getTile(call)
                following = next(waiting, None)
                if following is not None:
                    call = store.proxy.begin_getTile(plane.z, plane.c, plane.t, *following)
                    flights.append((store, following, call))
                rows = slice(piece.y - region.y, piece.y - region.y + piece.height)
                columns = slice(piece.x - region.x, piece.x - region.x + piece.width)
                decode(data, pixel_type, target[rows, columns])
        except BaseException:
            for store, _, call in flights:
                # The store may only be closed once its call is over.
                try:
                    store.proxy.end_getTile(call)
                except LOST:
                    continue
            raise

    def _read_levels(self, _: Connection) -> tuple[ResolutionLevel, ...]:
        with self._stores.lend() as stores:
            proxy = stores[0].proxy
            sizes = [(size.sizeX, size.sizeY) for size in proxy.getResolutionDescriptions()]
            # The tile size is that of the full size; for the smaller levels some formats name sizes that are slow.
            tile_width, tile_height = proxy.getTileSize()
        sizes[0] = (self._description.size_x, self._description.size_y)
        return tuple(
            ResolutionLevel(index, width, height, min(tile_width, width), min(tile_height, height))
            for index, (width, height) in enumerate(sizes)
        )
