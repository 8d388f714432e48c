"""A store in memory with one image, and a private folder of edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero.images import Connection, Image
from ij_omero.model import Channel, Quantity
from ij_omero.stores import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHAPE = (2, 3, 2, 600, 700)


@pytest.fixture(autouse=True)
def edits_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "edits"
    monkeypatch.setenv("IJ_OMERO_EDITS", str(folder))
    return folder


@pytest.fixture
def connection() -> Iterator[Connection]:
    with Connection(MemoryStore(tile_size=256)) as connection:
        yield connection


def ramp() -> np.ndarray:
    """Give pixels that all differ from their neighbours, (T, C, Z, Y, X) uint16."""
    t, c, z, y, x = np.indices(SHAPE, dtype=np.uint16, sparse=True)
    return (x + 3 * y + 7 * z + 11 * c + 13 * t).astype(np.uint16)


@pytest.fixture
def image(connection: Connection) -> Image:
    channels = (Channel("DAPI", (0, 0, 255, 255)), Channel("GFP", window=(10, 900)), Channel(None))
    pixel = Quantity(0.25, "µm")
    saved = connection.save_image(
        ramp(),
        name="ramp",
        channels=channels,
        physical_size_x=pixel,
        physical_size_y=pixel,
        physical_size_z=Quantity(2, "µm"),
    )
    saved.close()
    return connection.open_image(saved.image_id)
