"""imglib2-roi's masks, as complete ImageJ2s have them <-> the shapes of the OME model.

Geometric masks become the shape of their kind, transformed ones a shape with a transform; everything else that is
bounded is rasterised to a bitmap, its last row and column included. The OME model has no boundary: one that is not
closed is noted in the shape's text as imagej-omero does, ``ij-bt:[O]`` for open and ``ij-bt:[U]`` for unspecified.
"""

from __future__ import annotations

import functools
import logging
import math
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import ImageJError, InvalidInputError
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
)

from ._java_proxies import implement
from ._primitive_arrays import from_java_array, to_java_array
from ._rois import to_imagej_rois
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ij_omero.model import Shape

_log = logging.getLogger(__name__)
_REAL = "net.imglib2.roi.geom.real."
_BOUNDARIES = {"ij-bt:[C]": "closed", "ij-bt:[O]": "open", "ij-bt:[U]": "unspecified"}
_TEXTS = {"OPEN": "ij-bt:[O]", "UNSPECIFIED": "ij-bt:[U]"}
_ROI_PROPERTY = "rois"
_KEPT = ("z", "c", "t", "stroke_color", "fill_color", "stroke_width", "font_size", "shape_id")
"""What a mask has not and a node of a tree keeps for it."""


def has_masks() -> bool:
    """Tell whether this ImageJ has imglib2-roi's masks and ROI trees."""
    start()
    try:
        java_class("net.imagej.roi.DefaultROITree")
        java_class(_REAL + "Box")
    except ImageJError:
        return False
    return True


def to_mask(shape: Shape) -> Any:
    """Make the ``net.imglib2.roi.MaskPredicate`` of a shape.

    Raises
    ------
    InvalidInputError
        A label, which covers nothing.
    ImageJError
        This ImageJ has no masks.
    """
    import jpype

    start()
    masks, doubles = java_class("net.imglib2.roi.geom.GeomMasks"), jpype.JArray(jpype.JDouble)
    boundary = _BOUNDARIES.get(shape.text or "", "closed")
    mask: Any
    if isinstance(shape, Rectangle):
        make = masks.openBox if boundary == "open" else masks.closedBox
        mask = make(doubles([shape.x, shape.y]), doubles([shape.x + shape.width, shape.y + shape.height]))
    elif isinstance(shape, Ellipse):
        make = masks.openEllipsoid if boundary == "open" else masks.closedEllipsoid
        mask = make(doubles([shape.x, shape.y]), doubles([shape.radius_x, shape.radius_y]))
    elif isinstance(shape, Polygon):
        kinds = {"open": masks.openPolygon2D, "closed": masks.closedPolygon2D, "unspecified": masks.polygon2D}
        mask = kinds[boundary](doubles([x for x, _ in shape.points]), doubles([y for _, y in shape.points]))
    elif isinstance(shape, Polyline):
        vertices = jpype.JClass("java.util.ArrayList")()
        for x, y in shape.points:
            vertices.add(_real_point(x, y))
        mask = masks.polyline(vertices)
    elif isinstance(shape, Line):
        mask = masks.line(_real_point(shape.x1, shape.y1), _real_point(shape.x2, shape.y2))
    elif isinstance(shape, Point):
        mask = masks.pointMask(doubles([shape.x, shape.y]))
    elif isinstance(shape, Mask):
        return _bitmap_mask(shape)
    else:
        raise InvalidInputError(f"the label {shape.text!r} covers nothing, so it is no mask")
    if shape.transform is None:
        return mask
    t = shape.transform
    affine = java_class("net.imglib2.realtransform.AffineTransform2D")()
    affine.set(doubles([t.a00, t.a01, t.a02, t.a10, t.a11, t.a12]))
    return mask.transform(affine.inverse())


def from_mask(mask: Any, image: Any = None) -> list[Shape]:
    """Read a two-dimensional ``net.imglib2.roi.MaskPredicate``: one shape, or a point for each of a collection.

    Parameters
    ----------
    mask
        Java's mask.
    image
        A Dataset or interval, over which a mask without bounds is rasterised.

    Raises
    ------
    InvalidInputError
        It has not two dimensions, covers no pixel, or has no bounds and no image is given.
    """
    if int(mask.numDimensions()) != 2:
        raise InvalidInputError(f"a mask of {mask.numDimensions()} dimensions is no shape of OMERO's, which have two")
    shapes = _geometry(mask)
    if shapes is None:
        shapes = _transformed(mask)
    if shapes is None:
        return [_rasterised(mask, image)]
    text = _TEXTS.get(str(mask.boundaryType()))
    areas = (Rectangle, Ellipse, Polygon)
    return [replace(shape, text=text) if text and isinstance(shape, areas) else shape for shape in shapes]


