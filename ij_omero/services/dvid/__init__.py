"""DVID's imageblk interface over HTTP: versioned volumes of voxels in blocks.

`VoxelStore` is the store, a folder; `make_app` the application that serves one, bounded by `Limits`.
"""

from __future__ import annotations

from ._app import make_app
from ._context import Limits
from ._store import VoxelStore

__all__ = ["Limits", "VoxelStore", "make_app"]
