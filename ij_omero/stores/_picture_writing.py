"""Writing picture files: OME-TIFF with resolution levels, OME-Zarr, PNG and numpy's arrays."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import IJOmeroError, InvalidInputError, StorageError, WriteError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
from ij_omero.pixels import PixelSource, Progress, WriteLayout, no_progress, read_array, write_order

from ._disk_errors import storage_error
from ._ome_xml import description_to_ome_xml
from ._pyramid import PyramidBuilder, pyramid_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

_TILE = 512
_EXPECTED = "expected .ome.tif (or .tif), .ome.zarr (or .zarr), .png or .npy"


def export_picture(
    source: PixelSource, path: str | Path, *, overwrite: bool = False, progress: Progress = no_progress
) -> Path:
    """Write an image as a file whose kind the path's ending tells.

    Parameters
    ----------
    source
        What is written, at full size.
    path
        ``.ome.tif``, ``.ome.tiff``, ``.tif``, ``.tiff``: OME-TIFF, tiled, with resolution levels where the image is
        larger than a tile, BigTIFF where it needs to be. ``.ome.zarr``, ``.zarr``: an OME-Zarr folder. ``.png``: one
        plane of one uint8, uint16 or bit channel, or of three uint8 channels. ``.npy``: (T, C, Z, Y, X).
    overwrite
        Whether a file that is there may be replaced.
    progress
        Told of tiles written.

    Returns
    -------
    Path
        The file, which is there whole or not at all.

    Raises
    ------
    InvalidInputError
        The ending is unknown, or the file kind cannot hold the image.
    StorageError, AccessDeniedError, DiskFullError, WriteError
        The file is there already, or cannot be written.
    ReadError
        The image cannot be read.
    """
    path = Path(path).expanduser()
    name = path.name.lower()
    if name.endswith((".tif", ".tiff")):
        write = _write_ome_tiff
    elif name.endswith(".zarr"):
        write = _write_ome_zarr
    elif name.endswith(".png"):
        write = _write_png
    elif name.endswith(".npy"):
        write = _write_npy
    else:
        raise InvalidInputError(f"cannot tell the kind of file from {path.name!r}; {_EXPECTED}")
    if path.exists() and (not overwrite or path.is_dir()):
        raise StorageError(
            f"{path} is there already; choose another name" + ("" if path.is_dir() else ", or overwrite")
        )
    try:
        with tempfile.TemporaryDirectory(prefix=".exporting-", dir=path.parent) as folder:
            part = Path(folder) / path.name
            write(source, part, progress)
            part.replace(path)
    except IJOmeroError:
        raise
    except OSError as error:
        raise storage_error(error, f"cannot write {path}") from error
    return path


def _write_ome_tiff(source: PixelSource, path: Path, progress: Progress) -> None:
    import tifffile

    description = source.description
    sizes = pyramid_sizes(description.size_x, description.size_y, _TILE)
    dtype = description.pixel_type.dtype
    # The tiles of a file's smaller levels come after all of the larger: they wait in a file beside it
    levels = []
    for level, (width, height) in list(enumerate(sizes))[1:]:
        waiting = path.with_suffix(f".level-{level}")
        levels.append(np.memmap(waiting, dtype, "w+", shape=(*description.shape[:3], height, width)))
        _reserve(waiting)
    options: dict[str, Any] = {
        "photometric": "minisblack",
        "tile": (_TILE, _TILE),
        "compression": "zlib",
        "compressionargs": {"level": 1},
        "predictor": dtype.kind in "iu",
        "metadata": None,
        "maxworkers": os.cpu_count(),
    }
    # Levels add a third; compression may not help, and offsets take room too
    with tifffile.TiffWriter(path, bigtiff=description.nbytes * 3 // 2 > 4_000_000_000, ome=False) as file:
        for level, (width, height) in enumerate(sizes):
            tiles = _full_size_tiles(source, sizes, levels, progress) if level == 0 else _tiles(levels[level - 1])
            first = {
                "description": description_to_ome_xml(description).encode(),
                "subifds": len(sizes) - 1,
                "software": "ij_omero",
            }
            file.write(
                tiles,
                shape=(description.plane_count, height, width),
                dtype=dtype,
                **(first if level == 0 else {"subfiletype": 1}),
                **options,
            )


def _reserve(path: Path) -> None:
    """Take a file's room on the disk now: a disk that is full under a memory map ends the process with SIGBUS."""
    if sys.platform == "linux":
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _full_size_tiles(
    source: PixelSource, sizes: list[tuple[int, int]], levels: list[Any], progress: Progress
) -> Iterator[npt.NDArray[Any]]:
    """Yield the full-size tiles, and fill the smaller levels on the way."""
    description = source.description
    plane = PlaneIndex(0, 0, 0)

    def keep(level: int, region: Region, pixels: npt.NDArray[Any]) -> None:
        if level:
            x, y, width, height = region
            levels[level - 1][plane.t, plane.c, plane.z, y : y + height, x : x + width] = pixels

    builder = PyramidBuilder(sizes, _TILE, description.pixel_type.dtype, keep)
    order = write_order(description, WriteLayout(_TILE, _TILE))
    per_plane = -(-description.size_x // _TILE) * -(-description.size_y // _TILE)
    total = per_plane * description.plane_count
    for done, (at, region) in enumerate(order, 1):
        plane = at
        pixels = source.read(plane, region)
        builder.add(region, pixels)
        yield _padded(pixels)
        progress(done, total, "writing tiles")


def _tiles(level: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield the tiles of a level that is held, in the order of the file."""
    for plane in level.reshape(-1, *level.shape[-2:]):
        for y in range(0, plane.shape[0], _TILE):
            for x in range(0, plane.shape[1], _TILE):
                yield _padded(np.asarray(plane[y : y + _TILE, x : x + _TILE]))


def _padded(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a tile of full size; TIFF has no smaller ones at the edges."""
    if pixels.shape == (_TILE, _TILE):
        return np.ascontiguousarray(pixels)
    tile = np.zeros((_TILE, _TILE), pixels.dtype)
    tile[: pixels.shape[0], : pixels.shape[1]] = pixels
    return tile


def _write_ome_zarr(source: PixelSource, path: Path, progress: Progress) -> None:
    from ._local_sink import LocalSink

    description = source.description.replace(dataset_id=None, dataset_name=None, source_id=None, source_address=None)
    with LocalSink(_ExportFolder(path), description, _TILE) as sink:
        tiles_x, tiles_y = -(-description.size_x // _TILE), -(-description.size_y // _TILE)
        total = tiles_x * tiles_y * description.plane_count
        for done, (plane, region) in enumerate(write_order(description, sink.layout), 1):
            sink.write(plane, region, source.read(plane, region))
            progress(done, total, "writing tiles")
        sink.finish()


class _ExportFolder:
    """A folder for one image outside of any store."""

    image_id = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def finish(self) -> None:
        """Leave the image where it is; the caller moves it."""

    def abandon(self) -> None:
        """Leave it to the caller, who removes the folder around it."""


def _write_png(source: PixelSource, path: Path, progress: Progress) -> None:
    from PIL import Image

    description = source.description
    colours = description.size_c == 3 and description.pixel_type is PixelType.UINT8
    if description.size_z > 1 or description.size_t > 1 or not (description.size_c == 1 or colours):
        raise InvalidInputError(
            f"a PNG holds one plane of one channel, or of three uint8 channels; {_told(description)}. Export it as "
            ".ome.tif, or render it first"
        )
    if description.pixel_type not in (PixelType.UINT8, PixelType.UINT16, PixelType.BIT):
        raise InvalidInputError(
            f"a PNG holds uint8, uint16 or bit pixels; {_told(description)}. Export it as .ome.tif, or render it first"
        )
    pixels = read_array(source, progress=progress)[0, :, 0]
    try:
        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)) if colours else pixels[0]).save(path, "PNG")
    except ValueError as error:
        raise WriteError(f"cannot write {path.name}: {error}") from error


def _told(description: ImageDescription) -> str:
    sizes = " x ".join(map(str, description.sizes))
    return f"this image is {sizes} (X, Y, Z, C, T) {description.pixel_type.value}"


def _write_npy(source: PixelSource, path: Path, progress: Progress) -> None:
    description = source.description
    array = np.lib.format.open_memmap(path, "w+", description.pixel_type.dtype, description.shape)
    _reserve(path)
    planes = description.plane_indices()
    with contextlib.closing(array._mmap):  # type: ignore[attr-defined]
        for done, plane in enumerate(planes, 1):
            source.read(plane, out=array[plane.t, plane.c, plane.z])
            progress(done, len(planes), "writing planes")
        array.flush()
