"""Writing an OME-Zarr image tile by tile, with its resolution levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from ij_omero.errors import DiskFullError, IJOmeroError, InvalidInputError, WriteError
from ij_omero.model import ImageDescription, ImageId, PixelType, PlaneIndex, Region
from ij_omero.pixels import TileOrder, WriteLayout

from ._description_json import json_text
from ._disk_errors import storage_error
from ._ngff_arrays import ChunkWriter
from ._ngff_metadata import image_attributes
from ._pyramid import PyramidBuilder, pyramid_sizes

if TYPE_CHECKING:
    from types import TracebackType

    import numpy.typing as npt

    from ._local_folder import WritingFolder


class LocalSink:
    """A `PixelSink` that writes into a hidden folder, which becomes an image when it is finished.

    It holds one row of tiles per resolution level in memory.
    """

    def __init__(self, writing: WritingFolder, description: ImageDescription, tile: int) -> None:
        self._writing: WritingFolder | None = writing
        self._description = description
        self._sizes = pyramid_sizes(description.size_x, description.size_y, tile)
        self._tile = tile
        self._plane = PlaneIndex(0, 0, 0)
        self._ranges: list[tuple[float, float] | None] = [None] * description.size_c
        self._layout = WriteLayout(min(tile, description.size_x), min(tile, description.size_y))
        self._order = TileOrder(description, self._layout)
        dtype = description.pixel_type.dtype
        # Readers in other languages have no type for bits; a byte that is 0 or 1 they all know
        stored = np.dtype(np.uint8) if description.pixel_type is PixelType.BIT else dtype
        try:
            # Now rather than when everything is written
            json_text(image_attributes(description, writing.image_id, self._sizes, self._ranges))
            self._writers = [
                ChunkWriter(
                    writing.path / str(level),
                    (*description.shape[:3], height, width),
                    (1, 1, 1, min(tile, height), min(tile, width)),
                    stored,
                )
                for level, (width, height) in enumerate(self._sizes)
            ]
            self._builder = PyramidBuilder(self._sizes, tile, dtype, self._emit)
        except InvalidInputError:
            self.abandon()
            raise
        except OSError as error:
            self.abandon()
            raise storage_error(error, f"cannot write image {description.name!r}") from error
        except MemoryError as error:
            self.abandon()
            raise WriteError(f"one row of tiles of image {description.name!r} does not fit into memory") from error

    @property
    def description(self) -> ImageDescription:
        """What the image will be."""
        return self._description

    @property
    def layout(self) -> WriteLayout:
        """Square tiles, which are the chunks of the array."""
        return self._layout

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write the next tile; see `PixelSink.write`."""
        if self._writing is None:
            raise WriteError("this image is finished or abandoned; create() a new one")
        self._order.check(plane, region, pixels)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        self._plane = plane
        try:
            self._builder.add(region, pixels)
        except OSError as error:
            raise self._failure(error) from error
        self._follow_range(plane.c, pixels)
        self._order.advance()

    def finish(self) -> ImageId:
        """Make the image visible and return its id."""
        writing = self._writing
        if writing is None:
            raise WriteError("this image is finished or abandoned already; create() a new one")
        try:
            self._order.require_complete()
            for writer in self._writers:
                writer.finish()
            attributes = image_attributes(self._description, writing.image_id, self._sizes, self._ranges)
            (writing.path / ".zgroup").write_text('{"zarr_format": 2}')
            (writing.path / ".zattrs").write_text(json_text(attributes, indent=1))
            writing.finish()
        except OSError as error:
            self.abandon()
            raise self._failure(error) from error
        except BaseException:
            self.abandon()
            raise
        self._writing = None
        return writing.image_id

    def abandon(self) -> None:
        """Remove what was written."""
        if self._writing is not None:
            self._writing.abandon()
            self._writing = None

    def __enter__(self) -> Self:
        """Return the sink."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon the image unless it was finished."""
        self.abandon()

    def _emit(self, level: int, region: Region, pixels: npt.NDArray[Any]) -> None:
        z, c, t = self._plane
        chunk = (t, c, z, region.y // self._tile, region.x // self._tile)
        self._writers[level].write(chunk, pixels.view(np.uint8) if pixels.dtype == bool else pixels)

    def _follow_range(self, c: int, pixels: npt.NDArray[Any]) -> None:
        """Keep the channel's smallest and largest value, for readers that need a window."""
        if pixels.dtype.kind == "c":
            return
        with np.errstate(invalid="ignore"):
            low, high = float(np.fmin.reduce(pixels, axis=None)), float(np.fmax.reduce(pixels, axis=None))
        if np.isfinite(low) and np.isfinite(high):
            known = self._ranges[c] or (low, high)
            self._ranges[c] = (min(low, known[0]), max(high, known[1]))

    def _failure(self, error: OSError) -> IJOmeroError:
        found = storage_error(error, f"cannot write image {self._description.name!r}")
        if isinstance(found, DiskFullError) or isinstance(error, IJOmeroError):
            return found
        return WriteError(str(found))
