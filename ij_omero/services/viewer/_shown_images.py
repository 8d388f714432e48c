"""The images that are being looked at: opened when first asked for, closed when memory is short."""

from __future__ import annotations

import contextlib
import functools
import itertools
import secrets
from typing import TYPE_CHECKING, Any

import xxhash

from ij_omero.errors import ConnectionFailedError, ImageNotFoundError, InvalidInputError, NotFoundError, ReadError
from ij_omero.loading import CachedSource
from ij_omero.pixels import ImageDataDetails, SeveralPixels
from ij_omero.rendering import lookup_tables_of
from ij_omero.services._core import OpenImages

from ._shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import numpy.typing as npt

    from ij_omero.model import ImageId, ImageSummary
    from ij_omero.pixels import ImageStore, PixelSource

DEFAULT_BOUND = 1 << 30
LONGEST_NAME = 200


class ShownImages:
    """Images of a store, each open once however many ask for it; safe from any thread.

    Parameters
    ----------
    store
        The store; it stays its owner's.
    only
        The one image that is shown; None shows all of the store.
    pixels_id
        Which of its pixels, where ``only`` has several.
    bound
        Bytes of cells in memory, of all images together. While a request reads, it may be exceeded.
    lookup_tables
        By name, (256, 3) uint8, beside the primary ones; None takes those that the store keeps.
    """

    def __init__(
        self,
        store: ImageStore,
        *,
        only: ImageId | None = None,
        pixels_id: int | None = None,
        bound: int = DEFAULT_BOUND,
        lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None,
    ) -> None:
        if bound < 1:
            raise InvalidInputError("the bound must be above 0")
        if pixels_id is not None and only is None:
            raise InvalidInputError("pixels_id names pixels of one image; say which with only=")
        self.store = store
        self.only = only
        self.lookup_tables = lookup_tables_of(store) if lookup_tables is None else lookup_tables
        self._pixels_id = pixels_id
        self._bound = bound
        self._run = secrets.token_hex(8)
        self._images = OpenImages(self._opened, bound)

    def id_of(self, name: str) -> ImageId:
        """Return the id that an address of this server names.

        Raises
        ------
        ImageNotFoundError
            No image can have this name, or it is not the one that is shown.
        """
        image_id: ImageId = int(name) if name.isascii() and name.isdigit() and len(name) <= 18 else name
        if isinstance(image_id, str) and self.store.address.scheme == "dvid":
            image_id = image_id.replace(":", "/")
        shown = self.only is None or str(image_id) == str(self.only)
        named = isinstance(image_id, int) or self.store.address.scheme not in ("omero", "memory", "omeis")
        if not shown or not named or len(name) > LONGEST_NAME or not name.isprintable():
            raise ImageNotFoundError(f"no image {name[:LONGEST_NAME]!r} is shown here")
        return image_id

    def name_of(self, image_id: ImageId) -> str:
        """Return an image's name in addresses of this server."""
        return str(image_id).replace("/", ":")

    def list_images(self, first: int, count: int) -> list[ImageSummary]:
        """Return some images in the order of their ids."""
        if self.only is not None:
            with self.lease(self.name_of(self.only)) as shown:
                return [shown.summary][first : first + count]
        return list(itertools.islice(self.store.list_images(), first, first + count))

    def find(self, name: str) -> Shown | None:
        """Return an image if it is open, without waiting for anything; else None."""
        return self._images.find(self.id_of(name))

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[Shown]:
        """Open an image, where it is not yet, and keep it open for the time of a request.

        When the last request ends, what lies around its tiles is read ahead, until the next one comes.

        Raises
        ------
        ImageNotFoundError
            There is no such image.
        """
        image_id = self.id_of(name)
        shown = self._images.take(image_id)
        shown.ahead.end()
        try:
            yield shown
        except (ConnectionFailedError, ReadError):
            self._images.forget(image_id, shown)
            raise
        finally:
            if self._images.give_back(shown):
                shown.ahead.begin()

    def _opened(self, image_id: ImageId) -> Shown:
        try:
            source = self._open_source(image_id)
        except NotFoundError:  # whose message may tell where the store lies
            raise ImageNotFoundError(f"no image {image_id!r} is shown here") from None
        cached, version = CachedSource(source, self._bound), self._version_of(source)
        return Shown(image_id, cached, version, self.lookup_tables, functools.partial(self._details, image_id))

    def _details(self, image_id: ImageId) -> Mapping[str, Any]:
        if not isinstance(self.store, ImageDataDetails):
            return {}
        return self.store.image_data_details(image_id, pixels_id=self._pixels_id)

    def _open_source(self, image_id: ImageId) -> PixelSource:
        if self._pixels_id is not None and isinstance(self.store, SeveralPixels):
            return self.store.open(image_id, pixels_id=self._pixels_id)
        return self.store.open(image_id)

    def _version_of(self, source: PixelSource) -> str:
        """Return what changes with every run of the server and every change of what is said of the image."""
        return xxhash.xxh3_64_hexdigest(f"{self._run} {source.description} {source.levels}".encode())

    def close(self) -> None:
        """Close all images; twice is allowed."""
        self._images.close()
