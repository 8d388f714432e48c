"""How often a server is asked, counted in Ice's own record of what goes over the wire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero
from ij_omero.model import Channel, ImageDescription, KeyValue, PixelType
from ij_omero.pixels import write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import OmeroStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The names of the calls since it was asked last; of connections that are made after this."""
    log, config = tmp_path / "ice.log", tmp_path / "ice.config"
    config.write_text(f"Ice.Trace.Protocol=1\nIce.LogFile={log}\n", encoding="utf-8")
    monkeypatch.setenv("ICE_CONFIG", str(config))
    seen = 0

    def since_last() -> list[str]:
        nonlocal seen
        text = log.read_text(encoding="utf-8")
        new, seen = text[seen:], len(text)
        sent = re.findall(r"sending (?:asynchronous )?request(.*?)\n-- ", new + "\n-- ", re.DOTALL)
        # addProxies is the router's own, at the first call to each service
        return [name for part in sent for name in re.findall(r"operation = (\w+)", part) if name != "addProxies"]

    return since_last


@pytest.fixture
def connection(requests: Callable[[], list[str]], user: OmeroUser) -> Iterator[ij_omero.Connection]:
    with ij_omero.connect(user.host, port=user.port, user=user.name, password=user.password) as connected:
        yield connected


@pytest.mark.parametrize("description", [SMALL, RICH, ABOVE_THE_PLANE_LIMIT], ids=lambda one: str(one.name))
def test_opening_takes_at_most_three_calls(
    connection: ij_omero.Connection, requests: Callable[[], list[str]], description: ImageDescription
) -> None:
    assert isinstance(connection.store, OmeroStore)
    image_id = write_array(connection.store.create(description), example_pixels(description))
    requests()
    image = connection.open_image(image_id)
    assert image.shape == description.shape
    assert image.description.key_values == description.key_values
    assert description.name in repr(image)
    assert len(requests()) <= 3


def test_what_reading_asks_for_after_opening(
    connection: ij_omero.Connection, requests: Callable[[], list[str]]
) -> None:
    assert isinstance(connection.store, OmeroStore)
    pixels = example_pixels(SMALL)
    image = connection.open_image(write_array(connection.store.create(SMALL), pixels))
    requests()
    np.testing.assert_array_equal(image[0, 0, 0], pixels[0, 0, 0])
    # two stores are made, and one call brings the pixels
    assert len(requests()) <= 2 * 2 + 2 + 1
    np.testing.assert_array_equal(image[0, 0, 0], pixels[0, 0, 0])
    assert requests() == []


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
