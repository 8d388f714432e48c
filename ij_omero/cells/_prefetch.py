"""Loading cells in the background."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from ij_omero.errors import OperationTimeoutError

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)


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
    """A pool of threads that exists only once something is loaded ahead.

    Parameters
    ----------
    parallel
        Threads, as many as pay at the source.
    """

    def __init__(self, parallel: int) -> None:
        self._parallel = max(parallel, 1)
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether whatever runs is to come to an end."""
        return self._stopped

    def start(self, load: weakref.WeakMethod[Callable[[Any], object]], pieces: Sequence[Any]) -> Prefetch:
        """Load pieces with a method, a weak one so that a waiting thread does not keep a cache; none after `stop`."""
        if not pieces:
            return Prefetch([])
        with self._lock:
            if self._stopped:
                return Prefetch([])
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._parallel, "ij-omero-prefetch")
            return Prefetch([self._pool.submit(_run, load, piece) for piece in pieces])

    def stop(self) -> None:
        """Cancel what has not begun, wait for the rest and end the threads."""
        with self._lock:
            self._stopped = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def resume(self) -> None:
        """Take up work again after `stop`."""
        with self._lock:
            self._stopped = False


def _run(load: weakref.WeakMethod[Callable[[Any], object]], piece: Any) -> None:
    method = load()
    if method is None:
        return
    try:
        method(piece)
    except OSError as error:
        _log.info("cells %s could not be loaded ahead: %s", piece, error)
