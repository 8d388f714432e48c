"""Lazy arrays on workers of dask.distributed, which are processes of their own."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import ReadError
from ij_omero.loading import load_image_lazy
from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import write_array
from ij_omero.stores import LocalStore, OmeroStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests._omero import MakeUser

PIXELS = np.random.default_rng(5).integers(0, 60000, (1, 2, 3, 900, 1100), np.uint16)
DESCRIPTION = ImageDescription("far away", PixelType.UINT16, 1100, 900, 3, 2, 1)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the cluster's own modules and ports
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as cluster,
            Client(cluster) as connected,
        ):
            yield connected


@pytest.fixture
def local(tmp_path: Path) -> Path:
    with contextlib.closing(LocalStore(tmp_path)) as store, store.create(DESCRIPTION) as sink:
        write_array(sink, PIXELS)
    return tmp_path / "1.ome.zarr"


def full_size(lazy: dict[str, Any]) -> list[Any]:
    return [levels[0] if isinstance(levels, list) else levels for levels in lazy["images"]]


def test_workers_open_an_image_of_a_folder_by_its_address(client: Any, local: Path) -> None:
    channels = full_size(load_image_lazy(local))
    computed = client.gather(client.compute(channels))
    for channel, pixels in enumerate(computed):
        np.testing.assert_array_equal(pixels, PIXELS[0, channel])
    assert os.getpid() not in client.run(os.getpid).values()


def test_workers_log_in_to_a_real_server(client: Any, omero_user: MakeUser) -> None:
    user = omero_user()
    with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as store:
        with store.create(DESCRIPTION) as sink:
            image_id = write_array(sink, PIXELS)
        address = str(store.address_of(image_id))
    lazy = full_size(load_image_lazy(address, user=user.name, password=user.password))
    assert user.password not in repr(lazy[0])
    sums = client.gather(client.compute([channel.sum(axis=(1, 2)) for channel in lazy]))
    np.testing.assert_array_equal(np.array(sums), PIXELS[0].sum(axis=(2, 3)))


def test_a_tile_that_fails_on_a_worker_is_named(client: Any, local: Path) -> None:
    channel = full_size(load_image_lazy(local))[1]
    broken = [path for path in (local / "0" / "0" / "1" / "2").rglob("*") if path.is_file()]
    assert broken
    for path in broken:
        path.write_bytes(b"no chunk")
    assert client.compute(channel[0, 0, 0]).result() == PIXELS[0, 1, 0, 0, 0]
    with pytest.raises(ReadError, match=r"tile x=0, y=0, .* of z=2, c=1, t=0, level 0 of .*1\.ome\.zarr could not be"):
        client.compute(channel[2, :10, :10]).result()
