"""napari's plugin, found and called by npe2 as napari calls it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero.plugins
from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import write_array
from ij_omero.plugins.napari_reader import napari_get_reader, read_layers
from ij_omero.stores import LocalStore

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # npe2's own models, on import
    import npe2

if TYPE_CHECKING:
    from .conftest import Stored


def test_the_manifest_is_valid_and_found_by_its_entry_point() -> None:
    manifest = npe2.PluginManifest.from_file(Path(ij_omero.plugins.__file__).with_name("napari.yaml"))
    manifest.validate_imports()
    found = [result.manifest for result in npe2.PluginManifest.discover() if result.manifest is not None]
    assert manifest.name in [each.name for each in found]


def test_napari_gets_a_layer_per_channel_at_every_level(stored: Stored) -> None:
    manager = npe2.PluginManager.instance()
    manager.discover()
    (layer,) = npe2.read([str(stored.path)], stack=False, plugin_name="ij-omero")
    levels, options, kind = layer
    assert kind == "image"
    assert [level.shape for level in levels] == [(2, 2, 3, 700, 1100), (2, 2, 3, 350, 550), (2, 2, 3, 175, 275)]
    np.testing.assert_array_equal(levels[0][1, 0, 2, 100:200, 50:60].compute(), stored.pixels[1, 0, 2, 100:200, 50:60])
    assert options["name"] == ["cells - DAPI", "cells - Channel 1"]
    assert options["contrast_limits"][0] == (100.0, 4000.0)
    assert options["visible"] == [True, False]
    assert options["scale"] == pytest.approx((120.0, 1.5, 0.3, 0.25))
    assert options["colormap"] == ["#0000ff", "#ff8000"]
    assert options["channel_axis"] == 1
    assert options["multiscale"]


def test_napari_finds_the_limits_of_an_image_that_has_none(tmp_path: Path) -> None:
    with contextlib.closing(LocalStore(tmp_path)) as store:
        write_array(store.create(ImageDescription("dim", PixelType.UINT16, 4, 3)), np.ones((1, 1, 1, 3, 4), np.uint16))
    ((_, options, _),) = read_layers(tmp_path / "1.ome.zarr")
    assert "contrast_limits" not in options


def test_addresses_are_taken_and_other_files_left_to_others(stored: Stored) -> None:
    assert napari_get_reader("omero://omero.example.org/image/42") is not None
    assert napari_get_reader([str(stored.path), "omero:server=x&imageID=3"]) is not None
    for other in ("omero://omero.example.org", "picture.tif", "https://example.org/x.png", "", []):
        assert napari_get_reader(other) is None


IN_NAPARI = """
import json, sys
import numpy as np
from napari.components import ViewerModel
from napari.plugins import _initialize_plugins

_initialize_plugins()
viewer = ViewerModel()
for path in sys.argv[1:]:
    viewer.open(path, plugin="ij-omero")
viewer.dims.set_current_step((0, 1), (1, 2))
told = [
    {
        "name": layer.name,
        "shapes": layer.level_shapes.tolist() if layer.multiscale else [list(layer.data.shape)],
        "limits": list(layer.contrast_limits),
        "color": layer.colormap.map(np.array([1.0]))[0][:3].round(2).tolist(),
        "scale": layer.scale.tolist(),
        "visible": layer.visible,
    }
    for layer in viewer.layers
]
shown = np.asarray(viewer.layers[0].data[-1][1, 2])
print(json.dumps({"layers": told, "shown": shown.tolist()}))
"""


def test_napari_itself_opens_an_image(stored: Stored, tmp_path: Path) -> None:
    """Its model of a viewer, which needs no Qt, in a process of its own: it keeps settings in the home folder."""
    command = [sys.executable, "-W", "ignore", "-c", IN_NAPARI, str(stored.path)]
    ran = subprocess.run(
        command, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    first, second = told["layers"]
    assert (first["name"], second["name"]) == ("cells - DAPI", "cells - Channel 1")
    assert first["shapes"] == [[2, 3, 700, 1100], [2, 3, 350, 550], [2, 3, 175, 275]]
    assert first["limits"] == [100.0, 4000.0]
    assert (first["color"], second["color"]) == ([0, 0, 1], [1, 0.5, 0])
    assert first["scale"] == pytest.approx([120.0, 1.5, 0.3, 0.25])
    assert (first["visible"], second["visible"]) == (True, False)
    smallest = np.array(told["shown"])
    means = stored.pixels[1, 0, 2].reshape(175, 4, 275, 4).mean(axis=(1, 3))
    assert np.abs(smallest - means).max() <= 1
