"""Requests to an HTTP server: connections are used again, busy servers are asked again, refusals become errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import urllib3

from ij_omero.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DiskFullError,
    IJOmeroError,
    InvalidInputError,
    LoginError,
    NotFoundError,
    ReadError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTIONS = 8
ATTEMPTS = 6
BACK_OFF = 0.1  # seconds before the second attempt, doubled each time
LONGEST_WAIT = 5.0
CONNECT_SECONDS = 10.0


class WebServer:
    """A server's address with its connections; safe from any thread.

    Parameters
    ----------
    host, port
        Of the server.
    token
        Sent as ``Authorization: Bearer TOKEN``.
    secure
        Whether to speak HTTPS.
    seconds
        The longest that the server may be silent.
    """

    name = "server"
    """What it is called in errors."""

    def __init__(
        self, host: str, port: int, *, token: str | None = None, secure: bool = False, seconds: float = 300.0
    ) -> None:
        kind = urllib3.HTTPSConnectionPool if secure else urllib3.HTTPConnectionPool
        self.told = f"{'https' if secure else 'http'}://{host}:{port}"
        headers = {"User-Agent": "ij-omero"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._pool = kind(
            host,
            port,
            maxsize=CONNECTIONS,
            headers=headers,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds),
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        again: bool = True,
        content_type: str | None = None,
    ) -> bytes:
        """Return the body of an answer.

        Parameters
        ----------
        path
            Quoted.
        again
            Whether the request may be sent again after the connection was lost within it.

        Raises
        ------
        NotFoundError, AccessDeniedError, InvalidInputError, LoginError
            The server refused.
        ConnectionFailedError
            It does not answer, or is busy for long.
        StorageError, DiskFullError, ReadError
            It failed.
        """
        target = path + ("?" + "&".join(f"{quote(k)}={quote(v, safe=',')}" for k, v in query.items()) if query else "")
        retries = urllib3.Retry(
            total=ATTEMPTS,
            read=None if again else False,
            other=0,
            allowed_methods=None,
            status_forcelist=(503,),
            backoff_factor=BACK_OFF,
            backoff_max=LONGEST_WAIT,
            respect_retry_after_header=True,
            redirect=0,
            raise_on_status=False,
            raise_on_redirect=False,
        )
        headers = dict(self._pool.headers) | ({"Content-Type": content_type} if content_type else {})
        try:
            answer = self._pool.urlopen(method, target, body=body, headers=headers, retries=retries)
        except (urllib3.exceptions.MaxRetryError, urllib3.exceptions.HTTPError) as error:
            reason = getattr(error, "reason", None) or error
            raise ConnectionFailedError(f"no {self.name} answers at {self.told}: {reason}") from error
        if answer.status >= 300:
            said = " ".join(answer.data[:2000].decode("utf-8", "replace").split())
            raise self.refused(answer.status, said or f"HTTP status {answer.status}")
        return answer.data

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def refused(self, status: int, said: str) -> IJOmeroError:
        """Return the error that an answer is; ``said`` is its body in one line."""
        told = f"{self.told} refused: {said}"
        if status == 401:
            return LoginError(f"{told}; give its token: token=...")
        if status == 403:
            return AccessDeniedError(told)
        if status == 404:
            return NotFoundError(told)
        if status in (502, 503, 504):
            return ConnectionFailedError(f"{self.told} is busy or not ready: {said}; try again later")
        if status == 507:
            return DiskFullError(f"{self.told} has no space left: {said}")
        if status < 500:
            return InvalidInputError(told)
        return ReadError(f"{self.told} failed: {said}") if status != 500 else StorageError(told)
