"""Instances over Neuroglancer's precomputed volumes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore

from ij_omero.services.dvid import Limits

from .conftest import Dvid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE, OFFSET = (50, 40, 20), (16, 0, -16)


@pytest.fixture
def voxels(tmp_path: Path) -> np.ndarray[Any, Any]:
    """A volume of two scales, (Z, Y, X), the second of half the width and height."""
    found = np.random.default_rng(6).integers(1, 255, SIZE[::-1], np.uint8)
    for scale in range(2):
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{tmp_path}/grey/",
            "multiscale_metadata": {"data_type": "uint8", "num_channels": 1, "type": "image"},
            "scale_metadata": {
                "size": [SIZE[0] >> scale, SIZE[1] >> scale, SIZE[2]],
                "voxel_offset": [OFFSET[0] >> scale, OFFSET[1], OFFSET[2]],
                "resolution": [4 << scale, 4 << scale, 40],
                "chunk_size": [16, 16, 8],
                "encoding": "raw",
            },
        }
        volume = tensorstore.open(spec, create=True).result()
        volume[..., 0].write(found[:, :: 1 << scale, :: 1 << scale].transpose(2, 1, 0)).result()
    return found


@pytest.fixture
def served(tmp_path: Path, voxels: np.ndarray[Any, Any]) -> Iterator[Dvid]:
    server = Dvid(tmp_path / "store", Limits(grids={"em": str(tmp_path / "grey")}))
    yield server
    server.close()


def test_a_precomputed_volume_is_read_by_blocks(served: Dvid, voxels: np.ndarray[Any, Any]) -> None:
    place = served.new_instance(served.new_repo(), "grey", GridStore="em", ScaleLevel=0)
    info = served.get(f"{place}/info").json()
    assert info["Extended"]["GridStore"] == "em"
    assert info["Extended"]["VoxelSize"] == [4, 4, 40]
    assert info["Extents"] == {"MinPoint": [16, 0, -16], "MaxPoint": [65, 39, 3]}
    around = np.zeros((24, 48, 80), np.uint8)
    around[:20, :40, 16:66] = voxels
    stream = served.get(f"{place}/subvolblocks/80_48_24/0_0_-16?compression=uncompressed").content
    count = 0
    while stream:
        x, y, z, length = struct.unpack_from("<iiii", stream)
        block = np.frombuffer(stream[16 : 16 + length], np.uint8).reshape(8, 16, 16)
        low = (z + 2) * 8
        np.testing.assert_array_equal(block, around[low : low + 8, y * 16 : y * 16 + 16, x * 16 : x * 16 + 16])
        stream, count = stream[16 + length :], count + 1
    assert count == 4 * 3 * 3
    row = np.frombuffer(served.get(f"{place}/blocks/0_1_-1/3").content, np.uint8).reshape(3, 8, 16, 16)
    np.testing.assert_array_equal(np.concatenate(list(row), axis=2), around[8:16, 16:32, :48])
    assert served.get(f"{place}/specificblocks?blocks=99,0,0").content == b""


def test_other_scales(served: Dvid, voxels: np.ndarray[Any, Any]) -> None:
    place = served.new_instance(served.new_repo(), "grey_1", GridStore="em", ScaleLevel=1)
    assert served.get(f"{place}/info").json()["Extended"]["VoxelSize"] == [8, 8, 40]
    first = np.frombuffer(served.get(f"{place}/blocks/1_0_-2/1").content, np.uint8).reshape(8, 16, 16)
    np.testing.assert_array_equal(first, voxels[:8, :32:2, 16:48:2])


def test_what_it_does_not_do_is_said(served: Dvid) -> None:
    root = served.new_repo()
    place = served.new_instance(root, "grey", GridStore="em")
    proxying = "does not support /{} endpoint since it is proxying data"
    for answer, keyword in (
        (served.get(f"{place}/raw/0_1_2/16_16_8/0_0_0"), "raw"),
        (served.get(f"{place}/isotropic/xy/16_16/0_0_0"), "isotropic"),
        (served.post(f"{place}/raw/0_1_2/16_16_8/0_0_0", content=bytes(2048)), "raw"),
        (served.post(f"{place}/blocks/0_0_0/1", content=bytes(2048)), "blocks"),
    ):
        assert answer.status_code == 400
        assert proxying.format(keyword) in answer.text
    for settings, said in (
        ({"GridStore": "other"}, "bad store (other) designated for GridStore"),
        ({"GridStore": "em", "ScaleLevel": 7}, "cannot be opened"),
        ({"GridStore": "em", "typename": "uint16blk"}, "type uint8blk"),
        ({"GridStore": "../../etc"}, "bad store"),
    ):
        told = {"typename": "uint8blk", "dataname": "x", **settings}
        answer = served.post(f"/api/repo/{root}/instance", json=told)
        assert (answer.status_code, said in answer.text) == (400, True), answer.text
