"""Small values by name, which belong to versions as voxels do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from ij_omero.errors import InvalidInputError
from ij_omero.services._core import Refusal, read_body, run_heavy

from ._answers import OCTETS
from ._context import context_of, json_answer
from ._store import require_open
from ._versioned_values import VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from ._context import Handler

LARGEST_VALUE = 64 << 20
_KEY = re.compile(r"[^\x00-\x1f\x7f]+")
LONGEST_KEY = 400  # bytes; LMDB takes keys of up to 511


def _key(parts: Sequence[str]) -> str:
    key = "/".join(parts)
    if not _KEY.fullmatch(key) or len(key.encode()) > LONGEST_KEY:
        raise InvalidInputError(
            f'"key" must be followed by a key of 1 to {LONGEST_KEY} bytes, without control characters'
        )
    return key


async def get_value(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET key/<key>``; 404 where there is no such key."""
    key = _key(parts)

    def read() -> bytes | None:
        with context_of(request).store.reading(uuid, name) as place:
            value = place.values(VALUES).get(key.encode() + b"\0")
            return None if value is None else bytes(value[1:])

    found = await run_heavy(request, read)
    if found is None:
        raise Refusal(404, f'Key "{key}" not found ({request.url.path}).')
    return Response(found, media_type=OCTETS)


async def post_value(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``POST key/<key>``."""
    context, key = context_of(request), _key(parts)
    with context.store.reading(uuid, name) as place:
        require_open(place.node, place.instance, keyword)
    body = bytes(await read_body(request, LARGEST_VALUE))
    await run_heavy(request, context.store.put_value, uuid, name, key, body)
    return Response()


async def delete_value(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``DELETE key/<key>``; a key that is not there is allowed."""
    await run_heavy(request, context_of(request).store.put_value, uuid, name, _key(parts), None)
    return Response()


async def get_keys(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET keys``: all keys in order."""
    return json_answer(await _keys(request, uuid, name, "", None))


async def get_key_range(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET keyrange/<first>/<last>``, both included."""
    if len(parts) != 2:
        raise InvalidInputError('"keyrange" must be followed by the first and the last key')
    return json_answer(await _keys(request, uuid, name, parts[0], parts[1]))


async def _keys(request: Request, uuid: str, name: str, first: str, last: str | None) -> list[str]:
    def read() -> list[str]:
        with context_of(request).store.reading(uuid, name) as place:
            keys = [key[:-1].decode() for key, _ in place.values(VALUES).all()]
        return [key for key in keys if first <= key and (last is None or key <= last)]

    return await run_heavy(request, read)


HANDLERS: dict[str, dict[str, Handler]] = {
    "key": {"GET": get_value, "POST": post_value, "DELETE": delete_value},
    "keys": {"GET": get_keys},
    "keyrange": {"GET": get_key_range},
}
