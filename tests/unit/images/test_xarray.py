"""Images as xarray Datasets opened by their address, and arrays of xarray saved as images."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import xarray

import ij_omero
from ij_omero import Channel, Quantity
from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIXELS = np.random.default_rng(0).integers(0, 4000, (2, 3, 2, 40, 50), dtype=np.uint16)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[ij_omero.Connection]:
    with ij_omero.open_store(tmp_path / "images") as store:
        store.save_image(
            PIXELS,
            name="lazy",
            physical_size_x=Quantity(0.5, "µm"),
            physical_size_y=Quantity(0.25, "µm"),
            time_increment=Quantity(3, "s"),
            channels=(Channel("a"), Channel("b"), Channel("c")),
        )
        yield store


def path_of(store: ij_omero.Connection) -> str:
    return str(store.store.address_of(store.only_image_id()))


def test_a_dataset_is_opened_by_its_path_and_read_on_demand(local: ij_omero.Connection) -> None:
    with xarray.open_dataset(path_of(local), engine="omero") as dataset:
        image: Any = dataset["image"]
        assert image.dims == ("T", "C", "Z", "Y", "X")
        assert list(dataset.coords["C"].values) == ["a", "b", "c"]
        assert dataset.coords["X"].attrs["units"] == "µm"
        assert float(dataset.coords["X"][4]) == 2.0
        np.testing.assert_array_equal(image.sel(C="b").isel(T=1, Z=0)[3:9, ::7], PIXELS[1, 1, 0, 3:9, ::7])
        np.testing.assert_array_equal(image[0, 0, 0, [5, 1], 3], PIXELS[0, 0, 0, [5, 1], 3])
        np.testing.assert_array_equal(image, PIXELS)


def test_nothing_is_read_before_it_is_asked_for(local: ij_omero.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []
    from ij_omero.images import Image

    plain = Image.__getitem__
    monkeypatch.setattr(Image, "__getitem__", lambda self, key: (reads.append(key), plain(self, key))[1])
    dataset = xarray.open_dataset(path_of(local), engine="omero")
    part = dataset["image"].isel(T=0)[1:2]
    assert reads == []
    part.load()
    assert len(reads) == 1
    dataset.close()


def test_chunks_are_planes_and_travel_to_other_processes(local: ij_omero.Connection) -> None:
    with xarray.open_dataset(path_of(local), engine="omero", chunks={}) as dataset:
        assert dataset["image"].chunks[:3] == ((1, 1), (1, 1, 1), (1, 1))
        again = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own
        np.testing.assert_array_equal(again["image"].max(["Y", "X"]).values, PIXELS.max((3, 4)))


def test_an_address_is_known_for_what_it_is() -> None:
    with ij_omero.open_store("memory://guessed") as store:
        image = store.save_image(PIXELS, name="guessed")
        assert xarray.open_dataset(str(image.address))["image"].shape == PIXELS.shape


def test_an_array_comes_back_as_it_was(local: ij_omero.Connection) -> None:
    image = local.open_image(local.only_image_id())
    new = local.save_image(image.to_xarray(), name="again")
    np.testing.assert_array_equal(new.to_numpy(), PIXELS)
    for field in ("physical_size_x", "physical_size_y", "physical_size_z", "time_increment"):
        found, expected = getattr(new.description, field), getattr(image.description, field)
        assert (found is None) == (expected is None)
        assert expected is None or found.value == pytest.approx(expected.value)
    assert [channel.name for channel in new.description.channels] == ["a", "b", "c"]


def test_dims_in_any_order_computed_tile_by_tile(local: ij_omero.Connection) -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    lazy: Any = dask.array.from_array(values, chunks=(2, 1, 3))  # type: ignore[attr-defined]
    new = local.save_image(xarray.DataArray(lazy, dims=("x", "c", "y"), name="turned"))
    assert (new.name, new.shape) == ("turned", (1, 2, 1, 3, 4))
    np.testing.assert_array_equal(new.to_numpy()[0, :, 0], values.transpose(1, 2, 0))
    with pytest.raises(InvalidInputError, match="dims"):
        local.save_image(xarray.DataArray(values, dims=("x", "y", "wavelength")), name="no image")


def test_coordinates_that_are_no_distances_are_left_aside(local: ij_omero.Connection) -> None:
    array = xarray.DataArray(
        np.zeros((3, 4), np.uint8),
        dims=("Y", "X"),
        coords={"Y": ("Y", [0.0, 1.0, 5.0], {"units": "µm"}), "X": ("X", [0, 1, 2, 3], {"units": "a.u."})},
    )
    described = local.save_image(array, name="uneven").description
    assert described.physical_size_y is None
    assert described.physical_size_x is None
