"""Regions of blocks: storing them, and asking what lies in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.responses import Response

from ij_omero.errors import InvalidInputError
from ij_omero.services._core import read_body, run_heavy

from ._answers import PiecesResponse
from ._context import context_of, json_answer
from ._geometry import HIGHEST, LOWEST, Point, parse_box, parse_shape
from ._instances import parse_json
from ._place import region_at
from ._rois import BlockRegion, parse_spans
from ._volumes import check_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from starlette.requests import Request

    from ._context import Handler

LARGEST_BODY = 64 << 20


async def get_roi(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET roi``."""

    def read() -> Sequence[Any]:
        with context_of(request).store.reading(uuid, name) as place:
            return region_at(place).spans

    return json_answer(await run_heavy(request, read))


async def post_roi(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``POST roi``."""
    context = context_of(request)
    body = await read_body(request, LARGEST_BODY)
    block = context.stamp(uuid, name).instance.block
    region = await run_heavy(request, lambda: BlockRegion(parse_spans(parse_json(body)), block))
    await run_heavy(request, context.store.put_spans, uuid, name, region)
    return Response()


async def delete_roi(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``DELETE roi``."""
    await run_heavy(request, context_of(request).store.put_spans, uuid, name, None)
    return Response()


async def get_mask(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET mask``: a byte per voxel, 1 within the region."""
    context = context_of(request)
    if len(parts) != 3 or len(parse_shape(parts[0])) != 3:
        raise InvalidInputError('"mask" must be followed by 0_1_2/size/offset')
    box = parse_box((0, 1, 2), parts[1], parts[2])
    if box.volume > context.limits.request:
        raise InvalidInputError(
            f"Requested payload ({box.volume} bytes) exceeds this DVID server's set limit ({context.limits.request})"
        )
    check_blocks(box.blocks(context.stamp(uuid, name).instance.block).volume)

    def read() -> npt.NDArray[np.uint8]:
        with context.store.reading(uuid, name) as place:
            return region_at(place).mask(box).view(np.uint8)

    return PiecesResponse([await run_heavy(request, read)])


async def post_points(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``POST ptquery``: which voxels lie in the region."""
    context = context_of(request)
    body = await read_body(request, LARGEST_BODY)

    def ask() -> list[bool]:
        told = parse_json(body)
        if not isinstance(told, list) or not all(_is_point(point) for point in told):
            raise InvalidInputError("points must be a list of [x, y, z] in whole numbers")
        with context.store.reading(uuid, name) as place:
            region = region_at(place)
        return [region.holds_voxel(Point(*point)) for point in told]

    return json_answer(await run_heavy(request, ask))


def _is_point(told: Any) -> bool:
    return (
        isinstance(told, list)
        and len(told) == 3
        and all(type(number) is int and LOWEST <= number <= HIGHEST for number in told)
    )


HANDLERS: dict[str, dict[str, Handler]] = {
    "roi": {"GET": get_roi, "POST": post_roi, "DELETE": delete_roi},
    "mask": {"GET": get_mask},
    "ptquery": {"POST": post_points},
}
