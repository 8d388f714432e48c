"""ROIs as JSON by the names of the OME model (OME-XML schema 2016-06: ROI, Shape), positions counting from 0.

``{"ID": 1, "Name": ..., "Description": ..., "Shapes": [{"type": "Ellipse", "X": ..., "RadiusX": ..., "TheZ": ...}]}``;
attributes that a shape does not have are left out. A mask's bits are packed per row of 8, base64 (``BinData``).
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from ij_omero.errors import CorruptedDataError
from ij_omero.model import (
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

from ._description_json import Json, number, to_number

_COORDINATES: dict[type[Any], dict[str, str]] = {
    Rectangle: {"x": "X", "y": "Y", "width": "Width", "height": "Height"},
    Ellipse: {"x": "X", "y": "Y", "radius_x": "RadiusX", "radius_y": "RadiusY"},
    Line: {"x1": "X1", "y1": "Y1", "x2": "X2", "y2": "Y2"},
    Point: {"x": "X", "y": "Y"},
    Label: {"x": "X", "y": "Y"},
    Mask: {"x": "X", "y": "Y"},
    Polygon: {},
    Polyline: {},
}
_TYPES = {kind.__name__: kind for kind in _COORDINATES}
_COMMON = {"z": "TheZ", "c": "TheC", "t": "TheT", "text": "Text", "shape_id": "ID"}
_NUMBERS = {"stroke_width": "StrokeWidth", "font_size": "FontSize"}
_COLORS = {"stroke_color": "StrokeColor", "fill_color": "FillColor"}


def roi_to_json(roi: Roi) -> Json:
    """Return an ROI as JSON."""
    shapes = [_shape_to_json(shape) for shape in roi.shapes]
    return {"ID": roi.roi_id, "Name": roi.name, "Description": roi.description, "Shapes": shapes}


def roi_from_json(json: Json) -> Roi:
    """Return the ROI of a JSON object, or raise CorruptedDataError."""
    try:
        shapes = tuple(_shape_from_json(shape) for shape in json["Shapes"])
        return Roi(shapes, json["Name"], json["Description"], json["ID"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedDataError(f"an ROI is damaged: {error!r}") from error


def _shape_to_json(shape: Shape) -> Json:
    json: Json = {"type": type(shape).__name__}
    for name, key in _COORDINATES[type(shape)].items():
        json[key] = number(getattr(shape, name))
    if isinstance(shape, Polygon | Polyline):
        json["Points"] = [[number(x), number(y)] for x, y in shape.points]
    if isinstance(shape, Mask):
        json["Width"], json["Height"] = shape.width, shape.height
        json["BinData"] = base64.b64encode(np.packbits(shape.bits, axis=1).tobytes()).decode("ascii")
    for names in (_COMMON, _NUMBERS, _COLORS):
        for name, key in names.items():
            value = getattr(shape, name)
            if value is not None:
                json[key] = list(value) if names is _COLORS else number(value) if names is _NUMBERS else value
    if shape.transform is not None:
        json["Transform"] = {key.upper(): number(value) for key, value in shape.transform._asdict().items()}
    return json


def _shape_from_json(json: Json) -> Shape:
    kind = _TYPES[json["type"]]
    values: dict[str, Any] = {name: to_number(json[key]) for name, key in _COORDINATES[kind].items()}
    values |= {name: json[key] for name, key in _COMMON.items() if key in json}
    values |= {name: to_number(json[key]) for name, key in _NUMBERS.items() if key in json}
    values |= {name: tuple(json[key]) for name, key in _COLORS.items() if key in json}
    if "Points" in json:
        values["points"] = tuple((float(x), float(y)) for x, y in json["Points"])
    if kind is Mask:
        width, height = json["Width"], json["Height"]
        packed = np.frombuffer(base64.b64decode(json["BinData"]), np.uint8).reshape(height, -1)
        values["bits"] = np.unpackbits(packed, axis=1, count=width).astype(bool)
    if "Transform" in json:
        transform = json["Transform"]
        values["transform"] = AffineTransform(*(float(transform[key.upper()]) for key in AffineTransform._fields))
    shape: Shape = kind(**values)
    return shape
