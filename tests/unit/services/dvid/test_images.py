"""Images of a store as DVID's repositories: read by every endpoint, written by none."""

from __future__ import annotations

import io
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from ij_omero.model import Channel, ImageDescription, PixelType, Quantity
from ij_omero.pixels import write_order
from ij_omero.stores import MemoryStore

from .conftest import Dvid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

X, Y, Z, C, T = 70, 40, 3, 2, 2


def save(store: MemoryStore, pixel_type: PixelType = PixelType.UINT16) -> tuple[int, npt.NDArray[Any]]:
    """Return the number of a new image and its pixels, (T, C, Z, Y, X)."""
    generator = np.random.default_rng(5)
    shape = (T, C, Z, Y, X)
    dtype = pixel_type.dtype
    if dtype.kind in "fc":
        pixels = generator.normal(0, 1000, shape).astype(dtype)
    elif dtype.kind == "b":
        pixels = generator.integers(0, 2, shape).astype(bool)
    else:
        limits = np.iinfo(dtype)
        pixels = generator.integers(limits.min, limits.max, shape, dtype)
    of = ImageDescription(
        "cells",
        pixel_type,
        X,
        Y,
        Z,
        C,
        T,
        physical_size_x=Quantity(0.25, "µm"),
        physical_size_y=Quantity(0.25, "µm"),
        physical_size_z=Quantity(2, "µm"),
        channels=(Channel("DAPI"), Channel("GFP")),
    )
    with store.create(of) as sink:
        for plane, region in write_order(of, sink.layout):
            sink.write(
                plane,
                region,
                pixels[plane.t, plane.c, plane.z][
                    region.y : region.y + region.height, region.x : region.x + region.width
                ],
            )
        return int(sink.finish()), pixels


@pytest.fixture
def images() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def served(tmp_path: Path, images: MemoryStore) -> Iterator[Dvid]:
    server = Dvid(tmp_path / "store", images=images)
    yield server
    server.close()


def test_an_image_is_a_committed_repository(served: Dvid, images: MemoryStore) -> None:
    image_id, _ = save(images)
    uuid = str(image_id).ljust(32, "f")
    told = served.get("/api/repos/info").json()
    assert told[uuid]["Alias"] == "cells"
    own = served.new_repo(alias="own")
    assert set(served.get("/api/repos/info").json()) == {uuid, own}
    repo = served.get(f"/api/repo/{image_id}f/info").json()
    assert sorted(repo["DataInstances"]) == ["c0t0", "c0t1", "c1t0", "c1t1", "ij_omero", "image"]
    assert repo["Root"] == uuid
    assert served.get(f"/api/node/{image_id}ff:master/status").json() == {"Locked": True}
    assert served.get(f"/api/repo/{image_id}f/branch-versions/master").json() == [uuid]
    assert served.get(f"/api/repo/{image_id}f").status_code == 200


def test_what_an_image_is(served: Dvid, images: MemoryStore) -> None:
    image_id, _ = save(images)
    info = served.get(f"/api/node/{image_id}f/c1t0/info").json()
    assert info["Base"]["TypeName"] == "uint16blk"
    assert info["Extended"]["VoxelSize"] == [250, 250, 2000]
    assert info["Extended"]["VoxelUnits"] == ["nanometers"] * 3
    assert info["Extents"] == {"MinPoint": [0, 0, 0], "MaxPoint": [X - 1, Y - 1, Z - 1]}
    axes = served.get(f"/api/node/{image_id}f/c1t0/metadata").json()["Axes"]
    assert [axis["Size"] for axis in axes] == [X, Y, Z]
    assert "raw/DIMS" in served.get(f"/api/node/{image_id}f/c1t0/help").text
    described = json.loads(served.get(f"/api/node/{image_id}f/ij_omero/key/image/image").content)
    assert described["image"]["name"] == "cells"
    assert served.get(f"/api/node/{image_id}f/ij_omero/keys").json() == ["image/image"]
    assert served.get(f"/api/node/{image_id}f/c1t0/rawkey?x=0&y=0&z=1").json()["Key"]


def test_volumes_planes_and_blocks(served: Dvid, images: MemoryStore) -> None:
    image_id, pixels = save(images)
    place = f"/api/node/{image_id}f/c1t0"
    volume = pixels[0, 1]
    around = np.zeros((Z + 2, Y + 8, X + 8), "<u2")
    around[1:-1, 4:-4, 4:-4] = volume
    found = served.get(f"{place}/raw/0_1_2/{X + 8}_{Y + 8}_{Z + 2}/-4_-4_-1")
    np.testing.assert_array_equal(np.frombuffer(found.content, "<u2").reshape(around.shape), around)
    picture = tifffile.imread(io.BytesIO(served.get(f"{place}/raw/xz/{X}_{Z}/0_7_0/tif").content))
    np.testing.assert_array_equal(picture, volume[:, 7])
    picture = tifffile.imread(io.BytesIO(served.get(f"{place}/isotropic/xz/{X}_{8 * Z}/0_7_0/tif").content))
    assert picture.shape == (8 * Z, X)
    across = served.get(f"{place}/arb/0_0_2000/{250 * (X - 1)}_0_2000/0_{250 * (Y - 1)}_2000/250/tif")
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(across.content)), volume[1])
    block = served.get(f"{place}/info").json()["Extended"]["BlockSize"]
    body = served.get(f"{place}/blocks/0_0_2/1").content
    first = np.zeros((block[1], block[0]), "<u2")
    part = volume[2, : block[1], : block[0]]
    first[: part.shape[0], : part.shape[1]] = part
    assert body == first.tobytes()
    for query in ("specificblocks?blocks=0,0,2,99,99,99", f"subvolblocks/{block[0]}_{block[1]}_1/0_0_2"):
        stream = served.get(f"{place}/{query}").content
        assert struct.unpack_from("<iiii", stream) == (0, 0, 2, len(body))
        assert stream[16:] == body
    assert (
        "can't encode JPEG" in served.get(f"{place}/subvolblocks/{block[0]}_{block[1]}_1/0_0_0?compression=jpeg").text
    )


