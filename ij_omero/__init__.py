"""OMERO images as cell-cached ImageJ images, ImageJ modules as OMERO scripts, results back as new pixels.

Names are loaded when they are first used: importing the package starts no JVM and imports neither Ice nor any array
library but numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from .errors import IJOmeroError
    from .imagej import ModuleResult
    from .images import Connection, Image, connect, open_image, open_store, run, save_image
    from .model import (
        Channel,
        Column,
        Ellipse,
        ImageAddress,
        ImageDescription,
        ImageSummary,
        KeyValue,
        Label,
        Line,
        Mask,
        PixelType,
        PlaneIndex,
        Point,
        Polygon,
        Polyline,
        Quantity,
        Rectangle,
        Region,
        ResolutionLevel,
        Roi,
        Table,
        TableSummary,
        parse_address,
    )
    from .pixels import ImageStore, PixelSink, PixelSource

__all__ = [
    "Channel",
    "Column",
    "Connection",
    "Ellipse",
    "IJOmeroError",
    "Image",
    "ImageAddress",
    "ImageDescription",
    "ImageStore",
    "ImageSummary",
    "KeyValue",
    "Label",
    "Line",
    "Mask",
    "ModuleResult",
    "PixelSink",
    "PixelSource",
    "PixelType",
    "PlaneIndex",
    "Point",
    "Polygon",
    "Polyline",
    "Quantity",
    "Rectangle",
    "Region",
    "ResolutionLevel",
    "Roi",
    "Table",
    "TableSummary",
    "__version__",
    "connect",
    "open_image",
    "open_store",
    "parse_address",
    "run",
    "save_image",
]

_HOMES = {
    "errors": ("IJOmeroError",),
    "imagej": ("ModuleResult",),
    "images": ("Connection", "Image", "connect", "open_image", "open_store", "run", "save_image"),
    "pixels": ("ImageStore", "PixelSink", "PixelSource"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_SUBMODULES = (
    "cells",
    "cli",
    "errors",
    "imagej",
    "images",
    "localserver",
    "model",
    "pixels",
    "provision",
    "scripting",
    "stores",
)


def __getattr__(name: str) -> object:
    """Load a public name from the subpackage that defines it (PEP 562)."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME.get(name, 'model')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names and subpackages."""
    return sorted({*globals(), *__all__, *_SUBMODULES})
