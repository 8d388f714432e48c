"""Images as xarray arrays that are computed on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import MissingDependencyError

from ._indexing import AXES

if TYPE_CHECKING:
    from ij_omero.model import ImageDescription, Quantity

    from ._image import Image

_CHUNK_BYTES = 4 << 20


def to_xarray(image: Image) -> Any:
    """Return the image as an ``xarray.DataArray`` over dask; see `Image.to_xarray`."""
    try:
        import dask.array
        import xarray
    except ImportError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed, which arrays on demand need: pip install 'ij-omero[dask]'"
        ) from error
    meta = np.empty((0,) * 5, image.dtype)
    from_array: Any = dask.array.from_array  # dask publishes no types for it
    lazy = from_array(image, chunks=chunk_shape(image), name=False, asarray=False, meta=meta)
    array = xarray.DataArray(
        lazy, dims=AXES, coords=coordinates_of(image.description), name=image.name, attrs=image_attributes(image)
    )
    for axis, size in steps_of(image.description).items():
        array.coords[axis].attrs["units"] = size.unit if size else "pixel"
    return array


def chunk_shape(image: Image) -> tuple[int, int, int, int, int]:
    """One plane per chunk, or whole rows and columns of cells of a plane that is larger."""
    level = image.levels[0]
    height, width = min(level.tile_height, level.height), min(level.tile_width, level.width)
    rows = columns = 1
    while width * columns < level.width and 2 * width * columns * height * rows * image.dtype.itemsize <= _CHUNK_BYTES:
        columns *= 2
    while height * rows < level.height and 2 * width * columns * height * rows * image.dtype.itemsize <= _CHUNK_BYTES:
        rows *= 2
    return 1, 1, 1, min(height * rows, level.height), min(width * columns, level.width)


def steps_of(description: ImageDescription) -> dict[str, Quantity | None]:
    """Return the distance of coordinates along each axis, None where unknown."""
    return {
        "T": description.time_increment,
        "Z": description.physical_size_z,
        "Y": description.physical_size_y,
        "X": description.physical_size_x,
    }


def coordinates_of(description: ImageDescription) -> dict[str, Any]:
    """Return the coordinates of all axes: physical units, pixels where there are none, names of channels."""
    sizes = dict(zip(AXES, description.shape, strict=True))
    coordinates: dict[str, Any] = {
        axis: np.arange(sizes[axis]) * (step.value if step else 1.0) for axis, step in steps_of(description).items()
    }
    coordinates["C"] = [channel.name or f"Channel {i}" for i, channel in enumerate(description.channels)]
    return coordinates


def image_attributes(image: Image) -> dict[str, Any]:
    """Return what an array says of its image."""
    return {"address": str(image.address), "pixel_type": image.description.pixel_type.value}
