"""A `PixelSource` over a server that gives grey tiles as picture files."""

from __future__ import annotations

import io
import logging
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ij_omero.errors import CorruptedDataError, NotFoundError, ReadError
from ij_omero.pixels import ReadHints, check_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    import numpy.typing as npt

    from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel

    Fetch = Callable[["TileIndex"], bytes]

logger = logging.getLogger(__name__)
_FORMATS = ("PNG", "JPEG", "TIFF")
_LONGEST_SIDE = 8192


class TileIndex(NamedTuple):
    """A tile of a plane: level 0 is full size, ``x`` and ``y`` count tiles."""

    level: int
    c: int
    z: int
    t: int
    x: int
    y: int


class RemoteTiles:
    """Puts tiles together that a server gives as pictures; 8 bits per pixel.

    Tiles of one region are fetched side by side, for all channels that will be asked for; what reaches below the region
    is kept for the next one. A tile that the server does not have is black, and logged.

    Parameters
    ----------
    description
        What the image is, with uint8 pixels.
    levels
        Its levels with the server's own tile sizes.
    fetch
        Returns a tile's picture file, from any thread; NotFoundError where there is none.
    channels
        Those that will be read.
    parallel
        How many requests at once.
    on_close
        Called once, by `close`.
    """

    def __init__(
        self,
        description: ImageDescription,
        levels: Sequence[ResolutionLevel],
        fetch: Fetch,
        *,
        channels: Sequence[int],
        parallel: int = 8,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.description = description
        self.levels = tuple(levels)
        self.hints = ReadHints(parallel=1)
        self.fetched = 0
        self._fetch = fetch
        self._channels = tuple(channels)
        self._on_close = on_close
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(parallel, "ij-omero-tiles")
        self._flights: dict[TileIndex, Future[npt.NDArray[np.uint8] | None]] = {}
        self._lock = threading.Lock()

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane; see `PixelSource.read`."""
        region = check_request(self.description, self.levels, plane, region, level, out)
        target = np.zeros(region.shape, np.uint8) if out is None else out
        target[...] = 0
        size = self.levels[level]
        width, height = size.tile_width, size.tile_height
        bottom = region.y + region.height
        columns = range(region.x // width, -(-(region.x + region.width) // width))
        rows = range(region.y // height, -(-bottom // height))
        with self._lock:
            pool = self._pool
            if pool is None:
                raise ReadError(f"{self.description.name!r} is closed; open it again")
            wanted = [TileIndex(level, plane[1], plane[0], plane[2], x, y) for y in rows for x in columns]
            missing = [tile for tile in wanted if tile not in self._flights]
            for c in dict.fromkeys((plane[1], *self._channels)):
                for tile in (tile._replace(c=c) for tile in missing):
                    if tile not in self._flights:
                        self._flights[tile] = pool.submit(self._load, tile, width, height)
            flights = [(tile, self._flights[tile]) for tile in wanted]
        for tile, flight in flights:
            try:
                pixels = flight.result()
            except CancelledError:
                raise ReadError(f"{self.description.name!r} was closed while it was read") from None
            with self._lock:
                if (tile.y + 1) * height <= bottom or bottom == size.height:
                    self._flights.pop(tile, None)
            if pixels is not None:
                _paste(pixels, tile.x * width - region.x, tile.y * height - region.y, target)
        return target

    def close(self) -> None:
        """Give up what is on its way and close the connections; twice is allowed."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._flights.clear()
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
            self._on_close()

    def _load(self, tile: TileIndex, width: int, height: int) -> npt.NDArray[np.uint8] | None:
        try:
            content = self._fetch(tile)
        except NotFoundError as error:
            logger.warning("tile x=%d, y=%d of level %d, channel %d is missing: %s", tile.x, tile.y, tile.level,
                           tile.c + 1, error)  # fmt: skip
            return None
        self.fetched += 1
        return decode_grey(content)[:height, :width]


def _paste(pixels: npt.NDArray[np.uint8], x: int, y: int, target: npt.NDArray[np.uint8]) -> None:
    """Copy a tile whose corner is at (x, y) of the target, as far as the two meet."""
    top, left = max(0, y), max(0, x)
    bottom, right = min(target.shape[0], y + pixels.shape[0]), min(target.shape[1], x + pixels.shape[1])
    if bottom > top and right > left:
        target[top:bottom, left:right] = pixels[top - y : bottom - y, left - x : right - x]


def decode_grey(content: bytes) -> npt.NDArray[np.uint8]:
    """Return the first band of a PNG, JPEG or TIFF as (Y, X) uint8.

    Raises
    ------
    CorruptedDataError
        It is no such picture, or an absurdly large one.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if max(picture.size) > _LONGEST_SIDE:
                raise CorruptedDataError(f"the server sent a tile of {picture.size[0]} x {picture.size[1]} pixels")
            if picture.mode not in ("L", "RGB", "RGBA", "P", "LA"):
                raise CorruptedDataError(f"the server sent a tile with {picture.mode} pixels; expected 8 bits")
            band = picture if picture.mode == "L" else picture.convert("RGB").getchannel(0)
            return np.array(band, np.uint8)
    except CorruptedDataError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CorruptedDataError(f"the server sent a tile that is no PNG, JPEG or TIFF: {error}") from error
