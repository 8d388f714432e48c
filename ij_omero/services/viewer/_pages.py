"""The viewer's pages and their files, all from within this package."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import xxhash
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ij_omero.errors import NotFoundError

from ._answers import REVALIDATED, not_changed

if TYPE_CHECKING:
    from starlette.requests import Request

    from ._shown_images import ShownImages

# of the style that OpenSeadragon adds to the page for its own focus mark
_OPENSEADRAGON_STYLE = "'sha256-9xTiqzfwFaL2SGb1rmr8gysEwVVjIvqWAgmZgqFqpEE='"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' {_OPENSEADRAGON_STYLE}",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
PUBLIC = ("/", "/view/", "/static/")
"""Paths that show nothing of an image, and need no token."""


class Pages:
    """Handlers for the pages.

    Parameters
    ----------
    images
        Where one image alone is shown, the first page leads to it.
    """

    def __init__(self, images: ShownImages) -> None:
        self._images = images
        folder = files(__package__).joinpath("static")
        self._files = {
            entry.name: (entry.read_bytes(), media_type)
            for entry in folder.iterdir()
            if (media_type := _MEDIA_TYPES.get(f".{entry.name.rpartition('.')[2]}"))
        }

    def routes(self) -> list[Route]:
        """Return the pages' routes."""
        return [
            Route("/", self.first_page),
            Route("/view/{image}", self.image_page),
            Route("/static/{file}", self.static_file),
        ]

    async def first_page(self, request: Request) -> Response:
        """All images, or the only one."""
        if self._images.only is not None:
            return RedirectResponse(f"view/{self._images.name_of(self._images.only)}", 307)
        return self._file(request, "images.html")

    async def image_page(self, request: Request) -> Response:
        """One image; that there is one, the page finds out itself."""
        return self._file(request, "view.html")

    async def static_file(self, request: Request) -> Response:
        """Scripts and styles."""
        return self._file(request, request.path_params["file"])

    def _file(self, request: Request, name: str) -> Response:
        if name not in self._files:
            raise NotFoundError("there is no such file")
        content, media_type = self._files[name]
        etag = f'"{xxhash.xxh3_128_hexdigest(content)}"'
        known = not_changed(request, etag)
        if known is not None:
            return known
        headers = {"ETag": etag, "Cache-Control": REVALIDATED, "Content-Security-Policy": POLICY}
        return Response(content, media_type=media_type, headers=headers)
