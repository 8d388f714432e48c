"""The examples of docs/dvid.md run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ij_omero.images import Connection
from ij_omero.services import Background
from ij_omero.services.everything import make_app
from ij_omero.stores import MemoryStore

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[4]


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs" / "dvid.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_the_examples_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sections").mkdir()
    for number in range(6):
        picture = np.random.default_rng(number).integers(0, 255, (50, 70), np.uint8)
        Image.fromarray(picture).save(tmp_path / "sections" / f"{number}.png")
    serving, of_images, commands, requests = blocks("sh")
    assert serving.startswith("ij-omero dvid serve")
    store = MemoryStore()
    cells = Connection(store).save_image(np.zeros((1, 2, 5, 512, 512), np.uint8), name="cells").image_id
    assert "/42f/" in of_images
    of_images = of_images.replace("/42f/", f"/{cells}f/")
    with Background(lambda: make_app(store, tmp_path / "omeis", tmp_path / "dvid")) as server:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "IJ_OMERO_DVID": server,
            "SERVER": server,
        }
        script = "set -eu\n" + of_images + "mv plane.jpg image.jpg\n" + commands + requests
        script = script.replace("curl ", "curl -sf ")
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "flies" in done.stdout
        assert size_of(tmp_path / "image.jpg") == (512, 512)
        assert size_of(tmp_path / "plane.jpg") == (64, 48)
        assert (tmp_path / "cube.raw").stat().st_size == 64**3
        assert size_of(tmp_path / "oblique.png")[1] > 10
        for code in blocks("python"):
            exec(code.replace("dvid://localhost:8000", server.replace("http://", "dvid://")), {})  # noqa: S102
    printed = capsys.readouterr().out
    assert "'MinPoint': [0, 0, 0]" in printed
    assert "/grey (96, 512, 64, 1, 1)" in printed
