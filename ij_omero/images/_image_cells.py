"""The cells of an opened image, which are made when the first of them is touched."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from ij_omero.cells import CellCache
    from ij_omero.pixels import PixelSource


class ImageCells:
    """What an image reads through; a cache only from the first use on.

    A cache needs the resolution levels, for which a server is asked several times; who only wants to know what an image
    is does not wait for them.

    Parameters
    ----------
    source
        The stored pixels; closed with the cells.
    make
        Makes the cache over the source.
    lock
        Held while the cache is made.
    pixels_id
        Which of the image's Pixels they are; None is the first.
    """

    def __init__(
        self,
        source: PixelSource,
        make: Callable[[PixelSource], CellCache],
        lock: threading.RLock,
        *,
        pixels_id: int | None = None,
    ) -> None:
        self.source = source
        self.pixels_id = pixels_id
        self._make = make
        self._lock = lock
        self._cache: CellCache | None = None
        self._closed = False
        # A cache looks after its source itself, also when ImageJ still holds it and nobody the image.
        self._forgotten = weakref.finalize(self, source.close)
        self._forgotten.atexit = False

    @property
    def made(self) -> CellCache | None:
        """The cache, if there is one yet."""
        return self._cache

    @property
    def closed(self) -> bool:
        """Whether the cells were closed."""
        return self._closed or (self._cache is not None and self._cache.closed)

    def get(self) -> CellCache:
        """Return the cache, which is made now if need be."""
        with self._lock:
            if self._cache is None:
                self._cache = self._make(self.source)
                self._forgotten.detach()
            return self._cache

    def close(self) -> None:
        """Close the cache, or the source that has none."""
        with self._lock:
            self._closed = True
            self._forgotten.detach()
            if self._cache is None:
                self.source.close()
            else:
                self._cache.close()
