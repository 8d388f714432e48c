"""Plain frozen descriptions of images, regions, addresses, tables and ROIs; no server, no Java, no pixels."""

from __future__ import annotations

from ._address import ImageAddress, parse_address, parse_server
from ._image import Channel, ImageDescription, ImageId, ImageSummary, KeyValue, ResolutionLevel
from ._labels import labels_to_rois, rois_to_labels
from ._pixel_type import PixelType
from ._quantity import LENGTH_UNITS, TIME_UNITS, Quantity
from ._region import PlaneIndex, Region
from ._rendering import ChannelRendering, RenderingSettings
from ._roi import (
    AffineTransform,
    Ellipse,
    Label,
    Line,
    Mask,
    Point,
    Polygon,
    Polyline,
    Rectangle,
    Roi,
    Shape,
)
from ._table import Column, ColumnKind, Table, TableSummary

__all__ = [
    "LENGTH_UNITS",
    "TIME_UNITS",
    "AffineTransform",
    "Channel",
    "ChannelRendering",
    "Column",
    "ColumnKind",
    "Ellipse",
    "ImageAddress",
    "ImageDescription",
    "ImageId",
    "ImageSummary",
    "KeyValue",
    "Label",
    "Line",
    "Mask",
    "PixelType",
    "PlaneIndex",
    "Point",
    "Polygon",
    "Polyline",
    "Quantity",
    "Rectangle",
    "Region",
    "RenderingSettings",
    "ResolutionLevel",
    "Roi",
    "Shape",
    "Table",
    "TableSummary",
    "labels_to_rois",
    "parse_address",
    "parse_server",
    "rois_to_labels",
]
