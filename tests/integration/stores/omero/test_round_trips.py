"""How often a server is asked, counted in Ice's own record of what goes over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero.model import Channel, ImageDescription, KeyValue, PixelType
from ij_omero.pixels import write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import OmeroStore
from tests._ice_record import IceRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests._omero import OmeroUser

SMALL = ImageDescription("small", PixelType.UINT8, 40, 30)
RICH = SMALL.replace(
    name="rich",
    size_z=5,
    size_c=12,
    size_t=3,
    channels=tuple(Channel(f"channel {i}", window=(0.0, 9.0)) for i in range(12)),
    key_values=tuple(KeyValue(f"key {i}", "value") for i in range(200)),
    tags=tuple(f"tag {i}" for i in range(20)),
)
ABOVE_THE_PLANE_LIMIT = ImageDescription("with a pyramid", PixelType.UINT8, 3300, 3100)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IceRecord:
    return IceRecord(tmp_path, monkeypatch)


@pytest.fixture
def connection(record: IceRecord, user: OmeroUser) -> Iterator[ij_omero.Connection]:
    with record.listening():
        connected = ij_omero.connect(user.host, port=user.port, user=user.name, password=user.password)
    with connected:
        yield connected


@pytest.mark.parametrize("description", [SMALL, RICH, ABOVE_THE_PLANE_LIMIT], ids=lambda one: str(one.name))
def test_opening_takes_at_most_three_calls(
    connection: ij_omero.Connection, record: IceRecord, description: ImageDescription
) -> None:
    assert isinstance(connection.store, OmeroStore)
    image_id = write_array(connection.store.create(description), np.zeros(description.shape, np.uint8))
    record.calls()
    image = connection.open_image(image_id)
    assert image.shape == description.shape
    assert image.description.key_values == description.key_values
    assert description.name in repr(image)
    assert len(record.calls()) <= 3


def test_what_reading_asks_for_after_opening(connection: ij_omero.Connection, record: IceRecord) -> None:
    assert isinstance(connection.store, OmeroStore)
    pixels = example_pixels(SMALL)
    image = connection.open_image(write_array(connection.store.create(SMALL), pixels))
    record.calls()
    np.testing.assert_array_equal(image[0, 0, 0], pixels[0, 0, 0])
    # two stores are made, and one call brings the pixels
    assert len(record.calls()) <= 2 * 2 + 2 + 1
    np.testing.assert_array_equal(image[0, 0, 0], pixels[0, 0, 0])
    assert record.calls() == []


def test_images_that_were_only_looked_at_leave_nothing_on_the_server(connection: ij_omero.Connection) -> None:
    assert isinstance(connection.store, OmeroStore)
    image_id = write_array(connection.store.create(SMALL), example_pixels(SMALL))
    image = connection.open_image(image_id)
    assert len(image.levels) == 1  # for which two stores were opened
    opened = connection.store.session.connection().factory
    assert [name for name in opened.activeServices() if "RawPixelsStore" in name]
    image.close()
    assert [name for name in opened.activeServices() if "RawPixelsStore" in name] == []
    image = connection.open_image(image_id)
    assert len(image.levels) == 1
    del image
    assert [name for name in opened.activeServices() if "RawPixelsStore" in name] == []


STACK = ImageDescription("stack", PixelType.UINT16, 600, 500, 24, 2)


@pytest.fixture
def stack(connection: ij_omero.Connection, record: IceRecord) -> Iterator[tuple[ij_omero.Image, Any]]:
    assert isinstance(connection.store, OmeroStore)
    pixels = example_pixels(STACK)
    image = connection.open_image(write_array(connection.store.create(STACK), pixels))
    np.testing.assert_array_equal(image[0, 0, 0, :1, :1], pixels[0, 0, 0, :1, :1])  # opens the stores
    record.calls()
    yield image, pixels


def test_a_region_of_many_planes_is_read_in_few_calls(stack: tuple[ij_omero.Image, Any], record: IceRecord) -> None:
    image, pixels = stack
    np.testing.assert_array_equal(image[0, 1, :, 100:130, 200:240], pixels[0, 1, :, 100:130, 200:240])
    assert len(record.calls()) <= 6  # of 24 planes


def test_planes_in_a_loop_are_read_in_few_calls(stack: tuple[ij_omero.Image, Any], record: IceRecord) -> None:
    image, pixels = stack
    for z in range(24):
        np.testing.assert_array_equal(image[0, 1, z, 100:130, 200:240], pixels[0, 1, z, 100:130, 200:240])
    assert len(record.calls()) <= 10


def test_what_nobody_touched_is_saved_in_few_reads(
    stack: tuple[ij_omero.Image, Any], connection: ij_omero.Connection, record: IceRecord
) -> None:
    image, pixels = stack
    expected = pixels.copy()
    image[0, 1, 7, 100:103] = expected[0, 1, 7, 100:103] = 9
    record.calls()
    new = connection.save_image(image, name="copy")
    calls = record.calls()
    assert calls.count("setPlane") == 48
    assert sum(calls.count(name) for name in ("getRegion", "getHypercube", "getTile", "getPlane")) <= 20
    np.testing.assert_array_equal(new[...], expected)


@pytest.mark.jvm
def test_java_reads_a_region_through_z_in_few_calls(stack: tuple[ij_omero.Image, Any], record: IceRecord) -> None:
    import jpype

    image, pixels = stack
    dataset = image.to_dataset()
    record.calls()
    longs = jpype.JArray(jpype.JLong)
    views = jpype.JClass("net.imglib2.view.Views")
    part = views.interval(dataset, longs([200, 100, 1, 0, 0]), longs([205, 102, 1, 23, 0]))
    cursor = views.flatIterable(part).cursor()
    total = 0.0
    while cursor.hasNext():
        total += cursor.next().getRealDouble()
    assert total == pixels[0, 1, :, 100:103, 200:206].sum(dtype=np.float64)
    assert len(record.calls()) <= 10
