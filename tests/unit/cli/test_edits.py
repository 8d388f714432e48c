"""edits list, recover, discard."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Outcome

CRASH = """
import os, sys, ij_omero
image = ij_omero.open_image(sys.argv[1])
image[0, 0, 0, :3, :3] = 77
image.flush()
os._exit(9)
"""


@pytest.fixture
def crashed(store: Path) -> Path:
    """Leave edits behind in a process that dies."""
    address = store / "1.ome.zarr"
    assert subprocess.run([sys.executable, "-c", CRASH, str(address)], check=False).returncode == 9
    return address


def test_edits_of_a_crashed_process_are_listed_and_saved(
    ij_omero: Callable[..., Outcome], crashed: Path, store: Path
) -> None:
    (edits,) = json.loads(ij_omero("edits", "list", "--json").out)
    assert edits["address"] == str(crashed)
    assert edits["in_use"] is False
    assert edits["id"] in ij_omero("edits", "list").out
    done = ij_omero("edits", "recover", edits["id"], "--name", "rescued", "--json")
    assert done.code == 0, done.err
    new = json.loads(done.out)
    assert new["name"] == "rescued"
    from ij_omero import open_image

    with open_image(new["address"]) as image:
        assert (image[0, 0, 0, :3, :3] == 77).all()
        assert image[0, 1, 0, 5, 4] == 200
    assert ij_omero("edits", "list").out == "no unsaved edits\n"


def test_edits_are_discarded(ij_omero: Callable[..., Outcome], crashed: Path) -> None:
    assert ij_omero("edits", "discard").code == 2
    assert ij_omero("edits", "discard", "--all").code == 0
    assert json.loads(ij_omero("edits", "list", "--json").out) == []
    assert ij_omero("edits", "discard", "20200101-000000-00000000").code == 1


def test_unknown_edits_are_said(ij_omero: Callable[..., Outcome]) -> None:
    done = ij_omero("edits", "recover", "nonsense")
    assert done.code == 1
    assert "edits list" in done.err
