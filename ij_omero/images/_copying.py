"""Pixels from a source to a sink, tile by tile, reading ahead while the sink is busy."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import Progress, ReadHints, WatchedSink, check_request, no_progress, write_order

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import ImageId
    from ij_omero.pixels import PixelSink, PixelSource

_MOST_AHEAD = 4
_AHEAD_BYTES = 64 << 20


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
    tile_bytes = layout.tile_width * layout.tile_height * description.pixel_type.bytes_per_pixel
    ahead = max(1, min(_MOST_AHEAD, source.hints.parallel + 1, _AHEAD_BYTES // max(1, tile_bytes)))
    with sink, ThreadPoolExecutor(max(1, min(ahead, source.hints.parallel)), "ij_omero-copy") as readers:
        waiting: deque[tuple[PlaneIndex, Region, Future[npt.NDArray[Any]]]] = deque()
        done = 0

        def write_first() -> None:
            nonlocal done
            plane, region, pixels = waiting.popleft()
            sink.write(plane, region, pixels.result())
            done += 1
            progress(done, total, "writing pixels")

        try:
            for plane, region in write_order(description, layout):
                waiting.append((plane, region, readers.submit(source.read, plane, region)))
                if len(waiting) > ahead:
                    write_first()
            while waiting:
                write_first()
        except BaseException:
            for _, _, pixels in waiting:
                pixels.cancel()
            raise
        return sink.finish()


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

    hints = ReadHints()

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
