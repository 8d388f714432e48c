"""A server's application: its routes, with access, limits, health and figures around them."""

from __future__ import annotations

import contextlib
import hmac
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ._guard import CHALLENGE, Guard
from ._heavy import HeavyWork
from ._metrics import Metrics
from ._refusals import Refusal
from ._settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request
    from starlette.routing import BaseRoute

ROUTER_SAYS = {404: "there is nothing at this address", 405: "this address does not take this method"}


def build_app(
    routes: Sequence[BaseRoute],
    settings: ServiceSettings | None = None,
    *,
    public: Sequence[str] = (),
    openapi: dict[str, Any] | None = None,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """Return an application with these routes.

    Besides them it has ``GET /healthz``, ``GET /metrics`` (Prometheus' text form), ``POST /session`` and
    ``DELETE /session`` (a browser's cookie in exchange for the token) and, where it is given, ``GET /openapi.json``.

    Parameters
    ----------
    routes
        What is served. A handler raises `Refusal`, or an error of this package, to refuse.
    settings
        The limits; the defaults allow loopback only.
    public
        Paths that need no token; one that ends in a slash stands for all below it.
    openapi
        The description of the routes.
    lifespan
        What is opened before the first request and closed after the last one.
    """
    settings = settings or ServiceSettings()
    metrics = Metrics()

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def figures(request: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def session(request: Request) -> Response:
        return _session(request, settings)

    async def description(request: Request) -> Response:
        return JSONResponse(openapi)

    @contextlib.asynccontextmanager
    async def whole_lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.heavy = HeavyWork(settings)
        try:
            if lifespan is None:
                yield
            else:
                async with lifespan(app):
                    yield
        finally:
            app.state.heavy.close()

    own = [
        Route("/healthz", healthz),
        Route("/metrics", figures),
        Route("/session", session, methods=["POST", "DELETE"]),
    ]
    if openapi is not None:
        own.append(Route("/openapi.json", description))
    return Starlette(
        routes=[*own, *routes],
        middleware=[Middleware(Guard, settings=settings, metrics=metrics, public=("/healthz", "/session", *public))],
        exception_handlers={HTTPException: _refused_by_router},
        lifespan=whole_lifespan,
    )


def _session(request: Request, settings: ServiceSettings) -> Response:
    answer = Response(status_code=204)
    if request.method == "DELETE":
        if settings.cookie_name is not None:
            answer.delete_cookie(settings.cookie_name, httponly=True, samesite="strict")
        return answer
    if settings.token is None or settings.cookie is None or settings.cookie_name is None:
        return answer
    given = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {settings.token}".encode()):
        raise Refusal(401, "this is not the server's token", CHALLENGE)
    secure = request.url.scheme == "https"
    answer.set_cookie(settings.cookie_name, settings.cookie, httponly=True, samesite="strict", secure=secure)
    return answer


async def _refused_by_router(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    text = ROUTER_SAYS.get(refused.status_code, refused.detail)
    return PlainTextResponse(f"{text}\n", refused.status_code, refused.headers)
