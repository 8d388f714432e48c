"""Pixels from a source to a sink, tile by tile, reading ahead while the sink is busy.

Tiles that lie together are read together: a server takes as long for a small call as for one of `ReadHints`' size.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import PlaneSequence, Progress, ReadHints, WatchedSink, check_request, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from ij_omero.model import ImageId
    from ij_omero.pixels import PixelSink, PixelSource, WriteLayout

_MOST_AHEAD = 4
_AHEAD_BYTES = 64 << 20


class Portion(NamedTuple):
    """Tiles that follow one another in `write_order` and are read together: a rectangle of a plane, or whole planes."""

    planes: list[PlaneIndex]
    region: Region
    tiles: list[Region]
    """The tiles of each of the planes."""


def copy_pixels(source: PixelSource, sink: PixelSink, progress: Progress = no_progress) -> ImageId:
    """Write all pixels of a source into a sink and finish it.

    Never holds more than a few tiles. On any error, and when ``progress`` raises, the new image is abandoned.

    Returns
    -------
    ImageId
        The new image.
    """
    description, layout = sink.description, sink.layout
    if isinstance(sink, WatchedSink):
        sink.watch(progress)
    if description.sizes != source.description.sizes:
        with sink:
            raise InvalidInputError(
                f"the new image has sizes (X, Y, Z, C, T) {description.sizes}, its pixels {source.description.sizes}"
            )
    columns, rows = -(-description.size_x // layout.tile_width), -(-description.size_y // layout.tile_height)
    total = columns * rows * description.plane_count
    pixel_bytes = description.pixel_type.bytes_per_pixel
    tile_bytes = layout.tile_width * layout.tile_height * pixel_bytes
    portion_bytes = max(1, tile_bytes, min(source.hints.request_bytes, tile_bytes * total))
    ahead = max(1, min(_MOST_AHEAD, source.hints.parallel + 1, _AHEAD_BYTES // portion_bytes))
    with sink, ThreadPoolExecutor(max(1, min(ahead, source.hints.parallel)), "ij_omero-copy") as readers:
        waiting: deque[tuple[Portion, Future[list[npt.NDArray[Any]]]]] = deque()
        done = 0

        def write_first() -> None:
            nonlocal done
            portion, pixels = waiting.popleft()
            left, top = portion.region.x, portion.region.y
            for plane, whole in zip(portion.planes, pixels.result(), strict=True):
                for tile in portion.tiles:
                    rows = whole[tile.y - top : tile.y - top + tile.height]
                    sink.write(plane, tile, rows[:, tile.x - left : tile.x - left + tile.width])
                    done += 1
                    progress(done, total, "writing pixels")

        try:
            for portion in portions(description, layout, source.hints.request_bytes):
                waiting.append((portion, readers.submit(_read, source, portion)))
                if len(waiting) > ahead:
                    write_first()
            while waiting:
                write_first()
        except BaseException:
            for _, pixels in waiting:
                pixels.cancel()
            raise
        return sink.finish()


def portions(description: ImageDescription, layout: WriteLayout, request_bytes: int) -> Iterator[Portion]:
    """Join the tiles of a layout to portions of about a request's size, in `write_order`.

    Parameters
    ----------
    description
        The image.
    layout
        The tiles.
    request_bytes
        A portion has at least one tile, and beyond that not more than this many bytes.
    """
    width, height = description.size_x, description.size_y
    pixel_bytes = description.pixel_type.bytes_per_pixel
    several = max(1, request_bytes // (width * height * pixel_bytes))
    band_bytes = width * min(layout.tile_height, height) * pixel_bytes
    tile_bytes = min(layout.tile_width, width) * min(layout.tile_height, height) * pixel_bytes
    columns, rows = layout.tile_width, layout.tile_height
    if several > 1:
        columns, rows = width, height
    elif band_bytes <= request_bytes:
        columns, rows = width, rows * (request_bytes // band_bytes)
    else:
        columns *= max(1, request_bytes // tile_bytes)
    planes = description.plane_indices()
    for first in range(0, len(planes), several):
        for region in _cut(Region(0, 0, width, height), columns, rows):
            tiles = list(_cut(region, layout.tile_width, layout.tile_height))
            yield Portion(planes[first : first + several], region, tiles)


def _cut(region: Region, width: int, height: int) -> Iterator[Region]:
    """Cut a region into tiles from its corner on, x fastest."""
    right, bottom = region.x + region.width, region.y + region.height
    for y in range(region.y, bottom, height):
        for x in range(region.x, right, width):
            yield Region(x, y, min(width, right - x), min(height, bottom - y))


def _read(source: PixelSource, portion: Portion) -> list[npt.NDArray[Any]]:
    planes, region = portion.planes, portion.region
    if len(planes) == 1 or not isinstance(source, PlaneSequence):
        return [source.read(plane, region) for plane in planes]
    pixels = list(np.empty((len(planes), *region.shape), source.description.pixel_type.dtype))
    source.read_planes(planes, region, out=pixels)
    return pixels


class ArraySource:
    """An array in memory as a pixel source.

    Parameters
    ----------
    pixels
        (T, C, Z, Y, X), or its last two to four axes; not copied.
    name
        The image's name.
    description
        What is known of the image besides; its sizes and pixel type give way to the array's.
    """

    hints = ReadHints(request_bytes=1)  # nothing is gained by joining what is in memory

    def __init__(self, pixels: npt.NDArray[Any], name: str, description: ImageDescription | None = None) -> None:
        if not 2 <= pixels.ndim <= 5 or pixels.size == 0:
            raise InvalidInputError(
                f"cannot make an image of an array of shape {pixels.shape}; expected (Y, X), (Z, Y, X), "
                "(C, Z, Y, X) or (T, C, Z, Y, X) with at least one pixel"
            )
        pixel_type = PixelType.of(pixels.dtype)
        self._pixels: npt.NDArray[Any] | None = pixels.reshape((1,) * (5 - pixels.ndim) + pixels.shape)
        t, c, z, y, x = self._pixels.shape
        self.description = ImageDescription(name, pixel_type, x, y, z, c, t)
        if description is not None:
            own: dict[str, Any] = {"size_x": x, "size_y": y, "size_z": z, "size_c": c, "size_t": t}
            self.description = description.replace(name=name, pixel_type=pixel_type, **own)
        self.levels = (ResolutionLevel(0, x, y, x, y),)

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a region, as `PixelSource.read` says."""
        if self._pixels is None:
            raise ReadError(f"{self.description.name!r} was closed")
        region = check_request(self.description, self.levels, plane, region, level, out)
        rows = self._pixels[plane.t, plane.c, plane.z, region.y : region.y + region.height]
        pixels = rows[:, region.x : region.x + region.width]
        if out is None:
            return np.array(pixels, self.description.pixel_type.dtype, order="C")
        out[...] = pixels
        return out

    def close(self) -> None:
        """Let the array go."""
        self._pixels = None
