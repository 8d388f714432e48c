"""The command in this process, and a local store with one picture."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from PIL import Image as Pillow

from ij_omero.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    for name in ("OMERO_HOST", "OMERO_USER", "OMERO_PASSWORD", "OMERO_SESSION", "ICE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ij_omero() -> Callable[..., Outcome]:
    """Run ``ij-omero ARGUMENTS`` in this process."""

    def run(*arguments: object, typed: str = "") -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        stdin, sys.stdin = sys.stdin, io.StringIO(typed)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = main([str(argument) for argument in arguments])
        finally:
            sys.stdin = stdin
        return Outcome(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "stripes.png"
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, ::2, 1] = 200
    Pillow.fromarray(pixels).save(path)
    return path


@pytest.fixture
def store(ij_omero: Callable[..., Outcome], picture: Path, tmp_path: Path) -> Path:
    """Give a local store with the picture as image 1."""
    folder = tmp_path / "images"
    assert ij_omero("import", picture, "--to", folder).code == 0
    return folder
