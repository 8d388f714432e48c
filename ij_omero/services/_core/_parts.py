"""What one interface adds to a server, so that several can be served together."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._app import build_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from ._settings import ServiceSettings


@dataclass(frozen=True)
class Part:
    """One interface: its routes and what they need.

    Parameters
    ----------
    routes
        What is served.
    public
        Paths that need no token; see `build_app`.
    openapi
        The description of the routes.
    lifespan
        What is opened before the first request and closed after the last one.
    """

    routes: Sequence[BaseRoute]
    public: tuple[str, ...] = ()
    openapi: dict[str, Any] | None = None
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None


def build_app_of(parts: Sequence[Part], settings: ServiceSettings | None = None) -> Starlette:
    """Return one application with several interfaces; of two routes for one address the earlier part's answers."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as opened:
            for part in parts:
                if part.lifespan is not None:
                    await opened.enter_async_context(part.lifespan(app))
            yield

    return build_app(
        [route for part in parts for route in part.routes],
        settings,
        public=[path for part in parts for path in part.public],
        openapi=_joined([part.openapi for part in parts if part.openapi is not None]),
        lifespan=lifespan,
    )


def _joined(documents: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    if len(documents) < 2:
        return documents[0] if documents else None
    components: dict[str, dict[str, Any]] = {}
    paths: dict[str, Any] = {}
    for document in documents:
        paths = {**document.get("paths", {}), **paths}
        for kind, named in document.get("components", {}).items():
            components[kind] = {**named, **components.get(kind, {})}
    titles = " and ".join(document["info"]["title"] for document in documents)
    return {**documents[0], "info": {"title": titles, "version": "1"}, "paths": paths, "components": components}
