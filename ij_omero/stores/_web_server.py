"""One HTTP server that a store talks to: connections kept open, requests tried again, errors of this package."""

from __future__ import annotations

import random
import threading
from typing import Any

import httpx

from ij_omero.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DiskFullError,
    InvalidInputError,
    LoginError,
    NotFoundError,
    OperationTimeoutError,
    WriteError,
)

CONNECTIONS = 16
TRIES = 6
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
AGAIN = frozenset({429, 502, 503, 504})
LONGEST_TEXT = 300

_ERRORS: dict[int, type[Exception]] = {
    400: InvalidInputError,
    401: LoginError,
    403: AccessDeniedError,
    404: NotFoundError,
    409: WriteError,
    413: InvalidInputError,
    507: DiskFullError,
}


class WebServer:
    """An HTTP server; safe from any thread.

    Requests that may be repeated are tried again, later each time, when the server is busy or a connection breaks.

    Parameters
    ----------
    address
        ``http://host:port``.
    token
        Sent as ``Authorization: Bearer``; never told in an error.
    seconds
        How long a server may be silent.
    """

    def __init__(self, address: str, token: str | None = None, seconds: float = 60.0) -> None:
        self.address = address
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        timeout = httpx.Timeout(seconds, connect=10)
        self._client = httpx.Client(base_url=address, headers=headers, limits=limits, timeout=timeout, trust_env=False)
        self._closed = threading.Event()

    def ask(self, method: str, path: str, *, again: bool = True, **given: Any) -> httpx.Response:
        """Send a request and return its answer, read whole.

        Parameters
        ----------
        again
            Whether it may be sent twice without harm.
        **given
            What `httpx.Client.request` takes.

        Raises
        ------
        ConnectionFailedError, OperationTimeoutError
            No answer came.
        InvalidInputError, LoginError, AccessDeniedError, NotFoundError, WriteError, DiskFullError
            The server refused; the text is its own.
        """
        pause = FIRST_PAUSE
        for left in reversed(range(TRIES if again else 1)):
            try:
                answer = self._client.request(method, path, **given)
            except httpx.TimeoutException:
                failure: Exception = OperationTimeoutError(f"{self.address} did not answer in time")
            except httpx.HTTPError as error:
                failure = ConnectionFailedError(f"no answer from {self.address}: {error}")
            except RuntimeError:
                raise ConnectionFailedError(f"the connection to {self.address} was closed; open it again") from None
            else:
                if answer.status_code < 300:
                    return answer
                failure = self._refused(answer)
                if answer.status_code not in AGAIN:
                    raise failure
                pause = max(pause, _seconds(answer.headers.get("retry-after")))
            if not left or self._closed.is_set():
                raise failure
            self._closed.wait(pause * random.uniform(0.5, 1))  # noqa: S311  spreads clients, keeps no secret
            pause = min(2 * pause, LONGEST_PAUSE)
        raise AssertionError  # the last try raised or returned

    def close(self) -> None:
        """Close all connections; twice is allowed."""
        self._closed.set()
        self._client.close()

    def _refused(self, answer: httpx.Response) -> Exception:
        text = " ".join(answer.text.split())[:LONGEST_TEXT] or f"status {answer.status_code}"
        kind = _ERRORS.get(answer.status_code, ConnectionFailedError)
        return kind(f"{self.address} says: {text}")


def _seconds(value: str | None) -> float:
    try:
        return min(float(value or 0), LONGEST_PAUSE)
    except ValueError:
        return 0.0
