"""Wrong input, lost sessions, killed processes: one clear error each, nothing half-made, reading goes on."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ImageNotFoundError,
    InvalidInputError,
    LoginError,
    NotFoundError,
    UnsupportedPixelTypeError,
    WriteError,
)
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region, Roi
from ij_omero.pixels import read_array, write_array, write_order
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import OmeroStore, open_store
from ij_omero.stores._omero._credentials import Login
from ij_omero.stores._omero._session import OmeroSession
from tests._ice_record import IceRecord
from tests._omero import gateway

if TYPE_CHECKING:
    from pathlib import Path

    from tests._omero import MakeGroup, MakeUser, OmeroUser

SMALL = ImageDescription("small", PixelType.UINT16, 50, 40, 2, 2, 1)


def end_session(user: OmeroUser, store: OmeroStore) -> None:
    """End the store's session behind its back."""
    uuid = store.session.session_id
    with user.gateway() as gateway:
        service = gateway.c.sf.getSessionService()
        session = service.getSession(uuid)
        while service.closeSession(session) > 0:
            pass


def wait_for_the_end(user: OmeroUser, uuid: str) -> None:
    """Return when the server has ended a session; it does so after it has answered whoever closes it."""
    import omero

    with user.gateway() as gateway:
        service = gateway.c.sf.getSessionService()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                service.getReferenceCount(uuid)
            except omero.ServerError:
                return
            time.sleep(0.05)
    raise AssertionError("the session is still there")


def test_a_wrong_password_says_so_and_is_never_shown(user: OmeroUser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LoginError, match="wrong user or password") as caught:
        OmeroStore.connect(user.host, user.name, "hunter2-typo", port=user.port)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r} {caplog.text}"
    assert "hunter2" not in shown
    with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as store:
        shown = f"{store!r} {store.session!r} {store.session.login!r} {store.address!r} {store.address} {caplog.text}"
        assert user.password not in shown.replace("secrets", "")
        assert store.session.session_id not in shown


def test_a_wrong_password_is_refused_beside_an_open_session(store: OmeroStore, user: OmeroUser) -> None:
    with pytest.raises(LoginError):
        OmeroStore.connect(user.host, user.name, "wrong", port=user.port)


def test_an_unknown_session_id(user: OmeroUser) -> None:
    with pytest.raises(LoginError, match="session"):
        OmeroStore.connect(user.host, port=user.port, session_id="00000000-1111-2222-3333-444444444444")


def test_a_dead_port_answers_in_seconds() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.monotonic()
    with pytest.raises(ConnectionFailedError, match="no server answers"):
        OmeroStore.connect("127.0.0.1", "ana", "secret", port=port)
    with pytest.raises(ConnectionFailedError, match="no host"):
        OmeroStore.connect("no-such-host.invalid", "ana", "secret")
    assert time.monotonic() - begin < 5


