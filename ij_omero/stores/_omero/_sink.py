"""A new image of the server as a `PixelSink`: whole when finished, gone when not."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import Self

from ij_omero.errors import (
    CorruptedDataError,
    IJOmeroError,
    InvalidInputError,
    UnsupportedPixelTypeError,
    WriteError,
)
from ij_omero.model import ImageDescription, PlaneIndex, Region
from ij_omero.pixels import Progress, TileOrder, WriteLayout, no_progress

from ._completing import NewImage, complete_image, save_appearance
from ._creating import CreatedImage, create_image
from ._deleting import delete_objects
from ._failures import FAILURES, LOST, translated
from ._moving import move_pixels
from ._pixel_bytes import MAX_CALL, encode, wire_dtype
from ._raw_stores import close_store
from ._statistics import ChannelRanges
from ._verifying import TileChecksums
from ._waiting import raise_first, results_of, wait_for, when_over

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import numpy.typing as npt

    from ._session import Connection, OmeroSession

_LOG = logging.getLogger("ij_omero.omero")
_INT_MAX = 2**31 - 1
_LARGEST_PLANE_CALL = 60 << 20
"""Bytes of a plane that is still sent in one call; servers take messages of 64 MiB at least, most of 250 MB."""

_PYRAMID_TILE = 512
"""The server proposes 256; it takes and keeps what the first tile has, and 512 is written and read faster."""

being_written: set[tuple[str, int]] = set()
"""(server, image id) of what this process is writing."""


class OmeroSink:
    """Writes one new image; one call is on its way while the next tile is encoded.

    Parameters
    ----------
    session
        The login.
    description
        What the image will be.
    context
        The Ice context of the group that the image goes to.
    dataset_id, source_id
        What it is linked to; both exist.
    pixels_of
        An image that gets the pixels beside those that it has, instead of a new image.
    verify
        Whether to read every tile back from the server before the image becomes whole.
    notes
        Key-value pairs by namespace.
    """

    def __init__(
        self,
        session: OmeroSession,
        description: ImageDescription,
        context: dict[str, str],
        *,
        dataset_id: int | None = None,
        source_id: int | None = None,
        pixels_of: int | None = None,
        verify: bool = False,
        notes: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        check_storable(description)
        self._session = session
        self._description = description
        self._context = context
        self._ranges = ChannelRanges(description.size_c)
        self._pixels_of = pixels_of
        self._checksums = TileChecksums() if verify else None
        self._cancelled = threading.Event()
        self._saving: Any = None
        self._written = 0
        self._progress: Progress = no_progress
        self._lock = threading.RLock()
        self._state = "open"
        self._pending: Any = None
        self._proxy: Any = None
        self._pyramid = False
        self._doing = f"creating the image {description.name!r} at {session.login.server}"
        # Not again after a lost connection: the image may exist, and nobody would know its id.
        self._created = session.call(self._doing, self._create, again=False, otherwise=WriteError)
        being_written.add(self._key)
        self._links = (dataset_id, source_id)
        self._notes = dict(notes or {})
        try:
            self._layout = session.call(self._doing, self._open, again=False, otherwise=WriteError)
        except BaseException:
            self.abandon()
            raise
        self._order = TileOrder(description, self._layout)

    @property
    def description(self) -> ImageDescription:
        """What the image will be."""
        return self._description

    @property
    def layout(self) -> WriteLayout:
        """Planes below the server's plane limit, tiles above it."""
        return self._layout

    @property
    def pixels_id(self) -> int:
        """The id of the Pixels that are written."""
        return self._created.pixels_id

    def watch(self, progress: Progress) -> None:
        """Have somebody told while the server saves; raising from it cancels."""
        self._progress = progress

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write the next tile; see `PixelSink.write`. A refusal may show at the following call."""
        with self._lock:
            self._check_open()
            plane, region = PlaneIndex(*plane), Region(*region)
            self._order.check(plane, region, pixels)
            data = encode(pixels, self._description.pixel_type)
            self._ranges.add(plane.c, pixels)
            self._written += 1
            if self._checksums is not None:
                self._checksums.add(plane, region, data)
            try:
                self._wait()
                if (region.width, region.height) == (self._description.size_x, self._description.size_y):
                    if not self._pyramid:
                        self._pending = self._proxy.begin_setPlane(data, plane.z, plane.c, plane.t)
                        self._order.advance()
                        return
                self._pending = self._proxy.begin_setTile(data, plane.z, plane.c, plane.t, *region)
                self._order.advance()
            except FAILURES as error:
                raise self._failed(error, f"writing {tuple(region)} of plane {tuple(plane)}") from error

    def finish(self) -> int:
        """Make the image whole and visible and return its id; see `PixelSink.finish`.

        `abandon` of another thread, an exception from a watching progress, and Ctrl-C cancel it while the server saves.
        """
        with self._lock:
            self._check_open()
            try:
                self._order.require_complete()
                try:
                    self._finish()
                except FAILURES as error:
                    raise self._failed(error, "finishing it") from error
            except BaseException:
                self.abandon()
                raise
            self._state = "finished"
            being_written.discard(self._key)
            return self._created.image_id if self._pixels_of is None else self._pixels_of

    def _finish(self) -> None:
        self._wait()
        connection = self._session.connection()
        dataset_id, source_id = self._links
        image = NewImage(
            self._created,
            self._description,
            self._context,
            self._session.identity.user_id,
            dataset_id,
            source_id,
            self._ranges,
            named=self._pixels_of is None,
            notes=self._notes,
        )
        self._save(connection, image)
        proxy, self._proxy = self._proxy, None
        if self._pyramid or self._checksums is not None:
            close_store(proxy)
            closed = None
        else:
            closed = proxy.begin_close()
        if self._pyramid:
            save_appearance(connection, image)
        self._verify()
        complete_image(connection, image)
        if self._pixels_of is not None:
            move_pixels(connection, image, self._pixels_of)
        if closed is not None:
            results_of(partial(proxy.end_close, closed))

    def abandon(self) -> None:
        """Delete the half-made image; twice, or after `finish`, does nothing."""
        self._cancelled.set()  # before the lock, which a `finish` of another thread holds
        with self._lock:
            if self._state != "open":
                return
            self._state = "abandoned"
            proxy, self._proxy = self._proxy, None
            if proxy is not None and self._saving is not None:
                # The server cannot be told to stop, but nobody needs to wait for it.
                when_over(self._saving, lambda: close_store(proxy))
            elif proxy is not None:
                try:
                    self._wait(proxy)
                except FAILURES as error:
                    _LOG.debug("the last tile of an abandoned image: %s", type(error).__name__)
                close_store(proxy)
            try:
                self._session.call(f"removing the unfinished image {self._created.image_id}", self._delete)
            except IJOmeroError as error:
                _LOG.warning("%s; it stays marked as unfinished, remove_unfinished() of a new store removes it", error)
            finally:
                being_written.discard(self._key)

    def __enter__(self) -> Self:
        """Return the sink."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon the image unless it was finished."""
        self.abandon()

    @property
    def _key(self) -> tuple[str, int]:
        return (self._session.login.server, self._created.image_id)

    def _check_open(self) -> None:
        if self._state != "open":
            raise WriteError(f"the image is {self._state}; create a new one")

    def _wait(self, proxy: Any = None) -> None:
        """Wait for the call on its way: a store takes one at a time."""
        pending, self._pending = self._pending, None
        if pending is not None:
            proxy = proxy or self._proxy
            end = proxy.end_setTile if pending.getOperation() == "setTile" else proxy.end_setPlane
            end(pending)

    def _save(self, connection: Connection, image: NewImage) -> None:
        """Have the server save, which takes it as long as sending did: it computes a checksum of all pixels."""
        description = self._description
        bytes_of_timepoint = description.nbytes // description.size_t
        if self._pyramid and bytes_of_timepoint > _INT_MAX:
            # Of a pyramid the server reads a whole timepoint for its checksum, and counts with 32 bits: save() fails.
            # To be asked for a pixel has it finish the pyramid all the same.
            self._saving = self._proxy.begin_getTile(0, 0, 0, 0, 0, 1, 1, _ctx=self._context)
            end = self._proxy.end_getTile
        else:
            self._saving = self._proxy.begin_save(_ctx=self._context)
            end = self._proxy.end_save
        total = self._written

        def told() -> None:
            if self._cancelled.is_set():
                raise WriteError(f"{self._doing} was cancelled; nothing of it was kept")
            self._progress(total, total, "saving on the server")

        told()
        if not self._pyramid:  # of a pyramid the server reads when it makes settings, so that comes afterwards
            save_appearance(connection, image)
        wait_for(self._saving, told)
        saving, self._saving = self._saving, None
        end(saving)

    def _verify(self) -> None:
        """Read every tile back and compare; raises before the image is whole."""
        if self._checksums is None:
            return
        connection = self._session.connection()
        proxy = connection.limited(connection.factory.createRawPixelsStore(self._context))
        try:
            proxy.setPixelsId(self._created.pixels_id, False, self._context)
            wrong = self._checksums.first_difference(proxy, self._progress)
        finally:
            close_store(proxy)
        if wrong is not None:
            plane, region = wrong
            raise CorruptedDataError(
                f"{self._doing}: the server gives back other bytes than it was sent for {tuple(region)} of plane "
                f"{tuple(plane)}; nothing of the image was kept, have the server's disk checked"
            )

    def _failed(self, error: Exception, what: str) -> IJOmeroError:
        if isinstance(error, LOST):
            self._session.lost(self._connection)
        return translated(error, f"{self._doing}: {what}", WriteError)

    def _create(self, connection: Connection) -> CreatedImage:
        asked = connection.factory.begin_createRawPixelsStore(_ctx=self._context)
        created, proxy = found = results_of(
            partial(create_image, connection, self._description, self._context),
            partial(connection.factory.end_createRawPixelsStore, asked),
        )
        if isinstance(created, Exception) and not isinstance(proxy, Exception):
            close_store(proxy)
        raise_first(found[:1])  # an image that was made belongs to the sink, which undoes it
        self._connection, self._proxy = connection, proxy
        return cast("CreatedImage", created)

    def _open(self, connection: Connection) -> WriteLayout:
        if isinstance(self._proxy, Exception):
            refused, self._proxy = self._proxy, None
            raise refused
        self._proxy.setPixelsId(self._created.pixels_id, False, self._context)
        self._pyramid = self._proxy.requiresPixelsPyramid()
        width, height = self._description.size_x, self._description.size_y
        if self._pyramid:
            proposed = self._proxy.getTileSize()
            return WriteLayout(
                min(max(_PYRAMID_TILE, proposed[0]), width), min(max(_PYRAMID_TILE, proposed[1]), height)
            )
        row = width * wire_dtype(self._description.pixel_type).itemsize
        if row * height <= _LARGEST_PLANE_CALL:
            return WriteLayout(width, height)
        # Above the plane limit, but of a type that has no pyramids: the server takes whole rows only.
        return WriteLayout(width, max(1, MAX_CALL // row))

    def _delete(self, connection: Connection) -> None:
        delete_objects(connection, "Image", [self._created.image_id], self._context)


def check_storable(description: ImageDescription) -> None:
    """Raise UnsupportedPixelTypeError or InvalidInputError for an image that no OMERO.server can hold."""
    if description.pixel_type.is_complex:
        raise UnsupportedPixelTypeError(
            f"OMERO.server refuses {description.pixel_type.value} pixels; save real and imaginary part, or magnitude "
            "and phase, as two channels of float or double"
        )
    for axis, size in zip("XYZCT", description.sizes, strict=True):
        if size > _INT_MAX:
            raise InvalidInputError(f"Length of {axis} axis is too large for OMERO: {size}; the limit is {_INT_MAX}")
