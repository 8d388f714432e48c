"""Bodies of answers: sent in pieces as the client takes them, and kept while they are true."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ij_omero.services._core import Refusal, run_heavy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Sequence

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from ._place import Place

OCTETS = "application/octet-stream"
PIECE = 1 << 20
AGAIN_SECONDS = 0.02


class AnswerCache:
    """Bodies that were sent before, the least used left out first.

    Parameters
    ----------
    limit
        Bytes of all of them.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._nbytes = 0
        self._kept: OrderedDict[Hashable, tuple[Sequence[Any], str]] = OrderedDict()

    def get(self, key: Hashable) -> tuple[Sequence[Any], str] | None:
        """Return the pieces of a body and its media type."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def takes(self, nbytes: int) -> bool:
        """Whether a body of so many bytes is kept, beside others."""
        return nbytes * 4 <= self._limit

    def put(self, key: Hashable, pieces: Sequence[Any], media_type: str) -> None:
        """Keep a body, unless it is too large to be kept beside others."""
        nbytes = _length(pieces)
        if not self.takes(nbytes) or key in self._kept:
            return
        self._kept[key] = (pieces, media_type)
        self._nbytes += nbytes
        while self._nbytes > self._limit:
            _, (dropped, _) = self._kept.popitem(last=False)
            self._nbytes -= _length(dropped)


def _length(pieces: Sequence[Any]) -> int:
    return sum(memoryview(piece).nbytes for piece in pieces)


class PiecesResponse(Response):
    """A body that is in memory, sent a piece at a time."""

    def __init__(self, pieces: Sequence[Any], media_type: str = OCTETS) -> None:
        super().__init__(None, media_type=media_type, headers={"content-length": str(_length(pieces))})
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        views = [memoryview(piece).cast("B") for piece in self._pieces]
        parts = [view[start : start + PIECE] for view in views for start in range(0, len(view), PIECE)]
        for part in parts[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": parts[-1] if parts else b"", "more_body": False})


class SlabsResponse(Response):
    """A body that is read slab by slab, the next one while the last is sent.

    Parameters
    ----------
    request
        Which is answered.
    place
        What is read from; its transaction ends with the answer.
    length
        Bytes of all slabs.
    works
        Each returns a slab, in a thread.
    when_whole
        Called with the slabs once all were sent; None where they are not to be kept.
    """

    def __init__(
        self,
        request: Request,
        place: Place,
        length: int,
        works: Iterator[Callable[[], Any]],
        when_whole: Callable[[list[Any]], None] | None,
    ) -> None:
        super().__init__(None, media_type=OCTETS, headers={"content-length": str(length)})
        self._request = request
        self._place = place
        self._works = works
        self._when_whole = when_whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        slabs: list[Any] = []
        async for slab in self._read():
            if not slabs:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            slabs.append(slab if self._when_whole else None)
            view = memoryview(slab).cast("B")
            for start in range(0, len(view), PIECE):
                await send({"type": "http.response.body", "body": view[start : start + PIECE], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if self._when_whole:
            self._when_whole(slabs)

    async def _read(self) -> AsyncIterator[Any]:
        transaction = self._place.transaction
        pending: asyncio.Task[Any] | None = None
        try:
            pending = asyncio.create_task(run_heavy(self._request, next(self._works)))
            while pending is not None:
                slab = await asyncio.shield(pending)
                work = next(self._works, None)
                pending = None if work is None else asyncio.create_task(_in_turn(self._request, work))
                yield slab
        finally:
            # Where the client went away a thread may still read: the transaction ends after it
            if pending is None or pending.done():
                transaction.abort()
            else:
                pending.add_done_callback(lambda task: (task.cancelled() or task.exception(), transaction.abort()))


async def _in_turn(request: Request, work: Callable[[], Any]) -> Any:
    """Do work in the middle of an answer, which cannot be refused any more: wait instead."""
    while True:
        try:
            return await run_heavy(request, work)
        except Refusal:
            await asyncio.sleep(AGAIN_SECONDS)


class BodyBudget:
    """How many bytes of bodies are in memory at once.

    Parameters
    ----------
    limit
        Of all; one body alone may have more.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    def take(self, nbytes: int) -> None:
        """Count a body in, or raise Refusal (503) where there are too many."""
        if self._taken and self._taken + nbytes > self._limit:
            raise Refusal(503, "the server holds as many bodies as it can; send this one again", {"Retry-After": "1"})
        self._taken += nbytes

    def give(self, nbytes: int) -> None:
        """Count a body out."""
        self._taken -= nbytes
