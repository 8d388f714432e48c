"""Looking at images over HTTP: rendered tiles and regions, what belongs to an image, and a page that shows it."""

from __future__ import annotations

from ._app import viewer_app, viewer_part
from ._codes import EntryCodes

__all__ = ["EntryCodes", "viewer_app", "viewer_part"]
