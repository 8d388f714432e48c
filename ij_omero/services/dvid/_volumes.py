"""Boxes of voxels out of blocks, and blocks out of boxes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError

from ._block_codecs import decode
from ._geometry import Box, Point, checked_box
from ._versioned_values import block_at, block_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from ._instances import Instance
    from ._rois import BlockRegion
    from ._versioned_values import VersionedValues

StoredBlock = tuple[bytes, bytes | memoryview]
"""A block's key and its stored form."""

MOST_BLOCKS = 1 << 18
EXTENTS_KEY = b""


def check_amount(box: Box, instance: Instance, limit: int) -> int:
    """Return the bytes of a box, or raise InvalidInputError where they, or its blocks, are too many for one request."""
    nbytes = box.volume * instance.voxels.nbytes
    if nbytes > limit:
        raise InvalidInputError(f"Requested payload ({nbytes} bytes) exceeds this DVID server's set limit ({limit})")
    check_blocks(box.blocks(instance.block).volume)
    return nbytes


def check_blocks(count: int) -> None:
    """Raise InvalidInputError where a request touches too many blocks."""
    if count > MOST_BLOCKS:
        raise InvalidInputError(f"the request touches {count} blocks; ask for up to {MOST_BLOCKS} at once")


def read_box(
    blocks: VersionedValues,
    instance: Instance,
    box: Box,
    region: BlockRegion | None = None,
    attenuation: int = 0,
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Return a box of voxels.

    Parameters
    ----------
    blocks
        The instance's blocks at a version.
    instance
        Whose they are.
    box
        Any; where no block was stored there is background.
    region
        Voxels outside are 0, or shifted right by `attenuation` bits.
    out
        Written to where it is given.

    Returns
    -------
    ndarray
        (Z, Y, X) of `VoxelType.stored`.
    """
    kind, block = instance.voxels, instance.block
    if out is None:
        out = np.empty((box.size.z, box.size.y, box.size.x), kind.stored)
    background = kind.background(instance.background)
    shape = (block.z, block.y, block.x)
    nbytes = instance.block_bytes
    asked = box.blocks(block)
    last_x = asked.last.x
    for row in asked.rows():
        rows_z = _cut(row.z, block.z, box.offset.z, box.size.z)
        rows_y = _cut(row.y, block.y, box.offset.y, box.size.y)
        strip = out[rows_z[0], rows_y[0]]
        next_x = row.x
        for key, value in blocks.range(block_key(row), block_key(Point(last_x, row.y, row.z))):
            x = block_at(key)[0]
            if x > next_x:
                _fill(strip, background, next_x, x - 1, block.x, box)
            columns = _cut(x, block.x, box.offset.x, box.size.x)
            found = decode(value, nbytes).view(kind.stored).reshape(shape)
            strip[:, :, columns[0]] = found[rows_z[1], rows_y[1], columns[1]]
            next_x = x + 1
        if next_x <= last_x:
            _fill(strip, background, next_x, last_x, block.x, box)
    if region is not None:
        region.apply(kind.voxels(out), box, attenuation)
    return out


def read_span(blocks: VersionedValues, instance: Instance, first: Point, span: int) -> npt.NDArray[Any]:
    """Return `span` blocks along x as (block, Z, Y, X), with background where none was stored."""
    kind, block = instance.voxels, instance.block
    out = np.full((span, block.z, block.y, block.x), kind.background(instance.background), kind.stored)
    last = Point(first.x + span - 1, first.y, first.z)
    for key, value in blocks.range(block_key(first), block_key(last)):
        found = decode(value, instance.block_bytes).view(kind.stored)
        out[block_at(key)[0] - first.x] = found.reshape(out.shape[1:])
    return out


def _cut(block: int, side: int, start: int, size: int) -> tuple[slice, slice]:
    """Return where a block lies in the box along one axis, and which part of the block that is."""
    first = block * side
    low, high = max(first, start), min(first + side, start + size)
    return slice(low - start, high - start), slice(low - first, high - first)


def _fill(strip: npt.NDArray[Any], background: Any, first: int, last: int, side: int, box: Box) -> None:
    low = max(first * side - box.offset.x, 0)
    high = min((last + 1) * side - box.offset.x, box.size.x)
    strip[:, :, low:high] = background


def encode_slab(
    instance: Instance, box: Box, voxels: npt.NDArray[Any], region: BlockRegion | None = None
) -> list[StoredBlock]:
    """Return the (key, value) of every block of an aligned box, those outside a region left out."""
    block, asked = instance.block, box.blocks(instance.block)
    split = voxels.reshape(asked.size.z, block.z, asked.size.y, block.y, asked.size.x, block.x)
    blocks = split.transpose(0, 2, 4, 1, 3, 5)
    places = [Point(row.x + number, row.y, row.z) for row in asked.rows() for number in range(asked.size.x)]
    if region is not None:
        held = [region.holds(at) for at in places]
        blocks = blocks[np.reshape(held, blocks.shape[:3])]
        places = [at for at, is_held in zip(places, held, strict=True) if is_held]
    return list(zip(map(block_key, places), instance.compression.encode(blocks), strict=True))


def encode_span(instance: Instance, first: Point, body: bytes | bytearray) -> list[StoredBlock]:
    """Return the (key, value) of blocks that are sent behind each other along x."""
    shape = (-1, instance.block.z, instance.block.y, instance.block.x)
    values = instance.compression.encode(np.frombuffer(body, instance.voxels.stored).reshape(shape))
    return [(block_key(Point(first.x + number, first.y, first.z)), value) for number, value in enumerate(values)]


def extents_at(values: VersionedValues, instance: Instance) -> Box | None:
    """Return the box that an instance's voxels lie in at a version; None where there are none."""
    value = values.get(EXTENTS_KEY)
    if value is not None:
        first, last = json.loads(bytes(value))
    elif instance.min_point is not None and instance.max_point is not None:
        first, last = instance.min_point, instance.max_point
    else:
        return None
    size = Point(*(b - a + 1 for a, b in zip(first, last, strict=True)))
    return Box(Point(*first), size) if min(size) > 0 else None


def put_extents(values: VersionedValues, box: Box) -> None:
    """Keep a box as an instance's extents at a version."""
    values.put(EXTENTS_KEY, json.dumps([box.offset, box.last]).encode())


def grow_extents(values: VersionedValues, instance: Instance, box: Box) -> None:
    """Make the extents of a version hold a box too."""
    known = extents_at(values, instance)
    if known is not None:
        first = Point(*map(min, known.offset, box.offset))
        last = Point(*map(max, known.last, box.last))
        box_now = checked_box(first, Point(*(b - a + 1 for a, b in zip(first, last, strict=True))))
        if box_now == known:
            return
        box = box_now
    put_extents(values, box)


def stored_blocks(blocks: VersionedValues, box: Box) -> Iterator[tuple[tuple[int, int, int], memoryview]]:
    """Yield ((x, y, z), value) of every block that is stored in a box of block coordinates."""
    for row in box.rows():
        for key, value in blocks.range(block_key(row), block_key(Point(box.last.x, row.y, row.z))):
            yield block_at(key), value
