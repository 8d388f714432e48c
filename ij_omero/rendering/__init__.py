"""Pixels to pictures: OMERO's own rendering and Minerva's, and the requests by which both are asked for.

Pure numpy, compiled by numba where that is installed; knows no server and no Java.
"""

from __future__ import annotations

from ._compositing import composite_minerva, render_planes
from ._lookup_tables import PRIMARY_LOOKUP_TABLES, parse_lookup_table, read_lookup_tables
from ._projection import Projection, project

__all__ = [
    "PRIMARY_LOOKUP_TABLES",
    "Projection",
    "composite_minerva",
    "parse_lookup_table",
    "project",
    "read_lookup_tables",
    "render_planes",
]