@pytest.mark.parametrize("pixel_type", [kind for kind in PixelType if not kind.is_complex])
def test_all_pixel_types(served: Dvid, images: MemoryStore, pixel_type: PixelType) -> None:
    image_id, pixels = save(images, pixel_type)
    whole = served.get(f"/api/node/{image_id}f/image/raw/0_1_2/{X}_{Y}_{Z * C * T}/0_0_0").content
    assert whole == pixels.tobytes()
    info = served.get(f"/api/node/{image_id}f/c0t1/info").json()
    dtype = np.dtype(info["Base"]["TypeName"].removesuffix("blk"))
    part = served.get(f"/api/node/{image_id}f/c0t1/raw/0_1_2/{X}_{Y}_{Z}/0_0_0").content
    np.testing.assert_array_equal(np.frombuffer(part, dtype).reshape(Z, Y, X), pixels[1, 0].astype(dtype))
    assert info["Base"]["Tags"]["pixel_type"] == pixel_type.value


def test_complex_pixels_are_one_volume_of_their_bytes(served: Dvid, images: MemoryStore) -> None:
    image_id, pixels = save(images, PixelType.COMPLEX)
    assert sorted(served.get(f"/api/repo/{image_id}f/info").json()["DataInstances"]) == ["ij_omero", "image"]
    whole = served.get(f"/api/node/{image_id}f/image/raw/0_1_2/{X}_{Y}_{Z * C * T}/0_0_0").content
    assert whole == pixels.tobytes()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("node/{}/c0t0/raw/0_1_2/64_32_1/0_0_0", "locked node"),
        ("node/{}/c0t0/blocks/0_0_0/1", "locked node"),
        ("node/{}/c0t0/extents", "locked node"),
        ("node/{}/c0t0/resolution", "locked node"),
        ("node/{}/c0t0/info", "locked node"),
        ("node/{}/ij_omero/key/image/image", "locked node"),
        ("node/{}/newversion", "only read here"),
        ("node/{}/branch", "only read here"),
        ("node/{}/commit", "only read here"),
        ("node/{}/tag", "only read here"),
        ("node/{}/note", "only read here"),
        ("repo/{}/instance", "only read here"),
        ("repo/{}/log", "only read here"),
        ("repo/{}/info", "only read here"),
    ],
)
def test_nothing_of_an_image_is_written(served: Dvid, images: MemoryStore, path: str, said: str) -> None:
    image_id, pixels = save(images)
    body: Any = {"branch": "b", "tag": "t", "MinPoint": [0, 0, 0], "MaxPoint": [1, 1, 1]}
    if path.endswith("resolution"):
        body = [1, 2, 3]
    answer = served.post("/api/" + path.format(f"{image_id}f"), json=body)
    assert answer.status_code == 400
    assert said in answer.text
    whole = served.get(f"/api/node/{image_id}f/image/raw/0_1_2/{X}_{Y}_{Z * C * T}/0_0_0").content
    assert whole == pixels.tobytes()


def test_what_is_not_there_is_said(served: Dvid, images: MemoryStore) -> None:
    image_id, _ = save(images)
    for path, said in (
        ("node/987f/c0t0/info", "could not find UUID with partial match to 987f"),
        ("repo/987f/info", "could not find UUID with partial match to 987f"),
        (f"node/{image_id}f/c2t0/info", "invalid data instance name"),
        (f"node/{image_id}f/c0t0_1/info", "invalid data instance name"),
        (f"node/{image_id}f:other/c0t0/info", 'branch "other" not found'),
        (f"node/{image_id}/c0t0/info", "could not find UUID"),
        (f"node/{image_id}f/c0t0/raw/xy/8_8/0_0_0?roi=image", "an ROI is needed"),
    ):
        answer = served.get(f"/api/{path}")
        assert (answer.status_code, said in answer.text) == (400, True), answer.text
    answer = served.post("/api/repos", json={"root": "12".ljust(32, "f")})
    assert "choose another" in answer.text


def test_a_deleted_image_is_gone_and_a_new_one_is_there_at_once(served: Dvid, images: MemoryStore) -> None:
    first, _ = save(images)
    assert served.get(f"/api/node/{first}f/status").status_code == 200
    second, pixels = save(images)
    found = served.get(f"/api/node/{second}f/c0t0/raw/0_1_2/{X}_{Y}_{Z}/0_0_0")
    assert found.content == pixels[0, 0].tobytes()
    images.delete(first)
    assert list(served.get("/api/repos/info").json()) == [str(second).ljust(32, "f")]
