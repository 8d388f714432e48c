"""The client of OMEIS against the server of it, by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels.conformance import ImageStoreConformance
from ij_omero.services import Background
from ij_omero.services.omeis import Repository, omeis_app
from ij_omero.stores import LocalStore, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ij_omero.pixels import ImageStore


class TestOmeisStore(ImageStoreConformance):
    pixel_types: ClassVar[frozenset[PixelType]] = frozenset(
        {
            PixelType.UINT8,
            PixelType.INT8,
            PixelType.UINT16,
            PixelType.INT16,
            PixelType.UINT32,
            PixelType.INT32,
            PixelType.FLOAT,
        }
    )
    keeps: ClassVar[frozenset[str]] = frozenset(
        {"description", "physical_size", "channels", "key_values", "tags", "acquired", "time_increment", "source"}
    )
    description: ClassVar[ImageDescription] = ImageStoreConformance.description

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ImageStore]:
        behind = LocalStore(tmp_path / "images")
        with Background(lambda: omeis_app(behind, Repository(tmp_path / "omeis"))) as address:
            store: Any = open_store(address.replace("http:", "omeis:"))
            yield store
            store.close()
        behind.close()
