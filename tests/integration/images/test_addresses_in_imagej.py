"""ImageJ opens and saves at addresses of a real OMERO.server: through ``ij.io()``, and through SCIFIO where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero import imagej
from ij_omero.model import Channel, KeyValue, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests._omero import MakeUser, OmeroUser

pytestmark = pytest.mark.jvm
PIXELS = np.random.default_rng(7).integers(0, 60000, (2, 3, 4, 70, 90), dtype=np.uint16)
CHANNELS = (
    Channel("DAPI", (0, 0, 255, 255), window=(10.0, 900.0)),
    Channel("GFP", (0, 255, 0, 255), window=(20.0, 40000.0)),
    Channel("RFP", (255, 0, 0, 255), window=(0.0, 60000.0)),
)


class Place:
    """A user's place on the server, with one image."""

    def __init__(self, user: OmeroUser, image_id: int) -> None:
        self.user = user
        self.image_id = image_id
        login = f"server={user.host}&port={user.port}&user={user.name}&password={user.password}"
        self.store = f"omero:{login}"
        self.image = f"{self.store}&imageID={image_id}"

    def saved(self, address: str) -> tuple[Any, dict[str, Any]]:
        """Read an image with plain omero-py."""
        image_id = ij_omero.parse_address(address).image_id
        with self.user.gateway() as gateway:
            image = gateway.getObject("Image", image_id)
            sizes = [image.getSizeT(), image.getSizeC(), image.getSizeZ()]
            wanted = [(z, c, t) for t in range(sizes[0]) for c in range(sizes[1]) for z in range(sizes[2])]
            planes = list(image.getPrimaryPixels().getPlanes(wanted))
            told = {
                "name": image.getName(),
                "channels": [channel.getLabel() for channel in image.getChannels()],
                "colors": [channel.getColor().getRGB() for channel in image.getChannels()],
                "windows": [(channel.getWindowStart(), channel.getWindowEnd()) for channel in image.getChannels()],
                "size_x": image.getPixelSizeX(units=True),
                "links": [
                    int(pair[1])
                    for annotation in image.listAnnotations()
                    if annotation.OMERO_TYPE.__name__ == "MapAnnotationI"
                    for pair in annotation.getValue()
                    if pair[0] == "source image"
                ],
            }
        return np.stack(planes).reshape(*sizes, *planes[0].shape), told


