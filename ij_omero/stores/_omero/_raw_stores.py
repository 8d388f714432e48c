"""A few RawPixelsStores of one image, kept open, each used by one caller at a time."""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ReadError

from ._failures import FAILURES
from ._ice import omero
from ._waiting import raise_first, results_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._session import Connection, OmeroSession

PYRAMID_PATIENCE = 60.0
"""Seconds to wait for a pyramid that the server is still building."""


@dataclass
class RawStore:
    """A RawPixelsStore of the server, the connection that it belongs to and the resolution level it is set to."""

    proxy: Any
    connection: Connection
    level: int | None = None


class RawStores:
    """The pool. Two calls at once on one store hang the server's session, so a store is never lent twice.

    Parameters
    ----------
    session, pixels_id, context
        Whose pixels, and the Ice context (group) in which they are read.
    size
        How many stores at most; two carry planes best, four small tiles.
    """

    def __init__(self, session: OmeroSession, pixels_id: int, context: dict[str, str], size: int) -> None:
        self.size = size
        self._session = session
        self._pixels_id = pixels_id
        self._context = context
        self._idle: list[RawStore] = []
        self._lent = 0
        self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()

    @contextmanager
    def lend(self, wanted: int = 1) -> Iterator[list[RawStore]]:
        """Lend at least one store, waiting for it, and at most as many as are wanted, free now and not waited for.

        After an exception the stores are closed: nobody knows in which state they are.
        """
        connection = self._session.connection()
        stores: list[RawStore] = []
        failed = True
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._closed or self._lent < self.size)
            finally:
                self._waiting -= 1
            if self._closed:
                raise ReadError("the image is closed; open it again")
            count = max(min(wanted, self.size - self._lent - self._waiting), 1)
            self._lent += count
            while self._idle and len(stores) < count:
                stores.append(self._idle.pop())
        try:
            outdated = [store for store in stores if store.connection is not connection]
            stores = [store for store in stores if store.connection is connection]
            for store in outdated:
                close_store(store.proxy)
            if len(stores) < count:
                stores += self._open(connection, count - len(stores))
            yield stores
            failed = False
        finally:
            with self._changed:
                self._lent -= count
                keep = not failed and not self._closed
                if keep:
                    self._idle.extend(stores)
                self._changed.notify_all()
            if not keep:
                for store in stores:
                    # Not waited for: a server that did not answer the read would not answer this either.
                    leave_store(store.proxy)

    def close(self) -> None:
        """Close the idle stores now and the others when they are given back."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        closing = []
        for store in idle:
            with contextlib.suppress(*FAILURES):
                closing.append(partial(store.proxy.end_close, store.proxy.begin_close()))
        results_of(*closing)

    def _open(self, connection: Connection, count: int) -> list[RawStore]:
        """Open some stores side by side, in the time of one."""
        factory = connection.factory
        creating = [factory.begin_createRawPixelsStore(_ctx=self._context) for _ in range(count)]
        created = results_of(*(partial(factory.end_createRawPixelsStore, answer) for answer in creating))
        proxies = [connection.limited(proxy) for proxy in created if not isinstance(proxy, Exception)]
        try:
            raise_first(created)
            self._set_pixels(proxies)
        except BaseException:
            for proxy in proxies:
                close_store(proxy)
            raise
        return [RawStore(proxy, connection) for proxy in proxies]

    def _set_pixels(self, proxies: list[Any]) -> None:
        deadline = time.monotonic() + PYRAMID_PATIENCE
        while True:
            setting = [proxy.begin_setPixelsId(self._pixels_id, True, _ctx=self._context) for proxy in proxies]
            ends = (partial(proxy.end_setPixelsId, answer) for proxy, answer in zip(proxies, setting, strict=True))
            try:
                raise_first(results_of(*ends))
                return
            except omero.MissingPyramidException as error:
                pause = min(max(error.backOff / 1000, 0.1), 2.0)
                if self._closed or time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)


def leave_store(proxy: Any) -> None:
    """Tell the server that a stateful service is not needed any more, without waiting for the answer."""
    try:
        proxy.begin_close()
    except FAILURES:
        return


def close_store(proxy: Any) -> None:
    """Close a stateful service; one whose connection is gone is closed already."""
    try:
        proxy.close()
    except FAILURES:
        return
