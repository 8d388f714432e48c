"""Saving: any image-like thing becomes a new image of a store, whole or not at all."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import IJOmeroError, InvalidInputError, WriteError
from ij_omero.pixels import PixelSource

from ._copying import ArraySource, copy_pixels
from ._image import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ij_omero.model import ImageDescription, ImageId, Roi, Table
    from ij_omero.pixels import ImageStore, Progress

    from ._connection import Connection

_log = logging.getLogger(__name__)
_IDS = {"image_id": None, "pixels_id": None, "dataset_id": None, "dataset_name": None, "owner": None, "group": None}


def save(
    connection: Connection,
    image: Any,
    name: str | None,
    dataset: ImageId | None,
    source: Image | ImageId | None,
    tables: Sequence[Table],
    rois: Sequence[Roi],
    progress: Progress,
    changes: dict[str, Any],
) -> ImageId:
    """Do what `Connection.save_image` says, and return the new image's id."""
    store = connection.store
    origin, origin_id = _origin(store, image, source)
    # before the first pixel is read: what is edited meanwhile may come too late for the new image
    noted = image.cache.note_edits() if isinstance(image, Image) else {}
    with _pixels_of(image, name) as pixels:
        description = _described(pixels.description, origin, name, changes)
        new = copy_pixels(pixels, store.create(description, dataset=dataset, source=origin_id), progress)
    _attach(store, new, tables, rois)
    if isinstance(image, Image):
        image.cache.mark_saved(noted)
    return new


def _origin(
    store: ImageStore, image: Any, source: Image | ImageId | None
) -> tuple[ImageDescription | None, ImageId | None]:
    """Say which image the new one was made from, and its id where it lies in the same store."""
    if isinstance(source, (int, str)):
        return store.describe(source), source
    parent = source if source is not None else image if isinstance(image, Image) else None
    if parent is None:
        return None, None
    if not isinstance(parent, Image):
        raise InvalidInputError(f"source is a {type(parent).__name__}; expected an open image or an image id")
    return parent.description, parent.image_id if parent.store.address == store.address else None


@contextlib.contextmanager
def _pixels_of(image: Any, name: str | None) -> Iterator[PixelSource]:
    """Give a pixel source of anything that has pixels; it is closed afterwards where it was made here."""
    if isinstance(image, Image):
        yield image.cache.saved_view
    elif isinstance(image, np.ndarray):
        yield ArraySource(image, name or "array")
    elif isinstance(image, PixelSource):
        yield image
    else:
        from ._java_images import java_image_source

        yield java_image_source(image)


def _described(
    own: ImageDescription, origin: ImageDescription | None, name: str | None, changes: dict[str, Any]
) -> ImageDescription:
    """Complete a description with what the image that it was made from knows, and with the caller's changes."""
    unknown = sorted(set(changes) - set(own.__dataclass_fields__))
    if unknown:
        raise InvalidInputError(f"an image has no {', '.join(unknown)}; see ImageDescription for what it has")
    taken: dict[str, Any] = {}
    if origin is not None and origin is not own:
        same_plane = (own.size_x, own.size_y) == (origin.size_x, origin.size_y)
        fields: tuple[str, ...] = ("physical_size_x", "physical_size_y") if same_plane else ()
        fields += ("physical_size_z",) if own.size_z == origin.size_z else ()
        fields += ("time_increment",) if own.size_t == origin.size_t else ()
        taken = {field: getattr(origin, field) for field in fields if getattr(own, field) is None}
        if own.size_c == origin.size_c and all(channel.name is None for channel in own.channels):
            taken["channels"] = _channels(own, origin)
    return own.replace(**_IDS, rendering=None, **{**taken, **({"name": name} if name else {}), **changes})


def _channels(own: ImageDescription, origin: ImageDescription) -> Any:
    """Give the origin's channels, without windows that would not fit pixels of another type."""
    from dataclasses import replace

    if own.pixel_type is origin.pixel_type:
        return origin.channels
    return tuple(replace(channel, window=None) for channel in origin.channels)


def _attach(store: ImageStore, image_id: ImageId, tables: Sequence[Table], rois: Sequence[Roi]) -> None:
    """Attach tables and ROIs; where that fails, take the new image away again."""
    try:
        for table in tables:
            store.save_table(image_id, table)
        if rois:
            store.save_rois(image_id, rois)
    except BaseException as error:
        left = _take_back(store, image_id)
        if isinstance(error, (IJOmeroError, OSError, ValueError, TypeError)):
            raise WriteError(f"could not attach tables and ROIs ({error}); {left}") from error
        _log.warning("saving was interrupted; %s", left)
        raise


def _take_back(store: ImageStore, image_id: ImageId) -> str:
    """Delete a new image and say what is left."""
    try:
        store.delete(image_id)
    except IJOmeroError as error:
        return f"image {image_id} stays in {store.address} without all of them, since deleting it failed too: {error}"
    return "the new image was removed again"
