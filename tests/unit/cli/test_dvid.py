"""DVID's commands in a folder and on a server."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ij_omero.cli import main
from ij_omero.services import Background
from ij_omero.services.dvid import make_app
from ij_omero.stores import DvidClient

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pictures(tmp_path: Path) -> np.ndarray:
    """Pictures in the folder; the array (Z, Y, X) that they are."""
    planes = np.random.default_rng(1).integers(0, 256, (20, 30, 25), np.uint8)
    for number, plane in enumerate(planes):
        Image.fromarray(plane).save(tmp_path / f"plane-{number:02d}.png")
    return planes


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["dvid", *words]) == code
    printed = capsys.readouterr()
    return (printed.err if code else printed.out).strip()


def test_pictures_become_voxels_and_regions(
    tmp_path: Path, pictures: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    with Background(functools.partial(make_app, tmp_path / "store")) as address:
        at = ("--at", address)
        root = said(capsys, "repos", "new", "flies", "some", *at)
        assert "flies" in said(capsys, "repos", *at)
        assert list(json.loads(said(capsys, "repos", "--json", *at))) == [root]
        said(capsys, "repo", root, "new", "uint8blk", "grey", "BlockSize=16,16,16", "Res=3.2,3.2,40.0", *at)
        said(capsys, "node", root, "grey", "load", "-5,3,10", f"{tmp_path}/plane-*.png", *at)
        first = str(tmp_path / "plane-00.png")
        said(capsys, "node", root, "grey", "put", "local", "xz", "100,100,100", first, *at)
        said(capsys, "node", root, "grey", "put", "remote", "yz", "200,100,100", first, *at)
        with DvidClient(address.replace("http://", "dvid://")) as client:
            found = np.frombuffer(client.read(root, "grey", (-5, 3, 10), (25, 30, 20)), np.uint8)
            np.testing.assert_array_equal(found.reshape(20, 30, 25), pictures)
            found = np.frombuffer(client.read(root, "grey", (100, 100, 100), (25, 1, 30)), np.uint8)
            np.testing.assert_array_equal(found.reshape(30, 25), pictures[0])
            found = np.frombuffer(client.read(root, "grey", (200, 100, 100), (1, 25, 30)), np.uint8)
            np.testing.assert_array_equal(found.reshape(30, 25), pictures[0])
            assert client.info(root, "grey")["Extended"]["VoxelSize"] == [3.2, 3.2, 40]
            # what was stored first stays where the later pictures' blocks do not lie
            said(capsys, "node", root, "grey", "put", "local", "xy", "0,3,10", first, *at)
            found = np.frombuffer(client.read(root, "grey", (-5, 3, 10), (5, 30, 20)), np.uint8)
            np.testing.assert_array_equal(found.reshape(20, 30, 5), pictures[:, :, :5])
        assert said(capsys, "node", root, "commit", "done", *at) == root
        child = said(capsys, "node", root, "newversion", *at)
        branch = said(capsys, "node", root, "branch", "mine", *at)
        assert len({root, child, branch}) == 3
        assert "locked node" in said(capsys, "node", root, "grey", "load", "0,0,0", first, *at, code=1)


def test_the_foreground_becomes_a_region(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Background(functools.partial(make_app, tmp_path / "store")) as address:
        with DvidClient(address.replace("http://", "dvid://")) as client:
            root = client.new_repo("x")
            client.new_instance(root, "grey", "uint8blk")
            # 128^3 background with a foreground of two blocks in each of y and z, and two along x
            voxels = np.zeros((128, 128, 128), np.uint8)
            voxels[32:96, 40:90, 33:90] = 200
            voxels[0, 0, 0] = 255
            client.write(root, "grey", (160, 64, 128), (128, 128, 128), voxels.tobytes())
            said(capsys, "node", root, "grey", "roi", "body", "0,255", "--at", address)
            assert client.roi(root, "body") == [[5, 3, 6, 7], [5, 4, 6, 7], [6, 3, 6, 7], [6, 4, 6, 7]]


def test_a_folder_does_as_well_as_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--at", str(tmp_path / "store"))
    root = said(capsys, "repos", "new", "flies", *at)
    said(capsys, "repo", root[:6], "new", "uint8blk", "grey", *at)
    assert "grey" in said(capsys, "repos", *at)
    said(capsys, "repo", root, "delete", "grey", *at)
    assert "grey" not in said(capsys, "repos", *at)


@pytest.mark.parametrize(
    "words",
    [
        ("repos", "old"),
        ("repo", "abc", "new"),
        ("repo", "abc", "new", "uint8blk", "x", "BlockSize"),
        ("node", "abc", "nothing"),
    ],
)
def test_wrong_words_are_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    said(capsys, *words, "--at", str(tmp_path / "store"), code=2)
