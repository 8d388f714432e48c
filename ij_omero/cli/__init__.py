"""The ij-omero command."""

from __future__ import annotations

from ._app import app, main
from ._omero_command import run_for_omero

__all__ = ["app", "main", "run_for_omero"]
