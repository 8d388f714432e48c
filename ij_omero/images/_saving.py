"""Saving: any image-like thing becomes a new image of a store, whole or not at all."""

from __future__ import annotations

import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import IJOmeroError, InvalidInputError, WriteError
from ij_omero.pixels import PixelSource, PlaneTimes, SeveralPixels

from ._copying import ArraySource, copy_pixels
from ._from_xarray import from_xarray, is_data_array
from ._image import Image
from ._java_images import cells_behind, java_image_source
from ._origins import origin_of
from ._saved_planes import SavedPlanes
from ._verified import VerifiedSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    import numpy.typing as npt

    from ij_omero.model import ImageDescription, ImageId, RenderingSettings, Roi, Table
    from ij_omero.pixels import ImageStore, PixelSink, Progress

    from ._connection import Connection

_log = logging.getLogger(__name__)
_NOT_TAKEN = {
    "image_id": None,
    "pixels_id": None,
    "dataset_id": None,
    "dataset_name": None,
    "owner": None,
    "group": None,
    "source_id": None,
    "project_id": None,
    "project_name": None,
}


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
    *,
    pixels_of: ImageId | None = None,
    verify: bool = False,
    notes: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> tuple[ImageId, int | None]:
    """Do what `Connection.save_image` says; return the image's id, and that of its further pixels."""
    store = connection.store
    origin, origin_id, elsewhere = origin_of(store, image, source)
    # before the first pixel is read: what is edited meanwhile may come too late for the new image
    edited = image.cache if isinstance(image, Image) else cells_behind(image)
    noted = edited.note_edits() if edited is not None else {}
    with _pixels_of(image, name) as pixels, ThreadPoolExecutor(1) as beside:
        description = _described(pixels.description, origin, name, {"source_address": elsewhere, **changes})
        if not {"channels", "rendering"} & set(changes) and not isinstance(image, (Image, np.ndarray)):
            description = _with_tables(description, image, connection)
        times = beside.submit(_times, store, origin, origin_id, description)
        sink = _created(store, description, dataset, origin_id, pixels_of, verify, notes)
        new = copy_pixels(pixels, sink, progress)
    pixels_id = getattr(sink, "pixels_id", None) if pixels_of is not None else None
    _attach(store, new, tables, rois, times=times, pixels_id=pixels_id)
    if edited is not None:
        edited.mark_saved(noted)
    return new, pixels_id


def _created(
    store: ImageStore,
    description: ImageDescription,
    dataset: ImageId | None,
    origin_id: ImageId | None,
    pixels_of: ImageId | None,
    verify: bool,
    notes: Mapping[str, Sequence[tuple[str, str]]] | None,
) -> PixelSink:
    if isinstance(store, SeveralPixels):
        return store.create(
            description, dataset=dataset, source=origin_id, pixels_of=pixels_of, verify=verify, notes=notes
        )
    if notes:
        raise InvalidInputError(f"in {store.address} images have no notes beside their key-value pairs")
    if pixels_of is not None:
        raise InvalidInputError(
            f"in {store.address} an image has only one set of pixels; save a new image there, or save to an "
            "OMERO.server (as_pixels_of)"
        )
    sink = store.create(description, dataset=dataset, source=origin_id)
    return VerifiedSink(store, sink) if verify else sink


def _times(
    store: ImageStore, origin: ImageDescription | None, origin_id: ImageId | None, new: ImageDescription
) -> npt.NDArray[np.float64] | None:
    """Return when the planes of the origin were acquired, where it is in the same store and has the same planes."""
    if origin is None or origin_id is None or not isinstance(store, PlaneTimes):
        return None
    if origin.shape[:3] != new.shape[:3]:
        return None
    times = store.plane_times(origin_id, pixels_id=origin.pixels_id)
    return times if np.isfinite(times).any() else None


@contextlib.contextmanager
def _pixels_of(image: Any, name: str | None) -> Iterator[PixelSource]:
    """Give a pixel source of anything that has pixels; it is closed afterwards where it was made here."""
    if isinstance(image, Image):
        yield SavedPlanes(image.cache)
    elif isinstance(image, np.ndarray):
        yield ArraySource(image, name or "array")
    elif isinstance(image, PixelSource):
        yield image
    elif is_data_array(image):
        yield from_xarray(image, name)
    else:
        yield java_image_source(image)


