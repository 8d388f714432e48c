"""The viewer's application: routes and pages over a store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ij_omero.services._core import Part, ServiceSettings, build_app_of

from ._codes import ENTER, EntryCodes
from ._openapi import describe_routes
from ._pages import PUBLIC, Pages
from ._routes import ImageRoutes
from ._shown_images import DEFAULT_BOUND, ShownImages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import numpy as np
    import numpy.typing as npt
    from starlette.applications import Starlette

    from ij_omero.model import ImageId
    from ij_omero.pixels import ImageStore


def viewer_part(
    store: ImageStore,
    settings: ServiceSettings,
    *,
    only: ImageId | None = None,
    pixels_id: int | None = None,
    bound: int = DEFAULT_BOUND,
    lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None,
    codes: EntryCodes | None = None,
) -> Part:
    """Return what shows a store's images, to be served beside others; see `viewer_app`."""
    images = ShownImages(store, only=only, pixels_id=pixels_id, bound=bound, lookup_tables=lookup_tables)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            images.close()

    routes = [*ImageRoutes(images).routes(), *Pages(images).routes(), (codes or EntryCodes()).route(settings)]
    return Part(routes, (*PUBLIC, ENTER), describe_routes(), lifespan)


def viewer_app(
    store: ImageStore,
    settings: ServiceSettings | None = None,
    *,
    only: ImageId | None = None,
    pixels_id: int | None = None,
    bound: int = DEFAULT_BOUND,
    lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None,
    codes: EntryCodes | None = None,
) -> Starlette:
    """Return an application that shows a store's images: OMERO.web's routes for pictures, and a page over them.

    Parameters
    ----------
    store
        Any store; it stays open when the application ends.
    settings
        Who may ask and how much; the defaults allow this machine only.
    only
        The one image that is shown; None shows all of the store.
    pixels_id
        Which of its pixels, where ``only`` has several.
    bound
        Bytes of cells in memory, of all images together.
    lookup_tables
        By name, (256, 3) uint8, beside the primary ones; see `ij_omero.rendering.read_lookup_tables`. None takes those
        that the store keeps, as an OMERO.server does.
    codes
        Codes that may be exchanged for the session's cookie once each, beside the token.

    Examples
    --------
    >>> app = viewer_app(ij_omero.open_store("~/images").store)  # doctest: +SKIP
    >>> with Background(lambda: app) as address:  # doctest: +SKIP
    ...     urllib.request.urlopen(f"{address}/webgateway/imgData/1/")
    """
    settings = settings or ServiceSettings()
    part = viewer_part(
        store, settings, only=only, pixels_id=pixels_id, bound=bound, lookup_tables=lookup_tables, codes=codes
    )
    return build_app_of([part], settings)
