"""Saving with tiles read back, in stores that are no OMERO.server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero.errors import CorruptedDataError
from ij_omero.images import Connection
from ij_omero.stores import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.model import PlaneIndex, Region


@pytest.fixture(params=["local", "memory"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Connection:
    return ij_omero.open_store(tmp_path / "images" if request.param == "local" else "memory://verified")


@pytest.mark.parametrize("dtype", ["uint16", "float32", "bool"])
def test_tiles_are_read_back(anywhere: Connection, dtype: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (2, 3, 300, 200)).astype(dtype)
    told: list[str] = []
    with anywhere:
        image = anywhere.save_image(
            pixels, name="checked", verify=True, progress=lambda done, total, what="": told.append(what)
        )
        np.testing.assert_array_equal(image.to_numpy()[0], pixels)
        anywhere.delete(image)
    assert told.count("reading back") == told.count("writing pixels") > 0


class ForgetfulSource:
    """Gives one pixel back that is not the one that was written."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.description, self.levels, self.hints = source.description, source.levels, source.hints

    def read(self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: Any = None) -> Any:
        pixels = self._source.read(plane, region, level=level, out=out)
        if plane.z == 1:
            pixels[-1, -1] += 1
        return pixels

    def close(self) -> None:
        self._source.close()


class ForgetfulStore(MemoryStore):
    def open(self, image_id: Any) -> Any:
        return ForgetfulSource(super().open(image_id))


def test_an_image_that_comes_back_otherwise_is_taken_back() -> None:
    with Connection(ForgetfulStore(tile_size=256)) as connection:
        with pytest.raises(CorruptedDataError, match=r"plane \(1, 0, 0\).*nothing of the image was kept"):
            connection.save_image(np.zeros((2, 40, 30), np.uint8), name="wrong", verify=True)
        assert list(connection.list_images()) == []


def test_canceling_while_tiles_are_read_back_leaves_nothing(tmp_path: Path) -> None:
    def cancel(done: int, total: int, what: str = "") -> None:
        if what == "reading back":
            raise KeyboardInterrupt

    with ij_omero.open_store(tmp_path) as local:
        with pytest.raises(KeyboardInterrupt):
            local.save_image(np.zeros((2, 40, 30), np.uint8), name="canceled", verify=True, progress=cancel)
        assert list(local.list_images()) == []
