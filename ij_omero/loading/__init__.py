"""Metadata, planes, tiles and lazy arrays over any image: an address, a source, or omero-py's image wrapper.

Names and results are those of omero-browser-qt, so that code written for it runs after changing the import.
"""

from __future__ import annotations

from ._arrays import load_image_data, load_image_lazy
from ._cached_source import CachedSource
from ._metadata import LARGE_IMAGE_PIXELS, get_image_metadata, is_large_image
from ._plane_provider import RegularImagePlaneProvider
from ._tile_provider import PyramidTileProvider

__all__ = [
    "LARGE_IMAGE_PIXELS",
    "CachedSource",
    "PyramidTileProvider",
    "RegularImagePlaneProvider",
    "get_image_metadata",
    "is_large_image",
    "load_image_data",
    "load_image_lazy",
]
