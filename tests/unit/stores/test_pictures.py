"""Picture files in and out, as scientists have them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from ij_omero.errors import CorruptedDataError, InvalidInputError, StorageError, UnsupportedPixelTypeError
from ij_omero.model import Channel, ImageDescription, KeyValue, PixelType, PlaneIndex, Quantity, Region
from ij_omero.pixels import read_array, write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import LocalStore, MemoryStore, export_picture, find_image, import_picture, read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.pixels import PixelSource


def random(shape: tuple[int, ...], dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def stored(description: ImageDescription, pixels: np.ndarray[Any, Any]) -> PixelSource:
    store = MemoryStore()
    source = store.open(write_array(store.create(description), pixels))
    source.__dict__["store"] = store  # the store lives as long as the source that the test holds
    return source


@pytest.mark.parametrize("name", ["colours.png", "colours.tif", "colours.bmp", "colours.npy"])
def test_colours_become_red_green_and_blue(tmp_path: Path, name: str) -> None:
    pixels = random((21, 33, 3))
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, pixels)
    elif name.endswith("tif"):
        tifffile.imwrite(path, pixels, photometric="rgb")
    else:
        Image.fromarray(pixels).save(path)
    store = LocalStore(tmp_path / "images")
    image_id = import_picture(store, path, "colours")
    description = store.describe(image_id)
    assert (description.name, description.sizes) == ("colours", (33, 21, 1, 3, 1))
    assert [channel.name for channel in description.channels] == ["Red", "Green", "Blue"]
    assert description.channels[1].color == (0, 255, 0, 255)
    np.testing.assert_array_equal(read_array(store.open(image_id))[0, :, 0], pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("mode", "pixels", "pixel_type"),
    [
        ("L", random((5, 7)), PixelType.UINT8),
        ("1", random((5, 7)) > 100, PixelType.BIT),
        ("I;16", random((5, 7), np.uint16) * 300, PixelType.UINT16),
    ],
)
def test_png_of_one_channel(tmp_path: Path, mode: str, pixels: np.ndarray[Any, Any], pixel_type: PixelType) -> None:
    picture = Image.fromarray(pixels)
    assert picture.mode == mode
    picture.save(tmp_path / "a.png")
    description, source = read_picture(tmp_path / "a.png")
    assert (description.pixel_type, description.sizes) == (pixel_type, (7, 5, 1, 1, 1))
    np.testing.assert_array_equal(source.read(PlaneIndex(0, 0, 0)), pixels)


def test_transparency_is_kept_where_there_is_any(tmp_path: Path) -> None:
    pixels = random((5, 7, 4))
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png")[0].size_c == 4
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "opaque.png")
    assert read_picture(tmp_path / "opaque.png")[0].size_c == 3


def test_palettes_animations_and_photographs(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 6, 3), value, np.uint8)).quantize(4) for value in (10, 90, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    description, source = read_picture(tmp_path / "a.gif")
    assert (description.size_t, description.size_c) == (3, 3)
    assert source.read(PlaneIndex(0, 1, 2))[0, 0] == 200
    turned = Image.fromarray(random((4, 6, 3)))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    turned.save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg")[0].sizes[:2] == (4, 6)


def test_imagej_hyperstacks_keep_calibration_and_channels(tmp_path: Path) -> None:
    pixels = random((3, 4, 2, 11, 13), np.uint16)
    luts = [np.zeros((3, 256), np.uint8) for _ in range(2)]
    luts[0][2], luts[1][1] = np.arange(256), np.arange(256)
    metadata = {
        "axes": "TZCYX", "unit": "\\u00B5m", "spacing": 1.5, "finterval": 2.0, "mode": "composite",
        "LUTs": luts, "Ranges": (0.0, 100.0, 5.0, 200.0),
    }  # fmt: skip
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, resolution=(4, 2), metadata=metadata)
    description, source = read_picture(tmp_path / "a.tif")
    assert description.shape == (3, 2, 4, 11, 13)
    assert description.physical_size_x == Quantity(0.25, "µm")
    assert description.physical_size_y == Quantity(0.5, "µm")
    assert description.physical_size_z == Quantity(1.5, "µm")
    assert description.time_increment == Quantity(2, "s")
    assert [channel.color for channel in description.channels] == [(0, 0, 255, 255), (0, 255, 0, 255)]
    assert [channel.window for channel in description.channels] == [(0, 100), (5, 200)]
    np.testing.assert_array_equal(read_array(source), pixels.transpose(0, 2, 1, 3, 4))


def test_a_plain_stack_becomes_sections(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(3):
            file.write(random((5, 7)), metadata=None)
    assert read_picture(tmp_path / "a.tif")[0].sizes == (7, 5, 3, 1, 1)


def test_resolution_in_centimetres_is_a_calibration_and_that_of_a_screen_is_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", random((5, 7)), resolution=(40000, 20000), resolutionunit="CENTIMETER")
    description, _ = read_picture(tmp_path / "a.tif")
    assert description.physical_size_x is not None
    assert description.physical_size_x.to("µm") == pytest.approx(0.25)
    tifffile.imwrite(tmp_path / "b.tif", random((5, 7)), resolution=(72, 72), resolutionunit="INCH")
    assert read_picture(tmp_path / "b.tif")[0].physical_size_x is None


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_compressed_tiff(tmp_path: Path, compression: str) -> None:
    pixels = random((2, 40, 50, 3))
    first, second = (Image.fromarray(page) for page in pixels)
    first.save(tmp_path / "a.tif", compression=compression, save_all=True, append_images=[second])
    description, source = read_picture(tmp_path / "a.tif")
    assert description.sizes == (50, 40, 2, 3, 1)
    np.testing.assert_array_equal(read_array(source), pixels.transpose(3, 0, 1, 2)[np.newaxis])


def test_large_tiff_is_read_in_bands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ij_omero.stores._tiff_reading._WHOLE", 1000)
    for name, options in {
        "rgb.tif": {"photometric": "rgb", "rowsperstrip": 7},
        "tiles.tif": {"tile": (64, 64)},
    }.items():
        pixels = random((700, 90, 3)) if name == "rgb.tif" else random((2, 700, 90))
        tifffile.imwrite(tmp_path / name, pixels, compression="zlib", **options)
        description, source = read_picture(tmp_path / name)
        expected = pixels.transpose(2, 0, 1) if name == "rgb.tif" else pixels
        np.testing.assert_array_equal(read_array(source).reshape(expected.shape), expected)
        last = PlaneIndex(description.size_z - 1, description.size_c - 1, 0)
        found = source.read(last, Region(3, 400, 50, 200))
        np.testing.assert_array_equal(found, expected[-1, 400:600, 3:53])
        source.close()
        source.close()


@pytest.mark.parametrize("pixel_type", list(PixelType))
def test_ome_tiff_gives_everything_back(tmp_path: Path, pixel_type: PixelType) -> None:
    description = ImageDescription(
        "ä <name> & more", pixel_type, 601, 53, 2, 2, 3, description="two\nlines",
        physical_size_x=Quantity(0.25, "µm"), physical_size_y=Quantity(3, "nm"), physical_size_z=Quantity(1, "mm"),
        time_increment=Quantity(2.5, "ms"),
        channels=(
            Channel("DAPI", (0, 0, 255, 255), Quantity(405, "nm"), Quantity(450.5, "nm")),
            Channel("GFP ☂", (255, 128, 0, 64)),
        ),
        key_values=(KeyValue("a", "1"), KeyValue("a", "2"), KeyValue("ü", "")), tags=("good", "schön"),
        acquired=datetime.datetime(2024, 5, 17, 12, 30),
    )  # fmt: skip
    pixels = example_pixels(description)
    path = export_picture(stored(description, pixels), tmp_path / "a.ome.tif")
    found, source = read_picture(path)
    assert found == description
    np.testing.assert_array_equal(read_array(source), pixels)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert len(file.series[0].levels) == 2
        assert file.series[0].levels[1].shape[-2:] == (27, 301)
    assert [each.name for each in tmp_path.iterdir()] == ["a.ome.tif"]


def test_ome_zarr_out_and_in(tmp_path: Path) -> None:
    description = ImageDescription("out", PixelType.UINT16, 600, 40, physical_size_x=Quantity(0.5, "µm"))
    pixels = example_pixels(description)
    path = export_picture(stored(description, pixels), tmp_path / "out.ome.zarr")
    store, image_id = find_image(path)
    assert store.describe(image_id) == description.replace(image_id=image_id)
    np.testing.assert_array_equal(read_array(store.open(image_id)), pixels)


@pytest.mark.parametrize(("count", "pixel_type"), [(1, PixelType.UINT8), (3, PixelType.UINT8), (1, PixelType.UINT16),
                                                   (1, PixelType.BIT)])  # fmt: skip
def test_png_out(tmp_path: Path, count: int, pixel_type: PixelType) -> None:
    description = ImageDescription("out", pixel_type, 60, 40, size_c=count)
    pixels = example_pixels(description)
    path = export_picture(stored(description, pixels), tmp_path / "out.png")
    found = np.asarray(Image.open(path))
    np.testing.assert_array_equal(found.reshape(40, 60, -1).transpose(2, 0, 1), pixels[0, :, 0])


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    description = ImageDescription("out", PixelType.FLOAT, 6, 4, 2)
    source = stored(description, example_pixels(description))
    with pytest.raises(InvalidInputError, match="one plane"):
        export_picture(source, tmp_path / "a.png")
    with pytest.raises(InvalidInputError, match="kind of file"):
        export_picture(source, tmp_path / "a.doc")
    with pytest.raises(StorageError, match="cannot write"):
        export_picture(source, tmp_path / "missing" / "a.tif")
    (tmp_path / "a.tif").write_text("mine")
    with pytest.raises(StorageError, match="already"):
        export_picture(source, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_text() == "mine"
    export_picture(source, tmp_path / "a.tif", overwrite=True)
    np.testing.assert_array_equal(read_array(read_picture(tmp_path / "a.tif")[1]), read_array(source))
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    store = MemoryStore()
    tifffile.imwrite(tmp_path / "cut.tif", random((300, 300)), compression="zlib")
    whole = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(random((300, 300))).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:5000])
    np.save(tmp_path / "cut.npy", random((30, 30)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:200])
    for name in ("cut.tif", "cut.png", "cut.npy"):
        with pytest.raises(CorruptedDataError, match="cut"):
            import_picture(store, tmp_path / name)
    np.save(tmp_path / "long.npy", random((3, 3), np.int64))
    with pytest.raises(UnsupportedPixelTypeError, match="int64"):
        import_picture(store, tmp_path / "long.npy")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("notes.txt", "empty.png", "."):
        with pytest.raises(InvalidInputError):
            import_picture(store, tmp_path / name)
    with pytest.raises(StorageError, match="no file"):
        import_picture(store, tmp_path / "typo.png")
    assert list(store.list_images()) == []


def test_a_canceled_import_leaves_nothing(tmp_path: Path) -> None:
    Image.fromarray(random((300, 300))).save(tmp_path / "a.png")
    store = LocalStore(tmp_path / "images", tile_size=64)

    def cancel(done: int, total: int, what: str = "") -> None:
        assert total == 25
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_picture(store, tmp_path / "a.png", progress=cancel)
    assert not [each for each in (tmp_path / "images").iterdir() if not each.name.startswith(".ij_omero_store")]
    image_id = import_picture(store, tmp_path / "a.png", dataset="d", physical_size_x=Quantity(1, "µm"))
    assert store.describe(image_id).physical_size_x == Quantity(1, "µm")
    assert store.describe(image_id).dataset_name == "d"
