"""One real OMERO.server per test run, with fresh users and groups for each test."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from ij_omero.localserver import LocalServer

if TYPE_CHECKING:
    from collections.abc import Iterator

# a developer's own server, which is neither started nor wiped here, makes the first test start at once
HOME_VARIABLE = "IJ_OMERO_TEST_SERVER_HOME"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class OmeroGroup:
    """A group made for one test."""

    id: int
    name: str


@dataclass(frozen=True)
class OmeroUser:
    """A user made for one test, with what is needed to log in."""

    id: int
    name: str
    password: str
    group: OmeroGroup
    host: str
    port: int

    @contextlib.contextmanager
    def gateway(self) -> Iterator[Any]:
        """Log in with plain omero-py; log out at the end."""
        with gateway(self.name, self.password, self.host, self.port) as connected:
            yield connected


class MakeGroup(Protocol):
    """What the fixture `omero_group` gives."""

    def __call__(self, permissions: str = "rw----") -> OmeroGroup:
        """Make a group: ``rw----`` private, ``rwr---`` read-only, ``rwra--`` read-annotate, ``rwrw--`` read-write."""


class MakeUser(Protocol):
    """What the fixture `omero_user` gives."""

    def __call__(self, group: OmeroGroup | None = None, *, owner: bool = False) -> OmeroUser:
        """Make a user, in a private group of their own unless one is given."""


@contextlib.contextmanager
def gateway(name: str, password: str, host: str, port: int) -> Iterator[Any]:
    """Log in with plain omero-py; log out at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of omero-py's own modules, on import
        from omero.gateway import BlitzGateway

        connected = BlitzGateway(name, password, host=host, port=port, secure=True)
        if not connected.connect():
            raise AssertionError(f"{name} cannot log in at {host}:{port}: {connected.getLastError()}")
    try:
        yield connected
    finally:
        connected.close()


@pytest.fixture(scope="session")
def omero_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A running server with an empty home of its own; wiped when the run ends."""
    if home := os.environ.get(HOME_VARIABLE):
        yield LocalServer(home)
        return
    server = LocalServer(tmp_path_factory.mktemp("omero-server"), port=0)
    try:
        server.up()
        yield server
    finally:
        server.wipe()


@pytest.fixture(scope="session")
def omero_web(omero_server: LocalServer) -> str:
    """The address of an OMERO.web beside the server; it ends with it."""
    status = LocalServer(omero_server.home, port=0, web=True, web_port=0).up()
    assert status.web_address is not None
    return status.web_address


@pytest.fixture(scope="session")
def _omero_root(omero_server: LocalServer) -> Iterator[Any]:
    with gateway("root", omero_server.password, omero_server.host, omero_server.port) as connected:
        connected.c.enableKeepAlive(60)
        yield connected


@pytest.fixture(scope="session")
def omero_group(_omero_root: Any) -> MakeGroup:
    """A function that makes groups."""

    def make(permissions: str = "rw----") -> OmeroGroup:
        from omero.model import ExperimenterGroupI, PermissionsI
        from omero.rtypes import rbool, rstring

        group = ExperimenterGroupI()
        group.name, group.ldap = rstring(f"group-{os.getpid()}-{time.time_ns()}-{next(_numbers)}"), rbool(False)
        group.details.permissions = PermissionsI(permissions)
        return OmeroGroup(int(_omero_root.getAdminService().createGroup(group)), group.name.val)

    return make


@pytest.fixture(scope="session")
def omero_user(omero_server: LocalServer, _omero_root: Any, omero_group: MakeGroup) -> MakeUser:
    """A function that makes users."""

    def make(group: OmeroGroup | None = None, *, owner: bool = False) -> OmeroUser:
        from omero.model import ExperimenterGroupI, ExperimenterI
        from omero.rtypes import rbool, rstring

        group = group or omero_group()
        admin = _omero_root.getAdminService()
        person, password = ExperimenterI(), "secret"
        person.omeName = rstring(f"user-{os.getpid()}-{time.time_ns()}-{next(_numbers)}")
        person.firstName, person.lastName, person.ldap = rstring("Test"), rstring("User"), rbool(False)
        own, everyone = ExperimenterGroupI(group.id, False), ExperimenterGroupI(admin.lookupGroup("user").id.val, False)
        created = int(admin.createExperimenterWithPassword(person, rstring(password), own, [everyone]))
        if owner:
            admin.setGroupOwner(own, ExperimenterI(created, False))
        return OmeroUser(created, person.omeName.val, password, group, omero_server.host, omero_server.port)

    return make
