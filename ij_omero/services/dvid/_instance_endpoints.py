"""Requests about one instance at one version: what it is, and the way to its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse, Response

from ij_omero.errors import InvalidInputError
from ij_omero.services._core import read_body, run_heavy

from . import _roi_endpoints, _value_endpoints, _voxel_endpoints
from ._context import bad_request, context_of, endpoint, json_answer
from ._geometry import Point, parse_whole
from ._help import help_text
from ._instances import extents_of, parse_json, parse_object, resolution
from ._store import require_open
from ._versioned_values import block_key
from ._voxel_types import KEYVALUE, ROI

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from ._context import Handler

SMALL_BODY = 1 << 20
ND_DATA = "application/vnd.dvid-nd-data+json"


@endpoint
async def instance(request: Request) -> Response:
    """Answer what is asked below ``/api/node/<uuid>/<name>/``."""
    uuid, name = request.path_params["uuid"], request.path_params["name"]
    keyword, *parts = request.path_params["rest"].rstrip("/").split("/")
    context = context_of(request)
    stamp = context.known_stamp(uuid, name)
    if stamp is None:  # an image of a store may have to be opened
        is_image = context.store.image_of(uuid) is not None
        stamp = await run_heavy(request, context.stamp, uuid, name) if is_image else context.stamp(uuid, name)
    place = stamp.instance
    method = "GET" if request.method == "HEAD" else request.method
    handlers = _HANDLERS.get(place.typename, _VOXEL_HANDLERS)
    methods = handlers.get(keyword)
    if methods is None:
        raise bad_request(
            request, f'Bad API call for data "{name}": see the API at /api/help/{place.typename} for what there is'
        )
    if method in methods:
        return await methods[method](request, uuid, name, keyword, parts)
    if handlers is _VOXEL_HANDLERS and method not in ("GET", "POST"):
        raise InvalidInputError(f'Data "{name}" can only handle GET or POST HTTP verbs')
    raise InvalidInputError(f"{keyword} endpoint only supports {' and '.join(methods)} HTTP verb")


async def _help(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    return PlainTextResponse(help_text(context_of(request).stamp(uuid, name).instance.typename))


async def _info(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    with context_of(request).store.reading(uuid, name) as place:
        extents = place.extents if place.instance.typename not in (ROI, KEYVALUE) else None
        return json_answer(place.instance.told(extents))


async def _set_info(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    settings = parse_object(await read_body(request, SMALL_BODY))
    await run_heavy(request, context_of(request).store.change_instance, uuid, name, settings)
    return Response()


async def _metadata(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    with context_of(request).store.reading(uuid, name) as place:
        return json_answer(place.instance.metadata(place.extents), ND_DATA)


async def _set_extents(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    box = extents_of(await read_body(request, SMALL_BODY))
    await run_heavy(request, context_of(request).store.set_extents, uuid, name, box)
    return Response()


async def _set_resolution(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    told = parse_json(await read_body(request, SMALL_BODY))
    size = list(resolution(told if isinstance(told, list) else None))
    store = context_of(request).store
    await run_heavy(request, store.change_instance, uuid, name, {"VoxelSize": size}, "resolution")
    return Response()


async def _raw_key(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    query: Mapping[str, Any] = request.query_params
    if parts or not all(axis in query for axis in "xyz"):
        raise InvalidInputError("rawkey endpoint should be followed by query strings (x, y, and z) giving block coord")
    at = Point(*(parse_whole(query[axis], f"block coordinate {axis}") for axis in "xyz"))
    with context_of(request).store.reading(uuid, name) as place:
        return json_answer({"Key": place.blocks.key(block_key(at)).hex().upper()})


async def _post_voxels(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    _check_open(request, uuid, name, keyword)
    return await _voxel_endpoints.post_voxels(request, uuid, name, keyword, parts)


async def _post_blocks(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    _check_open(request, uuid, name, keyword)
    return await _voxel_endpoints.post_blocks(request, uuid, name, keyword, parts)


def _check_open(request: Request, uuid: str, name: str, keyword: str) -> None:
    """Refuse to write to a committed version before its body is taken; writing looks again."""
    with context_of(request).store.reading(uuid, name) as place:
        require_open(place.node, place.instance, keyword)


_COMMON: dict[str, dict[str, Handler]] = {
    "help": {"GET": _help},
    "info": {"GET": _info, "POST": _set_info},
}
_VOXEL_HANDLERS: dict[str, dict[str, Handler]] = {
    **_COMMON,
    "metadata": {"GET": _metadata},
    "extents": {"POST": _set_extents},
    "resolution": {"POST": _set_resolution},
    "rawkey": {"GET": _raw_key},
    "raw": {"GET": _voxel_endpoints.get_voxels, "POST": _post_voxels},
    "isotropic": {"GET": _voxel_endpoints.get_voxels, "POST": _post_voxels},
    "arb": {"GET": _voxel_endpoints.get_arbitrary},
    "blocks": {"GET": _voxel_endpoints.get_blocks, "POST": _post_blocks},
    "specificblocks": {"GET": _voxel_endpoints.get_specific},
    "subvolblocks": {"GET": _voxel_endpoints.get_subvolume},
}
_HANDLERS: dict[str, dict[str, dict[str, Handler]]] = {
    ROI: {**_COMMON, **_roi_endpoints.HANDLERS},
    KEYVALUE: {**_COMMON, **_value_endpoints.HANDLERS},
}
