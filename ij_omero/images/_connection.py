"""An open store with the verbs that a user calls: open, list, save, import, delete."""

from __future__ import annotations

import functools
import itertools
import logging
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from typing_extensions import Self

from ij_omero.errors import ConnectionFailedError, ImageNotFoundError, InvalidInputError
from ij_omero.model import parse_address
from ij_omero.pixels import Progress, SeveralPixels, no_progress

from ._image import Image
from ._image_cells import ImageCells
from ._saving import save

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt

    from ij_omero.cells import CellCache
    from ij_omero.model import ImageAddress, ImageId, ImageSummary, Roi, Table
    from ij_omero.pixels import ImageStore, PixelSource

_log = logging.getLogger(__name__)


class Connection:
    """An open image store.

    Made by `connect` and `open_store`. As a context manager it closes the store, and with it every image that was
    opened through it; edits that were not saved stay in the spill folder (`ij_omero.cells.list_edits`).

    Parameters
    ----------
    store
        The store; it belongs to the connection from now on.
    """

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._lock = threading.RLock()
        # All weak: an image that nobody holds any more frees its cells, unless ImageJ still works on them.
        self._shared: WeakValueDictionary[tuple[ImageId, int | None], CellCache] = WeakValueDictionary()
        self._unread: WeakValueDictionary[tuple[ImageId, int | None], ImageCells] = WeakValueDictionary()
        self._caches: WeakSet[CellCache] = WeakSet()
        self._users: WeakKeyDictionary[PixelSource, WeakSet[Image]] = WeakKeyDictionary()
        self._closed = False

    @property
    def store(self) -> ImageStore:
        """The store itself, for what the verbs do not cover."""
        if self._closed:
            raise ConnectionFailedError(f"the connection to {self._store.address} was closed; open it again")
        return self._store

    @property
    def address(self) -> ImageAddress:
        """The store's address."""
        return self._store.address

    @property
    def closed(self) -> bool:
        """Whether the connection was closed."""
        return self._closed

    @property
    def ended(self) -> bool:
        """Whether a server ended the session for good, so that only a new connection helps."""
        return bool(getattr(self._store, "ended", False))

    @functools.cached_property
    def lookup_tables(self) -> Mapping[str, npt.NDArray[np.uint8]]:
        """The lookup tables that the store has, (256, 3) of red, green and blue by name; each is read when needed."""
        from ij_omero.rendering import lookup_tables_of

        return lookup_tables_of(self._store) or {}

    def open_image(self, image_id: ImageId, *, pixels_id: int | None = None, share: bool = True) -> Image:
        """Open an image; no pixels are read yet.

        Parameters
        ----------
        image_id
            The image.
        pixels_id
            Which of its Pixels, where it has several; None is the first.
        share
            Whether an image that is already open is opened on the same cells, so that each sees the other's edits.
            False gives a cache of its own.

        Raises
        ------
        ImageNotFoundError
            No such image is visible.
        """
        key = (image_id, pixels_id)
        with self._lock:
            cache = self._shared.get(key) if share else None
            if cache is not None and not cache.closed:
                return self._image_over(self._cells_of(cache, pixels_id))
            cells = self._unread.get(key) if share else None
            if cells is None or cells.closed:
                cells = self._open_cells(image_id, pixels_id, share)
            return self._image_over(cells)

    def _image_over(self, cells: ImageCells) -> Image:
        image = Image(self, cells)
        self._users.setdefault(cells.source, WeakSet()).add(image)
        return image

    def _cells_of(self, cache: CellCache, pixels_id: int | None) -> ImageCells:
        cells = ImageCells(cache.source, lambda _: cache, self._lock, pixels_id=pixels_id)
        cells.get()
        self._caches.add(cache)
        return cells

    def _open_cells(self, image_id: ImageId, pixels_id: int | None, share: bool) -> ImageCells:
        key = (image_id, pixels_id)

        def make(source: PixelSource) -> CellCache:
            from ij_omero.cells import CellCache

            cache = CellCache(source, address=str(self._address_of(image_id, pixels_id)))
            self._caches.add(cache)
            if share:
                self._shared[key] = cache
            return cache

        cells = ImageCells(self._open_source(image_id, pixels_id), make, self._lock, pixels_id=pixels_id)
        if share:
            self._unread[key] = cells
        return cells

    def _open_source(self, image_id: ImageId, pixels_id: int | None) -> PixelSource:
        if pixels_id is None:
            return self.store.open(image_id)
        if not isinstance(self.store, SeveralPixels):
            raise ImageNotFoundError(f"images of {self.address} have only one set of pixels; leave pixels_id out")
        return self.store.open(image_id, pixels_id=pixels_id)

    def _address_of(self, image_id: ImageId, pixels_id: int | None) -> ImageAddress:
        if pixels_id is None or not isinstance(self.store, SeveralPixels):
            return self.store.address_of(image_id)
        return self.store.address_of(image_id, pixels_id=pixels_id)

    def recover_image(self, edit_id: str) -> Image:
        """Open an image with the edits that a crashed or closed session left, on a cache of its own.

        Parameters
        ----------
        edit_id
            As `ij_omero.cells.list_edits` tells.

        Raises
        ------
        NotFoundError
            There are no such edits.
        CacheLockedError
            The image is open with them.
        InvalidInputError
            They are of an image of another store.
        """
        from ij_omero.cells import recover_edits

        with self._lock:
            cache = recover_edits(edit_id, self._open_edited)
            named = parse_address(cache.address) if cache.address else None
            return self._image_over(self._cells_of(cache, named.pixels_id if named else None))

    def _open_edited(self, address: str) -> PixelSource:
        edited = parse_address(address)
        image_id = edited.image_id if edited.image_id is not None else self.only_image_id()
        if str(self._address_of(image_id, edited.pixels_id)) != str(edited):
            raise InvalidInputError(f"these edits are of {edited}, which is not an image of {self.address}")
        return self._open_source(image_id, edited.pixels_id)

    def _release(self, image: Image, cells: ImageCells) -> None:
        """Forget an image; close its cells when it was the last that used them."""
        with self._lock:
            users = self._users.get(cells.source, WeakSet())
            users.discard(image)
            last = not users
        if last:
            cells.close()

    def list_images(self, dataset: ImageId | None = None) -> Iterator[ImageSummary]:
        """Yield the images in the order of their ids; of one dataset where it is given."""
        return self.store.list_images(dataset)

    def image_of_pixels(self, pixels_id: int) -> ImageId:
        """Return the id of the image that some Pixels of an OMERO.server belong to.

        Raises
        ------
        ImageNotFoundError
            There are none, or the store's images have only one set of pixels.
        """
        if not isinstance(self.store, SeveralPixels):
            raise ImageNotFoundError(f"images of {self.address} have no pixels with ids; name the image")
        return self.store.image_of_pixels(pixels_id)

    def only_image_id(self) -> ImageId:
        """Return the id of the store's only image.

        Raises
        ------
        ImageNotFoundError
            The store has none.
        InvalidInputError
            It has several.
        """
        found = [summary.image_id for summary in itertools.islice(self.store.list_images(), 2)]
        if not found:
            raise ImageNotFoundError(f"there is no image at {self.address}; ij-omero list shows a store's images")
        if len(found) > 1:
            example = self.store.address_of(found[0])
            raise InvalidInputError(f"{self.address} holds several images; name one, for example {example}")
        return found[0]

    def save_image(
        self,
        image: Any,
        *,
        name: str | None = None,
        dataset: ImageId | None = None,
        source: Image | ImageId | None = None,
        as_pixels_of: Image | ImageId | None = None,
        verify: bool = False,
        tables: Sequence[Table] = (),
        rois: Sequence[Roi] = (),
        progress: Progress = no_progress,
        **changes: Any,
    ) -> Image:
        """Save pixels with everything that belongs to them as a new image, and open it.

        Pixels are streamed tile by tile in the order that the store takes: the edited cell where there is one, else the
        source. The image becomes visible when it is whole, tables and ROIs included; on an error nothing stays behind.

        Parameters
        ----------
        image
            An `Image`, a ``net.imagej.Dataset`` or ImageJ 1's ``ij.ImagePlus``, a `PixelSource`, an
            ``xarray.DataArray`` (see `ij_omero.images.from_xarray`), or an array (Y, X), (Z, Y, X), (C, Z, Y, X) or
            (T, C, Z, Y, X).
        name
            The new image's name; that of ``image`` where it is not given.
        dataset
            The dataset to link the image to, where the store has datasets.
        source
            The image that it was made from: an open one, or the id of one of this store; without it, ``image`` itself,
            or what a result of `run`, a Dataset or an xarray made of an image knows of its origin. Its calibration and
            channels are taken where ``image`` has none and the axes agree. The new image is linked to it: by its id,
            and by its address where it lies in another store.
        as_pixels_of
            An image of an OMERO.server that gets the pixels beside those that it has, instead of a new image: a further
            Pixels object, with sizes, type, calibration and channels of its own; tables and ROIs go to the image.
        verify
            Have every tile read back and compared: from an OMERO.server before the image becomes visible, from other
            stores right afterwards. Where one differs the image is taken back, with CorruptedDataError.
        tables, rois
            To attach.
        progress
            Told of tiles written, and while the server saves them; raising from it cancels the save.
        **changes
            Other fields of the new `ImageDescription`, such as ``physical_size_x`` or ``key_values``.

        Raises
        ------
        InvalidInputError, UnsupportedPixelTypeError
            The object is no image, or holds pixels that the store cannot.
        WriteError, DiskFullError, ConnectionFailedError
            The image could not be written.
        """
        self.store  # noqa: B018 - says that the connection was closed, before any work
        target = as_pixels_of.image_id if isinstance(as_pixels_of, Image) else as_pixels_of
        image_id, pixels_id = save(
            self, image, name, dataset, source, tables, rois, progress, changes, pixels_of=target, verify=verify
        )
        return self.open_image(image_id, pixels_id=pixels_id)

    def save_unopened(
        self,
        image: Any,
        *,
        name: str | None = None,
        dataset: ImageId | None = None,
        source: Image | ImageId | None = None,
        notes: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> ImageId:
        """Save as `save_image` does and return the new image's id, without the calls that opening it takes.

        Parameters
        ----------
        image, name, dataset, source
            As for `save_image`.
        notes
            Key-value pairs by namespace, beside those of the image; of an OMERO.server only.

        Raises
        ------
        InvalidInputError, UnsupportedPixelTypeError, WriteError, DiskFullError, ConnectionFailedError
            As for `save_image`.
        """
        self.store  # noqa: B018 - says that the connection was closed, before any work
        return save(self, image, name, dataset, source, (), (), no_progress, {}, notes=notes)[0]

    def import_picture(
        self,
        path: Path | str,
        *,
        name: str | None = None,
        dataset: ImageId | None = None,
        progress: Progress = no_progress,
        **changes: Any,
    ) -> Image:
        """Import a picture file (TIFF, OME-TIFF, PNG, JPEG, ...) as a new image, and open it.

        Parameters
        ----------
        path
            The file.
        name
            The image's name; the file's where it is not given.
        dataset
            The dataset to link the image to.
        progress
            Told of tiles written.
        **changes
            Other fields of the `ImageDescription` to change, such as ``physical_size_x``.

        Raises
        ------
        StorageError, InvalidInputError
            The file cannot be read, or holds no picture.
        """
        from ij_omero.stores import import_picture

        return self.open_image(import_picture(self.store, path, name, dataset=dataset, progress=progress, **changes))

    def read_table(self, table_id: int | str) -> Table:
        """Read a table that is attached to an image."""
        return self.store.read_table(table_id)

    def delete(self, image: Image | ImageId) -> None:
        """Delete an image with what is attached to it; its open cells are closed, with their edits."""
        image_id = image.image_id if isinstance(image, Image) else image
        with self._lock:
            users = [image for users in self._users.values() for image in users if image.image_id == image_id]
            for user in users:
                user.discard_edits()
                user.close()
        self.store.delete(image_id)

    def close(self) -> None:
        """Close the store and every image that was opened through it; twice is allowed."""
        with self._lock:
            if self._closed:
                return
            images = [image for users in self._users.values() for image in users]
        try:
            for image in images:
                image.close()
            for cache in list(self._caches):
                cache.close()
        finally:
            self._closed = True
            self._store.close()

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def __repr__(self) -> str:
        """Tell where the connection leads."""
        state = "closed" if self._closed else f"{sum(map(len, self._users.values()))} images open"
        return f"<Connection {self._store.address} ({state})>"
