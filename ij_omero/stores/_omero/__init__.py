"""OMERO over Ice: an `ImageStore` on an OMERO.server.

Only `OmeroStore` itself loads Ice and omero-py; this package does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._store import OmeroStore

__all__ = ["OmeroStore"]


def __getattr__(name: str) -> Any:
    """Load the store when it is first asked for."""
    if name != "OmeroStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._store import OmeroStore

    return OmeroStore
