"""Saving as further pixels of an image that exists, read by plain omero-py."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero import Channel, KeyValue, Quantity
from ij_omero.errors import ImageNotFoundError, InvalidInputError, WriteError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
from ij_omero.pixels import read_array, write_array
from ij_omero.pixels.conformance import example_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.localserver import LocalServer
    from ij_omero.stores import OmeroStore
    from tests._omero import OmeroUser

SMALL = ImageDescription("small", PixelType.UINT16, 50, 40, 2, 2, 1, key_values=(KeyValue("a", "1"),))


@pytest.fixture
def connection(user: OmeroUser) -> Iterator[ij_omero.Connection]:
    with ij_omero.connect(user.host, port=user.port, user=user.name, password=user.password) as connected:
        yield connected


def stored_pixels(gateway: Any, image_id: int) -> list[Any]:
    """All Pixels of an image with their channels, in the server's order."""
    from omero.sys import ParametersI

    hql = (
        "select i from Image i join fetch i.pixels p join fetch p.pixelsType join fetch p.channels c "
        "join fetch c.logicalChannel join fetch c.statsInfo where i.id = :id"
    )
    return list(gateway.getQueryService().findByQuery(hql, ParametersI().addId(image_id)).copyPixels())


def test_others_see_new_pixels_beside_the_old_ones(connection: ij_omero.Connection, user: OmeroUser) -> None:
    original = connection.save_image(np.arange(24, dtype=np.uint8).reshape(4, 6), name="original")
    result = np.linspace(-1, 1, 2 * 5 * 7, dtype=np.float32).reshape(1, 2, 1, 5, 7)
    channels = (Channel("a", (255, 0, 0, 255), window=(-1.0, 0.5)), Channel("b", (0, 255, 0, 255)))
    new = connection.save_image(
        result,
        name="result",
        as_pixels_of=original,
        source=original,
        channels=channels,
        physical_size_x=Quantity(3, "nm"),
    )
    assert new.image_id == original.image_id
    np.testing.assert_array_equal(new.to_numpy(), result)
    with user.gateway() as gateway:
        (image,) = gateway.getObjects("Image")
        assert image.getName() == "original"
        first, second = stored_pixels(gateway, image.getId())
        assert image.getPrimaryPixels().getId() == first.id.val
        assert (second.id.val, second.pixelsType.value.val, second.methodology.val) == (
            new.description.pixels_id,
            "float",
            "result",
        )
        assert [channel.logicalChannel.name.val for channel in second.copyChannels()] == ["a", "b"]
        assert second.copyChannels()[0].statsInfo.globalMin.val == -1
        assert (second.physicalSizeX.getValue(), str(second.physicalSizeX.getUnit())) == (3, "NANOMETER")
        raw = gateway.c.sf.createRawPixelsStore()
        raw.setPixelsId(second.id.val, False)
        np.testing.assert_array_equal(np.frombuffer(raw.getPlane(0, 1, 0), ">f4").reshape(5, 7), result[0, 1, 0])
        raw.close()
        engine = gateway.c.sf.createRenderingEngine()
        engine.lookupPixels(second.id.val)
        assert engine.lookupRenderingDef(second.id.val)
        engine.load()
        assert (engine.getChannelWindowStart(0), engine.getChannelWindowEnd(0)) == (-1.0, 0.5)
        engine.close()


def test_they_have_an_address_of_their_own(connection: ij_omero.Connection, user: OmeroUser) -> None:
    original = connection.save_image(np.zeros((4, 6), np.uint8), name="original")
    new = connection.save_image(np.ones((3, 3), np.uint16), name="result", as_pixels_of=original)
    assert new.address.pixels_id == new.description.pixels_id
    assert original.address.pixels_id is None
    with ij_omero.open_image(str(new.address)) as again:
        assert (again.shape, again.dtype) == ((1, 1, 1, 3, 3), np.uint16)
    by_pixels = f"omero:server={user.host}&port={user.port}&user={user.name}&pixelsID={new.description.pixels_id}"
    with ij_omero.open_image(by_pixels, password=user.password) as again:
        assert (again.image_id, again.shape) == (original.image_id, new.shape)
    with pytest.raises(ImageNotFoundError, match="no pixels 99999999"):
        ij_omero.open_image(by_pixels.rpartition("=")[0] + "=99999999", password=user.password)
    assert connection.open_image(original.image_id).shape == original.shape
    assert connection.store.pixels_ids(original.image_id) == (  # type: ignore[attr-defined]
        original.description.pixels_id,
        new.description.pixels_id,
    )
    with pytest.raises(ImageNotFoundError, match="no pixels 999999"):
        connection.open_image(original.image_id, pixels_id=999999)


def test_bits_are_bits_only_where_they_were_saved_as_such(store: OmeroStore) -> None:
    image_id = int(write_array(store.create(SMALL), example_pixels(SMALL)))
    bits = ImageDescription("bits", PixelType.BIT, 9, 9)
    with store.create(bits, pixels_of=image_id) as sink:
        assert write_array(sink, example_pixels(bits)) == image_id
    described = store.describe(image_id, pixels_id=sink.pixels_id)
    assert described.pixel_type is PixelType.BIT
    np.testing.assert_array_equal(read_array(store.open(image_id, pixels_id=sink.pixels_id)), example_pixels(bits))
    first = store.describe(image_id)
    assert (first.pixel_type, first.name, first.key_values) == (PixelType.UINT16, "small", SMALL.key_values)
    assert [summary.pixel_type for summary in store.list_images()] == [PixelType.UINT16]


