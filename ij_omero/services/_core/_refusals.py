"""How a request is refused: a status and one line of text, whatever went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ij_omero.errors import (
    AccessDeniedError,
    CacheLockedError,
    ConnectionFailedError,
    DiskFullError,
    IJOmeroError,
    InvalidInputError,
    MissingDependencyError,
    NotFoundError,
    OperationTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

AGAIN = {"Retry-After": "1"}

# the first that fits counts
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NotFoundError, 404),
    (AccessDeniedError, 403),
    (CacheLockedError, 503),
    (DiskFullError, 507),
    (OperationTimeoutError, 504),
    (ConnectionFailedError, 502),
    (MissingDependencyError, 501),
    (InvalidInputError, 400),
)


class Refusal(IJOmeroError):
    """An answer other than success, raised anywhere in the work for a request.

    Parameters
    ----------
    status
        The HTTP status, 4xx or 5xx.
    message
        What was wrong and what to do, for a person; it is sent as one line.
    headers
        More headers of the answer, such as ``Retry-After``.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(" ".join(message.split()))
        self.status = status
        self.headers = dict(headers or {})


def refusal_for(error: Exception) -> Refusal:
    """Return how an error is told to a client.

    What this package says on purpose is passed on, except where it speaks of this machine (status 500): that stays in
    the server's log.
    """
    if isinstance(error, Refusal):
        return error
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, ValueError) and isinstance(error, IJOmeroError):
        status = 400
    if status == 500:
        return Refusal(500, "the server failed at this request; its log says why")
    return Refusal(status, str(error), AGAIN if status == 503 else None)
