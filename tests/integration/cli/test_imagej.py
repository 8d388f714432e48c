"""run and modules with the real ImageJ; each command is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero
from ij_omero.model import Channel, Quantity

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.jvm


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the address of an image of two spots, 0.5 µm per pixel, in a local store."""
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    pixels = np.zeros((60, 80), np.uint8)
    pixels[10:20, 10:25] = 200
    pixels[35:50, 40:60] = 120
    size = Quantity(0.5, "µm")
    with ij_omero.open_store(tmp_path / "images") as store:
        image = store.save_image(
            pixels, name="spots", physical_size_x=size, physical_size_y=size, channels=(Channel("GFP"),)
        )
        return str(image.address)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ij_omero", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), timeout=120, check=False)


def test_a_new_image_keeps_calibration_and_channel_names(address: str) -> None:
    done = run("run", "Gaussian Blur...", address, "--set", "sigma=2", "--json")
    assert done.returncode == 0, done.stderr
    (new,) = json.loads(done.stdout)["saved_images"]
    assert new["name"] == "spots - Gaussian Blur"
    with ij_omero.open_image(new["address"]) as blurred, ij_omero.open_image(address) as original:
        assert blurred[0, 0, 0, 15, 9] > 0 == original[0, 0, 0, 15, 9]
        assert original[0, 0, 0, 15, 15] == 200, "the original stays as it is"
        assert blurred.description.physical_size_x == Quantity(0.5, "µm")
        assert blurred.description.channels[0].name == "GFP"


def test_measurements_are_attached_to_the_image_itself(address: str, tmp_path: Path) -> None:
    done = run("run", "Measure", address)
    assert done.returncode == 0, done.stderr
    assert f"attached to {address}" in done.stdout
    facts = json.loads(run("info", address, "--json").stdout)
    assert facts["tables"][0]["rows"] == 1
    assert "Mean" in facts["tables"][0]["columns"]
    assert len(json.loads(run("list", tmp_path / "images", "--json").stdout)) == 1


def test_results_may_be_kept_nowhere_or_elsewhere(address: str, tmp_path: Path) -> None:
    assert run("run", "Invert", address, "--to", "none").returncode == 0
    assert len(json.loads(run("list", tmp_path / "images", "--json").stdout)) == 1
    assert run("run", "Invert", address, "--to", tmp_path / "other", "--name", "inverted").returncode == 0
    (image,) = json.loads(run("list", tmp_path / "other", "--json").stdout)
    assert image["name"] == "inverted"
    with ij_omero.open_image(image["address"]) as inverted:
        assert inverted[0, 0, 0, 15, 15] == 55


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["Gaussian Bluer..."], 1, "did you mean 'Gaussian Blur...'"),
        (["Gaussian Blur...", "--set", "sgma=3"], 1, "did you mean 'sigma'"),
        (["Gaussian Blur...", "--set", "sigma=blue"], 1, "expected a number"),
        (["Gaussian Blur...", "--set", "sigma"], 2, "NAME=VALUE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_run_is_one_line(address: str, arguments: list[str], code: int, words: str) -> None:
    done = run("run", arguments[0], address, *arguments[1:])
    assert done.returncode == code
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_macro_of_the_users_own_measures_and_finds_particles(address: str, tmp_path: Path) -> None:
    macro = tmp_path / "count.ijm"
    macro.write_text(
        "#@ Integer smallest\n"
        'setAutoThreshold("Otsu dark");\n'
        'run("Analyze Particles...", "size=" + smallest + "-Infinity pixel show=Nothing display add");\n'
    )
    done = run("run", macro, address, "--set", "smallest=200")
    assert done.returncode == 0, done.stderr
    facts = json.loads(run("info", address, "--json").stdout)
    assert facts["tables"][0]["rows"] == facts["roi_count"] == 1
    assert "smallest" in run("run", macro, address, "--set", "smallest=few").stderr
    missing = run("run", tmp_path / "none.ijm", address)
    assert (missing.returncode, "none.ijm" in missing.stderr) == (1, True)


def test_modules_are_found_and_described() -> None:
    found = json.loads(run("modules", "--search", "gaussian", "--json").stdout)
    assert "Gaussian Blur..." in [module["title"] for module in found]
    module = json.loads(run("modules", "--describe", "Gaussian Blur...", "--json").stdout)
    assert "sigma" in [parameter["name"] for parameter in module["inputs"]]
    assert module["menu"] == "Process>Filters>Gaussian Blur..."
    listing = run("modules", "--search", "gaussian").stdout.splitlines()
    assert listing[0].split() == ["TITLE", "MENU", "KIND"]
