"""OMERO images as cell-cached ImageJ images, ImageJ modules as OMERO scripts, results back as new pixels."""

from __future__ import annotations

__version__ = "0.1.0.dev0"
