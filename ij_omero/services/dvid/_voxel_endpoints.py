"""Reading and writing voxels: raw, isotropic, arb, blocks, specificblocks, subvolblocks."""

from __future__ import annotations

import asyncio
import functools
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.responses import Response

from ij_omero.errors import InvalidInputError, NotFoundError
from ij_omero.services._core import read_body, run_heavy, stream_body

from ._answers import OCTETS, PIECE, PiecesResponse, SlabsResponse
from ._arbitrary import ArbitraryPlane, read_arbitrary
from ._block_codecs import decode, stored_form
from ._context import context_of
from ._geometry import Box, Point, checked_box, parse_box
from ._pictures import encode_picture, isotropic_size, magnify, parse_format
from ._store import require_own_voxels
from ._versioned_values import block_key
from ._volumes import (
    check_amount,
    check_blocks,
    encode_slab,
    encode_span,
    read_box,
    read_span,
    stored_blocks,
)
from ._voxel_requests import is_on, parse_block_list, parse_compression, parse_span, parse_voxels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt
    from starlette.requests import Request

    from ._context import Context
    from ._instances import Instance
    from ._place import Place
    from ._store import VoxelStore
    from ._volumes import StoredBlock
    from ._voxel_requests import VoxelRequest

SLAB = 4 << 20
ENCODED_AT_ONCE = 2
_BLOCK_HEADER = struct.Struct("<iiii")
_running: set[asyncio.Future[Any]] = set()


