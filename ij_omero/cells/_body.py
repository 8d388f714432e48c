"""What a cache consists of, apart from the handle that users hold.

A handle that nobody can reach any more must not take edits with it. By then its finalizer could not save them: in a
cycle that is collected, the references to Java's arrays may be gone before it runs. So the parts are kept elsewhere
until they were closed, and none of them refers to the handle.
"""

from __future__ import annotations

import _thread
import atexit
import logging
import queue
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ij_omero.errors import IJOmeroError

from ._budget import process_budget

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ij_omero.pixels import PixelSource

    from ._edit_store import EditStore
    from ._loader import CellLoader
    from ._prefetch import Prefetcher
    from ._residents import Residents

_log = logging.getLogger(__name__)


@dataclass
class CacheBody:
    """The parts of one cache, and what is done with all of them.

    Attributes
    ----------
    saved
        Digests of the edits that were saved elsewhere.
    """

    source: PixelSource
    dtype: np.dtype[Any]
    residents: Residents
    edits: EditStore
    loader: CellLoader
    prefetcher: Prefetcher
    saved: Mapping[int, int] = field(default_factory=dict)
    closed: bool = False

    def unsaved(self) -> dict[int, int]:
        """Return number and digest of the cells in memory whose content is neither the source's nor on disk."""
        unsaved = {}
        for entry in self.residents.everything():
            with entry.lock:
                found = None if entry.gone else entry.edited(self.dtype)
                if found is not None:
                    unsaved[entry.index] = found[1]
        return unsaved

    def edit_digests(self) -> dict[int, int]:
        """Return the digests of all edited cells."""
        # in this order: what is stored meanwhile is in one of the two
        unsaved = self.unsaved()
        return {**self.edits.digests, **unsaved}

    def autosave(self) -> int:
        """Store the edits that are only in memory, and return how many cells that were."""
        count = 0
        for entry in self.residents.everything():
            # one lock from the look to the commit, or an older state could be stored over a newer one
            with entry.lock:
                found = None if entry.gone else entry.edited(self.dtype)
                if found is not None:
                    self.edits.put([(entry.index, *found)])
                    entry.digest = found[1]
                    entry.written = entry.foreign is not None
                    count += 1
        return count

    def close(self, *, discard: bool = False) -> None:
        """Release everything; edits that were not saved stay on disk unless they are to be discarded."""
        if self.closed:
            return
        self.prefetcher.stop()
        left = {} if discard else self.edit_digests()
        if left and left != self.saved:
            try:
                self.autosave()
                self.edits.sync()
            except BaseException:
                self.prefetcher.resume()
                raise
            name = self.source.description.name
            _log.warning("unsaved edits of %r are kept: `ij-omero edits recover %s`", name, self.edits.edit_id)
        else:
            discard = True
        self.closed = True
        self.loader.close()
        process_budget.remove(self.residents)
        if self.residents.face is not None:
            self.residents.face.close()
        for entry in self.residents.everything():
            with entry.lock:
                self.residents.drop(entry)
        self.edits.close(delete=discard)
        self.source.close()


_open: weakref.WeakSet[Any] = weakref.WeakSet()
_left_behind: queue.SimpleQueue[CacheBody] = queue.SimpleQueue()
_closing = threading.Lock()


def look_after(handle: Any, body: CacheBody) -> None:
    """Close a body when its handle cannot be reached any more, or the process ends."""
    _open.add(handle)
    weakref.finalize(handle, _leave_behind, body).atexit = False


def close_before_others_exit() -> None:
    """Let the exit hook run before those registered by now: hooks run last in, first out."""
    atexit.unregister(_close_all)
    atexit.register(_close_all)


def _leave_behind(body: CacheBody) -> None:
    # the collector may run in the middle of anything, with any lock held: only what takes no lock is allowed here
    if not body.closed:
        _left_behind.put(body)
        try:
            _thread.start_new_thread(_close_left_behind, ())
        except RuntimeError:  # the interpreter ends, and its exit hook closes what is left
            return


def _close_left_behind() -> None:
    with _closing:
        while True:
            try:
                body = _left_behind.get_nowait()
            except queue.Empty:
                return
            _close(body)


def _close(body: CacheBody) -> None:
    try:
        body.close()
    except (IJOmeroError, RuntimeError) as error:
        _log.error("edits of %r could not be kept: %s", body.source.description.name, error)


@atexit.register
def _close_all() -> None:
    for handle in list(_open):
        _close(handle.body)
    _close_left_behind()
