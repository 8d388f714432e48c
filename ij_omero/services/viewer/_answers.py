"""Answers with ETags: what a client has already is not sent again, nor rendered again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import xxhash
from starlette.responses import Response

from ._facts import for_json

if TYPE_CHECKING:
    from starlette.requests import Request

    from ._encoding import Picture

REVALIDATED = "private, no-cache"
LASTING = "private, max-age=86400, immutable"


def etag_of(*parts: object) -> str:
    """Return an ETag that stands for these parts."""
    return f'"{xxhash.xxh3_128_hexdigest(repr(parts).encode())}"'


def not_changed(request: Request, etag: str, cache_control: str = REVALIDATED) -> Response | None:
    """Return 304 if the client has this already (RFC 9110, 13.1.2), else None; ``*`` names nothing."""
    given = request.headers.get("if-none-match")
    if given is None:
        return None
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    if etag in tags:
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": cache_control})
    return None


def picture_answer(picture: Picture, etag: str, cache_control: str = REVALIDATED) -> Response:
    """Send a picture."""
    headers = {"ETag": etag, "Cache-Control": cache_control}
    return Response(picture.content, media_type=picture.media_type, headers=headers)


def json_answer(request: Request, data: Any) -> Response:
    """Send JSON, or 304."""
    content = json.dumps(for_json(data), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
    etag = f'"{xxhash.xxh3_128_hexdigest(content)}"'
    known = not_changed(request, etag)
    if known is not None:
        return known
    headers = {"ETag": etag, "Cache-Control": REVALIDATED}
    return Response(content, media_type="application/json", headers=headers)
