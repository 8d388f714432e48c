"""ImageJ 1's ROIs <-> the shapes of the OME model.

Coordinates are taken over as they are, as Bio-Formats and OMERO.insight do. ImageJ counts positions from 1 with 0 for
all, the model from 0 with None for all. What one side lacks becomes the nearest of the other: a composite selection a
mask, a freehand outline a polygon, a rotated rectangle or ellipse a shape with a transform, and the other way round.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import Ellipse, Label, Line, Mask, Point, Polygon, Polyline, Rectangle, Roi

from ._primitive_arrays import from_java_array
from ._roi_geometry import exact, rotation_about
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ij_omero.model import Shape

ROI_PROPERTY = "ome.roi"
SHAPE_PROPERTY = "ome.shape"
TEXT_PROPERTY = "ome.text"
IDS_PROPERTY = "ome.ids"
"""``<ROI's id>:<shape's id>,...`` of the server, so that an update finds them again."""


def to_imagej_rois(rois: Roi | Shape | Iterable[Roi | Shape], imp: Any = None) -> list[Any]:
    """Make ``ij.gui.Roi`` objects.

    Parameters
    ----------
    rois
        One or more ROIs or shapes. The points of one ROI on one plane become one multi-point selection; every other
        shape becomes a Java object of its own, and those of one ROI stay known as such.
    imp
        The image that they belong to, which tells how a position in a plain stack is counted.

    Raises
    ------
    InvalidInputError
        A mask without any pixel.
    """
    from ._roi_shapes import java_roi, multi_point

    start().imagej1()
    if isinstance(rois, (Roi, *_SHAPES)):
        rois = [rois]
    made = []
    for roi in rois:
        roi = roi if isinstance(roi, Roi) else Roi((roi,))
        key = uuid.uuid4().hex if len(roi.shapes) > 1 else None
        points: dict[tuple[Any, ...], list[Point]] = {}
        for shape in roi.shapes:
            if isinstance(shape, Point) and shape.transform is None:
                points.setdefault((shape.z, shape.c, shape.t, shape.stroke_color, shape.text), []).append(shape)
            else:
                made.append(_dress(java_roi(shape), [shape], roi, key, imp))
        for group in points.values():
            made.append(_dress(multi_point(group), group, roi, key, imp))
    return made


def from_imagej_rois(java_rois: Iterable[Any], imp: Any = None) -> list[Roi]:
    """Read ``ij.gui.Roi`` objects; those that were made from one ROI become one again.

    Parameters
    ----------
    java_rois
        Java objects.
    imp
        The image that they belong to, which tells what a position in a plain stack means.

    Returns
    -------
    list of Roi
        In their order, with the ids that they had on a server, so that an update changes them in place.
    """
    found: list[tuple[str | None, int | None, list[Shape]]] = []
    places: dict[str, int] = {}
    taken: set[int] = set()
    for java in java_rois:
        name = _text(java.getName())
        key = _text(java.getProperty(ROI_PROPERTY))
        shapes = shapes_of(java, imp)
        roi_id, shape_ids = _ids(java)
        if len(shape_ids) == len(shapes) and not taken.intersection(shape_ids):
            taken.update(shape_ids)
            shapes = [replace(shape, shape_id=number) for shape, number in zip(shapes, shape_ids, strict=True)]
        else:
            roi_id = None  # changed in number, or a copy: a new ROI
        if key is not None and key in places:
            found[places[key]][2].extend(shapes)
            continue
        if key is not None:
            places[key] = len(found)
        found.append((name, roi_id, shapes))
    return [Roi(tuple(shapes), name=name, roi_id=roi_id) for name, roi_id, shapes in found if shapes]


def _ids(java: Any) -> tuple[int | None, list[int]]:
    """Return the ids of a ROI and its shapes on the server that it came from."""
    match = re.fullmatch(r"([0-9]+):([0-9]+(?:,[0-9]+)*)", _text(java.getProperty(IDS_PROPERTY)) or "")
    return (int(match[1]), [int(number) for number in match[2].split(",")]) if match else (None, [])


def read_overlay(imp: Any) -> tuple[Roi, ...]:
    """Return the ROIs of an ImagePlus' overlay."""
    overlay = imp.getOverlay()
    return tuple(from_imagej_rois(overlay.toArray(), imp)) if overlay is not None else ()