def test_no_credentials_say_where_to_put_them(user: OmeroUser, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("OMERO_SESSION", "OMERO_SESSIONKEY", "OMERO_PASSWORD", "OMERO_USER", "ICE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMERO_SESSIONDIR", str(tmp_path))
    with pytest.raises(LoginError, match="omero login"):
        open_store(f"omero://{user.name}@{user.host}:{user.port}")


@pytest.mark.parametrize("way", ["session_id", "environment", "ice_config", "stored", "client", "key_values"])
def test_ways_to_log_in(way: str, user: OmeroUser, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("OMERO_SESSIONDIR", str(tmp_path))
    with user.gateway() as gateway:
        uuid = gateway.c.getSessionId()
        if way == "session_id":
            store = OmeroStore.connect(user.host, port=user.port, session_id=uuid)
        elif way == "environment":
            for name, value in (("HOST", user.host), ("PORT", user.port), ("SESSION", uuid)):
                monkeypatch.setenv(f"OMERO_{name}", str(value))
            store = OmeroStore.connect()
        elif way == "ice_config":
            config = tmp_path / "ice.config"
            config.write_text(f"omero.host={user.host}\nomero.port={user.port}\nomero.user={uuid}\nomero.pass={uuid}\n")
            monkeypatch.setenv("ICE_CONFIG", str(config))
            store = OmeroStore.connect()
            monkeypatch.delenv("ICE_CONFIG")
        elif way == "stored":
            from omero.util.sessions import SessionsStore

            properties = {"omero.host": user.host, "omero.port": str(user.port)}
            sessions = SessionsStore(str(tmp_path))
            sessions.add(user.host, user.name, uuid, properties)
            sessions.set_current(user.host, user.name, uuid, properties)
            store = OmeroStore.connect()
        elif way == "client":
            store = OmeroStore.of_client(gateway)
        else:
            store = open_store(f"omero:server={user.host}&port={user.port}&sessionID={uuid}")  # type: ignore[assignment]
        assert store.session.identity.user == user.name
        write_array(store.create(SMALL), example_pixels(SMALL))
        store.close()
        # Leaving does not end what somebody else opened.
        assert gateway.c.sf.getAdminService().getEventContext().userName == user.name


def test_sessions_are_shared_and_end_with_the_last_store(user: OmeroUser) -> None:
    first = OmeroStore.connect(user.host, user.name, user.password, port=user.port)
    second = OmeroStore.connect(user.host, user.name, user.password, port=user.port)
    third = OmeroStore.connect(user.host, user.name, port=user.port)
    assert first.session is second.session is third.session
    uuid = first.session.session_id
    first.close()
    third.close()
    assert list(second.list_images()) == []
    second.close()
    wait_for_the_end(user, uuid)
    with pytest.raises(LoginError):
        OmeroStore.connect(user.host, port=user.port, session_id=uuid)


def test_images_of_other_groups_are_not_found(store: OmeroStore, omero_user: MakeUser) -> None:
    image_id = write_array(store.create(SMALL), example_pixels(SMALL))
    stranger = omero_user()
    with (
        OmeroStore.connect(stranger.host, stranger.name, stranger.password, port=stranger.port) as theirs,
        pytest.raises(ImageNotFoundError, match="may not see it"),
    ):
        theirs.open(image_id)
    with pytest.raises(LoginError, match="no member"):
        OmeroStore.connect(
            stranger.host, stranger.name, stranger.password, port=stranger.port, group=store.session.identity.group
        )
    with pytest.raises(NotFoundError, match="no group"):
        OmeroStore.connect(stranger.host, stranger.name, stranger.password, port=stranger.port, group="no such group")


def test_a_group_that_may_only_be_read(omero_group: MakeGroup, omero_user: MakeUser) -> None:
    group = omero_group("rwr---")
    ana, ben = omero_user(group), omero_user(group)
    with OmeroStore.connect(ana.host, ana.name, ana.password, port=ana.port) as store:
        image_id = write_array(store.create(SMALL), example_pixels(SMALL))
    with OmeroStore.connect(ben.host, ben.name, ben.password, port=ben.port) as store:
        np.testing.assert_array_equal(read_array(store.open(image_id)), example_pixels(SMALL))
        with pytest.raises(AccessDeniedError):
            store.delete(image_id)
        with pytest.raises(AccessDeniedError):
            from ij_omero.model import Point

            store.save_rois(image_id, [Roi((Point(1, 1),))])


def test_an_administrator_works_in_another_group(omero_server: Any, user: OmeroUser) -> None:
    with OmeroStore.connect(user.host, "root", omero_server.password, port=user.port, group=user.group.name) as store:
        image_id = write_array(
            store.create(SMALL, dataset=store.find_or_create_dataset("by root")), example_pixels(SMALL)
        )
        assert store.describe(image_id).group == user.group.name
        assert [image.image_id for image in store.list_images()] == [image_id]
        np.testing.assert_array_equal(read_array(store.open(image_id)), example_pixels(SMALL))


@pytest.mark.parametrize("image_id", [0, -1, 10**9, 1 << 70, "abc", True])
def test_unknown_ids(store: OmeroStore, image_id: Any) -> None:
    with pytest.raises(ImageNotFoundError, match="Invalid image ID"):
        store.describe(image_id)


def test_what_no_server_holds_is_refused_before_anything_is_made(store: OmeroStore) -> None:
    with pytest.raises(UnsupportedPixelTypeError, match="two channels"):
        store.create(SMALL.replace(pixel_type=PixelType.COMPLEX))
    with pytest.raises(InvalidInputError, match="too large for OMERO"):
        store.create(ImageDescription("wide", PixelType.UINT8, 2**31, 1))
    with pytest.raises(NotFoundError, match="no dataset"):
        store.create(SMALL, dataset=10**9)
    assert store.unfinished() == []


def test_reading_goes_on_after_the_session_was_ended(store: OmeroStore, user: OmeroUser) -> None:
    pixels = example_pixels(SMALL)
    source = store.open(write_array(store.create(SMALL), pixels))
    np.testing.assert_array_equal(source.read(PlaneIndex(0, 0, 0)), pixels[0, 0, 0])
    before = store.session.session_id
    end_session(user, store)
    np.testing.assert_array_equal(source.read(PlaneIndex(1, 1, 0)), pixels[0, 1, 1])
    assert len(list(store.list_images())) == 1
    end_session(user, store)
    assert store.describe(source.description.image_id or 0).name == "small"
    assert store.session.session_id != before


def test_an_administrator_ends_a_session_while_an_image_is_open(
    omero_server: Any, store: OmeroStore, user: OmeroUser
) -> None:
    import omero

    pixels = example_pixels(SMALL)
    image_id = write_array(store.create(SMALL), pixels)

    def end(uuid: str) -> None:
        session = omero.model.SessionI()
        session.uuid = omero.rtypes.rstring(uuid)
        with gateway("root", omero_server.password, user.host, user.port) as admin:
            service = admin.c.sf.getSessionService()
            while service.closeSession(session) > 0:
                pass

    source = store.open(image_id)
    np.testing.assert_array_equal(source.read(PlaneIndex(0, 0, 0)), pixels[0, 0, 0])
    end(store.session.session_id)
    np.testing.assert_array_equal(source.read(PlaneIndex(1, 1, 0)), pixels[0, 1, 1])  # by a new login
    with user.gateway() as theirs:
        joined = OmeroStore.connect(user.host, port=user.port, session_id=theirs.c.getSessionId())
        handed_in = OmeroStore.of_client(theirs)
        sources = [joined.open(image_id), handed_in.open(image_id)]
        end(theirs.c.getSessionId())
        # nothing is known here that would open another one
        with pytest.raises(LoginError, match="the session has ended; log in with user and password"):
            sources[0].read(PlaneIndex(1, 1, 0))
        with pytest.raises(ConnectionFailedError, match="connect that client again"):
            sources[1].read(PlaneIndex(1, 1, 0))
        joined.close()
        handed_in.close()


def test_an_idle_session_is_kept_alive(user: OmeroUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = IceRecord(tmp_path, monkeypatch)
    with record.listening():
        session = OmeroSession(Login(user.host, user.port, user.name, password=user.password), keep_alive=0.05)
    asked: list[str] = []
    deadline = time.monotonic() + 30
    while asked.count("keepAlive") < 3 and time.monotonic() < deadline:
        asked += record.calls()
    session.close()
    assert asked.count("keepAlive") >= 3


def test_reading_goes_on_after_the_connection_was_cut(store: OmeroStore) -> None:
    pixels = example_pixels(SMALL)
    source = store.open(write_array(store.create(SMALL), pixels))
    source.read(PlaneIndex(0, 0, 0))
    store.session.connection().client.getRouter(
        store.session.connection().client.getCommunicator()
    ).ice_getConnection().close(True)
    np.testing.assert_array_equal(source.read(PlaneIndex(1, 1, 0)), pixels[0, 1, 1])


def test_a_session_that_ends_while_saving_leaves_nothing(store: OmeroStore, user: OmeroUser) -> None:
    sink = store.create(SMALL)
    tiles = list(write_order(SMALL, sink.layout))
    pixels = np.ones(tiles[0][1].shape, "u2")
    sink.write(*tiles[0], pixels)
    end_session(user, store)
    with pytest.raises((ConnectionFailedError, WriteError)), sink:
        for tile in tiles[1:]:
            sink.write(*tile, pixels)
        sink.finish()
    assert store.unfinished() == []
    assert list(store.list_images()) == []


def test_abandoned_and_refused_images_are_gone(store: OmeroStore, user: OmeroUser) -> None:
    with store.create(SMALL) as sink:
        (waiting,) = store.unfinished()
        assert (waiting.name, waiting.being_written) == ("small", True)
        assert store.remove_unfinished() == []
        with pytest.raises(ImageNotFoundError, match="not whole"):
            store.describe(waiting.image_id)
        sink.write(PlaneIndex(0, 0, 0), Region(0, 0, 50, 40), np.ones((40, 50), "u2"))
    with user.gateway() as gateway:
        assert list(gateway.getObjects("Image")) == []


def test_a_killed_save_is_found_and_removed(store: OmeroStore, user: OmeroUser) -> None:
    code = f"""
        import os, signal
        import numpy as np
        from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
        from ij_omero.stores import OmeroStore

        store = OmeroStore.connect({user.host!r}, {user.name!r}, {user.password!r}, port={user.port})
        sink = store.create(ImageDescription("killed", PixelType.UINT8, 9, 9, 2))
        sink.write(PlaneIndex(0, 0, 0), Region(0, 0, 9, 9), np.ones((9, 9), "u1"))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=60)
    (left,) = store.unfinished()
    assert (left.name, left.being_written) == ("killed", False)
    assert list(store.list_images()) == []
    with user.gateway() as gateway:
        assert [image.getName() for image in gateway.getObjects("Image")] == ["[unfinished] killed"]
    assert store.remove_unfinished() == [left.image_id]
    assert store.unfinished() == []


@pytest.mark.parametrize("moment", ["before the save", "in the server's save", "when the pixels change over"])
def test_a_killed_save_of_further_pixels_leaves_the_image_as_it_was(
    store: OmeroStore, user: OmeroUser, moment: str
) -> None:
    pixels = example_pixels(SMALL)
    image_id = int(write_array(store.create(SMALL), pixels))
    code = f"""
        import os, signal
        import numpy as np
        from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region
        from ij_omero.stores import OmeroStore
        from ij_omero.stores._omero import _moving

        def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)

        store = OmeroStore.connect({user.host!r}, {user.name!r}, {user.password!r}, port={user.port})
        sink = store.create(ImageDescription("killed", PixelType.UINT8, 9, 9, 2), pixels_of={image_id})
        sink.write(PlaneIndex(0, 0, 0), Region(0, 0, 9, 9), np.ones((9, 9), "u1"))
        if {moment!r} == "before the save":
            die()
        sink.write(PlaneIndex(1, 0, 0), Region(0, 0, 9, 9), np.ones((9, 9), "u1"))
        if {moment!r} == "in the server's save":
            sink.watch(die)
        else:
            _moving.delete_objects = die
        sink.finish()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=120)
    changed_over = moment == "when the pixels change over"
    assert len(store.pixels_ids(image_id)) == 1 + changed_over, "half-made pixels, or whole ones that are gone"
    np.testing.assert_array_equal(read_array(store.open(image_id)), pixels)
    (left,) = store.unfinished()
    assert (left.name, left.being_written) == ("killed", False)
    assert [image.image_id for image in store.list_images()] == [image_id]
    # The next save, by anybody who logs in as this user on this machine, takes it away.
    with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as other:
        write_array(other.create(SMALL), pixels)
    assert store.unfinished() == []
    if changed_over:
        *_, new = store.pixels_ids(image_id)
        assert read_array(store.open(image_id, pixels_id=new)).min() == 1


def test_nothing_stays_open_on_the_server(store: OmeroStore) -> None:
    connection = store.session.connection()
    pixels = example_pixels(SMALL)
    before = set(connection.factory.activeServices())
    image_id = write_array(store.create(SMALL), pixels)
    for _ in range(3):
        source = store.open(image_id)
        read_array(source)
        with pytest.raises(InvalidInputError):
            source.read(PlaneIndex(9, 0, 0))
        source.close()
    store.create(SMALL).abandon()
    assert {name for name in connection.factory.activeServices() if "RawPixelsStore" in name} == set()
    assert {name for name in set(connection.factory.activeServices()) - before if "Raw" in name} == set()
