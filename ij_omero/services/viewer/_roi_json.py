"""ROIs as OMERO.web tells them to viewers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ij_omero.model import Ellipse, Label, Line, Mask, Point, Polygon, Polyline, Rectangle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ij_omero.model import Roi, Shape

_FIELDS: dict[type, tuple[str, dict[str, str]]] = {
    Rectangle: ("Rectangle", {"x": "x", "y": "y", "width": "width", "height": "height"}),
    Ellipse: ("Ellipse", {"x": "x", "y": "y", "radius_x": "radiusX", "radius_y": "radiusY"}),
    Line: ("Line", {"x1": "x1", "y1": "y1", "x2": "x2", "y2": "y2"}),
    Point: ("Point", {"x": "x", "y": "y"}),
    Polygon: ("Polygon", {}),
    Polyline: ("PolyLine", {}),
    Label: ("Label", {"x": "x", "y": "y"}),
    Mask: ("Mask", {"x": "x", "y": "y", "width": "width", "height": "height"}),
}


def rois_as_json(rois: Sequence[Roi]) -> list[dict[str, Any]]:
    """Return ROIs as ``webgateway/get_rois_json`` does: coordinates in pixels, colours as ``#RRGGBB`` beside an alpha.

    What a shape does not have is left out. ``points`` is a path such as ``M 1 2 L 3 4 z``. A ROI has besides its
    ``name`` and ``description``, and every shape its place ``index`` within it, by which `find_mask` finds a mask.
    """
    return [_roi(roi) for roi in rois]


def _roi(roi: Roi) -> dict[str, Any]:
    told = {"id": roi.roi_id, "name": roi.name, "description": roi.description}
    shapes = [_shape(index, shape) for index, shape in enumerate(roi.shapes)]
    return {**{key: value for key, value in told.items() if value is not None}, "shapes": shapes}


def _shape(index: int, shape: Shape) -> dict[str, Any]:
    name, names = _FIELDS[type(shape)]
    told: dict[str, Any] = {"id": shape.shape_id, "index": index, "type": name}
    told.update({key: float(getattr(shape, field)) for field, key in names.items()})
    if isinstance(shape, Polygon | Polyline):
        told["points"] = _path(shape.points, closed=isinstance(shape, Polygon))
    told.update({"theZ": shape.z, "theC": shape.c, "theT": shape.t, "textValue": shape.text})
    told.update({"strokeWidth": shape.stroke_width, "fontSize": shape.font_size})
    for key, color in (("stroke", shape.stroke_color), ("fill", shape.fill_color)):
        if color is not None:
            told[f"{key}Color"] = "#{:02x}{:02x}{:02x}".format(*color[:3])
            told[f"{key}Alpha"] = color[3] / 255
    if shape.transform is not None:
        a = shape.transform
        numbers = (float(number) for number in (a.a00, a.a10, a.a01, a.a11, a.a02, a.a12))
        told["transform"] = f"matrix({' '.join(map(str, numbers))})"
    return {key: value for key, value in told.items() if value is not None}


def _path(points: Sequence[tuple[float, float]], *, closed: bool) -> str:
    joined = " L ".join(f"{float(x)} {float(y)}" for x, y in points)
    return f"M {joined}{' z' if closed else ''}"


def find_mask(rois: Sequence[Roi], roi_id: str, index: int) -> Mask | None:
    """Return the mask at a place of a ROI, or None."""
    for roi in rois:
        if str(roi.roi_id) == roi_id and 0 <= index < len(roi.shapes):
            shape = roi.shapes[index]
            return shape if isinstance(shape, Mask) else None
    return None


def mask_picture(mask: Mask) -> bytes:
    """Return a mask as a PNG: its colour where it is set, transparent elsewhere."""
    red, green, blue, alpha = mask.fill_color or mask.stroke_color or (255, 255, 0, 128)
    palette = [0, 0, 0, red, green, blue]
    picture = Image.fromarray(mask.bits.astype(np.uint8)).convert("P")
    picture.putpalette(palette)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes((0, alpha or 128)), compress_level=1)
    return buffer.getvalue()