def _described(
    own: ImageDescription, origin: ImageDescription | None, name: str | None, changes: dict[str, Any]
) -> ImageDescription:
    """Complete a description with what the image that it was made from knows, and with the caller's changes."""
    changes = dict(changes)
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
    rendering = changes.pop("rendering", None)
    new = own.replace(**_NOT_TAKEN, rendering=rendering, **{**taken, **({"name": name} if name else {}), **changes})
    return new if rendering is not None else new.replace(rendering=_rendering(new, own, origin))


def _rendering(
    new: ImageDescription, own: ImageDescription, origin: ImageDescription | None
) -> RenderingSettings | None:
    """Give the settings of the pixels, else those of the origin where it is shown in the same windows.

    What channels say (windows, colours) is newer, as changed in ImageJ or by the caller; they know neither curves nor
    inversion.
    """
    from dataclasses import replace

    had = own.rendering
    if had is None and origin is not None and origin.pixel_type is own.pixel_type and origin.size_c == own.size_c:
        pairs = zip(own.channels, origin.channels, strict=True)
        had = origin.rendering if all(now.window in (None, was.window) for now, was in pairs) else None
    if had is None or len(had.channels) != len(new.channels):
        return None
    channels = tuple(
        replace(
            shown,
            window=channel.window or shown.window,
            color=channel.color or shown.color,
            active=channel.active,
            lookup_table=channel.lookup_table,
        )
        for shown, channel in zip(had.channels, new.channels, strict=True)
    )
    return replace(had, channels=channels)


def _with_tables(description: ImageDescription, image: Any, connection: Connection) -> ImageDescription:
    """Name the store's lookup tables in which ImageJ shows channels; one that the store lacks is left to the colour."""
    from dataclasses import replace

    from ij_omero.imagej import channel_tables

    tables = channel_tables(image)
    if len(tables) != description.size_c or all(table is None for table in tables):
        return description
    known = connection.lookup_tables  # not before: a server is asked for all of its scripts
    rendering = description.rendering
    channels = []
    for index, (channel, table) in enumerate(zip(description.channels, tables, strict=True)):
        inverted = rendering is not None and rendering.channels[index].inverted
        name = None if table is None else _name_of(table[::-1] if inverted else table, known)
        channels.append(replace(channel, lookup_table=name or channel.lookup_table))
    if rendering is not None:
        pairs = zip(rendering.channels, channels, strict=True)
        shown = tuple(replace(one, lookup_table=channel.lookup_table) for one, channel in pairs)
        rendering = replace(rendering, channels=shown)
    return description.replace(channels=tuple(channels), rendering=rendering)


def _name_of(table: npt.NDArray[np.uint8], known: Mapping[str, npt.NDArray[np.uint8]]) -> str | None:
    return next((name for name in known if np.array_equal(known.get(name, ()), table)), None)


def _channels(own: ImageDescription, origin: ImageDescription) -> Any:
    """Give the origin's channels, without windows that would not fit pixels of another type."""
    from dataclasses import replace

    if own.pixel_type is origin.pixel_type:
        return origin.channels
    return tuple(replace(channel, window=None) for channel in origin.channels)


def _attach(
    store: ImageStore,
    image_id: ImageId,
    tables: Sequence[Table],
    rois: Sequence[Roi],
    *,
    times: Future[npt.NDArray[np.float64] | None],
    pixels_id: int | None = None,
) -> None:
    """Attach tables, ROIs and planes' times; where that fails, take the new image away again."""
    try:
        known = times.result()
        if known is not None and isinstance(store, PlaneTimes):
            store.save_plane_times(image_id, known, pixels_id=pixels_id)
        for table in tables:
            store.save_table(image_id, table)
        if rois:
            store.save_rois(image_id, rois)
    except BaseException as error:
        if pixels_id is None:
            left = _take_back(store, image_id)
        else:
            left = f"the new pixels {pixels_id} of image {image_id} are saved, with what was attached until then"
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