def to_roi_tree(rois: Iterable[Roi]) -> Any:
    """Make a ``net.imagej.roi.ROITree``: a node for each ROI, below it one for each of its shapes' masks.

    The nodes keep what masks have not (plane, colours, ids, names), so that `from_roi_tree` gives it back. Labels,
    which are no masks, are left out.
    """
    start()
    tree = java_class("net.imagej.roi.DefaultROITree")()
    for roi in rois:
        node = _node_class()(None, roi)
        for shape in roi.shapes:
            if isinstance(shape, Label):
                _log.warning("the label %r is left out: ImageJ's masks have no text", shape.text)
                continue
            leaf = _node_class()(to_mask(shape), shape)
            leaf.setParent(node)
            node.children().add(leaf)
        if node.children().size():
            node.setParent(tree)
            tree.children().add(node)
    return tree


def from_roi_tree(tree: Any, image: Any = None) -> list[Roi]:
    """Read a ``net.imagej.roi.ROITree`` or any tree of masks: a ROI for each of its branches.

    Parameters
    ----------
    tree
        Java's tree.
    image
        As for `from_mask`.
    """
    found = []
    for branch in tree.children():
        shapes = tuple(_shapes_below(branch, image))
        known = getattr(branch, "known", None)
        if shapes and isinstance(known, Roi):
            found.append(Roi(shapes, name=known.name, description=known.description, roi_id=known.roi_id))
        elif shapes:
            found.append(Roi(shapes))
    return found


def is_roi_tree(value: Any) -> bool:
    """Tell whether a value is a ``net.imagej.roi.ROITree`` of Java."""
    return has_masks() and isinstance(value, java_class("net.imagej.roi.ROITree"))


def attach_rois(dataset: Any, rois: Iterable[Roi]) -> None:
    """Give a Dataset its ROIs where ImageJ looks for them: as a tree of masks, else as a list of ``ij.gui.Roi``."""
    value: Any
    if has_masks():
        value = to_roi_tree(rois)
    else:
        value = java_class("java.util.ArrayList")()
        for roi in to_imagej_rois(rois):
            value.add(roi)
    dataset.getProperties().put(_ROI_PROPERTY, value)


def _shapes_below(node: Any, image: Any) -> list[Shape]:
    shapes: list[Shape] = []
    mask = node.data()
    if mask is not None and isinstance(mask, java_class("net.imglib2.roi.MaskPredicate")):
        read = from_mask(mask, image)
        known = getattr(node, "known", None)
        if len(read) == 1 and known is not None:
            kept = {name: getattr(known, name) for name in _KEPT}
            text = known.text if known.text not in _BOUNDARIES else read[0].text
            read = [replace(read[0], text=text, **kept)]
        shapes += read
    for child in node.children():
        shapes += _shapes_below(child, image)
    return shapes


def _real_point(x: float, y: float) -> Any:
    import jpype

    return java_class("net.imglib2.RealPoint")(jpype.JArray(jpype.JDouble)([x, y]))


