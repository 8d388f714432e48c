"""A disk that is really full: one line each, exit code 1, nothing half-made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero
from tests._small_disk import on_a_small_disk

if TYPE_CHECKING:
    from pathlib import Path

IJ_OMERO = [sys.executable, "-m", "ij_omero"]
EDITING = """
import sys, time
import ij_omero
from ij_omero.errors import DiskFullError

image = ij_omero.open_image(sys.argv[1])
image[:] = 7
try:
    image.flush()
except DiskFullError as error:
    print(error)
new = ij_omero.save_image(image, to=sys.argv[2], name="edited")
print(int((new.to_numpy() == 7).all()))
image.discard_edits()
"""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Give a picture of 8 MB that does not compress, also as image 1 of a store with room."""
    path = tmp_path / "large.npy"
    pixels = np.random.default_rng(0).integers(0, 60000, (2000, 2000), dtype=np.uint16)
    np.save(path, pixels)
    ij_omero.save_image(pixels, to=tmp_path / "room", name="large")
    return path


def one_line(error: str) -> bool:
    """Whether it is one error that says what to do."""
    return error.startswith("error: ") and error.count("\n") == 1 and "No space left" in error and "free some" in error


def test_an_import_leaves_no_image(large: Path, disk: Path) -> None:
    imported, listed = on_a_small_disk(
        disk,
        3000,
        [*IJ_OMERO, "import", large, "--to", disk / "images"],
        [*IJ_OMERO, "list", disk / "images", "--json"],
    )
    assert imported[0] == 1
    assert one_line(imported[2]), imported[2]
    assert listed[:2] == (0, "[]\n"), listed[2]


@pytest.mark.parametrize("kind", ["ome.tif", "ome.zarr", "npy", "png"])
def test_an_export_leaves_no_file(large: Path, disk: Path, kind: str) -> None:
    exported, left = on_a_small_disk(
        disk,
        3000,
        [*IJ_OMERO, "export", large.parent / "room" / "1.ome.zarr", disk / f"copy.{kind}"],
        ["ls", "-A", disk],
    )
    assert exported[0] == 1
    assert one_line(exported[2]), exported[2]
    assert left == (0, "", "")


def test_edits_stay_in_memory_and_can_be_saved_elsewhere(large: Path, disk: Path) -> None:
    room = large.parent / "room"
    (done,) = on_a_small_disk(
        disk, 1000, [sys.executable, "-c", EDITING, room / "1.ome.zarr", room], IJ_OMERO_EDITS=str(disk / "edits")
    )
    assert done[0] == 0, done[2]
    said, whole = done[1].splitlines()
    assert "no space is left for edited pixels" in said
    assert "IJ_OMERO_EDITS" in said
    assert whole == "1"


def test_the_cache_says_which_variable_moves_it(disk: Path) -> None:
    (done,) = on_a_small_disk(disk, 1000, [*IJ_OMERO, "modules"], IJ_OMERO_CACHE=str(disk / "cache"))
    assert done[0] == 1
    assert one_line(done[2]), done[2]
    assert "IJ_OMERO_CACHE" in done[2]


@pytest.mark.omero
def test_a_servers_home_can_be_wiped_afterwards(disk: Path) -> None:
    home = disk / "home"
    up, wiped, left = on_a_small_disk(
        disk,
        40,
        [*IJ_OMERO, "server", "up", "--home", home, "--port", "0"],
        [*IJ_OMERO, "server", "wipe", "--yes", "--home", home],
        ["ls", "-A", disk],
    )
    assert up[0] == 1
    assert "No space left" in up[2].splitlines()[-1], up[2]
    assert wiped[0] == 0, wiped[2]
    assert left == (0, "", "")
