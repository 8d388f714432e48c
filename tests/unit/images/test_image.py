"""An open image: what is loaded, what is edited, and what it turns into."""

from __future__ import annotations

import gc
import pickle
import re
import time
import weakref
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero
from ij_omero.cells import list_edits
from ij_omero.errors import ConnectionFailedError, InvalidInputError, ReadError

from .conftest import SHAPE, ramp

if TYPE_CHECKING:
    from ij_omero import Connection, Image


def test_opening_reads_nothing_and_touching_reads_a_cell(image: Image) -> None:
    assert image.loaded == 0
    assert image.shape == SHAPE
    np.testing.assert_array_equal(image[1, 2, 0, 5:9, 7:300], ramp()[1, 2, 0, 5:9, 7:300])
    assert 0 < image.loaded < 4 < image.cells


def test_edits_are_seen_counted_and_discarded(image: Image) -> None:
    image[0, 1, 1, 10:20, 10:20] = 7
    assert (image[0, 1, 1, 10:20, 10:20] == 7).all()
    assert image.dirty == 1
    image.discard_edits()
    assert image.dirty == 0
    np.testing.assert_array_equal(image[0, 1, 1, 10:20, 10:20], ramp()[0, 1, 1, 10:20, 10:20])


def test_it_is_an_array_for_numpy(image: Image) -> None:
    np.testing.assert_array_equal(np.asarray(image), ramp())
    assert np.asarray(image, dtype=np.float32).dtype == np.float32
    assert float(np.mean(image[0, 0, 0])) == ramp()[0, 0, 0].mean()
    with pytest.raises(ValueError, match="copy"):
        np.asarray(image, copy=False)


def test_smaller_levels_are_read_from_the_store(image: Image) -> None:
    assert len(image.levels) > 1
    small = image.to_numpy(level=1)
    assert small.shape == (*SHAPE[:3], image.levels[1].height, image.levels[1].width)
    assert image.loaded == 0


def test_opening_twice_shares_cells_unless_asked_otherwise(connection: Connection, image: Image) -> None:
    again = connection.open_image(image.image_id)
    apart = connection.open_image(image.image_id, share=False)
    image[0, 0, 0, 0, 0] = 999
    assert again[0, 0, 0, 0, 0] == 999
    assert apart[0, 0, 0, 0, 0] == ramp()[0, 0, 0, 0, 0]
    image.close()
    assert again[0, 0, 0, 0, 0] == 999
    with pytest.raises(ReadError, match="closed"):
        image[0]


def test_an_image_that_nobody_holds_frees_its_cells_and_keeps_its_edits(connection: Connection, image: Image) -> None:
    apart = connection.open_image(image.image_id, share=False)
    cache = weakref.ref(apart.cache)
    apart[0, 0, 0, 0, 0] = 5
    del apart
    gc.collect()
    deadline = time.monotonic() + 20
    while (cache() is not None or not list_edits()) and time.monotonic() < deadline:
        time.sleep(0.01)  # a thread of the cell cache keeps the edits
    assert cache() is None
    assert [info.address for info in list_edits()] == [str(image.address)]


def test_closing_the_connection_closes_its_images(image: Image) -> None:
    image.store.close()
    with pytest.raises(ReadError, match="closed"):
        image[0]
    with pytest.raises(ConnectionFailedError, match="closed"):
        image.rois()


def test_xarray_reads_through_the_cells_on_demand(image: Image) -> None:
    array = image.to_xarray()
    assert image.loaded == 0
    assert array.dims == ("T", "C", "Z", "Y", "X")
    assert list(array.coords["C"].values) == ["DAPI", "GFP", "Channel 2"]
    assert array.coords["X"].attrs["units"] == "µm"
    assert array.coords["X"].values[4] == pytest.approx(1.0)
    assert array.coords["Z"].values[1] == pytest.approx(2.0)
    image[0, 1, 0, 0, 0] = 12345
    np.testing.assert_array_equal(array.sel(C="GFP").isel(T=0, Z=0)[:3, :3].compute(), image[0, 1, 0, :3, :3])
    assert image.loaded < image.cells


def test_a_notebook_shows_a_picture_and_the_facts(image: Image) -> None:
    text = image._repr_html_()
    assert re.search(r'<img alt="ramp" src="data:image/png;base64,[A-Za-z0-9+/=]{200,}"', text)
    for fact in ("700 x 600 x 2 x 3 x 2", "0.25 µm", "DAPI, GFP, Channel 2", "uint16", "0 of "):
        assert fact in text
    assert image.loaded == 0, "looking at an image loads no cells"


def test_a_name_cannot_write_html(connection: Connection) -> None:
    image = connection.save_image(np.zeros((4, 4), np.uint8), name='<script>"x"</script>')
    assert "<script>" not in image._repr_html_()


def test_repr_says_what_and_how_much(image: Image) -> None:
    image[0, 0, 0, 0, 0] = 1
    assert "'ramp': X 700, Y 600, Z 2, C 3, T 2, uint16; 1 of" in repr(image)
    assert "1 dirty" in repr(image)
    image.close()
    assert repr(image).endswith("closed>")


def test_an_image_travels_as_its_address_but_not_with_edits(image: Image) -> None:
    copy = pickle.loads(pickle.dumps(image))  # noqa: S301 - made one line above
    np.testing.assert_array_equal(copy[1, 1, 1], ramp()[1, 1, 1])
    image[0, 0, 0, 0, 0] = 1
    with pytest.raises(InvalidInputError, match="edits"):
        pickle.dumps(image)


def test_an_image_is_opened_by_its_address(image: Image) -> None:
    again = ij_omero.open_image(str(image.address))
    np.testing.assert_array_equal(again[0, 0, 0, :5, :5], ramp()[0, 0, 0, :5, :5])
