"""Bodies of requests, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from ._refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request


async def stream_body(request: Request, limit: int | None = None) -> AsyncIterator[bytes]:
    """Yield a request's body as it comes.

    Parameters
    ----------
    limit
        The most bytes that are taken; the server's own limit holds besides.

    Raises
    ------
    Refusal
        413 if the body is longer, 400 if the client went away within it.
    """
    taken = 0
    if limit is not None and int(request.headers.get("content-length") or 0) > limit:
        raise _too_long(limit)
    try:
        async for chunk in request.stream():
            taken += len(chunk)
            if limit is not None and taken > limit:
                raise _too_long(limit)
            if chunk:
                yield chunk
    except ClientDisconnect:
        raise Refusal(400, "the connection ended within the body") from None


async def read_body(request: Request, limit: int | None = None) -> bytes | bytearray:
    """Return a request's whole body; see `stream_body`."""
    chunks = [chunk async for chunk in stream_body(request, limit)]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_long(limit: int) -> Refusal:
    return Refusal(413, f"the body is longer than the {limit} bytes that this request can have")
