"""A store's images, each open once while requests use it, the last ones kept open."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ij_omero.errors import ReadError
from ij_omero.loading import CachedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ij_omero.model import ImageId
    from ij_omero.pixels import ImageStore

MOST_OPEN = 16


class Opened(Protocol):
    """What is kept of an open image."""

    @property
    def nbytes(self) -> int:
        """Bytes of cells in memory."""

    def close(self) -> None:
        """Release its memory and its source; twice is allowed."""


T = TypeVar("T", bound=Opened)


class OpenImages(Generic[T]):
    """Images, each open once however many ask for it; safe from any thread.

    Parameters
    ----------
    open_image
        Opens one; called by one thread at a time for each image.
    bound
        Bytes of cells in memory, of all images together; what a request reads may exceed it.
    """

    def __init__(self, open_image: Callable[[ImageId], T], bound: int) -> None:
        self._open_image = open_image
        self._bound = bound
        self._lock = threading.Lock()
        self._opening: dict[ImageId, threading.Lock] = {}
        self._open: OrderedDict[ImageId, T] = OrderedDict()
        self._users: dict[int, int] = {}
        self._closed = False

    @contextlib.contextmanager
    def lease(self, image_id: ImageId) -> Iterator[T]:
        """Keep an image open for the time of a request; ImageNotFoundError where there is none.

        After a failure of its source the next request opens it afresh.
        """
        opened = self.take(image_id)
        try:
            yield opened
        except (ConnectionError, ReadError):
            self.forget(image_id, opened)
            raise
        finally:
            self.give_back(opened)

    def take(self, image_id: ImageId) -> T:
        """Open an image, where it is not yet; the caller ends its use by `give_back`.

        Raises
        ------
        ReadError
            All images were closed.
        """
        found = self._taken(image_id)
        if found is not None:
            return found
        with self._lock:
            opening = self._opening.setdefault(image_id, threading.Lock())
        try:
            with opening:
                return self._taken(image_id) or self._opened(image_id)
        finally:
            with self._lock:
                self._opening.pop(image_id, None)

    def find(self, image_id: ImageId) -> T | None:
        """Return an image if it is open, without waiting for anything; else None."""
        return self._open.get(image_id)

    def give_back(self, opened: T) -> bool:
        """End what `take` began; what is not needed any more is closed.

        Returns
        -------
        bool
            Whether it stays open though nobody uses it now.
        """
        with self._lock:
            self._users[id(opened)] -= 1
            if self._users[id(opened)]:
                return False
            del self._users[id(opened)]
            stays = any(each is opened for each in self._open.values())
            gone = [] if stays else [opened]
            gone += self._too_much(opened)
        for each in gone:
            each.close()
        return stays

    def _too_much(self, kept: T) -> list[T]:
        """Take out idle images, the one that was used longest ago first, until all together keep the bounds."""
        held = sum(each.nbytes for each in self._open.values())
        gone: list[T] = []
        for image_id, each in list(self._open.items()):
            if held <= self._bound and len(self._open) <= MOST_OPEN:
                break
            if id(each) not in self._users and each is not kept:
                held -= each.nbytes
                gone.append(self._open.pop(image_id))
        return gone

    def forget(self, image_id: ImageId, opened: T | None = None) -> None:
        """Have the next request open an image again; who reads it still may end.

        Parameters
        ----------
        image_id
            The image.
        opened
            Only if it is this one that is open.
        """
        with self._lock:
            found = self._open.get(image_id)
            if found is None or (opened is not None and found is not opened):
                return
            del self._open[image_id]
            if id(found) in self._users:
                return
        found.close()

    def close(self) -> None:
        """Close all images; twice is allowed, and none is opened afterwards."""
        with self._lock:
            self._closed = True
            opened, self._open = list(self._open.values()), OrderedDict()
        for each in opened:
            each.close()

    def _taken(self, image_id: ImageId) -> T | None:
        with self._lock:
            found = self._open.get(image_id)
            if found is not None:
                self._open.move_to_end(image_id)
                self._users[id(found)] = self._users.get(id(found), 0) + 1
            return found

    def _opened(self, image_id: ImageId) -> T:
        opened = self._open_image(image_id)
        with self._lock:
            if not self._closed:
                self._open[image_id] = opened
                self._users[id(opened)] = 1
                return opened
        opened.close()
        raise ReadError("the server is stopping")


class OpenedSource(CachedSource):
    """An image that is open; ``number`` is another one each time that it was opened."""

    number = 0


class OpenSources(OpenImages[OpenedSource]):
    """Sources of a store's images, read through one cell cache each.

    Parameters
    ----------
    store
        The store; it stays its owner's.
    bound
        Bytes of cells in memory, of all images together; what a request reads may exceed it.
    """

    def __init__(self, store: ImageStore, bound: int) -> None:
        super().__init__(self._source_of, bound)
        self._store = store
        self._numbers = itertools.count(1)

    def number_of(self, image_id: ImageId) -> int | None:
        """Return the number of an image that is open, without waiting for anything; else None."""
        source = self.find(image_id)
        return None if source is None else source.number

    def _source_of(self, image_id: ImageId) -> OpenedSource:
        source = OpenedSource(self._store.open(image_id), self._bound)
        source.number = next(self._numbers)
        return source
