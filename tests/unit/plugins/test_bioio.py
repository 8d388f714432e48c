"""bioio's plugin, called by BioImage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from bioio import BioImage
from bioio.plugins import get_plugins
from bioio_base.exceptions import UnsupportedFileFormatError

from ij_omero.plugins.bioio_reader import Reader

if TYPE_CHECKING:
    from .conftest import Stored


def test_bioio_finds_the_plugin() -> None:
    (plugin,) = get_plugins(use_cache=False)[".omero"]
    assert plugin.metadata.get_reader() is Reader
    assert BioImage.determine_plugin("omero:server=omero.example.org&imageID=3.omero").entrypoint.name == "ij-omero"


def test_bioio_reads_an_image_lazily_with_names_and_sizes(stored: Stored) -> None:
    image = BioImage(str(stored.path), reader=Reader)
    assert image.dims.order == "TCZYX"
    assert image.shape == stored.pixels.shape
    assert image.channel_names == ["DAPI", "Channel:1"]
    assert tuple(image.physical_pixel_sizes) == pytest.approx((1.5, 0.3, 0.25))
    part = image.get_image_dask_data("YX", T=1, C=1, Z=2)[300:400, :50]
    np.testing.assert_array_equal(part.compute(), stored.pixels[1, 1, 2, 300:400, :50])
    assert image.scenes == ("cells",)
    image.set_resolution_level(2)
    assert image.shape == (2, 2, 3, 175, 275)
    assert image.physical_pixel_sizes.X == pytest.approx(1.0)


def test_what_is_no_address_is_left_to_other_readers() -> None:
    assert not Reader.is_supported_image("picture.tif")
    with pytest.raises(UnsupportedFileFormatError):
        Reader("picture.tif")
