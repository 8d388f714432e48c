"""Loading cells in the background."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

from ij_omero.errors import OperationTimeoutError

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)
_PATIENCE_S = 1.0
"""How long a thread waits for more: another runtime takes a quarter of a millisecond to get to know a new one."""


class Prefetch:
    """Cells that are being loaded in the background."""

    def __init__(self, futures: list[Future[None]]) -> None:
        self._futures = futures

    @property
    def done(self) -> bool:
        """Whether nothing is left to load."""
        return all(future.done() for future in self._futures)

    def cancel(self) -> None:
        """Load no more; requests under way are finished."""
        for future in self._futures:
            future.cancel()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it is done or cancelled; cells that could not be read are read when they are touched.

        Raises
        ------
        OperationTimeoutError
            It took longer than `timeout` seconds.
        """
        if wait(self._futures, timeout).not_done:
            raise OperationTimeoutError(f"cells were not loaded within {timeout} seconds")


class Prefetcher:
    """Threads that exist only while something is loaded ahead, and a moment longer.

    Parameters
    ----------
    parallel
        Threads at most, as many as pay at the source.

    Attributes
    ----------
    leave
        Called by each thread before it ends.
    """

    def __init__(self, parallel: int) -> None:
        self.leave: Callable[[], None] | None = None
        self._parallel = max(parallel, 1)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Future[None], weakref.WeakMethod[Callable[[Any], object]], Any]] = deque()
        self._threads: set[threading.Thread] = set()
        self._serving = 0
        self._idle = 0
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether whatever runs is to come to an end."""
        return self._stopped

    def start(self, load: weakref.WeakMethod[Callable[[Any], object]], pieces: Sequence[Any]) -> Prefetch:
        """Load pieces with a method, a weak one so that a waiting thread does not keep a cache; none after `stop`."""
        if not pieces:
            return Prefetch([])
        with self._changed:
            if self._stopped:
                return Prefetch([])
            futures: list[Future[None]] = [Future() for _ in pieces]
            self._waiting.extend((future, load, piece) for future, piece in zip(futures, pieces, strict=True))
            self._changed.notify(len(futures))
            for _ in range(min(len(self._waiting) - self._idle, self._parallel - self._serving)):
                # a daemon: what it loads is not worth waiting for when the process ends
                thread = threading.Thread(target=self._work, name="ij-omero-prefetch", daemon=True)
                thread.start()
                self._threads.add(thread)
                self._serving += 1
        return Prefetch(futures)

    def stop(self) -> None:
        """Cancel what has not begun, wait for the rest and end the threads."""
        with self._changed:
            self._stopped = True
            while self._waiting:
                future, _, _ = self._waiting.popleft()
                future.cancel()
                future.set_running_or_notify_cancel()  # or whoever waits for it would go on waiting
            threads = list(self._threads)
            self._changed.notify_all()
        for thread in threads:
            thread.join()

    def resume(self) -> None:
        """Take up work again after `stop`."""
        with self._changed:
            self._stopped = False

    def _work(self) -> None:
        try:
            while True:
                with self._changed:
                    self._idle += 1
                    more = self._changed.wait_for(lambda: self._waiting or self._stopped, _PATIENCE_S)
                    self._idle -= 1
                    if not more or self._stopped:
                        self._serving -= 1
                        break
                    future, load, piece = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    try:
                        _run(load, piece)
                    except BaseException as error:
                        future.set_exception(error)
                    else:
                        future.set_result(None)
                # nothing of the last piece may live while this thread waits
                del future, load, piece
        finally:
            if self.leave is not None:
                self.leave()
            # not before, or `stop` would not wait for it
            with self._changed:
                self._threads.discard(threading.current_thread())


def _run(load: weakref.WeakMethod[Callable[[Any], object]], piece: Any) -> None:
    method = load()
    if method is None:
        return
    try:
        method(piece)
    except OSError as error:
        _log.info("cells %s could not be loaded ahead: %s", piece, error)
