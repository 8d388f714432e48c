"""The stores that need no server pass the suites that every store must pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from ij_omero.pixels import ImageStore, PixelSource, write_array
from ij_omero.pixels.conformance import ImageStoreConformance, PixelSourceConformance, example_pixels
from ij_omero.pixels.wrappers import LatencySource, LoggingSource
from ij_omero.stores import LocalStore, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from ij_omero.model import ImageId

EVERYTHING = ImageStoreConformance.keeps | {"acquired", "time_increment", "source"}


class TestMemoryStore(ImageStoreConformance):
    keeps: ClassVar[frozenset[str]] = EVERYTHING
    dataset: ClassVar[ImageId | None] = "cells"

    @pytest.fixture
    def store(self) -> Iterator[ImageStore]:
        store = MemoryStore(tile_size=64)
        yield store
        store.close()


class TestLocalStore(ImageStoreConformance):
    keeps: ClassVar[frozenset[str]] = EVERYTHING
    dataset: ClassVar[ImageId | None] = "cells"

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ImageStore]:
        store = LocalStore(tmp_path / "images", tile_size=64)
        yield store
        store.close()


class TestLocalStoreWithItsOwnTiles(TestLocalStore):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ImageStore]:
        store = LocalStore(tmp_path / "images")
        yield store
        store.close()


class TestWrappedSources(PixelSourceConformance):
    @pytest.fixture
    def pixels(self) -> npt.NDArray[Any]:
        return example_pixels(ImageStoreConformance.description)

    @pytest.fixture
    def source(self, pixels: npt.NDArray[np.generic]) -> Iterator[PixelSource]:
        store = MemoryStore(tile_size=100)
        image_id = write_array(store.create(ImageStoreConformance.description), pixels)
        yield LoggingSource(LatencySource(store.open(image_id), 0.0001, 0.0001))
        store.close()
