"""The images that are being looked at: opened when first asked for, closed when memory is short."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import xxhash

from ij_omero.errors import ConnectionFailedError, ImageNotFoundError, InvalidInputError, NotFoundError, ReadError
from ij_omero.loading import CachedSource
from ij_omero.pixels import SeveralPixels
from ij_omero.rendering import lookup_tables_of

from ._shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import numpy.typing as npt

    from ij_omero.model import ImageId, ImageSummary
    from ij_omero.pixels import ImageStore, PixelSource

DEFAULT_BOUND = 1 << 30
MOST_OPEN = 16
LONGEST_NAME = 200


class OpenImages:
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
        self._lock = threading.Lock()
        self._opening: dict[ImageId, threading.Lock] = {}
        self._open: OrderedDict[ImageId, Shown] = OrderedDict()
        self._users: dict[Shown, int] = {}
        self._closed = False

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
        return self._open.get(self.id_of(name))

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[Shown]:
        """Open an image, where it is not yet, and keep it open for the time of a request.

        Raises
        ------
        ImageNotFoundError
            There is no such image.
        """
        shown = self._take(self.id_of(name))
        try:
            yield shown
        except (ConnectionFailedError, ReadError):
            self._forget(shown)
            raise
        finally:
            self._give_back(shown)

    def _take(self, image_id: ImageId) -> Shown:
        shown = self._found(image_id)
        if shown is not None:
            return shown
        with self._lock:
            opening = self._opening.setdefault(image_id, threading.Lock())
        try:
            with opening:
                return self._found(image_id) or self._opened(image_id)
        finally:
            with self._lock:
                self._opening.pop(image_id, None)

    def _found(self, image_id: ImageId) -> Shown | None:
        with self._lock:
            shown = self._open.get(image_id)
            if shown is not None:
                self._open.move_to_end(image_id)
                self._users[shown] = self._users.get(shown, 0) + 1
        if shown is not None:
            shown.ahead.end()
        return shown

    def _opened(self, image_id: ImageId) -> Shown:
        try:
            source = self._open_source(image_id)
        except NotFoundError:  # whose message may tell where the store lies
            raise ImageNotFoundError(f"no image {image_id!r} is shown here") from None
        shown = Shown(image_id, CachedSource(source, self._bound), self._version_of(source), self.lookup_tables)
        with self._lock:
            if not self._closed:
                self._open[image_id] = shown
                self._users[shown] = 1
                return shown
        shown.close()
        raise ReadError("the server is stopping")

    def _open_source(self, image_id: ImageId) -> PixelSource:
        if self._pixels_id is not None and isinstance(self.store, SeveralPixels):
            return self.store.open(image_id, pixels_id=self._pixels_id)
        return self.store.open(image_id)

    def _version_of(self, source: PixelSource) -> str:
        """Return what changes with every run of the server and every change of what is said of the image."""
        return xxhash.xxh3_64_hexdigest(f"{self._run} {source.description} {source.levels}".encode())

    def _give_back(self, shown: Shown) -> None:
        with self._lock:
            self._users[shown] -= 1
            if self._users[shown]:
                return
            del self._users[shown]
            goes_on = self._open.get(shown.image_id) is shown
            unused = [] if goes_on else [shown]
            unused += self._too_much(shown)
        for one in unused:
            one.close()
        if goes_on:
            shown.ahead.begin()

    def _too_much(self, kept: Shown) -> list[Shown]:
        """Take out idle images, the one that was used longest ago first, until all together keep the bounds."""
        held = sum(shown.source.nbytes for shown in self._open.values())
        gone: list[Shown] = []
        for shown in list(self._open.values()):
            if held <= self._bound and len(self._open) <= MOST_OPEN:
                break
            if shown not in self._users and shown is not kept:
                del self._open[shown.image_id]
                held -= shown.source.nbytes
                gone.append(shown)
        return gone

    def _forget(self, shown: Shown) -> None:
        """Have the next request open the image afresh; who reads it still may end."""
        with self._lock:
            if self._open.get(shown.image_id) is shown:
                del self._open[shown.image_id]

    def close(self) -> None:
        """Close all images; twice is allowed."""
        with self._lock:
            self._closed = True
            shown, self._open = list(self._open.values()), OrderedDict()
        for one in shown:
            one.close()
