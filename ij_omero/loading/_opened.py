"""Whatever a caller calls an image, opened: a source, an address, an open image, or omero-py's image wrapper."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ij_omero.errors import InvalidInputError
from ij_omero.model import ImageAddress
from ij_omero.pixels import ImageStore, PixelSource
from ij_omero.stores import find_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from ij_omero.model import ImageDescription

ImageLike: TypeAlias = Any
"""A `PixelSource`, an address (text, path or `ImageAddress`), an open image of this package, or an ``ImageWrapper``."""


class OpenedImage:
    """An image's source, and what is to be closed with it.

    ``address`` is None where nothing but the source itself is known.
    """

    def __init__(self, source: PixelSource, address: ImageAddress | None, *closers: Callable[[], object]) -> None:
        self.source = source
        self.address = address
        self._finalizer = weakref.finalize(self, _run, closers)

    def close(self) -> None:
        """Close what was opened here; twice is allowed."""
        self._finalizer()

    def __enter__(self) -> OpenedImage:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def _run(closers: tuple[Callable[[], object], ...]) -> None:
    for close in closers:
        close()


def open_like(image: ImageLike, **login: Any) -> OpenedImage:
    """Open an image for reading; a source that is given stays its owner's.

    Raises
    ------
    InvalidInputError
        It is nothing that names an image.
    ImageNotFoundError, AddressError, ConnectionFailedError, LoginError
        The image cannot be opened.
    """
    if hasattr(image, "getPrimaryPixels"):
        store = _store_of(image)
        return _of_store(store, int(image.getId()), store.close)
    if isinstance(image, str | Path | ImageAddress):
        store, image_id = find_image(image, **login)
        return _of_store(store, image_id, *_closers(store))
    connection = getattr(image, "store", None)
    behind = getattr(connection, "store", None)
    if isinstance(behind, ImageStore) and hasattr(image, "image_id"):
        return _of_store(behind, image.image_id)
    if isinstance(image, PixelSource):
        return OpenedImage(image, None)
    raise InvalidInputError(
        f"{type(image).__name__} is not an image; expected an address, a PixelSource, an open image or an ImageWrapper"
    )


def _closers(store: ImageStore) -> tuple[Callable[[], object], ...]:
    """Return how to close a store that was found by address; one in memory is shared by its name and stays open."""
    return () if store.address.scheme == "memory" else (store.close,)


def _of_store(store: ImageStore, image_id: Any, *closers: Callable[[], object]) -> OpenedImage:
    try:
        source = store.open(image_id)
    except BaseException:
        _run(closers)
        raise
    return OpenedImage(source, store.address_of(image_id), source.close, *closers)


def _store_of(wrapper: Any) -> ImageStore:
    from ij_omero.stores import OmeroStore

    store: ImageStore = OmeroStore.of_client(wrapper._conn)
    return store


def describe_like(image: ImageLike, **login: Any) -> ImageDescription:
    """Return what an image is, without opening its pixels where that is possible."""
    if hasattr(image, "getPrimaryPixels"):
        store = _store_of(image)
        try:
            return store.describe(int(image.getId()))
        finally:
            store.close()
    if isinstance(image, str | Path | ImageAddress):
        store, image_id = find_image(image, **login)
        try:
            return store.describe(image_id)
        finally:
            _run(_closers(store))
    description: ImageDescription = image.description if hasattr(image, "description") else _described(image)
    return description


def _described(image: ImageLike) -> ImageDescription:
    with open_like(image) as opened:
        return opened.source.description
