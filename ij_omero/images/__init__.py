"""The verbs a user calls: connect, open, run, save."""

from __future__ import annotations

from ._connection import Connection
from ._from_xarray import from_xarray
from ._image import Image
from ._imagej_addresses import add_to_imagej
from ._indexing import ImageIndexError
from ._java_images import java_image_source
from ._opening import connect, kept_connection, open_image, open_store, save_image, split_address
from ._running import is_script, run

__all__ = [
    "Connection",
    "Image",
    "ImageIndexError",
    "add_to_imagej",
    "connect",
    "from_xarray",
    "is_script",
    "java_image_source",
    "kept_connection",
    "open_image",
    "open_store",
    "run",
    "save_image",
    "split_address",
]
