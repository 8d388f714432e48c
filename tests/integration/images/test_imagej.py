"""The verbs with the real ImageJ, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero
from ij_omero.errors import ImageJError, InvalidInputError, ModuleNotFoundInImageJError
from ij_omero.imagej import run_macro, to_imageplus
from ij_omero.model import Channel, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.jvm


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ij_omero.Connection]:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    with ij_omero.open_store(tmp_path / "images") as connection:
        yield connection


@pytest.fixture
def image(store: ij_omero.Connection) -> ij_omero.Image:
    pixels = np.random.default_rng(1).integers(0, 4000, (2, 2, 3, 50, 70), dtype=np.uint16)
    size = Quantity(0.25, "µm")
    channels = (Channel("DAPI", (0, 0, 255, 255)), Channel("GFP", (0, 255, 0, 255)))
    saved = store.save_image(
        pixels, name="cells", channels=channels, physical_size_x=size, physical_size_y=size, time_increment=size_of()
    )
    saved.close()
    return store.open_image(saved.image_id)


def size_of() -> Quantity:
    return Quantity(1.5, "s")


def test_a_dataset_is_the_same_cells_seen_from_java(store: ij_omero.Connection, image: ij_omero.Image) -> None:
    dataset = image.to_dataset()
    assert image.loaded == 0
    assert image.to_dataset() is dataset
    access = dataset.randomAccess()
    for dimension, position in enumerate((7, 5, 1, 2, 1)):  # X, Y, C, Z, T
        access.setPosition(position, dimension)
    assert access.get().getRealDouble() == image[1, 1, 2, 5, 7]
    access.get().setReal(4095)
    assert image[1, 1, 2, 5, 7] == 4095
    assert image.dirty == 1
    image[1, 1, 2, 5, 8] = 4094
    access.fwd(0)
    assert access.get().getRealDouble() == 4094


def test_a_dataset_is_saved_with_what_java_wrote(store: ij_omero.Connection, image: ij_omero.Image) -> None:
    dataset = image.to_dataset()
    dataset.randomAccess().get().setReal(1234)
    expected = image.to_numpy()
    new = store.save_image(dataset, name="from Java")
    assert expected[0, 0, 0, 0, 0] == 1234
    np.testing.assert_array_equal(new.to_numpy(), expected)
    assert [channel.name for channel in new.description.channels] == ["DAPI", "GFP"]
    assert new.description.time_increment == Quantity(1.5, "s")
    assert new.description.source_id == image.image_id


def test_a_dataset_of_java_alone_is_saved_plane_by_plane(store: ij_omero.Connection, image: ij_omero.Image) -> None:
    copy = image.to_dataset().duplicate()
    new = store.save_image(copy, name="copy", source=image)
    np.testing.assert_array_equal(new.to_numpy(), image.to_numpy())
    assert new.description.physical_size_x == Quantity(0.25, "µm")


def test_an_imageplus_is_saved_with_calibration_of_its_source(
    store: ij_omero.Connection, image: ij_omero.Image
) -> None:
    new = store.save_image(to_imageplus(image.to_dataset()), name="ImagePlus", source=image)
    np.testing.assert_array_equal(new.to_numpy(), image.to_numpy())
    assert [channel.name for channel in new.description.channels] == ["DAPI", "GFP"]
    assert new.description.physical_size_y == Quantity(0.25, "µm")


def test_results_of_a_module_become_an_image(store: ij_omero.Connection, image: ij_omero.Image) -> None:
    result = ij_omero.run("Gaussian Blur...", image, sigma=2)
    assert image.dirty == 0, "ImageJ 1 works on a copy"
    new = store.save_image(result.image, name="blurred", tables=result.tables, rois=result.rois)
    assert new.description.source_id == image.image_id
    assert new.shape == image.shape
    assert new.to_numpy().std() < image.to_numpy().std() / 2
    assert [channel.name for channel in new.description.channels] == ["DAPI", "GFP"]


def test_particles_of_a_macro_become_rois_and_a_table(store: ij_omero.Connection) -> None:
    pixels = np.zeros((60, 80), np.uint8)
    pixels[10:20, 10:25] = 200
    pixels[35:50, 40:60] = 200
    image = store.save_image(pixels, name="spots")
    macro = 'setAutoThreshold("Otsu dark"); run("Analyze Particles...", "show=Nothing display add");'
    result = run_macro(macro, image)
    new = store.save_image(image, name="measured", tables=result.tables, rois=result.rois)
    (summary,) = new.tables()
    assert list(store.read_table(summary.table_id)["Area"]) == [150, 300]
    assert len(new.rois()) == 2


def test_a_module_that_does_not_exist_or_is_asked_wrongly(image: ij_omero.Image) -> None:
    with pytest.raises(ModuleNotFoundInImageJError, match=r"Gaussian Blur\.\.\."):
        ij_omero.run("Gaussian Bluer...", image)
    with pytest.raises(InvalidInputError, match="sigma"):
        ij_omero.run("Gaussian Blur...", image, sigma="wide")
    with pytest.raises(InvalidInputError, match="twice"):
        ij_omero.run("Gaussian Blur...", image, image=image)
    with pytest.raises(ImageJError):
        run_macro("run('No Such Command');", image)
