"""The store's images, each open once while requests use it, the last ones kept open."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from ij_omero.errors import ReadError
from ij_omero.loading import CachedSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.model import ImageId
    from ij_omero.pixels import ImageStore

MOST_OPEN = 16


class OpenedSource(CachedSource):
    """An image that is open; ``number`` is another one each time that it was opened."""

    number = 0


class OpenSources:
    """Sources of a store's images, read through one cell cache each; safe from any thread.

    Parameters
    ----------
    store
        The store; it stays its owner's.
    bound
        Bytes of cells in memory, of all images together; what a request reads may exceed it.
    """

    def __init__(self, store: ImageStore, bound: int) -> None:
        self._store = store
        self._bound = bound
        self._lock = threading.Lock()
        self._opening: dict[ImageId, threading.Lock] = {}
        self._open: OrderedDict[ImageId, OpenedSource] = OrderedDict()
        self._users: dict[OpenedSource, int] = {}
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def lease(self, image_id: ImageId) -> Iterator[OpenedSource]:
        """Keep an image open for the time of a request; ImageNotFoundError where there is none."""
        source = self.take(image_id)
        try:
            yield source
        except (ConnectionError, ReadError):
            self.forget(image_id)
            raise
        finally:
            self.give_back(source)

    def take(self, image_id: ImageId) -> OpenedSource:
        """Open an image, where it is not yet; the caller ends its use by `give_back`."""
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

    def number_of(self, image_id: ImageId) -> int | None:
        """Return the number of an image that is open, without waiting for anything; else None."""
        source = self._open.get(image_id)
        return None if source is None else source.number

    def give_back(self, source: OpenedSource) -> None:
        """End what `take` began; what is not needed any more is closed."""
        with self._lock:
            self._users[source] -= 1
            if self._users[source]:
                return
            del self._users[source]
            gone = [] if source in self._open.values() else [source]
            held = sum(each.nbytes for each in self._open.values())
            for image_id in [key for key, each in self._open.items() if each not in self._users][:-1]:
                if held <= self._bound and len(self._open) <= MOST_OPEN:
                    break
                held -= self._open[image_id].nbytes
                gone.append(self._open.pop(image_id))
        for each in gone:
            each.close()

    def forget(self, image_id: ImageId) -> None:
        """Have the next request open an image again; who reads it still may end."""
        with self._lock:
            source = self._open.pop(image_id, None)
            if source is None or source in self._users:
                return
        source.close()

    def close(self) -> None:
        """Close all images."""
        with self._lock:
            sources, self._open = list(self._open.values()), OrderedDict()
        for source in sources:
            source.close()

    def _taken(self, image_id: ImageId) -> OpenedSource | None:
        with self._lock:
            source = self._open.get(image_id)
            if source is not None:
                self._open.move_to_end(image_id)
                self._users[source] = self._users.get(source, 0) + 1
            return source

    def _opened(self, image_id: ImageId) -> OpenedSource:
        source = OpenedSource(self._store.open(image_id), self._bound)
        with self._lock:
            source.number = next(self._numbers)
            self._open[image_id] = source
            self._users[source] = 1
        return source
