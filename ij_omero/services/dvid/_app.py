"""The application that serves a store by DVID's interface."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from starlette.routing import Route

from ij_omero.services._core import Part, ServiceSettings, build_app_of

from ._context import Context, Limits
from ._instance_endpoints import instance
from ._openapi import description
from ._repo_endpoints import repo_routes
from ._store import VoxelStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.applications import Starlette

    from ij_omero.pixels import ImageStore

_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def dvid_part(folder: str | Path, limits: Limits | None = None, images: ImageStore | None = None) -> Part:
    """Return the interface over a store, to be served beside others; see `make_app` and `VoxelStore`."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        bounds = limits or Limits()
        store = VoxelStore(folder, images, bounds.grids)
        app.state.dvid = Context(store, bounds)
        try:
            yield
        finally:
            store.close()

    routes = [Route("/api/node/{uuid}/{name}/{rest:path}", instance, methods=_METHODS), *repo_routes()]
    return Part(routes, openapi=description(), lifespan=lifespan)


def make_app(folder: str | Path, settings: ServiceSettings | None = None, limits: Limits | None = None) -> Starlette:
    """Return an application that serves a store; several processes may serve the same one.

    Parameters
    ----------
    folder
        Of the `VoxelStore`; made where it is not there.
    settings, limits
        Who may ask for how much.
    """
    return build_app_of([dvid_part(folder, limits)], settings)
