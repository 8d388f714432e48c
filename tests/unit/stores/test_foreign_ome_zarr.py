"""OME-Zarr of other programs is read; ours is read by zarr-python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest

from ij_omero.errors import ImageNotFoundError, StorageError, UnsupportedPixelTypeError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Quantity, Region
from ij_omero.pixels import read_array, write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import LocalStore, find_image

if TYPE_CHECKING:
    from pathlib import Path

zarr: Any = pytest.importorskip("zarr", minversion="3", reason="zarr 2, for Python 3.10, writes no Zarr 3")

KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def foreign(folder: Path, axes: str, pixels: np.ndarray[Any, Any], zarr_format: Any = 2, **options: Any) -> None:
    """Write an image as other programs do."""
    group = zarr.open_group(store=str(folder), mode="w", zarr_format=zarr_format)
    group.create_array("full", data=pixels, chunks=options.pop("chunks", (8,) * pixels.ndim), **options)
    multiscale = {
        "name": "foreign",
        "axes": [{"name": a, "type": KINDS[a], **({"unit": "nanometer"} if a in "yx" else {})} for a in axes],
        "datasets": [
            {"path": "full", "coordinateTransformations": [{"type": "scale", "scale": [2.0] * len(axes)}]},
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [10.0] * len(axes)}],
    }
    if zarr_format == 2:
        group.attrs["multiscales"] = [{**multiscale, "version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "tyx", "czyx", "tczyx", "xy", "yxc"])
def test_versions_and_axes(tmp_path: Path, axes: str, zarr_format: int) -> None:
    shape = tuple({"t": 2, "c": 3, "z": 4, "y": 19, "x": 23}[axis] for axis in axes)
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    foreign(tmp_path / "photo.ome.zarr", axes, pixels, zarr_format)
    store, image_id = find_image(tmp_path / "photo.ome.zarr")
    assert image_id == "photo.ome.zarr"
    source = store.open(image_id)
    description = source.description
    sizes = {"t": 1, "c": 1, "z": 1, **dict(zip(axes, shape, strict=True))}
    assert description.shape == tuple(sizes[axis] for axis in "tczyx")
    assert description.name == "foreign"
    assert description.physical_size_x == Quantity(20, "nm")
    kept = [axis for axis in "tczyx" if axis in axes]
    ordered = pixels.transpose([axes.index(axis) for axis in kept])
    np.testing.assert_array_equal(read_array(source), ordered.reshape(description.shape))


@pytest.mark.parametrize(
    ("zarr_format", "options"),
    [
        (2, {"compressors": None}),
        (2, {"compressors": [{"id": "zlib", "level": 1}]}),
        (2, {"order": "F"}),
        (2, {"filters": [numcodecs.Delta("<i4")]}),
        (2, {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
        (3, {"compressors": None}),
        (3, {"compressors": [{"name": "blosc", "configuration": {"cname": "zstd", "clevel": 3, "shuffle": "shuffle",
                                                                 "typesize": 4, "blocksize": 0}}]}),
        (3, {"compressors": [{"name": "gzip", "configuration": {"level": 1}}]}),
        (3, {"shards": (16, 16)}),
        (3, {"serializer": {"name": "bytes", "configuration": {"endian": "big"}}}),
        (3, {"fill_value": 7}),
    ],
)  # fmt: skip
def test_encodings(tmp_path: Path, zarr_format: int, options: dict[str, Any]) -> None:
    pixels = np.arange(19 * 23, dtype=np.int32).reshape(19, 23)
    foreign(tmp_path / "a.zarr", "yx", pixels, zarr_format, **options)
    store = LocalStore(tmp_path / "a.zarr")
    source = store.open("a.zarr")
    np.testing.assert_array_equal(source.read(PlaneIndex(0, 0, 0)), pixels)
    np.testing.assert_array_equal(source.read(PlaneIndex(0, 0, 0), Region(5, 6, 11, 9)), pixels[6:15, 5:16])


def test_chunks_that_were_not_written_are_the_fill_value(tmp_path: Path) -> None:
    foreign(tmp_path / "a.zarr", "yx", np.full((20, 20), 9, np.uint8), 2, fill_value=9)
    assert not list((tmp_path / "a.zarr" / "full").glob("[0-9]*"))
    source = LocalStore(tmp_path / "a.zarr").open("a.zarr")
    assert (source.read(PlaneIndex(0, 0, 0)) == 9).all()


def test_a_folder_of_foreign_images_is_a_store(tmp_path: Path) -> None:
    pixels = np.ones((4, 5), np.uint8)
    foreign(tmp_path / "b.zarr", "yx", pixels)
    foreign(tmp_path / "a.ome.zarr", "yx", pixels, 3)
    (tmp_path / "no-image.zarr").mkdir()
    store = LocalStore(tmp_path)
    assert [summary.image_id for summary in store.list_images()] == ["a.ome.zarr", "b.zarr"]
    new = write_array(store.create(ImageDescription("own", PixelType.UINT8, 5, 4)), pixels.reshape(1, 1, 1, 4, 5))
    assert [summary.image_id for summary in store.list_images()] == [new, "a.ome.zarr", "b.zarr"]
    for image_id in ("a.ome.zarr", "b.zarr", new):
        found, same = find_image(store.address_of(image_id))
        assert same == image_id
        assert (read_array(found.open(same)) == 1).all()
    with pytest.raises(ImageNotFoundError):
        store.open("no-image.zarr")


def test_an_image_in_a_series_is_opened_by_its_path(tmp_path: Path) -> None:
    foreign(tmp_path / "series.zarr" / "0", "cyx", np.ones((2, 4, 5), np.uint8))
    store, image_id = find_image(str(tmp_path / "series.zarr" / "0"))
    assert store.describe(image_id).size_c == 2
    assert [summary.image_id for summary in LocalStore(tmp_path / "series.zarr").list_images()] == ["0"]


def test_one_image_alone_is_not_written_beside(tmp_path: Path) -> None:
    foreign(tmp_path / "a.zarr", "yx", np.ones((4, 5), np.uint8))
    store = LocalStore(tmp_path / "a.zarr")
    with pytest.raises(StorageError, match="one image"):
        store.create(ImageDescription("own", PixelType.UINT8, 5, 4))
    with pytest.raises(StorageError, match="one image"):
        store.delete("a.zarr")


def test_ranges_of_channels_are_told_where_they_are_known(tmp_path: Path) -> None:
    foreign(tmp_path / "a.zarr", "cyx", np.ones((2, 4, 5), np.uint8))
    assert LocalStore(tmp_path / "a.zarr").image_data_details("a.zarr") == {}
    for omero, told in (
        ({"channels": [{"window": {"min": 1, "max": 9.5, "start": 2, "end": 3}}, {"window": {"min": "NaN"}}]},
         {"channels": [{"window": {"min": 1.0, "max": 9.5}}, {}]}),
        ({"channels": [{}]}, {}),
        ({"channels": 3}, {}),
        ([], {}),
    ):  # fmt: skip
        zarr.open_group(store=str(tmp_path / "a.zarr"), mode="a").attrs["omero"] = omero
        assert LocalStore(tmp_path / "a.zarr").image_data_details("a.zarr") == told


def test_pixels_that_ome_has_not_are_named(tmp_path: Path) -> None:
    foreign(tmp_path / "a.zarr", "yx", np.ones((4, 5), np.int64))
    with pytest.raises(UnsupportedPixelTypeError, match="int64"):
        LocalStore(tmp_path / "a.zarr").open("a.zarr")


@pytest.mark.parametrize("pixel_type", list(PixelType))
def test_zarr_python_reads_ours(tmp_path: Path, pixel_type: PixelType) -> None:
    description = ImageDescription("ours", pixel_type, 50, 41, 2, 2, 1)
    pixels = example_pixels(description)
    pixels[0, 0, 0] = 0
    store = LocalStore(tmp_path, tile_size=16)
    image_id = write_array(store.create(description), pixels)
    group = zarr.open_group(store=str(tmp_path / f"{image_id}.ome.zarr"), mode="r")
    (multiscale,) = group.attrs["multiscales"]
    for number, dataset in enumerate(multiscale["datasets"]):
        found = np.asarray(group[dataset["path"]])
        level = read_array(store.open(image_id), level=number)
        np.testing.assert_array_equal(found, level.view(np.uint8) if pixel_type is PixelType.BIT else level)
