"""Importing picture files into a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.pixels import Progress, no_progress, write_order

from ._picture_reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.model import ImageId
    from ij_omero.pixels import ImageStore


def import_picture(
    store: ImageStore,
    path: str | Path,
    name: str | None = None,
    *,
    dataset: ImageId | None = None,
    progress: Progress = no_progress,
    **changes: Any,
) -> ImageId:
    """Import a picture file into a store as a new image, tile by tile.

    Parameters
    ----------
    store
        Where to.
    path
        The file; see `read_picture` for what is read.
    name
        The image's name; the file's own where not given.
    dataset
        The dataset to put the image in.
    progress
        Told of tiles written; raising from it cancels the import, which leaves nothing.
    **changes
        Fields of the `ImageDescription` to change, such as ``physical_size_x``.

    Returns
    -------
    ImageId
        The new image's id.

    Raises
    ------
    StorageError, AccessDeniedError, InvalidInputError, CorruptedDataError, MissingDependencyError
        The file cannot be read.
    UnsupportedPixelTypeError, NotFoundError, WriteError, DiskFullError, ConnectionFailedError
        The store does not take it.
    """
    description, source = read_picture(path)
    try:
        if name is not None:
            changes["name"] = name
        description = description.replace(**changes)
        with store.create(description, dataset=dataset) as sink:
            layout = sink.layout
            across, down = -(-description.size_x // layout.tile_width), -(-description.size_y // layout.tile_height)
            total = across * down * description.plane_count
            buffer = np.empty((layout.tile_height, layout.tile_width), description.pixel_type.dtype)
            for done, (plane, region) in enumerate(write_order(description, layout), 1):
                tile = buffer[: region.height, : region.width]
                sink.write(plane, region, source.read(plane, region, out=tile))
                progress(done, total, "importing pixels")
            return sink.finish()
    finally:
        source.close()
