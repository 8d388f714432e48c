"""Connections shared out evenly among worker processes that listen at one socket.

The system wakes every worker for a new connection, and who comes first takes all that wait: of two clients that keep
their connections both may be one worker's, while the other has nothing to do. Here a worker that has more connections
than another leaves a new one to it for a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import multiprocessing
import os
import socket
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

try:
    from uvloop import Loop
except ImportError:  # where there is none
    from asyncio import SelectorEventLoop as Loop  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

MOMENT = 0.01  # seconds for which a connection is left to others
AT_ONCE = 32  # the loop of a busy worker comes round seldom
NO_ROOM_SECONDS = 1.0  # until the next try where the process may open no more files
LOCK_SECONDS = 1.0
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Turns:
    """How many connections each worker has open, in memory that they share; pickles for a spawned process only.

    For POSIX: elsewhere signal 0 does not ask whether a process is there.
    """

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        places = 2 * workers  # one takes over before another ends
        self._processes = context.RawArray("l", places)
        self._connections = context.RawArray("l", places)
        self._lock = context.Lock()
        self._own = -1

    def join(self) -> None:
        """Take a place for this process: one of a process that has ended, or was never taken."""
        taken = self._lock.acquire(timeout=LOCK_SECONDS)
        try:
            self._own = next((place for place, process in enumerate(self._processes) if not _is_alive(process)), -1)
            if self._own >= 0:
                self._processes[self._own], self._connections[self._own] = os.getpid(), 0
        finally:
            if taken:
                self._lock.release()

    def note(self, change: int) -> None:
        """Count a connection of this process that was opened or closed."""
        if self._own >= 0:
            self._connections[self._own] += change

    def has_most(self) -> bool:
        """Tell whether another worker has fewer connections than this one."""
        return self._own >= 0 and any(
            count < self._connections[self._own] and _is_alive(process)
            for process, count in zip(self._processes, self._connections, strict=True)
        )


def _is_alive(process: int) -> bool:
    try:
        if process:
            os.kill(process, 0)
    except OSError:
        return False
    return bool(process)


def counted(turns: Turns) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, which tells when a connection that was counted is over."""

    class Counted(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        def connection_lost(self, exc: Exception | None) -> None:
            turns.note(-1)
            super().connection_lost(exc)

    return Counted


class TurnsLoop(Loop):
    """An event loop whose servers take connections in turns with those of other processes.

    Parameters
    ----------
    turns
        Shared by the processes; this one joins.
    """

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        turns.join()
        self._turns = turns

    async def create_server(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        """Listen at the socket that is given; without one as any loop does."""
        listening = kwargs.get("sock")
        if listening is None or kwargs.get("ssl") is not None:
            return await super().create_server(protocol_factory, *args, **kwargs)
        listening.listen(kwargs.get("backlog", 100))
        return _Server(self, protocol_factory, listening, self._turns)


class _Server:
    def __init__(
        self, loop: TurnsLoop, protocol_factory: Callable[[], Any], listening: socket.socket, turns: Turns
    ) -> None:
        self._loop, self._factory, self._listening, self._turns = loop, protocol_factory, listening, turns
        self.sockets = (listening,)
        self._beginning: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._listen()

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening.fileno(), self._take)

    def _wait(self, seconds: float, then: Callable[[], object]) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._pause = self._loop.call_later(seconds, then)

    def _take(self) -> None:
        """Take what waits; where others have less, leave it to them for a moment."""
        for _ in range(AT_ONCE):
            if self._turns.has_most():
                self._wait(MOMENT, self._take_what_is_left)
                return
            if not self._accept():
                return

    def _take_what_is_left(self) -> None:
        self._listen()
        self._accept()

    def _accept(self) -> bool:
        """Take one connection; tell whether there was one."""
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # another worker took it, or the client has gone
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            logger.error("no connection can be taken: %s; trying again in %g s", error, NO_ROOM_SECONDS)
            self._wait(NO_ROOM_SECONDS, self._listen)
            return False
        self._begin(connection)
        return True

    def _begin(self, connection: socket.socket) -> None:
        self._turns.note(1)  # at once: the next one may be waiting
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._factory, connection))
        self._beginning.add(task)
        task.add_done_callback(self._begun)

    def _begun(self, task: asyncio.Task[Any]) -> None:
        self._beginning.discard(task)
        if task.cancelled() or task.exception():
            self._turns.note(-1)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a connection could not be taken", exc_info=error)

    def is_serving(self) -> bool:
        return self._listening.fileno() >= 0

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        elif self.is_serving():
            self._loop.remove_reader(self._listening.fileno())
        self._listening.close()

    async def wait_closed(self) -> None:
        if self._beginning:
            await asyncio.wait(self._beginning)