def shapes_of(java: Any, imp: Any = None) -> list[Shape]:
    """Read one ``ij.gui.Roi``: one shape, or one point per point of a multi-point selection."""
    attributes = _attributes(java, imp)
    roi_class = java_class("ij.gui.Roi")
    if isinstance(java, java_class("ij.gui.PointRoi")):
        return _points(java, attributes, imp)
    if isinstance(java, java_class("ij.gui.TextRoi")):
        attributes["text"] = str(java.getText()).rstrip("\n")
        attributes["font_size"] = float(java.getCurrentFont().getSize())
        return [Label(exact(java.getXBase()), exact(java.getYBase()), **attributes)]
    if str(java.getProperty(SHAPE_PROPERTY)) == "Mask" or isinstance(java, java_class("ij.gui.ShapeRoi")):
        return [_mask(java, attributes)]
    if isinstance(java, java_class("ij.gui.EllipseRoi")):
        return [_ellipse(java, attributes)]
    if isinstance(java, java_class("ij.gui.RotatedRectRoi")):
        return [_rotated_rectangle(java, attributes)]
    kind = int(java.getType())
    if kind == roi_class.LINE:
        return [Line(exact(java.x1d), exact(java.y1d), exact(java.x2d), exact(java.y2d), **attributes)]
    x, y = exact(java.getXBase()), exact(java.getYBase())
    width, height = exact(java.getFloatWidth()), exact(java.getFloatHeight())
    if kind == roi_class.OVAL:
        return [Ellipse(x + width / 2, y + height / 2, width / 2, height / 2, **attributes)]
    if kind == roi_class.RECTANGLE and int(java.getCornerDiameter()) == 0:
        return [Rectangle(x, y, width, height, **attributes)]
    if kind in (roi_class.POLYLINE, roi_class.FREELINE, roi_class.ANGLE):
        return [Polyline(_vertices(java), **attributes)]
    return [Polygon(_vertices(java), **attributes)]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _vertices(java: Any) -> tuple[tuple[float, float], ...]:
    polygon = java.getFloatPolygon()
    count = int(polygon.npoints)
    columns = list(polygon.xpoints)[:count], list(polygon.ypoints)[:count]
    return tuple((exact(x), exact(y)) for x, y in zip(*columns, strict=True))


def _attributes(java: Any, imp: Any) -> dict[str, Any]:
    """Read what all shapes have."""
    c, z, t = _position(java, imp)
    width = float(java.getStrokeWidth())
    return {
        "z": z,
        "c": c,
        "t": t,
        "text": _text(java.getProperty(TEXT_PROPERTY)),
        "stroke_color": _color(java.getStrokeColor()),
        "fill_color": _color(java.getFillColor()),
        "stroke_width": exact(width) if width > 0 else None,
    }


def _color(color: Any) -> tuple[int, int, int, int] | None:
    if color is None:
        return None
    return (int(color.getRed()), int(color.getGreen()), int(color.getBlue()), int(color.getAlpha()))


def _position(java: Any, imp: Any) -> tuple[int | None, int | None, int | None]:
    """Return (c, z, t) from 0; None means all."""
    if java.hasHyperStackPosition():
        counted = [int(java.getCPosition()), int(java.getZPosition()), int(java.getTPosition())]
    else:
        index = int(java.getPosition())
        counted = _planes_of_index(index, imp) if index > 0 else [0, 0, 0]
    c, z, t = (number - 1 if number > 0 else None for number in counted)
    return c, z, t


