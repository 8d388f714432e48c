"""xarray's engine over a real OMERO.server."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import pytest
import xarray

import ij_omero
from ij_omero.errors import ImageNotFoundError
from ij_omero.model import Channel, Quantity
from tests._ice_record import IceRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests._omero import OmeroUser

PIXELS = np.random.default_rng(3).integers(0, 4000, (2, 2, 3, 700, 600), dtype=np.uint16)


@pytest.fixture
def user(omero_user: Callable[[], OmeroUser]) -> OmeroUser:
    return omero_user()


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IceRecord:
    return IceRecord(tmp_path, monkeypatch)


@pytest.fixture
def address(record: IceRecord, user: OmeroUser) -> Iterator[str]:
    with record.listening():
        connection = ij_omero.connect(user.host, user=user.name, password=user.password, port=user.port)
    with connection:
        size = Quantity(0.25, "µm")
        channels = (Channel("DAPI"), Channel("GFP"))
        image = connection.save_image(PIXELS, name="lazy", channels=channels, physical_size_x=size)
        yield str(image.address)


def reads(record: IceRecord) -> int:
    return sum(call in ("getTile", "getRegion", "getHypercube", "getPlane") for call in record.calls())


def test_only_what_is_touched_is_read(address: str, user: OmeroUser, record: IceRecord) -> None:
    with xarray.open_dataset(address, engine="omero", password=user.password) as dataset:  # by the same session
        image: Any = dataset["image"]
        assert image.sizes == {"T": 2, "C": 2, "Z": 3, "Y": 700, "X": 600}
        assert list(dataset.coords["C"].values) == ["DAPI", "GFP"]
        assert float(dataset.coords["X"][4]) == 1.0
        part = image.sel(C="GFP").isel(T=1, Z=2)[100:110, 50:60]
        assert reads(record) == 0
        np.testing.assert_array_equal(part, PIXELS[1, 1, 2, 100:110, 50:60])
        assert 1 <= reads(record) <= 2
        np.testing.assert_array_equal(image.isel(Z=0).mean("T"), PIXELS[:, :, 0].mean(0))


def test_dask_computes_chunk_by_chunk_and_elsewhere(address: str, user: OmeroUser) -> None:
    with xarray.open_dataset(address, engine="omero", password=user.password, chunks={}) as dataset:
        assert dataset["image"].chunks is not None
        assert dataset["image"].chunks[:3] == ((1, 1), (1, 1), (1, 1, 1))
        greatest = dataset["image"].max(["Y", "X"])
        with dask.config.set(scheduler="threads", num_workers=4):
            np.testing.assert_array_equal(greatest, PIXELS.max((3, 4)))
        again = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own
        np.testing.assert_array_equal(again["image"][0, 0, 0, :5, :5], PIXELS[0, 0, 0, :5, :5])


def test_credentials_are_nowhere_in_it(address: str, user: OmeroUser) -> None:
    number = address.rpartition("/")[2]
    login = f"server={user.host}&port={user.port}&user={user.name}&password={user.password}"
    given = f"omero:{login}&imageID={number}"  # the older form may hold a password
    with xarray.open_dataset(given, engine="omero", chunks={}) as dataset:
        shown = f"{dataset!r} {dataset._repr_html_()} {dataset.attrs} {dataset.encoding} {dataset['image'].attrs}"
        shown += f"{dataset['image'].encoding} {pickle.dumps(dataset)!r}"
        assert user.password not in shown
        assert dataset.encoding["source"] == address


def test_an_image_that_is_not_there(address: str, user: OmeroUser) -> None:
    nowhere = address.rpartition("/")[0] + "/99999999"
    with pytest.raises(ImageNotFoundError, match="99999999"):
        xarray.open_dataset(nowhere, engine="omero", password=user.password)
