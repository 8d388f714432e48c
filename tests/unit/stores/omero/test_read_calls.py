"""Which calls bring the pixels that are wanted, tried on planes that lie in an array as they lie on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
from ij_omero.stores._omero._pixel_bytes import MAX_CALL, decode
from ij_omero.stores._omero._read_calls import ReadCall, read_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL = ImageDescription("small", PixelType.UINT16, 50, 40, 9, 3, 2)


def pixels_of(description: ImageDescription) -> np.ndarray:
    return np.arange(np.prod(description.shape), dtype=">u2").reshape(description.shape)


def answer(stored: np.ndarray, call: ReadCall) -> bytes:
    """What a RawPixelsStore answers, as its documentation in omero/API.ice says."""
    if call.method == "getRegion":
        size, offset = call.arguments
        return stored.tobytes()[offset : offset + size]
    if call.method == "getHypercube":
        (x, y, z, c, t), (width, height, depth, channels, times), step = call.arguments
        assert step == [1] * 5
        return stored[t : t + times, c : c + channels, z : z + depth, y : y + height, x : x + width].tobytes()
    z, c, t, x, y, width, height = call.arguments
    return stored[t, c, z, y : y + height, x : x + width].tobytes()


def planned(
    planes: Sequence[PlaneIndex],
    region: Region,
    description: ImageDescription = SMALL,
    stores: int = 2,
    plain: bool = True,
) -> tuple[list[ReadCall], list[Any]]:
    out = [np.empty(region.shape, np.uint16) for _ in planes]
    wanted = list(zip(planes, out, strict=True))
    return read_calls(wanted, region, description, 2, tile_height=16, stores=stores, plain=plain), out


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("stores", [1, 2, 4])
@pytest.mark.parametrize("region", [Region(0, 0, 50, 40), Region(0, 7, 50, 20), Region(3, 5, 20, 30)])
@pytest.mark.parametrize("chosen", ["all", "one", "some z", "every other", "one z of all", "backwards"])
def test_every_pixel_arrives_where_it_belongs(chosen: str, region: Region, stores: int, plain: bool) -> None:
    every = SMALL.plane_indices()
    planes = {
        "all": every,
        "one": every[7:8],
        "some z": [PlaneIndex(z, 1, 1) for z in (2, 3, 4, 7, 8)],
        "every other": every[::2],
        "one z of all": [PlaneIndex(4, c, t) for t in range(2) for c in range(3)],
        "backwards": every[::-1],
    }[chosen]
    stored = pixels_of(SMALL)
    calls, out = planned(planes, region, stores=stores, plain=plain)
    assert sum(call.completes for call in calls) == len(planes)
    for call in calls:
        decode(answer(stored, call), PixelType.UINT16, *call.targets)
    for (z, c, t), found in zip(planes, out, strict=True):
        rows = stored[t, c, z, region.y : region.y + region.height]
        np.testing.assert_array_equal(found, rows[:, region.x : region.x + region.width])


def test_a_stack_of_small_planes_is_a_call_for_each_store() -> None:
    calls, _ = planned(SMALL.plane_indices(), Region(0, 0, 50, 40), SMALL)
    assert [call.method for call in calls] == ["getRegion"]
    larger = ImageDescription("larger", PixelType.UINT16, 512, 512, 64)
    calls, _ = planned(larger.plane_indices(), Region(0, 0, 512, 512), larger)
    assert {(call.method, len(call.targets)) for call in calls} == {("getRegion", 8)}


def test_a_rectangle_over_z_is_read_over_many_planes_at_once() -> None:
    description = ImageDescription("stack", PixelType.UINT16, 2048, 2048, 12)
    calls, _ = planned(description.plane_indices(), Region(512, 512, 512, 512), description)
    assert [(call.method, call.completes) for call in calls] == [("getHypercube", 6), ("getHypercube", 6)]


def test_imported_files_are_read_by_tiles() -> None:
    calls, _ = planned(SMALL.plane_indices(), Region(3, 5, 20, 30), plain=False)
    assert {call.method for call in calls} == {"getTile"}


def test_no_call_carries_too_much() -> None:
    description = ImageDescription("wide", PixelType.UINT16, 6000, 3000, 3)
    region = Region(0, 0, 6000, 3000)
    for planes in (description.plane_indices(), description.plane_indices()[:1]):
        calls = read_calls(
            [(plane, np.empty((0, 0))) for plane in planes], region, description, 2, tile_height=1, stores=2, plain=True
        )
        assert {call.method for call in calls} == {"getRegion"}
        assert max(call.arguments[0] for call in calls) <= MAX_CALL
        assert sum(call.arguments[0] for call in calls) == 36_000_000 * len(planes)


def test_offsets_beyond_32_bits() -> None:
    description = ImageDescription("large", PixelType.UINT16, 30_000, 30_000, 3)
    wanted = [(PlaneIndex(2, 0, 0), np.empty((10, 30_000), np.uint16))]
    region = Region(0, 29_990, 30_000, 10)
    (call,) = read_calls(wanted, region, description, 2, tile_height=1, stores=1, plain=True)
    assert call.arguments == (600_000, 2 * 30_000 * (3 * 30_000 - 10))
