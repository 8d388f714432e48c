"""Pictures into voxels, and regions out of them: what DVID's command line does besides single requests."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, NotFoundError
from ij_omero.pixels import Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from ._client import DvidClient

Triple = tuple[int, int, int]
PLANES = {"xy": (0, 1), "0,1": (0, 1), "xz": (0, 2), "0,2": (0, 2), "yz": (1, 2), "1,2": (1, 2)}
_HEADER = struct.Struct("<iiii")
_SLAB_BLOCKS = 512


def put_pictures(
    client: DvidClient,
    uuid: str,
    name: str,
    dims: str,
    offset: Triple,
    pictures: Sequence[Path],
    progress: Progress = no_progress,
) -> None:
    """Store pictures as planes behind each other; see `DvidClient.put_pictures`."""
    axes = PLANES.get(dims.lower().replace("_", ","))
    if axes is None:
        raise InvalidInputError(f"planes are xy, xz or yz (0,1 and so on), not {dims!r}")
    if not pictures:
        raise InvalidInputError("there are no pictures to put")
    extended = client.info(uuid, name)["Extended"]
    block = tuple(int(side) for side in extended["BlockSize"])
    dtype, values = _voxel_dtype(extended["Values"])
    normal = ({0, 1, 2} - set(axes)).pop()
    numbered = [(offset[normal] + number, path) for number, path in enumerate(pictures)]
    done = 0
    for _, members in itertools.groupby(numbered, lambda entry: entry[0] // block[normal]):
        group = list(members)
        planes = [_plane(path, dtype, values) for _, path in group]
        for (_, path), plane in zip(group, planes, strict=True):
            if plane.shape != planes[0].shape:
                raise InvalidInputError(f"{path} has {plane.shape} (Y, X) pixels, others have {planes[0].shape}")
        starts, sizes = list(offset), [0, 0, 0]
        starts[normal], sizes[normal] = group[0][0], len(group)
        sizes[axes[0]], sizes[axes[1]] = planes[0].shape[1], planes[0].shape[0]
        _put_box(client, uuid, name, starts, sizes, block, _box_of(planes, axes))
        done += len(group)
        progress(done, len(pictures), "storing pictures")


def _box_of(planes: list[npt.NDArray[Any]], axes: tuple[int, int]) -> npt.NDArray[Any]:
    """Return planes as (Z, Y, X)."""
    normal = ({0, 1, 2} - set(axes)).pop()
    return np.stack(planes, axis=2 - normal)


def _put_box(
    client: DvidClient,
    uuid: str,
    name: str,
    starts: Sequence[int],
    sizes: Sequence[int],
    block: Sequence[int],
    voxels: npt.NDArray[Any],
) -> None:
    """Store a box that need not be made of whole blocks: what lies around it stays."""
    low = [start // side * side for start, side in zip(starts, block, strict=True)]
    high = [-(-(start + size) // side) * side for start, size, side in zip(starts, sizes, block, strict=True)]
    offset, size = (_triple(low), _triple(b - a for a, b in zip(low, high, strict=True)))
    whole = np.frombuffer(bytearray(client.read(uuid, name, offset, size)), voxels.dtype).reshape(size[::-1])
    z, y, x = (slice(starts[axis] - low[axis], starts[axis] - low[axis] + sizes[axis]) for axis in (2, 1, 0))
    whole[z, y, x] = voxels
    client.write(uuid, name, offset, size, whole.tobytes(), mutate=True)


def _voxel_dtype(values: Sequence[dict[str, str]]) -> tuple[np.dtype[Any], int]:
    return np.dtype(values[0]["DataType"]).newbyteorder("<"), len(values)


def _plane(path: Path, dtype: np.dtype[Any], values: int) -> npt.NDArray[Any]:
    """Return a picture as voxels, (Y, X); those of several values as one number of 4 bytes."""
    from ij_omero.stores._picture_reading import read_picture

    _, source = read_picture(path)
    try:
        found = _pixels(source, values)
    finally:
        source.close()
    if found.dtype != dtype.newbyteorder("="):
        raise InvalidInputError(f"{path} has {found.dtype} pixels; the instance holds {dtype.name}")
    if values == 1:
        plane: npt.NDArray[Any] = found[0].astype(dtype, copy=False)
        return plane
    if len(found) not in (3, 4):
        raise InvalidInputError(f"{path} has {len(found)} channels; voxels here have red, green, blue and alpha")
    alpha = np.full((1, *found.shape[1:]), 255, np.uint8)
    colors = np.moveaxis(np.concatenate([found, alpha])[:4], 0, -1)
    voxels: npt.NDArray[Any] = np.ascontiguousarray(colors).view("<u4")[..., 0]
    return voxels


def _pixels(source: Any, values: int) -> npt.NDArray[Any]:
    from ij_omero.model import PlaneIndex

    description = source.description
    if description.size_z * description.size_t != 1 or (values == 1 and description.size_c != 1):
        raise InvalidInputError(
            f"{description.name} has {description.plane_count} planes; expected a picture of one"
            + ("" if values == 1 else " with 3 or 4 channels")
        )
    return np.stack([source.read(PlaneIndex(0, c, 0)) for c in range(description.size_c)])


def foreground_spans(
    client: DvidClient, uuid: str, name: str, background: Sequence[int], progress: Progress = no_progress
) -> list[list[int]]:
    """Return the spans [z, y, x0, x1] of blocks that hold anything but background."""
    extended = client.info(uuid, name)["Extended"]
    dtype, values = _voxel_dtype(extended["Values"])
    if dtype.itemsize * values != 1:
        raise InvalidInputError("Foreground ROI command only implemented for 1 byte/voxel data!")
    if not background or not all(0 <= value <= 255 for value in background):
        raise InvalidInputError("background values are 0 to 255, as in 0,255")
    if extended["MinPoint"] is None:
        return []
    is_foreground = np.ones(256, bool)
    is_foreground[list(background)] = False
    block = _triple(extended["BlockSize"])
    first = [int(point) // side for point, side in zip(extended["MinPoint"], block, strict=True)]
    last = [int(point) // side for point, side in zip(extended["MaxPoint"], block, strict=True)]
    spans: list[list[int]] = []
    slabs = list(_slabs(first, last))
    for done, (start, count) in enumerate(slabs, 1):
        offset = _triple(at * side for at, side in zip(start, block, strict=True))
        size = _triple(number * side for number, side in zip(count, block, strict=True))
        found = sorted(
            (z, y, x)
            for x, y, z, body in _blocks(client.read_blocks(uuid, name, offset, size))
            if is_foreground[np.frombuffer(body, np.uint8)].any()
        )
        for z, y, x in found:
            if spans and spans[-1][:2] == [z, y] and spans[-1][3] == x - 1:
                spans[-1][3] = x
            else:
                spans.append([z, y, x, x])
        progress(done, len(slabs), "looking at blocks")
    return spans


def _slabs(first: Sequence[int], last: Sequence[int]) -> Iterator[tuple[Triple, Triple]]:
    """Yield (first block, blocks) of pieces of a box, x and then y as long as few blocks make them."""
    across, down = last[0] - first[0] + 1, last[1] - first[1] + 1
    wide = min(across, _SLAB_BLOCKS)
    high = min(down, max(1, _SLAB_BLOCKS // wide))
    for z in range(first[2], last[2] + 1):
        for y in range(first[1], last[1] + 1, high):
            for x in range(first[0], last[0] + 1, wide):
                yield (x, y, z), (min(wide, last[0] + 1 - x), min(high, last[1] + 1 - y), 1)


def _blocks(stream: bytes) -> Iterator[tuple[int, int, int, memoryview]]:
    view, at = memoryview(stream), 0
    while at < len(view):
        x, y, z, length = _HEADER.unpack_from(view, at)
        at += _HEADER.size
        yield x, y, z, view[at : at + length]
        at += length


def foreground_roi(
    client: DvidClient, uuid: str, name: str, roi: str, background: Sequence[int], progress: Progress = no_progress
) -> int:
    """Store the blocks that hold anything but background as an ROI; see `DvidClient.foreground_roi`."""
    block = client.info(uuid, name)["Extended"]["BlockSize"]
    spans = foreground_spans(client, uuid, name, background, progress)
    try:
        known = client.info(uuid, roi)
    except NotFoundError:
        client.new_instance(uuid, roi, "roi", BlockSize=",".join(map(str, block)))
    else:
        if known["Extended"].get("BlockSize", block) != block:
            raise InvalidInputError(f"ROI {roi!r} has other blocks than {name!r}; choose another name")
    client.set_roi(uuid, roi, spans)
    return sum(last - first + 1 for _, _, first, last in spans)


def _triple(numbers: Any) -> Triple:
    x, y, z = (int(number) for number in numbers)
    return x, y, z
