"""Requests to one HTTP server: several connections, patience with a busy server, and errors of this package."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ij_omero.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    InvalidInputError,
    LoginError,
    MissingDependencyError,
    NotFoundError,
    OperationTimeoutError,
    ReadError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

_RETRIES = 4
_CONNECT_S, _READ_S = 10.0, 120.0
_MOST_BYTES = 64 << 20
_BUSY = (429, 502, 503, 504)
_NOT_ALLOWED = 403
_NOT_LOGGED_IN = 401
_NOT_FOUND = 404


class HttpClient:
    """Asks one server, from any thread.

    Parameters
    ----------
    address
        ``https://host[:port][/prefix]``; paths are put behind it. A user or password in it is refused.
    headers
        Sent with every request to this server and to no other, whatever it redirects to; never logged.
    parallel
        How many connections are kept.

    Raises
    ------
    InvalidInputError
        It is no such address.
    MissingDependencyError
        urllib3 is not installed.
    """

    def __init__(self, address: str, headers: Mapping[str, str] | None = None, *, parallel: int = 8) -> None:
        parts = urlsplit(address)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or "@" in parts.netloc
            or not _port_is_one(parts)
        ):
            raise InvalidInputError(
                "the server's address is not http(s)://host[:port][/path] without a user; give secrets by environment"
            )
        try:
            import urllib3
        except ImportError as error:
            raise MissingDependencyError("servers on the web need urllib3: pip install 'ij-omero[crop]'") from error
        self.address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.parallel = parallel
        self._headers = {"User-Agent": "ij_omero", **(headers or {})}
        for name, value in self._headers.items():
            if not re.fullmatch(r"[\x20-\x7e]*", value):
                raise InvalidInputError(f"{name} holds characters that no HTTP header may hold")
        self._cookies: dict[str, str] = {}
        retries = urllib3.Retry(
            _RETRIES, backoff_factor=0.3, status_forcelist=_BUSY, respect_retry_after_header=True,
            retry_after_max=30, raise_on_status=False, redirect=0, raise_on_redirect=False,
        )  # fmt: skip
        self._errors = urllib3.exceptions
        self._pool = urllib3.PoolManager(
            maxsize=parallel,
            block=True,
            retries=retries,
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
            # the system's certificates, or those of SSL_CERT_FILE
            ssl_context=ssl.create_default_context(),
        )

    def get(self, path: str, *, accept: str = "*/*") -> bytes:
        """Return the body of an answer.

        Raises
        ------
        NotFoundError
            The server has no such thing (404).
        LoginError
            It wants a login (401, or a redirect to its login page).
        AccessDeniedError
            It refuses (403).
        ReadError
            Any other answer than 200, or one of more than 64 MiB.
        ConnectionFailedError, OperationTimeoutError
            It cannot be reached, or does not answer in time; tried several times before.
        """
        return self._request("GET", path, headers={"Accept": accept})

    def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        """Send a form and return the body of the answer; raises as `get` does."""
        return self._request("POST", path, headers=headers, fields=dict(fields), encode_multipart=False)

    @property
    def cookies(self) -> Mapping[str, str]:
        """What the server set."""
        return self._cookies

    def close(self) -> None:
        """Close the connections; twice is allowed."""
        self._pool.clear()

    def _request(self, method: str, path: str, *, headers: Mapping[str, str], **body: Any) -> bytes:
        sent = {**self._headers, **headers}
        if self._cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        where = f"{self.address}/{path.partition('?')[0]}"
        answer = None
        try:
            answer = self._pool.request(
                method, f"{self.address}/{path}", headers=sent, preload_content=False, redirect=False, **body
            )
            content: bytes = answer.read(_MOST_BYTES + 1)
        except self._errors.TimeoutError as error:
            raise OperationTimeoutError(f"{where} did not answer in time; try again later") from error
        except self._errors.HTTPError as error:
            reason = getattr(error, "reason", None)
            refused = isinstance(reason, self._errors.NewConnectionError)  # urllib3 counts it among its timeouts
            if isinstance(reason, self._errors.TimeoutError) and not refused:
                raise OperationTimeoutError(f"{where} did not answer in time; try again later") from error
            raise ConnectionFailedError(f"cannot reach {self.address}: {_reason(error)}") from error
        finally:
            if answer is not None:
                answer.release_conn()
        self._keep_cookies(answer.headers.getlist("Set-Cookie"))
        if answer.status == 200 and len(content) <= _MOST_BYTES:
            return content
        if answer.status == 200:
            answer.close()  # what is left unread would be taken for the next answer
            raise ReadError(f"{where} answered with more than {_MOST_BYTES} bytes, which no tile or description has")
        raise _refusal(answer.status, where, answer.headers.get("Location", ""), content)

    def _keep_cookies(self, lines: list[str]) -> None:
        for line in lines:
            name, equals, value = line.partition(";")[0].partition("=")
            if equals:
                self._cookies[name.strip()] = value.strip()


def _port_is_one(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    """Return the innermost reason, without the address, which may hold what was asked."""
    while isinstance(getattr(error, "reason", None), BaseException):
        error = error.reason  # type: ignore[attr-defined]
    return str(error).rpartition("object at 0x")[2].partition(">: ")[2] or type(error).__name__


def _refusal(status: int, where: str, location: str, content: bytes) -> Exception:
    if status == _NOT_LOGGED_IN or (300 <= status < 400 and "login" in location):
        return LoginError(f"{where} wants a login: its cookie, token or password is missing, wrong or has expired")
    if status == _NOT_ALLOWED:
        return AccessDeniedError(f"{where} is refused to this user (403)")
    if status == _NOT_FOUND:
        return NotFoundError(f"there is no {where}")
    said = " ".join(content[:400].decode("utf-8", "replace").split())
    told = f": {said[:200]}" if said and not said.startswith("<") else ""
    return ReadError(f"{where} answered {status}{told}")
