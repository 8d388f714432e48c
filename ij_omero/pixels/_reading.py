"""What readers and writers of every backend share: checks, the order of tiles, whole arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ij_omero.errors import InvalidInputError
from ij_omero.model import ImageDescription, ImageId, PlaneIndex, Region, ResolutionLevel

from ._optional_contracts import PlaneSequence
from ._progress import Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._contracts import PixelSink, PixelSource, WriteLayout


def check_request(
    description: ImageDescription,
    levels: tuple[ResolutionLevel, ...],
    plane: PlaneIndex,
    region: Region | None,
    level: int,
    out: npt.NDArray[Any] | None = None,
) -> Region:
    """Check what `PixelSource.read` was asked and return the region, completed.

    Raises
    ------
    InvalidInputError
        The level, plane or region lies outside the image, or ``out`` has another shape or dtype.
    """
    region = check_region(levels, level, region)
    for axis, position, size in zip(
        "zct", plane, (description.size_z, description.size_c, description.size_t), strict=True
    ):
        if not 0 <= position < size:
            raise InvalidInputError(f"{axis}={position} lies outside the image; expected 0 to {size - 1}")
    if out is not None and (out.shape != region.shape or out.dtype != description.pixel_type.dtype):
        raise InvalidInputError(
            f"cannot read {region.shape} {description.pixel_type.dtype} pixels into an array of {out.shape} {out.dtype}"
        )
    return region


def check_region(levels: tuple[ResolutionLevel, ...], level: int, region: Region | None = None) -> Region:
    """Check that a level exists and that a region lies in it, and return the region; None is the whole level.

    Raises
    ------
    InvalidInputError
        There is no such level, or the region is empty or lies outside it.
    """
    if not 0 <= level < len(levels):
        raise InvalidInputError(f"resolution level {level} does not exist; the image has levels 0 to {len(levels) - 1}")
    bounds = levels[level].bounds
    if region is None:
        region = bounds
    elif region.width < 1 or region.height < 1 or not bounds.contains(region):
        raise InvalidInputError(
            f"region {tuple(region)} (x, y, width, height) does not lie in level {level}, "
            f"which is {bounds.width} x {bounds.height}"
        )
    return Region(*map(int, region))


def write_order(description: ImageDescription, layout: WriteLayout) -> Iterator[tuple[PlaneIndex, Region]]:
    """Yield the tiles of an image in the order in which sinks take them: x fastest, then y, z, c, t."""
    width, height = description.size_x, description.size_y
    for plane in description.plane_indices():
        for y in range(0, height, layout.tile_height):
            for x in range(0, width, layout.tile_width):
                yield plane, Region(x, y, min(layout.tile_width, width - x), min(layout.tile_height, height - y))


def write_array(sink: PixelSink, pixels: npt.NDArray[Any], progress: Progress = no_progress) -> ImageId:
    """Write a whole array (T, C, Z, Y, X) into a sink and finish it; abandons the image on any error."""
    description = sink.description
    if pixels.shape != description.shape:
        sink.abandon()
        raise InvalidInputError(f"the array has shape {pixels.shape}; expected (T, C, Z, Y, X) {description.shape}")
    with sink:
        tiles_x = -(-description.size_x // sink.layout.tile_width)
        tiles_y = -(-description.size_y // sink.layout.tile_height)
        total = tiles_x * tiles_y * description.plane_count
        for done, (plane, region) in enumerate(write_order(description, sink.layout), 1):
            rows = slice(region.y, region.y + region.height)
            columns = slice(region.x, region.x + region.width)
            sink.write(plane, region, pixels[plane.t, plane.c, plane.z, rows, columns])
            progress(done, total, "writing pixels")
        return sink.finish()


def read_array(source: PixelSource, *, level: int = 0, progress: Progress = no_progress) -> npt.NDArray[Any]:
    """Read a whole level as an array (T, C, Z, Y, X); for images that fit into memory."""
    description = source.description
    size = source.levels[level]
    shape = (description.size_t, description.size_c, description.size_z, size.height, size.width)
    pixels = np.empty(shape, description.pixel_type.dtype)
    planes = description.plane_indices()
    if isinstance(source, PlaneSequence):
        out = [pixels[plane.t, plane.c, plane.z] for plane in planes]
        source.read_planes(planes, level=level, out=out, progress=progress)
        return pixels
    for done, plane in enumerate(planes, 1):
        source.read(plane, level=level, out=pixels[plane.t, plane.c, plane.z])
        progress(done, len(planes), "reading pixels")
    return pixels
