"""An image as a Zarr store: what zarr, xarray and dask see of it."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from ij_omero.errors import IJOmeroError, ImageNotFoundError, ReadError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import ReadHints, check_request
from ij_omero.plugins import ImageMapping, open_zarr, zarr_store

if TYPE_CHECKING:
    import numpy.typing as npt

    from .conftest import Stored


class Counted:
    """A source that counts its reads, with pixels that say where they are."""

    def __init__(self, pixel_type: PixelType = PixelType.UINT16, size: tuple[int, int] = (300, 200)) -> None:
        self.description = ImageDescription("counted", pixel_type, *size, 1, 1, 1)
        self.levels = (
            ResolutionLevel(0, *size, 64, 64),
            ResolutionLevel(1, size[0] // 2, size[1] // 2, 64, 64),
        )
        self.hints = ReadHints()
        self.reads = 0

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        region = check_request(self.description, self.levels, plane, region, level, out)
        self.reads += 1
        if region.x >= 250:
            raise ReadError("the disk is broken")
        rows = np.arange(region.y, region.y + region.height)[:, None]
        pixels = rows * 300 + np.arange(region.x, region.x + region.width)
        return pixels.astype(self.description.pixel_type.dtype)

    def close(self) -> None:
        raise AssertionError("a source that was given stays its owner's")


def test_a_group_shows_every_level_and_reads_only_what_is_asked(stored: Stored) -> None:
    group = open_zarr(stored.path)
    assert sorted(group.array_keys()) == ["0", "1", "2"]
    assert group["0"].shape == stored.pixels.shape
    assert group["0"].dtype == np.uint16
    np.testing.assert_array_equal(group["0"][1, 1, 2, 333:700, 600:1100], stored.pixels[1, 1, 2, 333:, 600:])
    np.testing.assert_array_equal(group["0"][:, 0, 0], stored.pixels[:, 0, 0])
    assert group["2"].shape == (2, 2, 3, 175, 275)
    assert abs(float(group["2"][0, 0, 0].mean()) - stored.pixels[0, 0, 0].mean()) < 100
    group.store.close()


def test_its_attributes_are_those_of_ome_ngff(stored: Stored) -> None:
    attributes = dict(open_zarr(stored.path).attrs)
    (scales,) = attributes["multiscales"]
    assert [axis["name"] for axis in scales["axes"]] == ["t", "c", "z", "y", "x"]
    assert [axis.get("unit") for axis in scales["axes"]] == ["minute", None, "micrometer", "micrometer", "nanometer"]
    (full,) = scales["datasets"][0]["coordinateTransformations"]
    assert full == {"type": "scale", "scale": [2.0, 1.0, 1.5, 0.3, 250.0]}
    (half,) = scales["datasets"][1]["coordinateTransformations"]
    assert half["scale"][3:] == [0.6, 500.0]
    channels = attributes["omero"]["channels"]
    assert [channel["color"] for channel in channels] == ["0000FF", "FF8000"]
    assert channels[0]["window"]["end"] == 4000.0
    assert [channel["active"] for channel in channels] == [True, False]


def test_nothing_is_read_before_a_chunk_and_chunks_at_edges_are_whole() -> None:
    source = Counted()
    mapping = ImageMapping(source)
    assert len(mapping) == len(list(mapping))
    assert "0/0/0/0/0/0" in mapping
    assert source.reads == 0
    assert mapping.chunk_shape(0)[3:] == (256, 512)
    whole = np.frombuffer(mapping["1/0/0/0/0/0"], "<u2").reshape(mapping.chunk_shape(1)[3:])
    assert whole[99, 149] == 99 * 300 + 149
    assert not whole[100:].any()
    assert source.reads == 1
    for key in ("0/0/0/0/0/9", "0/0/0/0/1", "9/0/0/0/0/0", "0/0/0/0/0/00", "", "zarr.json", "0/0/0/0/0/-1"):
        assert key not in mapping
        with pytest.raises(KeyError):
            mapping[key]
    mapping.close()


@pytest.mark.parametrize("pixel_type", [PixelType.BIT, PixelType.INT8, PixelType.FLOAT, PixelType.DOUBLE])
def test_pixel_types_come_through(pixel_type: PixelType) -> None:
    source = Counted(pixel_type, (100, 50))
    array = open_zarr(source)["0"]
    assert array.dtype == pixel_type.dtype
    np.testing.assert_array_equal(array[0, 0, 0], source.read(PlaneIndex(0, 0, 0)))


def test_what_cannot_be_read_is_told_with_its_chunk(stored: Stored) -> None:
    mapping = ImageMapping(Counted(size=(300, 5000)))
    columns = mapping.grid(0)[4]
    source = Counted(size=(70000, 300))
    with pytest.raises(ReadError, match=r"chunk 0/0/0/0/0/1 of 'counted' could not be read: the disk is broken"):
        ImageMapping(source)["0/0/0/0/0/1"]
    assert columns == 1
    with pytest.raises(ImageNotFoundError):
        zarr_store(stored.path.with_name("9.ome.zarr"))
    closed = ImageMapping(stored.path)
    closed.close()
    with pytest.raises(IJOmeroError, match="closed"):
        closed["0/0/0/0/0/0"]


def test_stores_travel_as_addresses(stored: Stored) -> None:
    store = zarr_store(stored.path)
    other = pickle.loads(pickle.dumps(store))  # noqa: S301
    assert other == store
    np.testing.assert_array_equal(
        zarr.open_group(other, mode="r")["0"][0, 0, 0, :9, :9], stored.pixels[0, 0, 0, :9, :9]
    )
    with pytest.raises(ReadError, match="bare source"):
        pickle.dumps(zarr_store(Counted()))
    store.close()
    other.close()


def test_the_store_is_read_only_and_lists_what_it_holds() -> None:
    store = zarr_store(Counted())

    async def names(prefix: str) -> list[str]:
        return [name async for name in store.list_dir(prefix)]

    assert asyncio.run(names("")) == [".zattrs", ".zgroup", ".zmetadata", "0", "1"]
    assert asyncio.run(names("0")) == [".zarray", ".zattrs", "0"]
    assert asyncio.run(names("0/0/0/0/")) == ["0"]
    assert asyncio.run(names("7")) == []
    with pytest.raises(ValueError, match=r"read.only"):
        zarr.open_group(store, mode="a", zarr_format=2).create_group("new")


def test_dask_reads_a_level(stored: Stored) -> None:
    import dask.array

    store = zarr_store(stored.path)
    array = dask.array.from_zarr(store, component="1")
    assert array.shape == (2, 2, 3, 350, 550)
    np.testing.assert_array_equal(array[0, 1, 2].compute(), open_zarr(stored.path)["1"][0, 1, 2])
    store.close()
