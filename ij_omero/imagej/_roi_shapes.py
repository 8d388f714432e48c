"""Shapes of the OME model as ImageJ 1's ROI objects, apart from names, colours and positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import Ellipse, Label, Line, Mask, Point, Polygon, Polyline, Rectangle

from ._primitive_arrays import to_java_array
from ._roi_geometry import apply, ellipse_axes, is_similarity
from ._runtime import java_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ij_omero.model import Shape

_DEFAULT_FONT_SIZE = 12.0


def multi_point(points: Sequence[Point]) -> Any:
    """Return one ``PointRoi`` of points on one plane."""
    import jpype

    floats = jpype.JArray(jpype.JFloat)
    return java_class("ij.gui.PointRoi")(floats([p.x for p in points]), floats([p.y for p in points]), len(points))


def java_roi(shape: Shape) -> Any:
    """Return the ``ij.gui.Roi`` of a shape's geometry, its transform applied."""
    if isinstance(shape, Rectangle):
        return _rectangle(shape)
    if isinstance(shape, Ellipse):
        return _ellipse(shape)
    if isinstance(shape, Line):
        ends = (*apply(shape.transform, shape.x1, shape.y1), *apply(shape.transform, shape.x2, shape.y2))
        return java_class("ij.gui.Line")(*(float(end) for end in ends))
    if isinstance(shape, Point):
        x, y = apply(shape.transform, shape.x, shape.y)
        return multi_point([Point(x, y)])
    if isinstance(shape, (Polygon, Polyline)):
        closed = isinstance(shape, Polygon)
        return _polygon([apply(shape.transform, x, y) for x, y in shape.points], closed=closed)
    if isinstance(shape, Label):
        return _label(shape)
    return _mask(shape)


def _polygon(points: Sequence[tuple[float, float]], *, closed: bool) -> Any:
    import jpype

    roi_class = java_class("ij.gui.Roi")
    floats = jpype.JArray(jpype.JFloat)
    kind = roi_class.POLYGON if closed else roi_class.POLYLINE
    return java_class("ij.gui.PolygonRoi")(floats([x for x, _ in points]), floats([y for _, y in points]), kind)


def _rectangle(shape: Rectangle) -> Any:
    x, y, width, height = float(shape.x), float(shape.y), float(shape.width), float(shape.height)
    if shape.transform is None:
        return java_class("ij.gui.Roi")(x, y, width, height)
    if is_similarity(shape.transform):
        # by the middles of the left and right side, and the height
        x1, y1 = apply(shape.transform, x, y + height / 2)
        x2, y2 = apply(shape.transform, x + width, y + height / 2)
        scale = float(np.hypot(shape.transform.a00, shape.transform.a10))
        return java_class("ij.gui.RotatedRectRoi")(x1, y1, x2, y2, height * scale)
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    return _polygon([apply(shape.transform, *corner) for corner in corners], closed=True)


def _ellipse(shape: Ellipse) -> Any:
    if shape.transform is None:
        width, height = 2.0 * shape.radius_x, 2.0 * shape.radius_y
        return java_class("ij.gui.OvalRoi")(shape.x - width / 2, shape.y - height / 2, width, height)
    axes = ellipse_axes(shape.x, shape.y, shape.radius_x, shape.radius_y, shape.transform)
    return java_class("ij.gui.EllipseRoi")(*axes)


def _label(shape: Label) -> Any:
    x, y = apply(shape.transform, shape.x, shape.y)
    size = shape.font_size or _DEFAULT_FONT_SIZE
    font = java_class("java.awt.Font")("SansSerif", 0, round(size)).deriveFont(float(size))
    return java_class("ij.gui.TextRoi")(float(x), float(y), shape.text or "", font)


def _mask(shape: Mask) -> Any:
    """Trace a bitmap; the property lets it be read back as the bitmap that it was."""
    if not shape.bits.any():
        raise InvalidInputError(
            f"the mask at ({shape.x:g}, {shape.y:g}) has no pixel set, and ImageJ has no empty selection; leave it out"
        )
    pixels = to_java_array(shape.bits.astype(np.uint8) * np.uint8(255))
    processor = java_class("ij.process.ByteProcessor")(shape.width, shape.height, pixels)
    processor.setThreshold(255.0, 255.0, java_class("ij.process.ImageProcessor").NO_LUT_UPDATE)
    roi = java_class("ij.plugin.filter.ThresholdToSelection")().convert(processor)
    if shape.transform is None:
        bounds = roi.getBounds()
        roi.setLocation(float(bounds.x + shape.x), float(bounds.y + shape.y))
    else:
        outline = java_class("ij.gui.ShapeRoi")(roi)
        t = shape.transform
        place = java_class("java.awt.geom.AffineTransform")(t.a00, t.a10, t.a01, t.a11, t.a02, t.a12)
        local = java_class("java.awt.geom.AffineTransform").getTranslateInstance(
            float(outline.getXBase() + shape.x), float(outline.getYBase() + shape.y)
        )
        place.concatenate(local)
        roi = java_class("ij.gui.ShapeRoi")(place.createTransformedShape(outline.getShape()))
    roi.setProperty("ome.shape", "Mask")
    return roi
