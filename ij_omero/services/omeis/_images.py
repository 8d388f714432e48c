"""The store's images, each open once while requests use it, the last ones kept open."""

from __future__ import annotations

import contextlib
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


class Images:
    """Sources of a store's images, read through one cell cache each.

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
        self._open: OrderedDict[ImageId, CachedSource] = OrderedDict()
        self._users: dict[CachedSource, int] = {}

    @contextlib.contextmanager
    def lease(self, image_id: ImageId) -> Iterator[CachedSource]:
        """Keep an image open for the time of a request; ImageNotFoundError where there is none."""
        with self._lock:
            source = self._open.get(image_id)
            if source is None:
                source = self._open[image_id] = CachedSource(self._store.open(image_id), self._bound)
            self._open.move_to_end(image_id)
            self._users[source] = self._users.get(source, 0) + 1
        try:
            yield source
        except (ConnectionError, ReadError):
            self.forget(image_id)
            raise
        finally:
            self._give_back(source)

    def forget(self, image_id: ImageId) -> None:
        """Close an image; the next request opens it again."""
        with self._lock:
            source = self._open.pop(image_id, None)
        if source is not None:
            source.close()

    def close(self) -> None:
        """Close all images."""
        with self._lock:
            sources, self._open = list(self._open.values()), OrderedDict()
        for source in sources:
            source.close()

    def _give_back(self, source: CachedSource) -> None:
        gone = []
        with self._lock:
            self._users[source] -= 1
            if not self._users[source]:
                del self._users[source]
            held = sum(each.nbytes for each in self._open.values())
            for image_id in [key for key, each in self._open.items() if each not in self._users][:-1]:
                if held <= self._bound and len(self._open) <= MOST_OPEN:
                    break
                held -= self._open[image_id].nbytes
                gone.append(self._open.pop(image_id))
        for each in gone:
            each.close()
