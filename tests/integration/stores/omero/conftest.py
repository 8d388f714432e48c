"""A user of their own for each test, and the store that they log in to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.stores import OmeroStore
    from tests._omero import MakeUser, OmeroUser


@pytest.fixture
def user(omero_user: MakeUser) -> OmeroUser:
    return omero_user()


@pytest.fixture
def store(user: OmeroUser) -> Iterator[OmeroStore]:
    from ij_omero.stores import OmeroStore

    with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as connected:
        yield connected
