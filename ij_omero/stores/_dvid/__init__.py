"""Images on a DVID server, over its HTTP interface.

An image is an instance of a voxel type at one version, ``<uuid>/<instance>``. Images of this package have their planes
behind each other along z (z fastest, then c and t); what else belongs to them is in an instance of type keyvalue beside
them, so that they are whole on any DVID server. Other instances are images of one timepoint, as large as their extents.
"""

from __future__ import annotations

from ._client import DvidClient
from ._store import DvidStore

__all__ = ["DvidClient", "DvidStore"]
