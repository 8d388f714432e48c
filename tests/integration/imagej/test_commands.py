"""ImageJ 1's commands, their numbers against numpy, scipy and scikit-image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from skimage import filters, measure

from ij_omero import imagej
from ij_omero.errors import ImageJError, InvalidInputError, ModuleNotFoundInImageJError
from ij_omero.model import Mask, Polygon, Rectangle

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.jvm


@pytest.fixture
def noise() -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).normal(100, 20, (3, 48, 64)).astype(np.float32)


@pytest.fixture
def blobs() -> npt.NDArray[np.uint8]:
    picture = np.full((64, 80), 20, np.uint8)
    picture[5:15, 5:25] = 200
    picture[30:50, 40:44] = 220
    picture[20:23, 60:70] = 180
    return picture


def test_gaussian_blur_works_on_the_whole_stack(noise: npt.NDArray[np.float32]) -> None:
    result = imagej.run_module("Gaussian Blur...", {"sigma": 2}, images=noise)
    assert result.image is not None
    expected = ndimage.gaussian_filter(noise, (0, 2, 2), mode="nearest", truncate=6)
    np.testing.assert_allclose(result.image.pixels[0, 0], expected, atol=0.1)


def test_a_single_plane_is_blurred_when_told_so(noise: npt.NDArray[np.float32]) -> None:
    result = imagej.run_module("Gaussian Blur...", {"sigma": 2, "stack": False}, images=noise)
    assert result.image is not None
    np.testing.assert_array_equal(result.image.pixels[0, 0, 1:], noise[1:])
    assert result.image.pixels[0, 0, 0].std() < noise[0].std() / 2


def test_the_callers_array_stays_as_it_is(noise: npt.NDArray[np.float32]) -> None:
    before = noise.copy()
    imagej.run_module("Invert", images=noise)
    np.testing.assert_array_equal(noise, before)


@pytest.mark.parametrize(
    ("projection", "function"),
    [("Max Intensity", np.max), ("Average Intensity", np.mean), ("Sum Slices", np.sum), ("Median", np.median)],
)
def test_z_project(
    noise: npt.NDArray[np.float32], projection: str, function: Callable[..., npt.NDArray[np.float32]]
) -> None:
    result = imagej.run_module("Z Project...", {"projection": projection}, images=noise)
    assert result.image is not None
    np.testing.assert_allclose(result.image.pixels[0, 0, 0], function(noise, axis=0), rtol=1e-5)


def test_invert_turns_8_bit_values_round(blobs: npt.NDArray[np.uint8]) -> None:
    result = imagej.run_module("Invert", images=blobs)
    assert result.image is not None
    np.testing.assert_array_equal(result.image.pixels[0, 0, 0], 255 - blobs)


@pytest.mark.parametrize(("planes", "calculate"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize(("method", "threshold"), [("Otsu", filters.threshold_otsu), ("Mean", np.mean)])
def test_convert_to_mask_takes_its_method(
    blobs: npt.NDArray[np.uint8],
    planes: int,
    calculate: bool,
    method: str,
    threshold: Callable[[npt.NDArray[np.uint8]], float],
) -> None:
    picture = ndimage.gaussian_filter(blobs, 3)
    options = {"method": method, "background": "Dark", "black": True, "calculate": calculate}
    result = imagej.run_module("Convert to Mask", options, images=np.stack([picture] * planes))
    assert result.image is not None
    for z in range(planes):
        mask = result.image.pixels[0, 0, z] == 255
        lowest = int(picture[mask].min())
        np.testing.assert_array_equal(mask, picture >= lowest)
        # whether the threshold itself belongs to the mask differs between ImageJ's own ways
        assert abs(lowest - float(threshold(picture))) <= 1.25


def test_analyze_particles_measures_and_outlines_what_skimage_finds(blobs: npt.NDArray[np.uint8]) -> None:
    imagej.run_module("Set Measurements...", {"area": True, "mean": True, "centroid": True})
    mask = (blobs > 100).astype(np.uint8) * 255
    result = imagej.run_module(
        "Analyze Particles...", {"size": (50, np.inf), "display": True, "add": True}, images=mask
    )
    expected = [region for region in measure.regionprops(measure.label(mask)) if region.area >= 50]
    assert result.table is not None
    assert sorted(result.table["Area"]) == sorted(region.area for region in expected)
    assert result.table["X"] == pytest.approx([region.centroid[1] + 0.5 for region in expected])
    assert len(result.rois) == len(expected)
    for roi, region in zip(result.rois, expected, strict=True):
        shape = roi.shapes[0]
        assert isinstance(shape, (Polygon, Mask))
        (java,) = imagej.to_imagej_rois(roi)
        assert java.getStatistics().pixelCount == region.area


def test_measure_of_a_selection(blobs: npt.NDArray[np.uint8]) -> None:
    imagej.run_module("Set Measurements...", {"area": True, "mean": True, "min": True})
    result = imagej.run_module("Measure", images=blobs, selection=Rectangle(10, 5, 30, 20))
    part = blobs[5:25, 10:40]
    assert result.table is not None
    assert result.table["Area"][0] == part.size
    assert result.table["Mean"][0] == pytest.approx(part.mean())
    assert (result.table["Min"][0], result.table["Max"][0]) == (part.min(), part.max())


def test_each_run_has_its_own_results_table(blobs: npt.NDArray[np.uint8]) -> None:
    for _ in range(2):
        result = imagej.run_module("Measure", images=blobs)
        assert result.table is not None
        assert len(result.table) == 1


def test_fft_shows_the_frequency_of_a_wave() -> None:
    wave = np.tile(np.sin(np.arange(64) * 2 * np.pi * 8 / 64), (64, 1)).astype(np.float32)
    result = imagej.run_module("FFT", images=wave)
    assert result.image is not None
    spectrum = result.image.pixels[0, 0, 0].astype(float)
    spectrum[32, 32] = 0
    assert {tuple(place) for place in np.argwhere(spectrum == spectrum.max())} == {(32, 24), (32, 40)}


def test_duplicate_takes_a_title_with_a_blank(noise: npt.NDArray[np.float32]) -> None:
    result = imagej.run_module("Duplicate...", {"title": "my copy", "duplicate": True, "range": "2-3"}, images=noise)
    assert result.image is not None
    assert result.image.description.name == "my copy"
    np.testing.assert_array_equal(result.image.pixels[0, 0], noise[1:])


def test_image_calculator_takes_two_images(blobs: npt.NDArray[np.uint8]) -> None:
    a, b = (imagej.to_imageplus(picture, title=title) for picture, title in ((blobs, "a"), (blobs // 4, "b")))
    options = "image1=a operation=Subtract image2=b create"
    result = imagej.run_module("Image Calculator...", images=[a, b], options=options)
    assert result.image is not None
    np.testing.assert_array_equal(result.image.pixels[0, 0, 0], blobs - blobs // 4)


def test_calibration_goes_through_a_command(noise: npt.NDArray[np.float32]) -> None:
    image = imagej.to_imageplus(noise)
    image.getCalibration().pixelWidth = 0.5
    image.getCalibration().setUnit("um")
    result = imagej.run_module("Z Project...", {"projection": "Max Intensity"}, images=[image])
    assert result.image is not None
    assert str(result.image.description.physical_size_x) == "0.5 µm"


def test_a_command_tells_what_it_asks_for() -> None:
    described = imagej.find_module("Analyze Particles...")
    assert described.kind == "imagej1"
    assert described.menu == ("Analyze", "Analyze Particles...")
    assert described.input("show").choices[:2] == ("Nothing", "Overlay")
    assert described.input("exclude").java_type == "boolean"
    assert imagej.find_module("Gaussian Blur...").input("sigma").default == 2.0
    assert imagej.find_module("Z Project...").input("stop").default is None  # depends on the image


def test_modules_lists_imagej_1_and_scijava() -> None:
    listed = imagej.modules()
    assert {module.kind for module in listed} >= {"imagej1", "scijava"}
    assert len({module.identifier for module in listed if module.kind == "imagej1"}) > 400


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"sgma": 2}, "did you mean 'sigma'"),
        ({"sigma": "two"}, "'sigma' of Gaussian Blur... is 'two', which is no number"),
        ({"stack": 3}, "True or False"),
    ],
)
def test_a_bad_option_is_named(blobs: npt.NDArray[np.uint8], inputs: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        imagej.run_module("Gaussian Blur...", inputs, images=blobs)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("command", "options", "says"),
    [
        ("Gaussian Blur...", "sigma=two", "'two', which is no number"),
        ("Convert to Mask", "method=Otto", "'Otsu'"),
    ],
)
def test_a_bad_options_text_is_refused_by_the_dialog(
    blobs: npt.NDArray[np.uint8], command: str, options: str, says: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        imagej.run_module(command, images=np.stack([blobs, blobs]), options=options)
    assert says in str(caught.value)


def test_errors_carry_imagejs_own_text(blobs: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(ImageJError, match="There are no images open"):
        imagej.run_module("Gaussian Blur...", {"sigma": 2})
    with pytest.raises(ImageJError, match="requires an image of type"):
        imagej.run_module("Fill Holes", images=blobs.astype(np.float32))
    with pytest.raises(ImageJError, match="window or to ask with a dialog"):
        imagej.run_module("Brightness/Contrast...", images=blobs)


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModuleNotFoundInImageJError, match=r"Gaussian Blur\.\.\."):
        imagej.run_module("Gausian Blur", {"sigma": 2})
    with pytest.raises(ModuleNotFoundInImageJError):
        imagej.find_module("imagej1:No Such Thing")
