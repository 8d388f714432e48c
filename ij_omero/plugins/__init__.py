"""Images of any store as other programs read them: a read-only Zarr store, and plugins of napari and bioio."""

from __future__ import annotations

from ._zarr_mapping import ImageMapping
from ._zarr_opening import open_zarr, zarr_store

__all__ = ["ImageMapping", "open_zarr", "zarr_store"]
