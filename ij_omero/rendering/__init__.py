"""Pixels to pictures: OMERO's own rendering and Minerva's, and the requests by which both are asked for.

Pure numpy, compiled by numba where that is installed; knows no server and no Java.
"""

from __future__ import annotations

from ._channel_requests import ChannelRequest, RenderingRequest, parse_channels, parse_color, parse_rendering_query
from ._compositing import composite_minerva, render_planes
from ._image_data import image_data, select_key
from ._lookup_tables import PRIMARY_LOOKUP_TABLES, parse_lookup_table, read_lookup_tables
from ._lookup_tables_of_store import StoreLookupTables, lookup_tables_of
from ._ome_xml_data import image_data_from_ome_xml
from ._projection import Projection, project
from ._region_requests import ScaledRegionRequest, parse_float_region, parse_image_region, parse_scaled_region
from ._regions import (
    Look,
    ScaledFrame,
    figure_level,
    minerva_level,
    render_region,
    render_scaled_region,
    scaled_frame,
)
from ._settings import settings_for
from ._split_channels import split_channel_grids

__all__ = [
    "PRIMARY_LOOKUP_TABLES",
    "ChannelRequest",
    "Look",
    "Projection",
    "RenderingRequest",
    "ScaledFrame",
    "ScaledRegionRequest",
    "StoreLookupTables",
    "composite_minerva",
    "figure_level",
    "image_data",
    "image_data_from_ome_xml",
    "lookup_tables_of",
    "minerva_level",
    "parse_channels",
    "parse_color",
    "parse_float_region",
    "parse_image_region",
    "parse_lookup_table",
    "parse_rendering_query",
    "parse_scaled_region",
    "project",
    "read_lookup_tables",
    "render_planes",
    "render_region",
    "render_scaled_region",
    "scaled_frame",
    "select_key",
    "settings_for",
    "split_channel_grids",
]
