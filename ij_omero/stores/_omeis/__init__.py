"""Images of an OMEIS server."""

from __future__ import annotations

from ._store import OmeisStore

__all__ = ["OmeisStore"]
