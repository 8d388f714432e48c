"""The verbs on a real OMERO.server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero.errors import AccessDeniedError, ConnectionFailedError, ImageNotFoundError, LoginError, WriteError
from ij_omero.model import Channel, Polygon, Quantity, Roi, Table
from ij_omero.stores import OmeroStore
from tests._forwarder import forwarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests._omero import MakeUser, OmeroUser

TABLE = Table.from_dict("cells", {"Area": [1.5, 2.5], "Label": ["a", "b"]})
ROI = Roi((Polygon(((0, 0), (5, 0), (5, 5)), z=0, c=1, t=0),), name="cell 1")


@pytest.fixture(autouse=True)
def edits_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))


@pytest.fixture
def user(omero_user: Callable[[], OmeroUser]) -> OmeroUser:
    return omero_user()


def connected(user: OmeroUser, **changes: Any) -> ij_omero.Connection:
    login = {"user": user.name, "password": user.password, "port": user.port, **changes}
    return ij_omero.connect(user.host, **login)


@pytest.fixture
def omero(user: OmeroUser) -> Iterator[ij_omero.Connection]:
    with connected(user) as connection:
        yield connection


def pixels() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 4000, (1, 2, 3, 90, 70), dtype=np.uint16)


def saved(omero: ij_omero.Connection) -> ij_omero.Image:
    size = Quantity(0.2, "µm")
    channels = (Channel("DAPI"), Channel("GFP"))
    return omero.save_image(pixels(), name="cells", channels=channels, physical_size_x=size, physical_size_y=size)


def test_edits_table_and_rois_arrive_as_a_new_image(omero: ij_omero.Connection, user: OmeroUser) -> None:
    image = saved(omero)
    image[0, 1, 2, 10:20] = 7
    new = omero.save_image(image, name="edited", tables=[TABLE], rois=[ROI])
    expected = pixels()
    expected[0, 1, 2, 10:20] = 7
    again = ij_omero.open_image(str(new.address), user=user.name, password=user.password)
    np.testing.assert_array_equal(again.to_numpy(), expected)
    assert [channel.name for channel in again.description.channels] == ["DAPI", "GFP"]
    assert again.description.physical_size_x == Quantity(0.2, "µm")
    (summary,) = again.tables()
    assert list(again.store.read_table(summary.table_id)["Label"]) == ["a", "b"]
    assert [roi.name for roi in again.rois()] == ["cell 1"]
    with omero.open_image(image.image_id, share=False) as untouched:
        np.testing.assert_array_equal(untouched.to_numpy(), pixels())


def test_an_image_moves_between_server_and_folder(omero: ij_omero.Connection, tmp_path: Path) -> None:
    local = ij_omero.save_image(saved(omero), to=tmp_path / "images")
    np.testing.assert_array_equal(local.to_numpy(), pixels())
    assert [channel.name for channel in local.description.channels] == ["DAPI", "GFP"]


def test_when_attaching_fails_nothing_stays_on_the_server(
    omero: ij_omero.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = saved(omero)

    def refused(self: OmeroStore, image_id: int, table: Table) -> int:
        raise AccessDeniedError("no tables today")

    monkeypatch.setattr(OmeroStore, "save_table", refused)
    with pytest.raises(WriteError, match=r"no tables today.*removed again"):
        omero.save_image(image, name="half", tables=[TABLE])
    assert [one.name for one in omero.list_images()] == ["cells"]


def test_canceling_leaves_nothing_on_the_server(omero: ij_omero.Connection) -> None:
    def cancel(done: int, total: int, what: str = "") -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        omero.save_image(pixels(), name="canceled", progress=cancel)
    assert list(omero.list_images()) == []


def test_bad_input_is_one_error_each(
    omero: ij_omero.Connection, user: OmeroUser, omero_user: Callable[[], OmeroUser]
) -> None:
    with pytest.raises(ImageNotFoundError, match="99999999"):
        omero.open_image(99999999)
    with pytest.raises(LoginError):
        connected(user, password="wrong")
    with pytest.raises(ConnectionFailedError):
        connected(user, port=1)
    with connected(omero_user()) as other, pytest.raises((ImageNotFoundError, AccessDeniedError)):
        other.open_image(saved(omero).image_id)


def test_a_wrong_password_in_an_address_opens_nothing_beside_the_right_one(
    omero: ij_omero.Connection, user: OmeroUser
) -> None:
    image_id = saved(omero).image_id
    older = f"omero:server={user.host}&port={user.port}&user={user.name}&imageID={image_id}"
    with ij_omero.open_image(f"{older}&password={user.password}") as image:
        assert image.image_id == image_id
    with pytest.raises(LoginError) as caught:
        ij_omero.open_image(f"{older}&password=hunter2")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(LoginError):
        ij_omero.open_image(older, password="hunter2")
    with ij_omero.open_image(older) as image:  # without one, the session that is open serves
        assert image.name == "cells"


def test_two_servers_at_once_are_kept_apart(omero_user: MakeUser) -> None:
    mine, theirs = omero_user(), omero_user()
    with (
        forwarded(theirs.host, theirs.port) as second,
        connected(mine) as here,
        connected(theirs, port=second.port) as there,
    ):
        image = saved(here)
        address = str(image.address)
        there_address = address.replace(f":{mine.port}/", f":{second.port}/").replace(mine.name, theirs.name)
        assert there_address != address
        # by its address alone an image is looked for at its own server, as that server's user
        assert ij_omero.open_image(address).name == "cells"
        with pytest.raises(ImageNotFoundError):
            ij_omero.open_image(there_address)
        image[0, 1, 2, 10:20] = 7
        moved = there.save_image(image, name="moved")
        assert (moved.address.port, moved.address.user) == (second.port, theirs.name)
        assert moved.description.source_address == str(replace(image.address, user=None))
        moved[0, 0, 0] = 1
        expected = pixels()
        expected[0, 1, 2, 10:20] = 7
        np.testing.assert_array_equal(image[...], expected)
        with theirs.gateway() as gateway:
            told = [
                [tuple(pair) for pair in note.getValue()]
                for note in gateway.getObject("Image", moved.image_id).listAnnotations()
            ]
            assert told == [[("source image", str(replace(image.address, user=None)))]]
            planes = list(gateway.getObject("Image", moved.image_id).getPrimaryPixels().getPlanes([(2, 1, 0)]))
            np.testing.assert_array_equal(planes[0], expected[0, 1, 2])
        second.close()
        fresh = here.open_image(image.image_id)
        np.testing.assert_array_equal(fresh[0, 0, 0], expected[0, 0, 0])


def test_who_logs_in_again_after_the_session_ended_goes_on(
    omero: ij_omero.Connection, user: OmeroUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omero.util.sessions import SessionsStore

    monkeypatch.setenv("OMERO_SESSIONDIR", str(tmp_path / "sessions"))
    image_id = saved(omero).image_id
    omero.close()
    address = f"omero://{user.host}:{user.port}/image/{image_id}"

    def logged_in(uuid: str) -> None:
        """Store a session as `omero login` does."""
        properties = {"omero.host": user.host, "omero.port": str(user.port)}
        sessions = SessionsStore(str(tmp_path / "sessions"))
        sessions.add(user.host, user.name, uuid, properties)
        sessions.set_current(user.host, user.name, uuid, properties)

    with user.gateway() as gateway:
        first = gateway.c.getSessionId()
        logged_in(first)
        image = ij_omero.open_image(address)
    # it ended with its owner
    with pytest.raises(LoginError, match="run: omero login"):
        image[0, 0, 0]
    SessionsStore(str(tmp_path / "sessions")).remove(user.host, user.name, first)
    with user.gateway() as gateway:
        logged_in(gateway.c.getSessionId())
        again = ij_omero.open_image(address)
        np.testing.assert_array_equal(again[0, 0, 0], pixels()[0, 0, 0])
        again.store.close()


def test_pixels_go_over_plain_tcp_when_that_is_asked_for(user: OmeroUser) -> None:
    with connected(user, encrypted=False) as plain:
        assert isinstance(plain.store, OmeroStore)
        assert not plain.store.session.connection().client.isSecure()
        image = saved(plain)
        np.testing.assert_array_equal(image[...], pixels())
        assert "encrypted=false" in str(image.address)
