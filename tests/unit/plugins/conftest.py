"""An image with resolution levels in a folder, made of what a microscope would tell."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from ij_omero.model import Channel, ImageDescription, PixelType, Quantity
from ij_omero.pixels import write_array
from ij_omero.stores import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


class Stored(NamedTuple):
    """Where the image is, and its pixels (T, C, Z, Y, X)."""

    path: Path
    pixels: npt.NDArray[np.uint16]


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    random = np.random.default_rng(3)
    pixels = random.integers(0, 60000, (2, 2, 3, 700, 1100), np.uint16)
    description = ImageDescription(
        "cells",
        PixelType.UINT16,
        1100,
        700,
        3,
        2,
        2,
        physical_size_x=Quantity(250.0, "nm"),
        physical_size_y=Quantity(0.3, "µm"),
        physical_size_z=Quantity(1.5, "µm"),
        time_increment=Quantity(2.0, "min"),
        channels=(
            Channel("DAPI", (0, 0, 255, 255), window=(100.0, 4000.0)),
            Channel(None, (255, 128, 0, 255), active=False),
        ),
    )
    folder = tmp_path_factory.mktemp("images")
    with contextlib.closing(LocalStore(folder)) as store, store.create(description) as sink:
        write_array(sink, pixels)
    return Stored(folder / "1.ome.zarr", pixels)
