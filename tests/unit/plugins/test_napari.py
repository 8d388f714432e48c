"""napari's plugin, found and called by npe2 as napari calls it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero.plugins
from ij_omero.plugins.napari_reader import napari_get_reader

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


def test_addresses_are_taken_and_other_files_left_to_others(stored: Stored) -> None:
    assert napari_get_reader("omero://omero.example.org/image/42") is not None
    assert napari_get_reader([str(stored.path), "omero:server=x&imageID=3"]) is not None
    for other in ("omero://omero.example.org", "picture.tif", "https://example.org/x.png", "", []):
        assert napari_get_reader(other) is None
