"""Voxels in and out: volumes, planes, pictures, blocks."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from numcodecs import lz4
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

    from .conftest import Dvid

TYPES = {"uint8blk": "<u1", "uint16blk": "<u2", "uint32blk": "<u4", "uint64blk": "<u8", "float32blk": "<f4"}


def volume(dtype: str, *shape: int) -> npt.NDArray[Any]:
    generator = np.random.default_rng(3)
    if np.dtype(dtype).kind == "f":
        return generator.normal(0, 100, shape).astype(dtype)
    return generator.integers(0, np.iinfo(dtype).max, shape, np.dtype(dtype).newbyteorder("=")).astype(dtype)


def store(dvid: Dvid, place: str, voxels: npt.NDArray[Any], offset: tuple[int, int, int] = (0, 0, 0)) -> None:
    z, y, x = voxels.shape[:3]
    answer = dvid.post(f"{place}/raw/0_1_2/{x}_{y}_{z}/{'_'.join(map(str, offset))}", content=voxels.tobytes())
    assert answer.status_code == 200, answer.text


@pytest.fixture
def grey(dvid: Dvid, uuid: str) -> str:
    """32 x 48 x 64 voxels (Z, Y, X) at (16, -16, 32) in blocks of 16."""
    place = dvid.new_instance(uuid, "grey", BlockSize="16,16,16", VoxelSize="4,4,8", Background=9)
    store(dvid, place, volume("<u1", 32, 48, 64), (16, -16, 32))
    return place


@pytest.mark.parametrize("typename", TYPES)
@pytest.mark.parametrize("compression", ["lz4", "gzip:3", "none"])
def test_volumes_come_back_from_anywhere(dvid: Dvid, uuid: str, typename: str, compression: str) -> None:
    place = dvid.new_instance(uuid, "v", typename, BlockSize="16,8,4", Background=5, Compression=compression)
    voxels = volume(TYPES[typename], 8, 24, 32)
    store(dvid, place, voxels, (-16, 8, -4))
    around = np.full((16, 40, 64), 5, TYPES[typename])
    around[4:12, 8:32, 16:48] = voxels
    for low, high in (((0, 0, 0), (64, 40, 16)), ((5, 9, 3), (50, 33, 11)), ((17, 9, 5), (18, 10, 6))):
        size = "_".join(str(b - a) for a, b in zip(low, high, strict=True))
        offset = f"{low[0] - 32}_{low[1]}_{low[2] - 8}"
        found = dvid.get(f"{place}/raw/0_1_2/{size}/{offset}")
        assert found.headers["content-type"] == "application/octet-stream"
        expected = around[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        np.testing.assert_array_equal(np.frombuffer(found.content, TYPES[typename]).reshape(expected.shape), expected)


def test_large_volumes_are_streamed_and_kept_until_they_change(dvid: Dvid, uuid: str) -> None:
    place = dvid.new_instance(uuid, "v", BlockSize="64,64,64")
    voxels = volume("<u1", 128, 256, 256)
    store(dvid, place, voxels)
    for _ in range(2):
        assert dvid.get(f"{place}/raw/0_1_2/256_256_128/0_0_0").content == voxels.tobytes()
    store(dvid, place, voxels[:64, :64, :64] ^ 255)
    voxels[:64, :64, :64] ^= 255
    assert dvid.get(f"{place}/raw/0_1_2/256_256_128/0_0_0").content == voxels.tobytes()


@pytest.mark.parametrize(("dims", "axes"), [("xy", (0, 1)), ("0_2", (0, 2)), ("yz", (1, 2))])
@pytest.mark.parametrize("image_format", ["", "/png", "/tif", "/tiff", "/bmp"])
def test_planes_are_pictures(dvid: Dvid, grey: str, dims: str, axes: tuple[int, int], image_format: str) -> None:
    voxels = volume("<u1", 32, 48, 64)
    found = dvid.get(f"{grey}/raw/{dims}/20_10/17_-14_35{image_format}")
    kind = {"": "png", "tif": "tiff"}.get(image_format.strip("/"), image_format.strip("/"))
    assert found.headers["content-type"] == f"image/{kind}"
    starts, sizes = [1, 2, 3], [1, 1, 1]
    sizes[axes[0]], sizes[axes[1]] = 20, 10
    x, y, z = (slice(a, a + n) for a, n in zip(starts, sizes, strict=True))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(found.content))), voxels[z, y, x].reshape(10, 20))


def test_jpegs_have_a_quality_and_volumes_may_be_one(dvid: Dvid, uuid: str) -> None:
    place = dvid.new_instance(uuid, "smooth")
    voxels = np.broadcast_to(np.arange(32, dtype=np.uint8) * 8, (32, 32, 32))
    store(dvid, place, voxels)
    low, high = (dvid.get(f"{place}/raw/xy/32_32/0_0_0/jpg:{quality}").content for quality in (10, 95))
    assert len(low) < len(high)
    picture = np.asarray(Image.open(io.BytesIO(dvid.get(f"{place}/raw/0_1_2/32_30_20/0_0_0/jpg").content)))
    assert picture.shape == (600, 32)
    assert abs(picture.astype(int) - voxels.reshape(-1, 32)[:600]).max() < 8


def test_wide_voxels_are_pictures_of_their_bytes(dvid: Dvid, uuid: str) -> None:
    sixteen = volume("<u2", 16, 16, 16)
    place = dvid.new_instance(uuid, "sixteen", "uint16blk", BlockSize="16")
    store(dvid, place, sixteen)
    picture = Image.open(io.BytesIO(dvid.get(f"{place}/raw/xy/16_16/0_0_3").content))
    np.testing.assert_array_equal(np.asarray(picture).astype(np.uint16), sixteen[3])
    found = tifffile.imread(io.BytesIO(dvid.get(f"{place}/raw/xy/16_16/0_0_3/tif").content))
    np.testing.assert_array_equal(found, sixteen[3])
    floats = volume("<f4", 16, 16, 16)
    place = dvid.new_instance(uuid, "floats", "float32blk", BlockSize="16")
    store(dvid, place, floats)
    picture = Image.open(io.BytesIO(dvid.get(f"{place}/raw/xy/16_16/0_0_3").content))
    np.testing.assert_array_equal(np.asarray(picture), floats[3].view(np.uint8).reshape(16, 16, 4))
    wide = volume("<u8", 16, 16, 16)
    place = dvid.new_instance(uuid, "wide", "uint64blk", BlockSize="16")
    store(dvid, place, wide)
    found = tifffile.imread(io.BytesIO(dvid.get(f"{place}/raw/xy/16_16/0_0_3/tif").content))
    np.testing.assert_array_equal(found, wide[3].view(">u2").reshape(16, 16, 4))
    # Pillow reads 16-bit colours as 8-bit ones: the first byte of each
    png = Image.open(io.BytesIO(dvid.get(f"{place}/raw/xy/16_16/0_0_3").content))
    np.testing.assert_array_equal(np.asarray(png), wide[3].view(np.uint8).reshape(16, 16, 8)[..., ::2])


def test_colours_stay_colours(dvid: Dvid, uuid: str) -> None:
    place = dvid.new_instance(uuid, "colours", "rgba8blk", BlockSize="16", Background=7)
    voxels = volume("<u1", 16, 16, 16, 4)
    store(dvid, place, voxels)
    assert dvid.get(f"{place}/raw/0_1_2/16_16_16/0_0_0").content == voxels.tobytes()
    assert set(dvid.get(f"{place}/raw/0_1_2/16_16_16/16_0_0").content) == {7}
    picture = Image.open(io.BytesIO(dvid.get(f"{place}/raw/xy/16_16/0_0_2").content))
    assert picture.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(picture), voxels[2])
    opaque = np.asarray(Image.open(io.BytesIO(dvid.get(f"{place}/raw/xy/16_16/0_0_2/jpg:100").content)))
    assert opaque.shape == (16, 16, 3)


def test_isotropic_pictures_have_square_pixels(dvid: Dvid, grey: str) -> None:
    voxels = volume("<u1", 32, 48, 64)
    same = dvid.get(f"{grey}/isotropic/xy/20_10/16_-16_32")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(same.content))), voxels[0, :10, :20])
    # z is twice as coarse: 10 sections make 20 rows, each row between its neighbours
    found = np.asarray(Image.open(io.BytesIO(dvid.get(f"{grey}/isotropic/xz/40_20/16_-16_32").content)))
    assert found.shape == (20, 40)
    source = voxels[:10, 0, :40].astype(float)
    np.testing.assert_array_equal(found[0], source[0])
    np.testing.assert_allclose(found[1], source[0] * 0.75 + source[1] * 0.25, atol=0.51)
    assert "can only POST 'raw'" in dvid.post(f"{grey}/isotropic/0_1_2/16_16_16/0_0_0", content=bytes(4096)).text


def test_planes_in_any_orientation(dvid: Dvid, grey: str) -> None:
    voxels = volume("<u1", 32, 48, 64)
    # along the axes, on voxels: x from 20 to 39 in steps of one voxel of 4 nm
    path = f"{grey}/arb/80_-40_320/156_-40_320/80_-4_320/4"
    found = np.asarray(Image.open(io.BytesIO(dvid.get(path).content)))
    np.testing.assert_array_equal(found, voxels[8, 6:16, 4:24])
    # between two sections, and across x and z at once
    half = np.asarray(Image.open(io.BytesIO(dvid.get(f"{grey}/arb/80_-40_324/156_-40_324/80_-4_324/4.0/png").content)))
    mean = (voxels[8, 6:16, 4:24].astype(float) + voxels[9, 6:16, 4:24]) / 2
    np.testing.assert_allclose(half, mean, atol=0.51)
    assert dvid.get(f"{grey}/arb/80_-40_320/156_-40_400/80_-4_320/2/jpg:80").headers["content-type"] == "image/jpeg"
    for path in ("1_1_1/2_2_2/3_3_3/0", "1_1_1/2_2_2/3_3_3/-1", "1_1/2_2_2/3_3_3/1", "nan_1_1/2_2_2/3_3_3/1"):
        assert dvid.get(f"{grey}/arb/{path}").status_code == 400
    documented = dvid.get(f"{grey}/arb/100.2_90_80.7/200.2_90_80.7/100.2_190.0_80.7/10.0/jpg:80")
    assert Image.open(io.BytesIO(documented.content)).size == (11, 11)
    assert "exceeds this DVID server's set limit" in dvid.get(f"{grey}/arb/0_0_0/9e6_0_0/0_9e6_0/1").text
    assert "touches 262145 blocks" in dvid.get(f"{grey}/arb/0_0_0/9e7_0_0/0_9e7_0/1e5").text


def test_blocks_along_x(dvid: Dvid, grey: str) -> None:
    voxels = volume("<u1", 32, 48, 64)
    found = np.frombuffer(dvid.get(f"{grey}/blocks/0_-1_2/6").content, np.uint8).reshape(6, 16, 16, 16)
    assert set(found[0].flat) == {9}
    assert set(found[5].flat) == {9}
    np.testing.assert_array_equal(np.concatenate(found[1:5], axis=2), voxels[:16, :16])
    for count in (4096 * 2, 0):
        answer = dvid.post(f"{grey}/blocks/20_0_0/3", content=bytes(count))
        assert "block data ceased before all block data read" in answer.text
    body = volume("<u1", 3 * 4096).tobytes()
    assert dvid.post(f"{grey}/blocks/20_0_0/3?mutate=true", content=body).status_code == 200
    assert dvid.get(f"{grey}/blocks/20_0_0/3").content == body
    assert dvid.get(f"{grey}/info").json()["Extents"] == {"MinPoint": [16, -16, 0], "MaxPoint": [367, 31, 63]}


def stream(body: bytes) -> dict[tuple[int, int, int], bytes]:
    found, at = {}, 0
    while at < len(body):
        x, y, z, length = struct.unpack_from("<iiii", body, at)
        found[x, y, z] = body[at + 16 : at + 16 + length]
        at += 16 + length
    return found


def test_single_blocks_in_their_stored_form(dvid: Dvid, grey: str) -> None:
    voxels = volume("<u1", 32, 48, 64)
    found = stream(dvid.get(f"{grey}/specificblocks?blocks=1,-1,2,40,40,40,2,0,3").content)
    assert set(found) == {(1, -1, 2), (2, 0, 3)}
    assert lz4.decompress(found[1, -1, 2]) == voxels[:16, :16, :16].tobytes()
    plain = stream(dvid.get(f"{grey}/specificblocks?blocks=2,0,3&compression=uncompressed").content)
    assert plain == {(2, 0, 3): voxels[16:32, 16:32, 16:32].tobytes()}
    assert dvid.get(f"{grey}/specificblocks?blocks=").content == b""
    assert dvid.get(f"{grey}/specificblocks?blocks=1,-1,2&prefetch=true").content == b""
    refused = {
        "blocks=1,2": "block query string should be three coordinates per block",
        "blocks=1,2,x": "a block's coordinate must be a whole number",
        "blocks=1,-1,2&compression=zip": "don't understand 'compression' query string value: zip",
        "blocks=1,-1,2&compression=jpeg": "can't encode JPEG",
    }
    for query, said in refused.items():
        answer = dvid.get(f"{grey}/specificblocks?{query}")
        assert (answer.status_code, said in answer.text) == (400, True), answer.text


def test_boxes_of_blocks(dvid: Dvid, uuid: str, grey: str) -> None:
    found = stream(dvid.get(f"{grey}/subvolblocks/48_32_48/0_-16_32?compression=uncompressed").content)
    assert set(found) == {(x, y, z) for x in (1, 2) for y in (-1, 0) for z in (2, 3)}
    assert "non-block aligned" in dvid.get(f"{grey}/subvolblocks/48_32_48/1_-16_32").text
    place = dvid.new_instance(uuid, "photos", BlockSize="16", Compression="jpeg:90")
    smooth = np.broadcast_to(np.arange(16, dtype=np.uint8) * 9, (16, 16, 16))
    store(dvid, place, smooth)
    for query in ("", "?compression=jpeg"):
        body = stream(dvid.get(f"{place}/subvolblocks/16_16_16/0_0_0{query}").content)[0, 0, 0]
        picture = np.asarray(Image.open(io.BytesIO(body)))
        assert picture.shape == (256, 16)
    assert abs(picture.reshape(16, 16, 16).astype(int) - smooth).max() < 12
    assert (
        abs(np.frombuffer(dvid.get(f"{place}/blocks/0_0_0/1").content, np.uint8).astype(int) - smooth.flat).max() < 12
    )


def test_only_whole_blocks_are_stored(dvid: Dvid, grey: str) -> None:
    refused = {
        "raw/0_1_2/16_16_16/1_0_0": "cannot store voxels in non-block aligned geometry",
        "raw/0_1_2/16_16_15/0_0_0": "cannot store voxels in non-block aligned geometry",
        "raw/xy/16_16/0_0_0": "DVID does not permit 2d mutations",
        "raw/0_1_2/16_16_32/0_0_0": "8192 bytes of voxels expected, got 4096",
    }
    for path, said in refused.items():
        answer = dvid.post(f"{grey}/{path}", content=bytes(4096))
        assert (answer.status_code, said in answer.text) == (400, True), answer.text
    assert set(dvid.get(f"{grey}/raw/0_1_2/16_16_32/0_0_0").content) == {9}


def test_regions_mask_voxels(dvid: Dvid, uuid: str, grey: str) -> None:
    region = dvid.new_instance(uuid, "region", "roi", BlockSize="16,16,16")
    voxels = volume("<u1", 32, 48, 64)
    assert dvid.post(f"{region}/roi", json=[[2, -1, 1, 1], [2, -1, 2, 2], [3, 0, 4, 4]]).status_code == 200
    assert dvid.get(f"{region}/roi").json() == [[2, -1, 1, 2], [3, 0, 4, 4]]
    inside = np.zeros(voxels.shape, bool)
    inside[:16, :16, :32] = True
    inside[16:, 16:32, 48:] = True
    mask = dvid.get(f"{region}/mask/0_1_2/64_48_32/16_-16_32").content
    np.testing.assert_array_equal(np.frombuffer(mask, np.uint8).reshape(inside.shape), inside)
    whole = f"{grey}/raw/0_1_2/64_48_32/16_-16_32"
    masked = np.frombuffer(dvid.get(f"{whole}?roi=region").content, np.uint8).reshape(voxels.shape)
    np.testing.assert_array_equal(masked, np.where(inside, voxels, 0))
    dimmed = np.frombuffer(dvid.get(f"{whole}?roi=region&attenuation=3").content, np.uint8).reshape(voxels.shape)
    np.testing.assert_array_equal(dimmed, np.where(inside, voxels, voxels >> 3))
    picture = dvid.get(f"{grey}/raw/xy/64_48/16_-16_32?roi=region").content
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture))), np.where(inside, voxels, 0)[0])
    for attenuation in ("0", "8", "x", "-1"):
        answer = dvid.get(f"{whole}?roi=region&attenuation={attenuation}")
        assert "Attenuation should be from 1 to 7 (divides by 2^n)" in answer.text
    assert "invalid data instance name" in dvid.get(f"{whole}?roi=nobody").text
    points = [[16, -16, 32], [0, 0, 0], [79, 0, 48]]
    assert dvid.post(f"{region}/ptquery", json=points).json() == [True, False, True]
    # outside of the region nothing is stored
    assert dvid.post(f"{whole}?roi=region", content=bytes(voxels.size)).status_code == 200
    found = np.frombuffer(dvid.get(whole).content, np.uint8).reshape(voxels.shape)
    np.testing.assert_array_equal(found, np.where(inside, 0, voxels))
    assert dvid.ask("DELETE", f"{region}/roi").status_code == 200
    assert dvid.get(f"{region}/roi").json() == []
    # nor anything at all of an empty one
    assert dvid.post(f"{whole}?roi=region", content=bytes([77]) * voxels.size).status_code == 200
    assert dvid.get(whole).content == found.tobytes()


def test_large_volumes_are_masked_as_small_ones(dvid: Dvid, uuid: str) -> None:
    place = dvid.new_instance(uuid, "v", BlockSize="64")
    region = dvid.new_instance(uuid, "region", "roi", BlockSize="64")
    voxels = volume("<u1", 128, 256, 256) | 1
    store(dvid, place, voxels)
    dvid.post(f"{region}/roi", json=[[1, 2, 0, 1]])
    voxels[:64] >>= 2
    voxels[64:, :128] >>= 2
    voxels[64:, 192:] >>= 2
    voxels[64:, 128:192, 128:] >>= 2
    found = dvid.get(f"{place}/raw/0_1_2/256_256_128/0_0_0?roi=region&attenuation=2")
    np.testing.assert_array_equal(np.frombuffer(found.content, np.uint8).reshape(voxels.shape), voxels)
    refused = dvid.get(f"{place}/raw/0_1_2/256_256_128/0_0_0?roi=nobody")
    assert (refused.status_code, "invalid data instance name" in refused.text) == (400, True)
    assert len(stream(dvid.get(f"{place}/subvolblocks/256_256_128/0_0_0?compression=uncompressed").content)) == 32


def test_extents_follow_the_voxels_and_may_be_set(dvid: Dvid, uuid: str, grey: str) -> None:
    info = dvid.get(f"{grey}/info").json()
    assert info["Extents"] == {"MinPoint": [16, -16, 32], "MaxPoint": [79, 31, 63]}
    assert (info["Extended"]["MinIndex"], info["Extended"]["MaxIndex"]) == ([1, -1, 2], [4, 1, 3])
    empty = dvid.new_instance(uuid, "empty")
    assert dvid.get(f"{empty}/info").json()["Extents"] == {"MinPoint": None, "MaxPoint": None}
    corners = {"MinPoint": [68, 127, 210], "MaxPoint": [1023, 4811, 12187]}
    assert dvid.post(f"{empty}/extents", json=corners).status_code == 200
    dvid.post(f"{empty}/resolution", json=[4, 4, 4.5])
    extended = dvid.get(f"{empty}/info").json()["Extended"]
    assert (extended["MinIndex"], extended["MaxIndex"]) == ([2, 3, 6], [31, 150, 380])
    assert extended["VoxelSize"] == [4, 4, 4.5]
    axes = dvid.get(f"{empty}/metadata")
    assert axes.headers["content-type"] == "application/vnd.dvid-nd-data+json"
    assert axes.json()["Axes"][2] == {
        "Label": "Z",
        "Resolution": 4.5,
        "Units": "nanometers",
        "Size": 11978,
        "Offset": 210,
    }
    assert "extents endpoint only supports POST HTTP verb" in dvid.get(f"{empty}/extents").text
    for told in ("x", [], {"MinPoint": [1, 2]}, {"MinPoint": [5, 5, 5], "MaxPoint": [1, 1, 1]}):
        assert dvid.post(f"{empty}/extents", json=told).status_code == 400
    for told in ([1, 2], [0, 1, 1], [1, 1, "x"], {}, [1, 1, 1e999]):
        assert dvid.post(f"{empty}/resolution", content=str(told).replace("'", '"')).status_code == 400


def test_settings_are_read_in_any_case(dvid: Dvid, uuid: str) -> None:
    place = dvid.new_instance(
        uuid,
        "odd",
        blocksize="64,43,28",
        VOXELSIZE="13.1,14.2,15.3",
        VoxelUnits="picometers,nanometers,microns",
        Tags="type=meshes,a=b",
    )
    info = dvid.get(f"{place}/info").json()
    assert info["Extended"]["BlockSize"] == [64, 43, 28]
    assert info["Extended"]["VoxelSize"] == [13.1, 14.2, 15.3]
    assert info["Extended"]["VoxelUnits"] == ["picometers", "nanometers", "microns"]
    assert info["Base"]["Tags"] == {"type": "meshes", "a": "b"}
    voxels = volume("<u1", 28, 43, 64)
    store(dvid, place, voxels, (64, -43, 28))
    assert dvid.get(f"{place}/raw/0_1_2/64_43_28/64_-43_28").content == voxels.tobytes()
    assert (
        dvid.get(f"{dvid.new_instance(uuid, 'res', Res='3.2,3.2,40.0')}/info").json()["Extended"]["VoxelSize"][2] == 40
    )
    dvid.post(f"{place}/info", json={"VoxelUnits": "microns"})
    assert dvid.get(f"{place}/info").json()["Extended"]["VoxelUnits"] == ["microns"] * 3
    assert "cannot be changed" in dvid.post(f"{place}/info", json={"BlockSize": "1,1,1"}).text
    refused: list[dict[str, object]] = [
        {"typename": "uint8blk"},
        {"dataname": "x"},
        {"typename": "labelblk", "dataname": "x"},
        {"typename": "uint8blk", "dataname": "odd"},
        {"typename": "uint8blk", "dataname": "a/b"},
        {"typename": "uint8blk", "dataname": "commit"},
        {"typename": "uint8blk", "dataname": "x", "BlockSize": "0,1,1"},
        {"typename": "uint8blk", "dataname": "x", "BlockSize": "4096,4096,4096"},
        {"typename": "uint8blk", "dataname": "x", "Background": 256},
        {"typename": "uint8blk", "dataname": "x", "Compression": "snappy"},
        {"typename": "uint16blk", "dataname": "x", "Compression": "jpeg"},
        {"typename": "uint8blk", "dataname": "x", "GridStore": "precomputed"},
        {"typename": "uint8blk", "dataname": "x", "VoxelSize": "1,0,1"},
    ]
    for settings in refused:
        assert dvid.post(f"/api/repo/{uuid}/instance", json=settings).status_code == 400, settings


def test_keys_of_blocks(dvid: Dvid, grey: str) -> None:
    key = dvid.get(f"{grey}/rawkey?x=1&y=-1&z=2").json()["Key"]
    assert bytes.fromhex(key)
    assert key != dvid.get(f"{grey}/rawkey?x=2&y=-1&z=2").json()["Key"]
    for query in ("", "?x=1&y=2", "?x=1&y=2&z=a"):
        assert dvid.get(f"{grey}/rawkey{query}").status_code == 400


def test_what_is_too_large_is_refused_before_it_is_made(dvid: Dvid, grey: str) -> None:
    for path in (
        "raw/0_1_2/100000_100000_100000/0_0_0",
        "raw/xy/2000000000_2000000000/0_0_0",
        "raw/0_1_2/2147483647_1_1/1_0_0",
        "raw/xy/0_10/0_0_0",
        "raw/xy/10_-10/0_0_0",
        "raw/xy/99999999999999999999_1/0_0_0",
        "raw/0_1_2/1_1_1000000000/0_0_0",
        "blocks/0_0_0/2147483647",
        "blocks/0_0_0/-1",
        "subvolblocks/160000_160000_160000/0_0_0",
        "isotropic/xz/1000000_1000000/0_0_0",
        "raw/0_1_2/100000_1_1/0_0_0/jpg",
    ):
        answer = dvid.get(f"{grey}/{path}")
        assert answer.status_code == 400, path
        assert answer.text.endswith(f"({answer.request.url.path}).\n")


def test_unknown_requests_say_so(dvid: Dvid, grey: str) -> None:
    assert "Bad API call" in dvid.get(f"{grey}/nothing").text
    assert "Illegal image format requested: gif" in dvid.get(f"{grey}/raw/xy/9_9/0_0_0/gif").text
    assert "Unknown data shape specification (xw)" in dvid.get(f"{grey}/raw/xw/9_9/0_0_0").text
    assert "can only handle GET or POST HTTP verbs" in dvid.ask("PUT", f"{grey}/raw/xy/9_9/0_0_0").text
    assert dvid.get("/api/nothing").status_code == 404
    assert "uint8blk" in dvid.get(f"{grey}/help").text
    assert dvid.get("/api/help").status_code == dvid.get("/api/help/roi").status_code == 200
    assert dvid.get("/api/help/nothing").status_code == 404


def test_throttled_requests_are_bounded(dvid: Dvid, grey: str) -> None:
    from ij_omero.services.dvid._throttle import Throttle

    path = f"{grey}/raw/0_1_2/16_16_16/0_0_0?throttle=true"
    assert dvid.get(path).status_code == 200
    with Throttle(dvid.folder).place(1) as free:
        assert free
        busy = dvid.get(path)
        assert busy.status_code == 503
        assert "Server already running 1 throttled operations (max = 1)" in busy.text
        assert dvid.get(path.replace("true", "off")).status_code == 200
        assert dvid.post(path, content=bytes(4096)).status_code == 503
        assert dvid.post("/api/server/settings", json={"throttle": 2}).status_code == 200
        assert dvid.get(path).status_code == 200
    assert dvid.post("/api/server/settings", json={"throttle": 0}).status_code == 400


def test_values_by_name(dvid: Dvid, uuid: str) -> None:
    values = dvid.new_instance(uuid, "values", "keyvalue")
    for key, value in (("b", b""), ("a/c", b"2"), ("ä", b"3"), ("a", b"\0\1")):
        assert dvid.post(f"{values}/key/{key}", content=value).status_code == 200
        assert dvid.get(f"{values}/key/{key}").content == value
    assert dvid.get(f"{values}/keys").json() == ["a", "a/c", "b", "ä"]
    assert dvid.get(f"{values}/keyrange/a/b").json() == ["a", "a/c", "b"]
    dvid.post(f"/api/node/{uuid}/commit", json={})
    child = dvid.post(f"/api/node/{uuid}/newversion").json()["child"]
    assert dvid.ask("DELETE", f"/api/node/{child}/values/key/a").status_code == 200
    assert dvid.get(f"/api/node/{child}/values/key/a").status_code == 404
    assert dvid.get(f"/api/node/{child}/values/keys").json() == ["a/c", "b", "ä"]
    assert dvid.get(f"{values}/key/a").content == b"\0\1"


def test_damaged_blocks_are_never_sent(dvid: Dvid, uuid: str, grey: str) -> None:
    from ij_omero.services.dvid import VoxelStore
    from ij_omero.services.dvid._geometry import Point
    from ij_omero.services.dvid._versioned_values import block_key

    store_ = VoxelStore(dvid.folder)
    with store_.writing(uuid, "grey") as place:
        key = block_key(Point(1, -1, 2))
        value = bytearray(place.blocks.get(key) or b"")
        value[100] ^= 1
        place.blocks.put(key, bytes(value))
    store_.close()
    for path in ("raw/xy/64_48/16_-16_32", "blocks/1_-1_2/1", "specificblocks?blocks=1,-1,2"):
        answer = dvid.get(f"{grey}/{path}")
        assert answer.status_code == 500
        assert "its log says why" in answer.text
    assert dvid.get(f"{grey}/blocks/2_-1_2/1").status_code == 200


def test_planes_of_a_layer_that_is_kept_show_what_is_written_later(dvid: Dvid, uuid: str, grey: str) -> None:
    mask = dvid.new_instance(uuid, "nothing", "roi", BlockSize="16,16,16")
    dvid.post(f"{mask}/roi", json=[])

    def plane(query: str = "") -> npt.NDArray[Any]:
        body = dvid.get(f"{grey}/raw/xy/64_48/16_-16_37/tif{query}").content
        return tifffile.imread(io.BytesIO(body))

    before = volume("<u1", 32, 48, 64)[5]
    np.testing.assert_array_equal(plane(), before)
    assert not plane("?roi=nothing").any()
    np.testing.assert_array_equal(plane("?x=1"), before)  # another request of the same plane
    store(dvid, grey, np.full((16, 16, 16), 200, np.uint8), (16, -16, 32))
    after = before.copy()
    after[:16, :16] = 200
    np.testing.assert_array_equal(plane(), after)


@pytest.mark.parametrize(("kind", "at_most"), [("noise", 1.01), ("half", 0.6), ("steps", 0.1)])
def test_blocks_are_sent_as_lz4_whether_they_shrink_or_not(dvid: Dvid, uuid: str, kind: str, at_most: float) -> None:
    place = dvid.new_instance(uuid, "v", BlockSize="32,32,32")
    voxels = volume("<u1", 32, 32, 32)
    if kind == "half":
        voxels[:20] = 7
    elif kind == "steps":
        voxels[...] = np.arange(32)
    store(dvid, place, voxels)
    stream = dvid.get(f"{place}/subvolblocks/32_32_32/0_0_0").content
    length = struct.unpack_from("<i", stream, 12)[0]
    assert length == len(stream) - 16 <= at_most * voxels.nbytes
    assert lz4.decompress(stream[16:]) == voxels.tobytes()
    assert dvid.get(f"{place}/raw/0_1_2/32_32_32/0_0_0").content == voxels.tobytes()