def _planes_of_index(index: int, imp: Any) -> list[int]:
    """Take a place in a plain stack apart; without an image it is a z-section."""
    if imp is None:
        return [0, index, 0]
    sizes = (int(imp.getNChannels()), int(imp.getNSlices()), int(imp.getNFrames()))
    position = list(imp.convertIndexToPosition(index))
    return [int(number) if size > 1 else 0 for number, size in zip(position, sizes, strict=True)]


def _points(java: Any, attributes: dict[str, Any], imp: Any) -> list[Shape]:
    polygon = java.getFloatPolygon()
    shapes: list[Shape] = []
    for index in range(int(polygon.npoints)):
        own = dict(attributes)
        place = int(java.getPointPosition(index))
        if place > 0:
            c, z, t = (number - 1 if number > 0 else None for number in _planes_of_index(place, imp))
            own.update(c=c, z=z, t=t)
        shapes.append(Point(exact(polygon.xpoints[index]), exact(polygon.ypoints[index]), **own))
    return shapes


def _mask(java: Any, attributes: dict[str, Any]) -> Mask:
    bounds = java.getBounds()
    width, height = int(bounds.width), int(bounds.height)
    if width < 1 or height < 1:
        raise InvalidInputError(f"the selection {java.getName() or java} covers no pixel, so it is no mask")
    processor = java.getMask()
    if processor is None:
        bits = np.ones((height, width), bool)
    else:
        bits = from_java_array(processor.getPixels(), np.uint8).reshape(height, width) != 0
    return Mask(float(bounds.x), float(bounds.y), bits, **attributes)


def _ellipse(java: Any, attributes: dict[str, Any]) -> Ellipse:
    x1, y1, x2, y2, aspect = (float(value) for value in java.getParams())
    radius = float(np.hypot(x2 - x1, y2 - y1)) / 2
    angle = float(np.arctan2(y2 - y1, x2 - x1))
    x, y = exact((x1 + x2) / 2), exact((y1 + y2) / 2)
    return Ellipse(x, y, radius, radius * aspect, transform=rotation_about(x, y, angle), **attributes)


def _rotated_rectangle(java: Any, attributes: dict[str, Any]) -> Rectangle:
    x1, y1, x2, y2, breadth = (float(value) for value in java.getParams())
    length = float(np.hypot(x2 - x1, y2 - y1))
    angle = float(np.arctan2(y2 - y1, x2 - x1))
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    transform = rotation_about(x, y, angle)
    return Rectangle(x - length / 2, y - breadth / 2, length, breadth, transform=transform, **attributes)


def _dress(java: Any, shapes: Sequence[Shape], roi: Roi, key: str | None, imp: Any) -> Any:
    """Give a Java ROI its name, ids, colours, stroke, text and position."""
    shape = shapes[0]
    if roi.roi_id is not None and all(one.shape_id is not None for one in shapes):
        java.setProperty(IDS_PROPERTY, f"{roi.roi_id}:{','.join(str(one.shape_id) for one in shapes)}")
    if roi.name is not None:
        java.setName(roi.name)
    if key is not None:
        java.setProperty(ROI_PROPERTY, key)
    if shape.text is not None and not isinstance(shape, Label):
        java.setProperty(TEXT_PROPERTY, shape.text)
    color = java_class("java.awt.Color")
    if shape.stroke_color is not None:
        java.setStrokeColor(color(*shape.stroke_color))
    if shape.fill_color is not None:
        java.setFillColor(color(*shape.fill_color))
    if shape.stroke_width is not None:
        java.setStrokeWidth(shape.stroke_width)
    c, z, t = (0 if number is None else number + 1 for number in (shape.c, shape.z, shape.t))
    if c or z or t:
        if imp is not None and not imp.isHyperStack():
            java.setPosition(int(imp.getStackIndex(max(c, 1), max(z, 1), max(t, 1))))
        else:
            java.setPosition(c, z, t)
    return java


_SHAPES = (Rectangle, Ellipse, Line, Point, Polygon, Polyline, Label, Mask)
