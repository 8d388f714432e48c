"""A server's lookup tables are those in which ImageJ shows channels, and ImageJ's are the server's again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero import imagej
from ij_omero.model import Channel, ChannelRendering, RenderingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from ij_omero.localserver import LocalServer
    from tests._omero import MakeUser, OmeroUser

pytestmark = pytest.mark.jvm
PIXELS = np.arange(2 * 40, dtype=np.uint8).reshape(2, 1, 5, 8)


@pytest.fixture(scope="module")
def table(omero_server: LocalServer) -> Iterator[npt.NDArray[np.uint8]]:
    """What the server has as ``streaks.lut``, except in its rendering engine, which reads tables when it starts."""
    content = np.random.default_rng(6).integers(0, 256, (256, 3)).astype(np.uint8)
    folder = Path(omero_server.env()["OMERODIR"]) / "lib" / "scripts" / "luts"
    folder.mkdir(exist_ok=True)
    file = folder / "streaks.lut"
    file.write_bytes(content.T.tobytes())
    yield content
    file.unlink()


@pytest.fixture
def user(omero_user: MakeUser) -> OmeroUser:
    return omero_user()


@pytest.fixture
def omero(user: OmeroUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ij_omero.Connection]:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    with ij_omero.connect(user.host, port=user.port, user=user.name, password=user.password) as connection:
        yield connection


def shown_by_others(user: OmeroUser, image: ij_omero.Image) -> list[tuple[str | None, bool]]:
    with user.gateway() as gateway:
        channels = gateway.getObject("Image", image.image_id).getChannels()
        return [(channel.getLut() or None, channel.isInverted()) for channel in channels]


def java_table(dataset: Any, channel: int) -> npt.NDArray[np.uint8]:
    shown = dataset.getColorTable(channel)
    return np.array([[shown.get(band, level) for band in range(3)] for level in range(256)], np.uint8)


def test_channels_are_shown_in_the_servers_tables_and_back(
    omero: ij_omero.Connection, user: OmeroUser, table: npt.NDArray[np.uint8]
) -> None:
    import jpype

    shown = (
        ChannelRendering((0, 90), (255, 0, 0, 255), lookup_table="streaks.lut"),
        ChannelRendering((0, 50), (0, 255, 0, 255), lookup_table="streaks.lut", inverted=True),
    )
    channels = (Channel("a", lookup_table="streaks.lut"), Channel("b", lookup_table="streaks.lut"))
    image = omero.save_image(PIXELS, channels=channels, rendering=RenderingSettings(shown))
    dataset = image.to_dataset()
    np.testing.assert_array_equal(java_table(dataset, 0), table)
    np.testing.assert_array_equal(java_table(dataset, 1), table[::-1])
    plus = imagej.to_imageplus(image)
    reds = jpype.JArray(jpype.JByte)(256)
    plus.getLuts()[0].getReds(reds)
    np.testing.assert_array_equal(np.array(reds).view(np.uint8), table[:, 0])
    expected = [("streaks.lut", False), ("streaks.lut", True)]
    assert shown_by_others(user, image) == expected
    assert shown_by_others(user, omero.save_image(dataset)) == expected
    assert shown_by_others(user, omero.save_image(plus, source=image)) == expected
    # a colour given in ImageJ takes the table's place
    red = imagej.array_to_dataset(imagej.ImageArray(PIXELS[None], image.description.replace(rendering=None)))
    dataset.setColorTable(red.getColorTable(0), 0)
    assert shown_by_others(user, omero.save_image(dataset)) == [(None, False), ("streaks.lut", True)]


def test_a_table_of_imagej_is_the_servers_where_it_has_it(
    omero: ij_omero.Connection, user: OmeroUser, table: npt.NDArray[np.uint8]
) -> None:
    import jpype

    plus = imagej.to_imageplus(PIXELS[0, 0])
    columns = [jpype.JArray(jpype.JByte)(table[:, band].view(np.int8).tolist()) for band in range(3)]
    plus.setLut(jpype.JClass("ij.process.LUT")(*columns))
    plus.setDisplayRange(5, 60)
    new = omero.save_image(plus, name="streaks")
    assert shown_by_others(user, new) == [("streaks.lut", False)]
    assert new.description.channels[0].window == (5, 60)
    # what the server has not is shown in its brightest colour
    columns[0][0] += 1
    plus.setLut(jpype.JClass("ij.process.LUT")(*columns))
    assert shown_by_others(user, omero.save_image(plus)) == [(None, False)]


def test_channels_that_are_hidden_stay_so(omero: ij_omero.Connection, user: OmeroUser) -> None:
    def active(image: ij_omero.Image) -> list[bool]:
        with user.gateway() as gateway:
            return [bool(one.isActive()) for one in gateway.getObject("Image", image.image_id).getChannels()]

    channels = (Channel("a", (255, 0, 0, 255)), Channel("b", (0, 255, 0, 255), active=False))
    image = omero.save_image(PIXELS, channels=channels)
    plus = imagej.to_imageplus(image)
    assert list(plus.getActiveChannels())[:2] == [True, False]
    assert active(omero.save_image(plus, source=image)) == [True, False]
    assert active(omero.save_image(image.to_dataset())) == [True, False]
    assert active(omero.save_image(imagej.array_to_dataset(imagej.from_imageplus(plus)))) == [True, False]
    # as the user does in ImageJ's Channels dialog
    plus.getActiveChannels()[0], plus.getActiveChannels()[1] = False, True
    assert active(omero.save_image(plus, source=image)) == [False, True]
