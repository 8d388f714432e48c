"""Addresses lead to their stores."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import AddressError, ImageNotFoundError, MissingDependencyError, StorageError
from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import LocalStore, MemoryStore, _registry, find_image, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.pixels import ImageStore

SMALL = ImageDescription("small", PixelType.UINT8, 4, 3)


def written(store: ImageStore) -> int | str:
    return write_array(store.create(SMALL), example_pixels(SMALL))


def test_memory_stores_are_found_by_name() -> None:
    store = MemoryStore("shared")
    image_id = written(store)
    found, same = find_image(str(store.address_of(image_id)))
    assert found is store
    assert found.describe(same).name == "small"
    store.close()
    assert open_store("memory://shared") is not store


def test_folders_and_images_in_them(tmp_path: Path) -> None:
    store = open_store(tmp_path / "images")
    assert isinstance(store, LocalStore)
    image_id = written(store)
    address = store.address_of(image_id)
    for way in (address, str(address), address.path, f"file://{address.path}"):
        assert way is not None
        found, same = find_image(way)
        assert same == image_id
        assert str(found.address) == str(store.address)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    written(open_store(tmp_path / "images"))
    with pytest.raises(ImageNotFoundError):
        found, image_id = find_image(tmp_path / "images" / "9.ome.zarr")
        found.open(image_id)
    with pytest.raises(ImageNotFoundError):
        find_image(tmp_path / "typo" / "1.ome.zarr")
    with pytest.raises(StorageError):
        open_store(tmp_path / "typo", create=False)
    written(open_store(tmp_path / "images"))
    with pytest.raises(ImageNotFoundError, match="not one image"):
        find_image(tmp_path / "images")


def test_kinds_that_nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AddressError, match="unknown kind"):
        open_store("gopher://host/image/1")
    broken = EntryPoint("dvid", "ij_omero_is_not_installed:Store", _registry.GROUP)
    monkeypatch.setattr(_registry, "_entry_points", lambda: {"dvid": broken})
    with pytest.raises(MissingDependencyError, match="pip install"):
        open_store("dvid://host")
    with pytest.raises(AddressError, match="no installed package"):
        open_store("omeis://host")


def test_the_package_is_cheap_until_a_store_is_used() -> None:
    code = (
        "import sys, ij_omero.stores; heavy = {'zarr', 'numcodecs', 'Ice', 'tifffile', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy; ij_omero.stores.LocalStore, ij_omero.stores.MemoryStore; "
        "assert not {'zarr', 'Ice', 'omero'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_that_are_not_there() -> None:
    import ij_omero.stores

    with pytest.raises(AttributeError):
        ij_omero.stores.NoStore  # noqa: B018
