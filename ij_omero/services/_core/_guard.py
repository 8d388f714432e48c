"""The one layer around every request: who asks, how much and how long, and what is said when it fails."""

from __future__ import annotations

import hmac
import logging
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from ._patience import within
from ._refusals import AGAIN, Refusal, refusal_for

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ._metrics import Metrics
    from ._settings import ServiceSettings

logger = logging.getLogger(__name__)

CHALLENGE = {"WWW-Authenticate": "Bearer"}
LONGEST_TARGET = 16 << 10
LONGEST_HEADERS = 64 << 10
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
LONGEST_NUMBER = 20  # digits
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# Fetch metadata and embedding: no other site reads what is served here, and nothing is taken for another type.
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
]


class Guard:
    """An ASGI layer that holds a server's settings for every request.

    Parameters
    ----------
    app
        What answers.
    settings
        The limits.
    metrics
        Where requests are counted.
    public
        Paths that need no token; one that ends in a slash stands for all below it.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings, metrics: Metrics, public: tuple[str, ...]) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._public = frozenset(public)
        self._public_below = tuple(path for path in public if path.endswith("/") and path != "/")
        self._names = settings.allowed_names
        self._open = settings.token is None
        self._bearer = f"Bearer {settings.token}".encode()
        self._cookie = f"{settings.cookie_name}={settings.cookie}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = perf_counter()
        exchange = _Exchange(self._settings, receive, send)
        self._metrics.at_work.inc()
        try:
            refusal = await self._answer(scope, exchange)
            if refusal is not None and not exchange.status:
                answer = PlainTextResponse(f"{refusal}\n", refusal.status, refusal.headers)
                await answer(scope, exchange.receive, exchange.send)
        except (OSError, ClientDisconnect, Refusal):
            logger.debug("the client of %s went away", scope["path"])
        finally:
            self._metrics.at_work.dec()
            endpoint = scope.get("endpoint")
            name = getattr(endpoint, "__name__", type(endpoint).__name__) if endpoint else "none"
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.note(name, method, exchange.status, perf_counter() - started, exchange.sent)

    async def _answer(self, scope: Scope, exchange: _Exchange) -> Refusal | None:
        try:
            self._check(scope)
            with anyio.fail_after(self._settings.request_seconds):
                await self._app(scope, exchange.receive, exchange.send)
        except Refusal as refusal:
            return refusal
        except ClientDisconnect:
            return Refusal(400, "the connection ended within the body")
        except TimeoutError as error:
            if isinstance(error, OSError) and error.errno is not None:
                return self._failed(scope, error)
            return Refusal(503, f"this took longer than {self._settings.request_seconds:g} s: ask for less", AGAIN)
        except Exception as error:
            return self._failed(scope, error)
        return None

    def _failed(self, scope: Scope, error: Exception) -> Refusal:
        refusal = refusal_for(error)
        if refusal.status == 500:
            logger.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
        return refusal

    def _check(self, scope: Scope) -> None:
        if len(scope["path"]) + len(scope["query_string"]) > LONGEST_TARGET:
            raise Refusal(414, f"the address is longer than {LONGEST_TARGET} bytes")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEADERS:
            raise Refusal(431, f"the headers are longer than {LONGEST_HEADERS} bytes")
        host = headers.get(b"host", b"")
        if self._names is not None and _name_of(host) not in self._names:
            raise Refusal(421, "this server is not known by the name in the Host header: start it with that name")
        origin = headers.get(b"origin")
        if origin is not None and scope["method"] not in READING and origin.partition(b"://")[2] != host:
            raise Refusal(403, "pages of other sites may not write here")
        if not (self._open or self._is_public(scope["path"]) or self._is_known(headers)):
            raise Refusal(401, "send the server's token as 'Authorization: Bearer TOKEN'", CHALLENGE)
        length = headers.get(b"content-length")
        if length is not None:
            if not length.isdigit() or len(length) > LONGEST_NUMBER:
                raise Refusal(400, "Content-Length must be a whole number of bytes")
            if int(length) > self._settings.max_body:
                raise Refusal(413, f"the body is longer than the {self._settings.max_body} bytes that are taken here")

    def _is_public(self, path: str) -> bool:
        return path in self._public or path.startswith(self._public_below)

    def _is_known(self, headers: dict[bytes, bytes]) -> bool:
        if hmac.compare_digest(headers.get(b"authorization", b""), self._bearer):
            return True
        kept = headers.get(b"cookie", b"").split(b";")
        return any(hmac.compare_digest(cookie.strip(), self._cookie) for cookie in kept)


class _Exchange:
    """One request's messages, with the limits on them."""

    def __init__(self, settings: ServiceSettings, receive: Receive, send: Send) -> None:
        self._settings = settings
        self._receive = receive
        self._send = send
        self._more = True
        self._taken = 0
        self.status = 0
        self.sent = 0

    async def receive(self) -> Message:
        if not self._more:
            return await self._receive()
        try:
            message = await within(self._settings.idle_seconds, self._receive())
        except TimeoutError:
            raise Refusal(408, f"nothing of the body came for {self._settings.idle_seconds:g} s") from None
        self._taken += len(message.get("body", b""))
        self._more = bool(message.get("more_body", False))
        if self._taken > self._settings.max_body:
            raise Refusal(413, f"the body is longer than the {self._settings.max_body} bytes that are taken here")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        else:
            self.sent += len(message.get("body", b""))
        try:
            await within(self._settings.idle_seconds, self._send(message))
        except TimeoutError:
            raise ClientDisconnect from None


def _name_of(host: bytes) -> str:
    """Return the name in a Host header, without the port, in lower case."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]
