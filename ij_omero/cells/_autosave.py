"""One background thread that stores edits of all open caches from time to time."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING

from ij_omero.errors import StorageError

if TYPE_CHECKING:
    from ._cache import CellCache

_log = logging.getLogger(__name__)


class Autosaver:
    """Calls `CellCache.autosave` every few seconds; its thread runs only while a cache is open."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._periods: weakref.WeakKeyDictionary[CellCache, float] = weakref.WeakKeyDictionary()
        self._due: weakref.WeakKeyDictionary[CellCache, float] = weakref.WeakKeyDictionary()
        self._complained: weakref.WeakSet[CellCache] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def add(self, cache: CellCache, seconds: float) -> None:
        """Look after a cache from now on."""
        with self._changed:
            self._periods[cache] = seconds
            self._due[cache] = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ij-omero-autosave", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def remove(self, cache: CellCache) -> None:
        """Leave a cache alone; the thread ends with the last one."""
        with self._changed:
            self._periods.pop(cache, None)
            self._due.pop(cache, None)
            thread = self._thread if not self._periods else None
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._due:
                    self._thread = None
                    return
                wait = min(self._due.values()) - time.monotonic()
                if wait > 0:
                    # bounded, because a cache that is collected without being closed does not notify
                    self._changed.wait(min(wait, 60.0))
                    continue
                now = time.monotonic()
                ready = [cache for cache, due in self._due.items() if due <= now]
            for cache in ready:
                self._save(cache)
                with self._changed:
                    if cache in self._periods:
                        self._due[cache] = time.monotonic() + self._periods[cache]
            with contextlib.suppress(NameError):
                del cache  # or this frame keeps the last one alive
            ready.clear()

    def _save(self, cache: CellCache) -> None:
        try:
            try:
                cache.autosave()
            finally:
                if cache.face is not None:
                    cache.face.leave()
        except StorageError as error:
            if cache not in self._complained:
                self._complained.add(cache)
                _log.warning("edits are not being saved in the background: %s", error)
        else:
            self._complained.discard(cache)


autosaver = Autosaver()
