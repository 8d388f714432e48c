"""The demo from end to end, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

import ij_omero

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.localserver import LocalServer


def demo(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ij_omero", "demo", *map(str, arguments)]
    own = {"HOME": str(home), "IJ_OMERO_EDITS": str(home / "edits")}
    return subprocess.run(
        command, capture_output=True, text=True, env={**own_environment(), **own}, timeout=300, check=False
    )


def own_environment() -> dict[str, str]:
    """Give this process's environment with the cache named, since HOME changes."""
    from ij_omero.provision import cache_dir

    return {**os.environ, "IJ_OMERO_CACHE": str(cache_dir())}


def facts_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.mark.jvm
def test_the_main_job_without_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    facts = facts_of(demo("--json", home=tmp_path))
    assert facts["particles"] > 20
    with Pillow.open(facts["figure"]) as figure:
        assert figure.width > 1.5 * figure.height
    with ij_omero.open_image(facts["original"]) as before, ij_omero.open_image(facts["result"]) as after:
        assert after.shape == before.shape == (1, 3, 1, 512, 512)
        assert [channel.name for channel in after.description.channels] == ["Red", "Green", "Blue"]
        assert after.description.physical_size_x == ij_omero.Quantity(0.46, "µm")
        assert after.to_numpy().std() < before.to_numpy().std(), "it is blurred"
        (summary,) = after.tables()
        table = after.store.read_table(summary.table_id)
        assert len(table) == len(after.rois()) == facts["particles"]
        # The bounding box of each particle's outline holds the centroid that ImageJ measured, in µm.
        for roi, x, y in zip(after.rois(), table["X"], table["Y"], strict=True):
            points = np.array(roi.shapes[0].points)  # type: ignore[union-attr]
            assert (points.min(0) <= (x / 0.46, y / 0.46)).all()
            assert (points.max(0) >= (x / 0.46, y / 0.46)).all()


@pytest.mark.jvm
def test_a_file_of_the_users_own_in_words(tmp_path: Path) -> None:
    y, x = np.mgrid[:80, :120]
    spots = sum(np.exp(-((x - 20 - 25 * i) ** 2 + (y - 40) ** 2) / 30.0) for i in range(4))
    path = tmp_path / "spots.png"
    Pillow.fromarray((20 + 200 * spots).astype(np.uint8)).save(path)
    done = demo(path, "--to", tmp_path / "results", "--pixel-size", "0.5", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 particles" in done.stdout
    assert "0 of 1 cells loaded" in done.stdout
    assert "it is the same" in done.stdout
    assert (tmp_path / "results" / "spots-1-before-after.png").is_file()


def test_a_file_that_is_no_picture_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    done = demo(tmp_path / "notes.txt", "--to", tmp_path / "results", home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "notes.txt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.jvm
def test_the_main_job_on_a_real_server_and_as_a_script(omero_server: LocalServer, tmp_path: Path) -> None:
    facts = facts_of(demo("--server", "--home", omero_server.home, "--to", tmp_path, "--json", home=tmp_path))
    assert facts["original"].startswith(f"omero://root@127.0.0.1:{omero_server.port}/image/")
    assert facts["particles"] > 20
    assert "/ihc-omero-" in facts["figure"]
    login = {"user": "root", "password": omero_server.password}
    by_script = ij_omero.open_image(facts["script_result"], **login)
    assert by_script.shape == (1, 3, 1, 512, 512)
    assert by_script.name.startswith("ihc.png")
    assert omero_server.status().state == "up"
