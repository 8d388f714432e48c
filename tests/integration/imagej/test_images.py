from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ij_omero import imagej
from ij_omero.errors import InvalidInputError, UnsupportedPixelTypeError
from ij_omero.imagej._runtime import java_class
from ij_omero.model import Channel, ImageDescription, PixelType, Quantity

pytestmark = pytest.mark.jvm
SHAPE = (2, 3, 4, 5, 7)


def pixels_of(dtype: str) -> npt.NDArray[np.generic]:
    values = np.random.default_rng(7).integers(0, 2**16, SHAPE)
    return (values % 2).astype(bool) if dtype == "bool" else values.astype(dtype)


def described(dtype: str = "uint16") -> ImageDescription:
    return ImageDescription(
        "five axes",
        PixelType.of(dtype),
        7,
        5,
        4,
        3,
        2,
        physical_size_x=Quantity(0.25, "µm"),
        physical_size_y=Quantity(0.5, "µm"),
        physical_size_z=Quantity(1500, "nm"),
        time_increment=Quantity(3, "s"),
        channels=(
            Channel("DAPI", (0, 0, 255, 255), window=(3, 200)),
            Channel("GFP", (0, 255, 0, 255), window=(5, 100), active=False),
            Channel("RFP", (255, 0, 0, 255), window=(0, 50)),
        ),
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_imageplus_keeps_pixels_and_type(dtype: str) -> None:
    pixels = pixels_of(dtype)
    back = imagej.from_imageplus(imagej.to_imageplus(pixels))
    assert back.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(back.pixels, pixels)


@pytest.mark.parametrize(("dtype", "becomes"), [("int8", "int16"), ("bool", "uint8"), ("int32", "float32")])
def test_types_that_imagej_1_lacks_become_the_nearest_that_loses_nothing(dtype: str, becomes: str) -> None:
    pixels = pixels_of(dtype)
    back = imagej.from_imageplus(imagej.to_imageplus(pixels))
    assert back.pixels.dtype == becomes
    np.testing.assert_array_equal(back.pixels, pixels.astype(int) * (255 if dtype == "bool" else 1))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_dataset_keeps_pixels_and_type(dtype: str) -> None:
    pixels = pixels_of(dtype)
    back = imagej.from_dataset(imagej.array_to_dataset(pixels))
    assert back.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(back.pixels, pixels)


def test_calibration_and_channels_survive_imageplus_and_dataset() -> None:
    image = imagej.ImageArray(pixels_of("uint16"), described())
    for back in (
        imagej.from_imageplus(imagej.to_imageplus(image)),
        imagej.from_dataset(imagej.array_to_dataset(image)),
        imagej.from_imageplus(imagej.to_imageplus(imagej.array_to_dataset(image))),
    ):
        assert back.description == image.description
        np.testing.assert_array_equal(back.pixels, image.pixels)


def test_stack_order_is_imagejs() -> None:
    imp = imagej.to_imageplus(imagej.ImageArray(pixels_of("uint16"), described()))
    c, z, t = 2, 3, 1
    processor = imp.getStack().getProcessor(imp.getStackIndex(c + 1, z + 1, t + 1))
    assert processor.get(6, 4) == pixels_of("uint16")[t, c, z, 4, 6]


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="2 to 5 axes"):
        imagej.to_imageplus(np.zeros(4))
    with pytest.raises(InvalidInputError, match="described with"):
        imagej.to_imageplus(np.zeros((3, 3), np.uint16), described())
    with pytest.raises(UnsupportedPixelTypeError, match="complex"):
        imagej.to_imageplus(np.zeros((3, 3), np.complex64))


def dataset_with(kinds: list[str], sizes: list[int]) -> Any:
    """Return a Dataset of bytes 0, 1, 2, ... whose axes are of the named kinds."""
    import jpype

    pixels = np.arange(np.prod(sizes), dtype=np.uint8)
    image = java_class("net.imglib2.img.array.ArrayImgs").unsignedBytes(
        jpype.JArray(jpype.JByte)(pixels.view(np.int8).tolist()), jpype.JArray(jpype.JLong)(sizes)
    )
    axes = java_class("net.imagej.axis.Axes")
    linear = java_class("net.imagej.axis.DefaultLinearAxis")
    made = [linear(axes.unknown() if kind == "?" else axes.get(kind)) for kind in kinds]
    calibrated = jpype.JArray(jpype.JClass("net.imagej.axis.CalibratedAxis"))(made)
    image_plus = jpype.JClass("net.imagej.ImgPlus")(image, "odd", calibrated)
    return imagej.start().service("net.imagej.DatasetService").create(image_plus)


@pytest.mark.parametrize(
    ("kinds", "shape"),
    [
        (["X", "Y", "?"], (1, 1, 4, 3, 2)),
        (["X", "Y", "Z", "?"], (1, 5, 4, 3, 2)),
        (["?", "?", "Time"], (4, 1, 1, 3, 2)),
        (["Y", "X", "Channel"], (1, 4, 1, 2, 3)),
    ],
)
def test_axes_of_unknown_kind_become_the_first_that_are_free(kinds: list[str], shape: tuple[int, ...]) -> None:
    sizes = [2, 3, 4, 5][: len(kinds)]
    array = imagej.from_dataset(dataset_with(kinds, sizes))
    assert array.pixels.shape == shape
    expected = np.arange(np.prod(sizes), dtype=np.uint8)
    if kinds[0] == "Y":
        expected = expected.reshape((*shape[:3], 3, 2)).swapaxes(-1, -2)
    np.testing.assert_array_equal(array.pixels, expected.reshape(shape))


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["X", "Y", "Z", "Channel", "Time", "?"], "has 6 axes"),
        (["X", "Y", "Lifetime"], "'Lifetime'"),
        (["X", "Y", "Z", "Z"], "each once"),
        (["X", "Z"], "no X and Y"),
    ],
)
def test_axes_that_omero_lacks_are_refused(kinds: list[str], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        imagej.from_dataset(dataset_with(kinds, [2] * len(kinds)))