async def get_voxels(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET raw`` and ``GET isotropic``."""
    context = context_of(request)
    stamp = context.stamp(uuid, name)
    require_own_voxels(stamp.instance, keyword)
    query = request.scope["query_string"]
    asked = context.parsed(
        (stamp.key, keyword, *parts, query),
        lambda: parse_voxels(keyword, parts, request.query_params if query else {}, stamp.instance),
    )
    key = None if asked.roi else (stamp.key, asked)
    kept = key and context.answers.get(key)
    throttle = request.query_params.get("throttle") if query and not asked.is_plane else None
    with context.throttled(throttle):
        if kept:
            return PiecesResponse(*kept)
        instance = stamp.instance
        nbytes = check_amount(asked.box, instance, context.limits.request)
        if asked.picture is None and nbytes > SLAB and throttle is None:
            place = context.store.begin(uuid, name)
            if asked.roi:
                _check_roi(place, asked.roi)
            when_whole = _keeper(context, key) if key is not None and context.answers.takes(nbytes) else None
            return SlabsResponse(request, place, nbytes, _slabs(place, asked), when_whole)
        body, media_type = await run_heavy(request, _read_whole, context, uuid, name, asked)
    if key is not None:
        context.answers.put(key, [body], media_type)
    return PiecesResponse([body], media_type)


def _check_roi(place: Place, name: str) -> None:
    """Refuse an ROI that there is not before the answer begins."""
    try:
        place.beside(name)
    except NotFoundError:
        place.transaction.abort()
        raise


def _keeper(context: Any, key: Any) -> Callable[[list[Any]], None]:
    return lambda slabs: context.answers.put(key, slabs, OCTETS)


def _slabs(place: Place, asked: VoxelRequest) -> Iterator[Callable[[], npt.NDArray[Any]]]:
    """Yield what reads a volume piece by piece, each of whole layers of blocks."""
    instance, box = place.instance, asked.box
    region = functools.cache(lambda: place.region(asked.roi) if asked.roi else None)
    per_section = box.size.x * box.size.y * instance.voxels.nbytes
    depth = max(1, SLAB // (per_section * instance.block.z)) * instance.block.z
    z, end = box.offset.z, box.offset.z + box.size.z
    while z < end:
        until = min((z // depth + 1) * depth, end)
        part = Box(Point(box.offset.x, box.offset.y, z), Point(box.size.x, box.size.y, until - z))
        yield lambda part=part: read_box(  # type: ignore[misc]
            place.blocks, instance, part, region(), asked.attenuation
        )
        z = until


def _read_whole(context: Context, uuid: str, name: str, asked: VoxelRequest) -> tuple[Any, str]:
    with context.store.reading(uuid, name) as place:
        instance = place.instance
        region = place.region(asked.roi) if asked.roi else None
        box, size = asked.box, None
        if asked.isotropic and asked.is_plane:
            box, size = _isotropic(asked, instance)
        if asked.is_plane:
            voxels = context.layers.read(place, box, region, asked.attenuation)
        else:
            voxels = read_box(place.blocks, instance, box, region, asked.attenuation)
    if asked.picture is None:
        return voxels, OCTETS
    if asked.is_plane:
        first, second = asked.axes
        plane = voxels.reshape(box.size[second], box.size[first])
        plane = plane if size is None else magnify(plane, instance.voxels, *size)
    else:
        plane = voxels.reshape(-1, box.size.x)
    return encode_picture(plane, instance.voxels, *asked.picture)


def _isotropic(asked: VoxelRequest, instance: Instance) -> tuple[Box, tuple[int, int]]:
    """Return the voxels to read for a picture with square pixels, and the picture's width and height."""
    first, second = asked.axes
    size = (asked.box.size[first], asked.box.size[second])
    sizes = list(asked.box.size)
    sizes[first], sizes[second] = isotropic_size(*size, instance.voxel_size[first], instance.voxel_size[second])
    return Box(asked.box.offset, Point(*sizes)), size


async def post_voxels(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``POST raw``: whole blocks, on disk when this is answered."""
    context = context_of(request)
    instance = context.stamp(uuid, name).instance
    require_own_voxels(instance, keyword)
    if keyword == "isotropic":
        raise InvalidInputError("can only POST 'raw' not 'isotropic' images")
    asked = parse_voxels(keyword, parts, request.query_params, instance)
    box = asked.box
    if asked.is_plane:
        raise InvalidInputError("DVID does not permit 2d mutations, only 3d block-aligned stores")
    if not box.is_aligned(instance.block):
        raise InvalidInputError(
            f"cannot store voxels in non-block aligned geometry {tuple(box.offset)} -> {tuple(box.last)}; blocks are "
            f"{tuple(instance.block)}"
        )
    nbytes = check_amount(box, instance, context.limits.request)
    _check_length(request, nbytes, f"{nbytes} bytes of voxels expected")
    with context.throttled(request.query_params.get("throttle")):
        context.bodies.take(nbytes)
        try:
            blocks = await _encoded_body(request, uuid, name, asked.roi, box, nbytes)
            await run_heavy(request, context.store.put_blocks, uuid, name, blocks, box)
        finally:
            context.bodies.give(nbytes)
    return Response()


async def _encoded_body(request: Request, uuid: str, name: str, roi: str, box: Box, nbytes: int) -> list[StoredBlock]:
    """Read a volume, and make blocks of layers while the next ones come."""
    store = context_of(request).store
    with store.reading(uuid, name) as place:
        instance = place.instance
        region = place.region(roi) if roi else None
    layer_bytes = nbytes // box.size.z * instance.block.z
    layers = max(1, SLAB // layer_bytes)
    blocks: list[StoredBlock] = []
    pending: deque[asyncio.Future[list[StoredBlock]]] = deque()
    z, taken = box.offset.z, 0
    buffer, filled = np.empty(min(layers * layer_bytes, nbytes), np.uint8), 0
    try:
        async for chunk in stream_body(request, nbytes):
            taken += len(chunk)
            view = memoryview(chunk)
            while view:
                part = view[: len(buffer) - filled]
                buffer[filled : filled + len(part)] = part
                filled += len(part)
                view = view[len(part) :]
                if filled == len(buffer):
                    if len(pending) == ENCODED_AT_ONCE:
                        blocks += await pending.popleft()
                    depth = len(buffer) // layer_bytes * instance.block.z
                    slab = Box(Point(box.offset.x, box.offset.y, z), Point(box.size.x, box.size.y, depth))
                    work = run_heavy(request, _encode, instance, slab, buffer, region)
                    pending.append(asyncio.ensure_future(work))
                    z += depth
                    left = nbytes - taken + len(view)
                    buffer, filled = np.empty(min(layers * layer_bytes, left), np.uint8), 0
        if taken != nbytes:
            raise InvalidInputError(f"{nbytes} bytes of voxels expected, got {taken}")
        while pending:
            blocks += await pending.popleft()
    finally:
        for left_over in pending:
            left_over.cancel()
    return blocks


def _encode(instance: Instance, slab: Box, body: npt.NDArray[np.uint8], region: Any) -> list[StoredBlock]:
    voxels = body.view(instance.voxels.stored).reshape(slab.size.z, slab.size.y, slab.size.x)
    return encode_slab(instance, slab, voxels, region)


def _check_length(request: Request, nbytes: int, expected: str) -> None:
    """Refuse a body of a wrong length before it is read."""
    told = request.headers.get("content-length")
    if told is not None and int(told) != nbytes:
        raise InvalidInputError(f"{expected}, got {told}")


async def get_arbitrary(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET arb``."""
    context = context_of(request)
    if not 4 <= len(parts) <= 5:
        raise InvalidInputError('"arb" must be followed by top-left/top-right/bottom-left/res')
    instance = context.stamp(uuid, name).instance
    picture = parse_format(parts[4] if len(parts) == 5 else "")
    corners = (parts[0], parts[1], parts[2])
    plane = ArbitraryPlane.parse(corners, parts[3], context.limits.request // instance.voxels.nbytes)
    with context.throttled(request.query_params.get("throttle")):
        body, media_type = await run_heavy(request, _read_arbitrary, context.store, uuid, name, plane, picture)
    return Response(body, media_type=media_type)


def _read_arbitrary(
    store: VoxelStore, uuid: str, name: str, plane: ArbitraryPlane, picture: tuple[str, int]
) -> tuple[bytes, str]:
    with store.reading(uuid, name) as place:
        voxels = read_arbitrary(place.blocks, place.instance, plane)
        return encode_picture(voxels, place.instance.voxels, *picture)


async def get_blocks(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET blocks``: blocks along x, without compression, background where there is none."""
    context = context_of(request)
    first, span = parse_span(parts)
    instance = context.stamp(uuid, name).instance
    _check_span(instance, span, context.limits.request)

    def read() -> npt.NDArray[Any]:
        with context.store.reading(uuid, name) as place:
            return read_span(place.blocks, place.instance, first, span)

    return PiecesResponse([await run_heavy(request, read)])


async def post_blocks(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``POST blocks``: on disk when this is answered."""
    context = context_of(request)
    first, span = parse_span(parts)
    instance = context.stamp(uuid, name).instance
    nbytes = _check_span(instance, span, context.limits.request)
    told = request.headers.get("content-length")
    if told is not None and int(told) < nbytes:
        raise InvalidInputError("block data ceased before all block data read")
    context.bodies.take(nbytes)
    try:
        body = await read_body(request, nbytes)
        if len(body) < nbytes:
            raise InvalidInputError("block data ceased before all block data read")
        offset = Point(*(at * side for at, side in zip(first, instance.block, strict=True)))
        box = checked_box(offset, Point(span * instance.block.x, instance.block.y, instance.block.z))
        encoded = await run_heavy(request, encode_span, instance, first, body)
        await run_heavy(request, context.store.put_blocks, uuid, name, encoded, box, "blocks")
    finally:
        context.bodies.give(nbytes)
    return Response()


def _check_span(instance: Instance, span: int, limit: int) -> int:
    nbytes = span * instance.block_bytes
    if nbytes > limit:
        raise InvalidInputError(f"Requested payload ({nbytes} bytes) exceeds this DVID server's set limit ({limit})")
    check_blocks(span)
    return nbytes


async def get_specific(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET specificblocks``; with ``prefetch`` blocks are only brought into memory."""
    context = context_of(request)
    if parts:
        raise InvalidInputError('"specificblocks" takes its blocks in the query: ?blocks=x,y,z,...')
    compression = parse_compression(request.query_params)
    wanted = parse_block_list(request.query_params.get("blocks", ""))
    instance = context.stamp(uuid, name).instance
    nbytes = len(wanted) * instance.block_bytes
    if nbytes > context.limits.request:
        raise InvalidInputError(
            f"Requested payload ({nbytes} bytes) exceeds this DVID server's set limit ({context.limits.request})"
        )

    def read() -> list[Any]:
        with context.store.reading(uuid, name) as place:
            blocks = place.blocks
            found = ((at, blocks.get(block_key(at))) for at in wanted)
            return _stream(((at, value) for at, value in found if value is not None), place.instance, compression)

    if is_on(request.query_params, "prefetch"):
        warming = asyncio.ensure_future(run_heavy(request, read))
        _running.add(warming)
        warming.add_done_callback(_forget)
        return Response(media_type=OCTETS)
    return PiecesResponse(await run_heavy(request, read))


def _forget(done: asyncio.Future[Any]) -> None:
    _running.discard(done)
    if not done.cancelled():
        done.exception()  # what could not be fetched ahead is fetched when it is asked for


async def get_subvolume(request: Request, uuid: str, name: str, keyword: str, parts: Sequence[str]) -> Response:
    """Answer ``GET subvolblocks``."""
    context = context_of(request)
    if len(parts) != 2:
        raise InvalidInputError('"subvolblocks" must be followed by size/offset')
    compression = parse_compression(request.query_params)
    box = parse_box((0, 1, 2), parts[0], parts[1])
    instance = context.stamp(uuid, name).instance
    if not box.is_aligned(instance.block):
        raise InvalidInputError(
            f"cannot use labels via 'block' endpoint in non-block aligned geometry {tuple(box.offset)} -> "
            f"{tuple(box.last)}"
        )
    check_amount(box, instance, context.limits.request)

    def read() -> list[Any]:
        with context.store.reading(uuid, name) as place:
            found = stored_blocks(place.blocks, box.blocks(instance.block))
            return _stream(found, place.instance, compression)

    with context.throttled(request.query_params.get("throttle")):
        pieces = await run_heavy(request, read)
    return PiecesResponse(pieces)


def _stream(blocks: Any, instance: Instance, compression: str) -> list[bytes]:
    """Return blocks as x, y, z, length, bytes; as they are stored, or without compression. In pieces of about 1 MiB."""
    if compression == "jpeg" and instance.compression.form != "jpeg":
        raise InvalidInputError(
            f"can't encode JPEG: expected internal block data to be JPEG, was {instance.compression} instead"
        )
    nbytes = instance.block_bytes
    pieces: list[bytes] = []
    parts: list[Any] = []
    length = 0
    for at, value in blocks:
        body: Any = decode(value, nbytes) if compression == "uncompressed" else stored_form(value)[1]
        parts += [_BLOCK_HEADER.pack(*at, len(body)), body]
        length += len(body)
        if length >= PIECE:
            pieces.append(b"".join(parts))
            parts, length = [], 0
    return [*pieces, b"".join(parts)]
