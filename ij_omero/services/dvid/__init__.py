"""DVID's imageblk interface over HTTP: versioned volumes of voxels in blocks.

`VoxelStore` is the store, a folder; `make_app` the application that serves one, bounded by `Limits`, and
`dvid_part` the same to be served beside other interfaces.
"""

from __future__ import annotations

from ._app import dvid_part, make_app
from ._context import Limits
from ._store import VoxelStore

__all__ = ["Limits", "VoxelStore", "dvid_part", "make_app"]