def test_abandoned_ones_leave_the_image_as_it_was(store: OmeroStore, user: OmeroUser) -> None:
    image_id = int(write_array(store.create(SMALL), example_pixels(SMALL)))
    with store.create(SMALL, pixels_of=image_id) as sink:
        sink.write(PlaneIndex(0, 0, 0), Region(0, 0, 50, 40), np.ones((40, 50), "u2"))
        with pytest.raises(WriteError, match="not complete"):
            sink.finish()
    with user.gateway() as gateway:
        assert [image.getId() for image in gateway.getObjects("Image")] == [image_id]
        assert len(stored_pixels(gateway, image_id)) == 1
    with pytest.raises(ImageNotFoundError):
        store.create(SMALL, pixels_of=10**9)
    with pytest.raises(InvalidInputError, match="dataset"):
        store.create(SMALL, pixels_of=image_id, dataset=store.find_or_create_dataset("d"))


def test_a_local_store_says_that_it_has_no_such_thing(tmp_path: Any) -> None:
    with ij_omero.open_store(tmp_path) as local:
        image = local.save_image(np.zeros((4, 4), np.uint8), name="local")
        with pytest.raises(InvalidInputError, match="only one set of pixels"):
            local.save_image(np.zeros((4, 4), np.uint8), name="more", as_pixels_of=image)
        with pytest.raises(ImageNotFoundError, match="only one set of pixels"):
            local.open_image(image.image_id, pixels_id=3)


def test_times_of_planes_go_there_and_back(connection: ij_omero.Connection, user: OmeroUser) -> None:
    store: Any = connection.store
    pixels = np.zeros((2, 3, 2, 8, 8), np.uint8)
    image = connection.save_image(pixels, name="timed")
    assert np.isnan(store.plane_times(image.image_id)).all()
    times = np.arange(12.0).reshape(2, 3, 2) / 4
    times[1, 2, 1] = np.nan
    store.save_plane_times(image.image_id, times)
    np.testing.assert_array_equal(store.plane_times(image.image_id), times)
    store.save_plane_times(image.image_id, np.full((2, 3, 2), 9.0))
    copy = connection.save_image(pixels + 1, name="copy", source=image)
    with user.gateway() as gateway:
        (found,) = gateway.getObject("Image", copy.image_id).getPrimaryPixels().copyPlaneInfo(theC=1, theZ=0, theT=1)
        time = found._obj.getDeltaT()
        assert (time.getValue(), str(time.getUnit())) == (9, "SECOND")
        assert len(list(gateway.getObject("Image", copy.image_id).getPrimaryPixels().copyPlaneInfo())) == 12
    with pytest.raises(InvalidInputError, match=r"\(T, C, Z\)"):
        store.save_plane_times(image.image_id, [1.0])


@pytest.mark.parametrize("large", [False, True])
def test_what_the_server_gives_back_is_compared(connection: ij_omero.Connection, large: bool) -> None:
    shape = (3300, 3100) if large else (2, 60, 70)  # above the server's plane limit, or below
    pixels = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    told: list[str] = []
    image = connection.save_image(
        pixels, name="checked", verify=True, progress=lambda done, total, what="": told.append(what)
    )
    assert "reading back" in told
    np.testing.assert_array_equal(image.to_numpy().reshape(shape), pixels)


def test_other_bytes_on_the_server_undo_the_save(store: OmeroStore, user: OmeroUser, omero_server: LocalServer) -> None:
    pixels = example_pixels(SMALL)
    sink = store.create(SMALL, verify=True)
    with sink:
        for plane in SMALL.plane_indices():
            sink.write(plane, Region(0, 0, 50, 40), pixels[plane.t, plane.c, plane.z])
        # A byte goes wrong on the server's disk.
        (file,) = (f for f in omero_server.home.rglob(str(sink.pixels_id)) if "Pixels" in f.parts and f.is_file())
        with file.open("r+b") as stored:
            stored.seek(50 * 40 * 2 + 1000)
            byte = stored.read(1)[0]
            stored.seek(-1, 1)
            stored.write(bytes([byte ^ 1]))
        with pytest.raises(OSError, match=r"other bytes .* of plane \(1, 0, 0\)"):
            sink.finish()
    with user.gateway() as gateway:
        assert list(gateway.getObjects("Image")) == []


def large_sink(store: OmeroStore) -> Any:
    """All written, some hundred megabytes: the server saves for a second or more."""
    description = ImageDescription("large", PixelType.UINT16, 3000, 3000, 12)
    sink = store.create(description)
    plane = np.random.default_rng(0).integers(0, 60000, (3000, 3000), dtype=np.uint16)
    for index in description.plane_indices():
        sink.write(index, Region(0, 0, 3000, 3000), plane)
    return sink


@pytest.mark.parametrize("way", ["progress", "another thread"])
def test_saving_is_cancelled_inside_the_servers_save(store: OmeroStore, user: OmeroUser, way: str) -> None:
    sink = large_sink(store)
    saving = threading.Event()

    def told(done: int, total: int, what: str = "") -> None:
        assert (done, total, what) == (12, 12, "saving on the server")
        saving.set()
        if way == "progress":
            raise KeyboardInterrupt

    sink.watch(told)
    if way == "progress":
        with pytest.raises(KeyboardInterrupt):
            sink.finish()
    else:
        other = threading.Thread(target=lambda: saving.wait(60) and sink.abandon())
        other.start()
        with pytest.raises(WriteError, match="cancelled"):
            sink.finish()
        other.join()
    assert saving.is_set()
    assert store.unfinished() == []
    with user.gateway() as gateway:
        assert list(gateway.getObjects("Image")) == []
    # The session is as good as before.
    image_id = write_array(store.create(SMALL), example_pixels(SMALL))
    np.testing.assert_array_equal(read_array(store.open(image_id)), example_pixels(SMALL))