@pytest.fixture
def place(omero_user: MakeUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    user = omero_user()
    with ij_omero.connect(user.host, port=user.port, user=user.name, password=user.password) as connection:
        size = Quantity(0.25, "µm")
        image = connection.save_image(
            PIXELS,
            name="cells",
            channels=CHANNELS,
            physical_size_x=size,
            physical_size_y=size,
            physical_size_z=Quantity(1.5, "µm"),
            key_values=(KeyValue("stain", "a"), KeyValue("stain", "b")),
        )
        yield Place(user, int(image.image_id))


@pytest.fixture
def full() -> Any:
    runtime = imagej.start()
    if not runtime.is_full or not imagej.has_scifio():
        pytest.skip("needs an ImageJ2 with SCIFIO: set IJ_OMERO_IMAGEJ to a Fiji folder")
    return runtime


def value_at(image: Any, x: int, y: int, c: int, z: int, t: int) -> float:
    access = image.randomAccess()
    for dimension, position in enumerate((x, y, c, z, t)):
        access.setPosition(position, dimension)
    return float(access.get().getRealDouble())


def io_service() -> Any:
    return imagej.start().service("org.scijava.io.IOService")


def test_ij_io_opens_an_address_and_saves_at_one(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    dataset = io_service().open(place.image)
    cells = imagej.cells_of(dataset)
    assert cells is not None
    assert cells.load_states.loaded == 0
    assert value_at(dataset, 5, 6, 1, 2, 1) == PIXELS[1, 1, 2, 6, 5]
    access = dataset.randomAccess()
    access.get().setReal(1234)
    # what is changed in ImageJ of what is told about the image is saved as well
    dataset.setChannelMinimum(1, 33.0)
    dataset.setChannelMaximum(1, 44.0)
    dataset.getProperties().get("channel names").set(2, "actin")
    dataset.axis(0).setScale(0.5)
    io_service().save(dataset, place.store + "&name=edited twice")
    pixels, told = place.saved(str(dataset.getSource()))
    expected = PIXELS.copy()
    expected[0, 0, 0, 0, 0] = 1234
    np.testing.assert_array_equal(pixels, expected)
    assert told["name"] == "edited twice"
    assert told["channels"] == ["DAPI", "GFP", "actin"]
    assert told["windows"] == [(10.0, 900.0), (33.0, 44.0), (0.0, 60000.0)]
    assert told["colors"] == [(0, 0, 255), (0, 255, 0), (255, 0, 0)]
    assert (told["size_x"].getValue(), told["size_x"].getSymbol()) == (0.5, "µm")
    assert told["links"] == [place.image_id]
    assert "secret" not in str(dataset.getSource()) + caplog.text


def test_an_image_plus_and_a_dataset_of_java_alone_are_saved(place: Place) -> None:
    io_service().save(imagej.to_imageplus(PIXELS[0, 0]), place.store + "&name=plus")
    dataset = imagej.array_to_dataset(PIXELS[:1, :2].astype(np.float32))
    io_service().save(dataset, place.store)
    pixels, _ = place.saved(str(dataset.getSource()))
    np.testing.assert_array_equal(pixels, PIXELS[:1, :2])


def test_a_failure_is_told_without_the_password(place: Place) -> None:
    import jpype

    with pytest.raises(jpype.JException, match="Invalid image ID: 999999") as error:
        io_service().open(f"{place.store}&imageID=999999")
    assert "secret" not in str(error.value)
    with pytest.raises(jpype.JException, match="imageID"):
        io_service().open(f"{place.store}&imageID=x")


@pytest.mark.full_imagej
class TestScifio:
    """``ImgOpener``, ``ImgSaver``, ``DatasetIOService``."""

    def test_the_format_is_known_by_addresses_not_by_suffixes(self, full: Any, place: Place, tmp_path: Path) -> None:
        import jpype

        formats = full.service("io.scif.services.FormatService")
        locations = full.service("org.scijava.io.location.LocationService")
        for text in (place.image, f"omero://{place.user.host}:{place.user.port}/image/1"):
            assert str(formats.getFormat(locations.resolve(text)).getFormatName()) == "OMERO"
        file = jpype.JClass("org.scijava.io.location.FileLocation")(str(tmp_path / "asdf.omero"))
        assert formats.getFormat(file) is None

    def test_img_opener_hands_out_the_cell_image(self, full: Any, place: Place) -> None:
        import jpype

        (image,) = jpype.JClass("io.scif.img.ImgOpener")(full.context).openImgs(place.image)
        cells = imagej.cells_of(image)
        assert cells is not None
        assert cells.load_states.loaded == 0
        assert value_at(image, 89, 69, 2, 3, 1) == PIXELS[1, 2, 3, 69, 89]
        assert 0 < cells.load_states.loaded < cells.load_states.total
        assert str(image.getName()) == "cells"
        assert [str(image.axis(number).type().getLabel()) for number in range(5)] == ["X", "Y", "Channel", "Z", "Time"]
        assert (image.averageScale(0), str(image.axis(0).unit()), image.averageScale(3)) == (0.25, "µm", 1.5)

    @pytest.mark.parametrize("mode", ["ARRAY", "PLANAR", "CELL"])
    def test_every_mode_gives_the_same_pixels(self, full: Any, place: Place, mode: str) -> None:
        import jpype

        config = jpype.JClass("io.scif.config.SCIFIOConfig")(full.context)
        modes = jpype.JClass("io.scif.config.SCIFIOConfig$ImgMode")
        config.imgOpenerSetImgModes(jpype.JArray(modes)([modes.valueOf(mode)]))
        (image,) = jpype.JClass("io.scif.img.ImgOpener")(full.context).openImgs(place.image, config)
        assert (imagej.cells_of(image) is None) == (mode == "ARRAY")
        dataset = full.service("net.imagej.DatasetService").create(image)
        np.testing.assert_array_equal(imagej.from_dataset(dataset).pixels, PIXELS)

    def test_a_part_of_an_image_is_opened_as_such(self, full: Any, place: Place) -> None:
        import jpype

        config = jpype.JClass("io.scif.config.SCIFIOConfig")(full.context)
        axes = jpype.JClass("net.imagej.axis.Axes")
        kinds = jpype.JArray(jpype.JClass("net.imagej.axis.AxisType"))([axes.X, axes.Y, axes.Z])
        region = jpype.JClass("io.scif.img.ImageRegion")(kinds, ["10-29", "5-14", "2-3"])
        config.imgOpenerSetRegion(region)
        part = full.service("io.scif.services.DatasetIOService").open(place.image, config)
        states = ij_omero.open_image(place.image).cache.load_states
        assert states.loaded < states.total
        np.testing.assert_array_equal(imagej.from_dataset(part).pixels, PIXELS[:, :, 2:4, 5:15, 10:30])
        part.setName("part")
        io_service().save(part, place.store)
        np.testing.assert_array_equal(place.saved(str(part.getSource()))[0], PIXELS[:, :, 2:4, 5:15, 10:30])

    def test_dataset_service_opens_with_channels_and_saves_all_of_it(self, full: Any, place: Place) -> None:
        service = full.service("io.scif.services.DatasetIOService")
        assert service.canOpen(place.image)
        assert service.canSave(place.store)
        dataset = service.open(place.image)
        description = imagej.dataset_description(dataset)
        assert [channel.name for channel in description.channels] == ["DAPI", "GFP", "RFP"]
        assert [channel.window for channel in description.channels] == [channel.window for channel in CHANNELS]
        metadata = service.save(dataset, place.store + "&name=again")
        address = str(metadata.getSourceLocation().getURI())
        pixels, told = place.saved(address)
        np.testing.assert_array_equal(pixels, PIXELS)
        assert (told["name"], told["channels"]) == ("again", ["DAPI", "GFP", "RFP"])

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_img_saver_makes_a_new_image_of_planes(self, full: Any, place: Place, wrapped: bool) -> None:
        import jpype

        saver = jpype.JClass("io.scif.img.ImgSaver")(full.context)
        for merged in (PIXELS, PIXELS[:1, :1, :1]):
            plain = imagej.array_to_dataset(merged)
            if wrapped:
                bare = jpype.JClass("io.scif.img.SCIFIOImgPlus")(plain.getImgPlus())
                metadata = saver.saveImg(place.store, bare, 0)
            else:
                metadata = saver.saveImg(place.store, plain.getImgPlus().getImg())
            pixels, _ = place.saved(str(metadata.getSourceLocation().getURI()))
            # axes that say nothing become X, Y, Z, C, T in their order, which is X, Y, C, Z, T here
            np.testing.assert_array_equal(pixels, merged if wrapped else merged.swapaxes(1, 2))

    def test_img_saver_saves_the_channels_and_the_source_of_what_it_saves(self, full: Any, place: Place) -> None:
        import jpype

        saver = jpype.JClass("io.scif.img.ImgSaver")(full.context)
        dataset = io_service().open(place.image)
        dataset.setChannelMinimum(1, 33.0)
        dataset.getProperties().get("channel names").set(0, "nuclei")
        copied = full.service("net.imagej.DatasetService").create(dataset.getImgPlus().copy())
        for image in (dataset, copied):
            metadata = saver.saveImg(place.store, image.getImgPlus())
            pixels, told = place.saved(str(metadata.getSourceLocation().getURI()))
            np.testing.assert_array_equal(pixels, PIXELS)
            if image is dataset:
                assert told["channels"] == ["nuclei", "GFP", "RFP"]
                assert told["windows"] == [(10.0, 900.0), (33.0, 40000.0), (0.0, 60000.0)]
                assert told["links"] == [place.image_id]
            assert told["colors"] == [(0, 0, 255), (0, 255, 0), (255, 0, 0)]

    def test_img_saver_saves_the_channels_of_what_img_opener_opened(self, full: Any, place: Place) -> None:
        import jpype

        (image,) = jpype.JClass("io.scif.img.ImgOpener")(full.context).openImgs(place.image)
        metadata = jpype.JClass("io.scif.img.ImgSaver")(full.context).saveImg(place.store, image)
        pixels, told = place.saved(str(metadata.getSourceLocation().getURI()))
        np.testing.assert_array_equal(pixels, PIXELS)
        assert told["channels"] == ["DAPI", "GFP", "RFP"]
        assert told["links"] == [place.image_id]

    def test_files_are_opened_and_saved_as_before_and_images_exported_as_tiff(
        self, full: Any, place: Place, tmp_path: Path
    ) -> None:
        service = full.service("io.scif.services.DatasetIOService")
        dataset = service.open(place.image)
        file = tmp_path / "cells.tif"
        service.save(dataset, str(file))
        assert file.stat().st_size > PIXELS.nbytes
        np.testing.assert_array_equal(imagej.from_dataset(service.open(str(file))).pixels.reshape(PIXELS.shape), PIXELS)

    def test_image_plus_slices_and_computing_work_on_it(self, full: Any, place: Place) -> None:
        import jpype

        dataset = full.service("io.scif.services.DatasetIOService").open(place.image)
        views = jpype.JClass("net.imglib2.view.Views")
        section = views.hyperSlice(views.hyperSlice(views.hyperSlice(dataset, 4, 1), 3, 2), 2, 1)
        access = section.randomAccess()
        access.setPosition(jpype.JArray(jpype.JLong)([5, 6]))
        assert access.get().getRealDouble() == PIXELS[1, 1, 2, 6, 5]
        cells = imagej.cells_of(dataset)
        assert cells is not None
        assert cells.load_states.loaded < cells.load_states.total
        plus = imagej.to_imageplus(dataset)
        np.testing.assert_array_equal(imagej.from_imageplus(plus).pixels, PIXELS)