def _bitmap_mask(shape: Mask) -> Any:
    import jpype

    if shape.transform is not None:
        raise InvalidInputError("a bitmap with a transform is no mask of ImageJ; take its outline or draw it anew")
    longs = jpype.JArray(jpype.JLong)
    words = np.zeros(-(-shape.bits.size // 64) * 8, np.uint8)
    packed = np.packbits(shape.bits.reshape(-1), bitorder="little")
    words[: packed.size] = packed
    access = java_class("net.imglib2.img.basictypeaccess.array.LongArray")(to_java_array(words.view(np.int64)))
    bits = java_class("net.imglib2.img.array.ArrayImgs").bits(access, longs([shape.width, shape.height]))
    placed = java_class("net.imglib2.view.Views").translate(bits, longs([math.floor(shape.x), math.floor(shape.y)]))
    return java_class("net.imglib2.roi.Masks").toMaskInterval(placed)


def _is(mask: Any, name: str) -> bool:
    return isinstance(mask, java_class(_REAL + name))


def _xy(place: Any) -> tuple[float, float]:
    return float(place.getDoublePosition(0)), float(place.getDoublePosition(1))


def _geometry(mask: Any) -> list[Shape] | None:
    """Read a mask of a geometric kind; None for any other."""
    if _is(mask, "Box"):
        x, y = float(mask.realMin(0)), float(mask.realMin(1))
        return [Rectangle(x, y, float(mask.sideLength(0)), float(mask.sideLength(1)))]
    if _is(mask, "SuperEllipsoid") and float(mask.exponent()) == 2:
        return [Ellipse(*_xy(mask.center()), float(mask.semiAxisLength(0)), float(mask.semiAxisLength(1)))]
    if _is(mask, "Polyshape"):
        points = tuple(_xy(mask.vertex(number)) for number in range(int(mask.numVertices())))
        return [Polygon(points) if _is(mask, "Polygon2D") else Polyline(points)]
    if _is(mask, "Line"):
        return [Line(*_xy(mask.endpointOne()), *_xy(mask.endpointTwo()))]
    if _is(mask, "PointMask"):
        return [Point(*_xy(mask))]
    if _is(mask, "RealPointCollection"):
        return [Point(*_xy(point)) for point in mask.points()]
    return None


def _transformed(mask: Any) -> list[Shape] | None:
    """Read a geometric mask under an affine transform; None for any other."""
    if not isinstance(mask, java_class("net.imglib2.roi.composite.UnaryCompositeMaskPredicate")):
        return None
    operator = mask.operator()
    if not isinstance(operator, java_class("net.imglib2.roi.Operators$RealTransformMaskOperator")):
        return None
    to_source = operator.getTransformToSource()
    if not isinstance(to_source, java_class("net.imglib2.realtransform.AffineGet")):
        return None
    shapes = _geometry(mask.arg0())
    if shapes is None:
        return None
    placed = to_source.inverse()
    rows = [[float(placed.get(row, column)) for column in range(3)] for row in range(2)]
    return [replace(shape, transform=AffineTransform(*rows[0], *rows[1])) for shape in shapes]


def _rasterised(mask: Any, image: Any) -> Mask:
    """Sample a mask at the pixels' places."""
    import jpype

    masks, views = java_class("net.imglib2.roi.Masks"), java_class("net.imglib2.view.Views")
    longs = jpype.JArray(jpype.JLong)
    discrete = isinstance(mask, java_class("net.imglib2.roi.Mask"))
    if isinstance(mask, java_class("net.imglib2.RealInterval")):
        low = [math.ceil(float(mask.realMin(axis))) for axis in range(2)]
        high = [math.floor(float(mask.realMax(axis))) for axis in range(2)]
    elif image is not None:
        low = [int(image.min(axis)) for axis in range(2)]
        high = [int(image.max(axis)) for axis in range(2)]
    else:
        raise InvalidInputError("a mask without bounds can be read with its image only; give the Dataset too")
    width, height = high[0] - low[0] + 1, high[1] - low[1] + 1
    if width < 1 or height < 1:
        raise InvalidInputError("the mask covers no pixel, so it is no shape of OMERO's")
    if discrete:
        everywhere = masks.toRandomAccessible(mask)
    else:
        everywhere = views.raster(masks.toRealRandomAccessible(mask))
    sampled = views.zeroMin(views.interval(everywhere, longs(low), longs(high)))
    buffer = jpype.JArray(jpype.JByte)(width * height)
    bytes_image = java_class("net.imglib2.img.array.ArrayImgs").unsignedBytes(buffer, longs([width, height]))
    java_class("net.imglib2.converter.RealTypeConverters").copyFromTo(sampled, bytes_image)
    bits = from_java_array(buffer, np.uint8).reshape(height, width) != 0
    return Mask(float(low[0]), float(low[1]), bits)


class _Node:
    """``org.scijava.util.TreeNode`` that remembers the ROI or shape that it was made of."""

    def __init__(self, mask: Any, known: Roi | Shape) -> None:
        self.mask = mask
        self.known = known
        self.above: Any = None
        self.below = java_class("java.util.ArrayList")()

    def data(self) -> Any:
        """Return the mask; None of a ROI."""
        return self.mask

    def parent(self) -> Any:
        """Return the node above."""
        return None if self.above is None else self.above()

    def setParent(self, parent: Any) -> None:
        """Change the node above, which is held weakly: no collector sees a ring through both heaps."""
        if parent is None or isinstance(getattr(parent, "known", None), Roi):
            self.above = None if parent is None else weakref.ref(parent)
        else:
            self.above = java_class("java.lang.ref.WeakReference")(parent).get

    def children(self) -> Any:
        """Return the nodes below."""
        return self.below


@functools.cache
def _node_class() -> Any:
    return implement(_Node, "org.scijava.util.TreeNode")
