"""Work that takes a processor or much memory: in threads, a few at once, the rest told to come again."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from ._refusals import AGAIN, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from ._settings import ServiceSettings

SMOOTHING = 0.1  # of the time that work took lately, a tenth is that of the last one

P = ParamSpec("P")
R = TypeVar("R")


class HeavyWork:
    """The threads and places of one server's event loop.

    A place is taken until the work is done, also when the client has gone or its time was up before: so what runs at
    once stays bounded.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._places = self._free = settings.heavy
        self._seconds = 0.0
        self._queue_length = settings.waiting
        self._patience = settings.patience
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._threads = ThreadPoolExecutor(settings.heavy, thread_name_prefix="ij-omero-http")

    async def run(self, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the work in a thread and return what it returns.

        Raises
        ------
        Refusal
            503 if too many are waiting, if by what work took lately a place will not come free in time, or none did.
        """
        await self._take_place()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            done = loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
        except RuntimeError:
            self._give_place()
            raise Refusal(503, "the server is stopping", AGAIN) from None
        done.add_done_callback(lambda ended: self._work_ended(ended, loop.time() - began))
        return await asyncio.shield(done)

    def close(self) -> None:
        """Let the work that runs end, start no other."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _take_place(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        ahead = len(self._waiting)
        # Who may be refused after waiting is told so now: work that takes twice as long as lately must still let it in
        if ahead >= self._queue_length or 2 * (ahead + 1) * self._seconds / self._places > self._patience:
            raise self._busy()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait_for(turn, self._patience)
        except (asyncio.TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_place()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Refusal(503, f"no place came free within {self._patience:g} s; ask again later", AGAIN) from None

    def _work_ended(self, done: asyncio.Future[R], seconds: float) -> None:
        self._seconds = self._seconds + SMOOTHING * (seconds - self._seconds) if self._seconds else seconds
        while self._waiting and len(self._waiting) * self._seconds / self._places > self._patience:
            late = self._waiting.pop()
            if not late.done():
                late.set_exception(self._busy())
        self._give_place()
        if not done.cancelled():
            done.exception()  # so that work whose client has gone does not warn

    @staticmethod
    def _busy() -> Refusal:
        return Refusal(503, "the server has as much work as it can do now; ask again in a moment", AGAIN)

    def _give_place(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


async def run_heavy(request: Request, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Do work for a request in one of the server's threads; see `HeavyWork.run`."""
    places = cast("HeavyWork", request.app.state.heavy)
    return await places.run(work, *args, **kwargs)
