"""The contracts of every backend: read tiles (PixelSource), write tiles (PixelSink), hold images (ImageStore).

A backend is one class per contract. `ij_omero.pixels.conformance` holds the tests that each must pass, for
backends of other packages too; `ij_omero.pixels.wrappers` holds sources that add latency, faults and logging.
"""

from __future__ import annotations

from ._contracts import ImageStore, PixelSink, PixelSource, ReadHints, WriteLayout
from ._optional_contracts import (
    ImageDataDetails,
    LookupTableFiles,
    PlaneSequence,
    PlaneTimes,
    SeveralPixels,
    UndecodedReads,
    WatchedSink,
)
from ._progress import Progress, no_progress
from ._reading import check_region, check_request, read_array, write_array, write_order
from ._tile_order import TileOrder

__all__ = [
    "ImageDataDetails",
    "ImageStore",
    "LookupTableFiles",
    "PixelSink",
    "PixelSource",
    "PlaneSequence",
    "PlaneTimes",
    "Progress",
    "ReadHints",
    "SeveralPixels",
    "TileOrder",
    "UndecodedReads",
    "WatchedSink",
    "WriteLayout",
    "check_region",
    "check_request",
    "no_progress",
    "read_array",
    "write_array",
    "write_order",
]
