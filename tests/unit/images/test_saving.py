"""Saving: everything arrives, or nothing stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero.cells import list_edits
from ij_omero.errors import ImageNotFoundError, InvalidInputError, StorageError, WriteError
from ij_omero.images import Connection, Image
from ij_omero.model import Channel, ChannelRendering, Polygon, Quantity, RenderingSettings, Roi, Table
from ij_omero.stores import MemoryStore

from .conftest import SHAPE, ramp

if TYPE_CHECKING:
    from pathlib import Path

TABLE = Table.from_dict("cells", {"Area": [1.5, 2.5], "Label": ["a", "b"]})
ROI = Roi((Polygon(((0, 0), (5, 0), (5, 5)), z=0, c=1, t=0),), name="cell 1")


def test_a_saved_image_has_edits_untouched_pixels_and_metadata(connection: Connection, image: Image) -> None:
    expected = ramp()
    image[1, 1, 1, 100:400, 50:60] = 42
    expected[1, 1, 1, 100:400, 50:60] = 42
    loaded = image.loaded
    new = connection.save_image(image, name="edited", tables=[TABLE], rois=[ROI])
    assert image.loaded == loaded, "saving loads no cells"
    assert new.image_id != image.image_id
    np.testing.assert_array_equal(new.to_numpy(), expected)
    assert new.name == "edited"
    assert [c.name for c in new.description.channels] == ["DAPI", "GFP", None]
    assert new.description.physical_size_z == Quantity(2, "µm")
    (summary,) = new.tables()
    assert list(connection.read_table(summary.table_id)["Area"]) == [1.5, 2.5]
    assert [roi.name for roi in new.rois()] == ["cell 1"]
    image.discard_edits()
    np.testing.assert_array_equal(image[1, 1, 1], ramp()[1, 1, 1])


def test_saved_edits_are_not_kept_for_recovery(connection: Connection, image: Image, edits_folder: Path) -> None:
    image[0, 0, 0, 0, 0] = 1
    connection.save_image(image)
    image.close()
    assert not list(edits_folder.glob("*"))


def test_unsaved_edits_are_kept_when_the_image_is_closed(image: Image, edits_folder: Path) -> None:
    image[0, 0, 0, 0, 0] = 1
    image.close()
    assert len(list(edits_folder.glob("*"))) == 1


def test_edits_of_a_closed_session_are_recovered_and_saved(connection: Connection, image: Image) -> None:
    image[0, 0, 0, :2, :2] = 9
    image.close()
    (info,) = list_edits()
    assert not info.in_use
    with connection.recover_image(info.edit_id) as recovered:
        assert recovered.dirty == 1
        new = connection.save_image(recovered, name="recovered")
        np.testing.assert_array_equal(new[0, 0, 0, :2, :2], 9)
        assert new[1, 2, 1, 5, 5] == ramp()[1, 2, 1, 5, 5]
    assert list_edits() == []


def test_edits_of_another_store_are_not_recovered_here(image: Image) -> None:
    image[0, 0, 0, 0, 0] = 9
    image.close()
    (info,) = list_edits()
    with Connection(MemoryStore()) as other, pytest.raises(InvalidInputError, match="not an image of"):
        other.recover_image(info.edit_id)
    assert len(list_edits()) == 1


def test_an_array_takes_calibration_and_channels_from_its_source(connection: Connection, image: Image) -> None:
    new = connection.save_image(np.zeros(SHAPE, np.float32), name="blurred", source=image)
    assert new.description.physical_size_x == Quantity(0.25, "µm")
    assert new.description.channels[0].name == "DAPI"
    assert new.description.channels[1].window is None, "a window of 16-bit pixels says nothing of floats"
    plane = connection.save_image(np.zeros(SHAPE[-2:], np.uint8), source=image.image_id, description="mask")
    assert plane.description.physical_size_y == Quantity(0.25, "µm")
    assert plane.description.physical_size_z is None
    assert plane.description.description == "mask"


def test_a_copy_is_shown_as_the_image_that_it_was_made_from(connection: Connection) -> None:
    pixels = np.arange(200, dtype=np.uint8).reshape(2, 1, 10, 10)
    shown = RenderingSettings(
        (
            ChannelRendering((5.0, 50.0), (255, 0, 0, 255), family="logarithmic", coefficient=1.5, inverted=True),
            ChannelRendering((0.0, 99.0), (0, 255, 0, 255), active=False, lookup_table="fire.lut"),
        ),
        z=0,
    )
    channels = tuple(
        Channel(name, one.color, window=one.window, active=one.active, lookup_table=one.lookup_table)
        for name, one in zip("ab", shown.channels, strict=True)
    )
    image = connection.save_image(pixels, channels=channels, rendering=shown)
    assert image.description.rendering == shown
    assert connection.save_image(image).description.rendering == shown
    # what was computed from it as well, unless it is shown otherwise
    assert connection.save_image(pixels + 1, source=image).description.rendering == shown
    assert connection.save_image(pixels.astype(np.float32), source=image).description.rendering is None
    brighter = tuple(replace(channel, window=(7.0, 8.0)) for channel in channels)
    found = connection.save_image(image, channels=brighter).description.rendering
    assert found is not None
    assert [one.window for one in found.channels] == [(7.0, 8.0)] * 2
    assert found.channels[0].inverted


def test_an_image_goes_from_one_store_to_another(image: Image, tmp_path: Path) -> None:
    new = ij_omero.save_image(image, to=tmp_path / "images")
    np.testing.assert_array_equal(new.to_numpy(), ramp())
    with ij_omero.open_store(tmp_path / "images") as other:
        assert [one.name for one in other.list_images()] == ["ramp"]


def test_an_image_of_another_store_is_named_by_its_address(image: Image, tmp_path: Path) -> None:
    with ij_omero.open_store(tmp_path / "one") as first, ij_omero.open_store(tmp_path / "two") as second:
        there = first.save_image(image)
        assert (there.description.source_id, there.description.source_address) == (None, None), "memory does not last"
        copy = second.save_image(there)
        assert copy.description.source_address == str(tmp_path / "one" / "1.ome.zarr")
        assert copy.description.source_id is None
        # one step back: what was made of the copy names the copy
        again = second.save_image(copy)
        assert (again.description.source_id, again.description.source_address) == (copy.image_id, None)


def test_lazy_arrays_know_their_source(connection: Connection, image: Image) -> None:
    assert connection.save_image(image.to_xarray()).description.source_id == image.image_id
    connection.delete(image)
    plain = connection.save_image(np.zeros((3, 3), np.uint8))
    lazy = plain.to_xarray().compute()
    connection.delete(plain)
    assert connection.save_image(lazy).description.source_id is None, "a source that is gone does not stop a save"


def test_progress_counts_tiles_and_may_cancel(connection: Connection, image: Image) -> None:
    steps: list[tuple[int, int]] = []
    connection.save_image(image, progress=lambda done, total, what="": steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1] == len(steps) > 1
    before = [one.image_id for one in connection.list_images()]

    def cancel(done: int, total: int, what: str = "") -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connection.save_image(image, progress=cancel)
    assert [one.image_id for one in connection.list_images()] == before


class _NoTables(MemoryStore):
    can_delete = True

    def save_table(self, image_id: Any, table: Table) -> str:
        raise StorageError("no tables today")

    def delete(self, image_id: Any) -> None:
        if not self.can_delete:
            raise StorageError("no deletion either")
        super().delete(image_id)


def test_when_attaching_fails_the_image_is_removed_again() -> None:
    with Connection(_NoTables()) as connection:
        with pytest.raises(WriteError, match=r"no tables today.*removed again"):
            connection.save_image(np.zeros((3, 3), np.uint8), tables=[TABLE])
        assert list(connection.list_images()) == []


def test_when_that_fails_too_the_error_says_what_stays() -> None:
    store = _NoTables()
    store.can_delete = False
    with Connection(store) as connection, pytest.raises(WriteError, match=r"image 1 stays in memory://.*no deletion"):
        connection.save_image(np.zeros((3, 3), np.uint8), tables=[TABLE])


@pytest.mark.parametrize(
    ("thing", "options", "words"),
    [
        ("picture.png", {}, "str"),
        (np.zeros(5, np.uint8), {}, "shape"),
        (np.zeros((2, 2), np.int64), {}, "int64"),
        (np.zeros((2, 2), np.uint8), {"colour": 3}, "no colour"),
        (np.zeros((2, 2), np.uint8), {"source": 3.5}, "float"),
    ],
)
def test_what_is_no_image_is_refused(connection: Connection, thing: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        connection.save_image(thing, **options)
    assert list(connection.list_images()) == []


def test_an_array_needs_to_be_told_where(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="which store"):
        ij_omero.save_image(np.zeros((2, 2), np.uint8))


def test_deleting_closes_the_open_image(connection: Connection, image: Image) -> None:
    connection.delete(image)
    with pytest.raises(ImageNotFoundError):
        connection.open_image(image.description.image_id or 0)
