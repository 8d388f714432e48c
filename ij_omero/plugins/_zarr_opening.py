"""An image as a store that the installed zarr reads."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from ._zarr_mapping import ImageMapping

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.model import ImageAddress
    from ij_omero.pixels import PixelSource


def zarr_store(image: str | Path | ImageAddress | PixelSource, *, cache_mb: int = 256, **login: Any) -> Any:
    """Return a read-only Zarr store over an image: an OME-NGFF 0.4 group that is read on demand.

    Parameters
    ----------
    image, cache_mb, **login
        See `ImageMapping`.

    Returns
    -------
    zarr.abc.store.Store
        For ``zarr.open_group(store, mode="r")`` and everything that takes a Zarr store; with zarr 2 a mapping, which is
        a store there. Arrays ``"0"`` (full size), ``"1"``, ... are (T, C, Z, Y, X). ``close()`` closes the image.

    Examples
    --------
    >>> group = zarr.open_group(zarr_store("omero://omero.example.org/image/42"), mode="r")  # doctest: +SKIP
    >>> group["0"][0, 1, 5, :512, :512]  # doctest: +SKIP
    """
    mapping = ImageMapping(image, cache_mb=cache_mb, **login)
    if importlib.metadata.version("zarr").startswith("2."):
        return mapping
    from ._zarr_store import ZarrImageStore

    return ZarrImageStore(mapping)


def open_zarr(image: str | Path | ImageAddress | PixelSource, *, cache_mb: int = 256, **login: Any) -> Any:
    """Return an image as a ``zarr.Group``; see `zarr_store`."""
    import zarr

    options: dict[str, Any] = {"mode": "r"}
    store = zarr_store(image, cache_mb=cache_mb, **login)
    if not isinstance(store, ImageMapping):
        options["zarr_format"] = 2
    return zarr.open_group(store, **options)
