"""The store of a DVID server passes the suite that every store must pass, against the server of this package."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import pytest

from ij_omero.model import PixelType
from ij_omero.pixels.conformance import ImageStoreConformance
from ij_omero.services import Background
from ij_omero.services.dvid import make_app
from ij_omero.stores import DvidStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.pixels import ImageStore


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Background(functools.partial(make_app, tmp_path_factory.mktemp("dvid"))) as address:
        yield address.replace("http://", "dvid://")


class TestDvidStore(ImageStoreConformance):
    keeps: ClassVar[frozenset[str]] = ImageStoreConformance.keeps | {"acquired", "time_increment", "source"}
    pixel_types: ClassVar[frozenset[PixelType]] = frozenset(
        {PixelType.UINT8, PixelType.UINT16, PixelType.UINT32, PixelType.FLOAT}
    )

    @pytest.fixture
    def store(self, server: str) -> Iterator[ImageStore]:
        store = DvidStore(server)
        yield store
        store.close()
