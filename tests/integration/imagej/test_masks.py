"""imglib2-roi's masks and ROI trees of a complete ImageJ2, and shapes of the OME model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero import imagej
from ij_omero.errors import InvalidInputError
from ij_omero.imagej._runtime import java_class
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

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.jvm, pytest.mark.full_imagej]
TURN = AffineTransform(0.8, -0.6, 46.0, 0.6, 0.8, -18.0)
BITS = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1]], bool)


@pytest.fixture(autouse=True)
def masks() -> None:
    if not imagej.has_masks():
        pytest.skip("needs an ImageJ2 with imglib2-roi: set IJ_OMERO_IMAGEJ to a Fiji folder")


def doubles(*values: float) -> Any:
    import jpype

    return jpype.JArray(jpype.JDouble)(values)


def covers(mask: Any, x: float, y: float) -> bool:
    return bool(mask.test(java_class("net.imglib2.RealPoint")(doubles(x, y))))


def only(shapes: Sequence[Shape]) -> Shape:
    (shape,) = shapes
    return shape


@pytest.mark.parametrize(
    "shape",
    [
        Rectangle(1, 2, 3.5, 4),
        Ellipse(5, 6, 2, 3),
        Line(1.5, 2, 3, 4),
        Point(3.5, 4.25),
        Polygon(((0.0, 0.0), (5.0, 0.0), (5.0, 5.5))),
        Polyline(((0.0, 0.0), (5.0, 0.0), (5.0, 5.0))),
        Mask(2, 3, BITS),
        Mask(-2, 3, np.ones((1, 1), bool)),
    ],
    ids=lambda shape: type(shape).__name__,
)
def test_a_shape_comes_back_as_it_went(shape: Shape) -> None:
    assert only(imagej.from_mask(imagej.to_mask(shape))) == shape


def test_a_transform_turns_the_mask_and_comes_back() -> None:
    mask = imagej.to_mask(Ellipse(50, 60, 20, 10, transform=TURN))
    # (70, 60), the right end, lies at (66, 72); (50, 80) was outside, and so is where it came to
    assert covers(mask, 65.9, 71.9)
    assert not covers(mask, *(0.8 * 50 - 0.6 * 80 + 46, 0.6 * 50 + 0.8 * 80 - 18))
    shape = only(imagej.from_mask(mask))
    assert isinstance(shape, Ellipse)
    assert shape.transform is not None
    assert (shape.x, shape.y, shape.radius_x, shape.radius_y) == (50, 60, 20, 10)
    assert tuple(shape.transform) == pytest.approx(tuple(TURN))


@pytest.mark.parametrize(("text", "inside"), [("ij-bt:[O]", False), ("ij-bt:[C]", True), (None, True)])
def test_the_boundary_is_in_the_text_as_imagej_omero_writes_it(text: str | None, inside: bool) -> None:
    mask = imagej.to_mask(Rectangle(1, 2, 3, 4, text=text))
    assert covers(mask, 1, 2) == inside
    assert only(imagej.from_mask(mask)).text == (None if inside else text)
    polygon = java_class("net.imglib2.roi.geom.GeomMasks").polygon2D(doubles(0, 4, 4), doubles(0, 0, 4))
    assert only(imagej.from_mask(polygon)).text == "ij-bt:[U]"


def test_what_is_no_simple_shape_becomes_a_bitmap_with_its_last_row_and_column() -> None:
    masks = java_class("net.imglib2.roi.geom.GeomMasks")
    box, hole = masks.closedBox(doubles(2, 3), doubles(9, 8)), masks.closedBox(doubles(4, 5), doubles(5, 6))
    expected = np.ones((6, 8), bool)
    expected[2:4, 2:4] = False
    assert only(imagej.from_mask(box.minus(hole))) == Mask(2, 3, expected)
    squircle = only(imagej.from_mask(masks.closedSuperEllipsoid(doubles(5, 5), doubles(3, 3), 8)))
    assert isinstance(squircle, Mask)
    assert squircle.bits.shape == (7, 7)
    assert squircle.bits[0, 3]
    assert not squircle.bits[0, 0]


def test_points_become_points() -> None:
    import jpype

    points = jpype.JClass("java.util.ArrayList")()
    for x, y in ((1, 2), (3.5, 4)):
        points.add(java_class("net.imglib2.RealPoint")(doubles(x, y)))
    found = imagej.from_mask(java_class("net.imglib2.roi.geom.GeomMasks").realPointCollection(points))
    assert sorted((shape.x, shape.y) for shape in found if isinstance(shape, Point)) == [(1, 2), (3.5, 4)]


def test_a_mask_without_bounds_needs_its_image() -> None:
    outside = imagej.to_mask(Rectangle(1, 1, 2, 2)).negate()
    with pytest.raises(InvalidInputError, match="give the Dataset"):
        imagej.from_mask(outside)
    picture = imagej.array_to_dataset(np.zeros((5, 6), np.uint8))
    expected = np.ones((5, 6), bool)
    expected[1:4, 1:4] = False
    assert only(imagej.from_mask(outside, picture)) == Mask(0, 0, expected)
    with pytest.raises(InvalidInputError, match="dimensions"):
        imagej.from_mask(java_class("net.imglib2.roi.geom.GeomMasks").closedBox(doubles(0, 0, 0), doubles(1, 1, 1)))


def test_a_tree_keeps_what_masks_have_not() -> None:
    rois = [
        Roi((Rectangle(1, 2, 3, 4, z=1, c=0, stroke_color=(1, 2, 3, 4), text="mine", shape_id=8),), "box", roi_id=7),
        Roi((Ellipse(5, 6, 2, 3, t=2, shape_id=9), Mask(2, 3, BITS), Label(1, 1, text="no mask")), roi_id=6),
    ]
    tree = imagej.to_roi_tree(rois)
    back = imagej.from_roi_tree(tree)
    assert back == [rois[0], Roi(rois[1].shapes[:2])]
    assert [roi.roi_id for roi in back] == [7, 6]
    assert [shape.shape_id for roi in back for shape in roi.shapes] == [8, 9, None]
    # as Java sees it
    branch = tree.children().get(1)
    assert branch.children().size() == 2
    assert branch.parent() is not None


def test_masks_that_java_added_are_rois_of_their_own() -> None:
    import jpype

    tree = java_class("net.imagej.roi.DefaultROITree")()
    masks = jpype.JClass("java.util.ArrayList")()
    masks.add(imagej.to_mask(Rectangle(1, 2, 3, 4)))
    masks.add(imagej.to_mask(Point(1, 2)))
    tree.addROIs(masks)
    assert imagej.from_roi_tree(tree) == [Roi((Rectangle(1, 2, 3, 4),)), Roi((Point(1, 2),))]


def test_rois_lie_where_imagej_looks_for_those_of_a_dataset() -> None:
    picture = imagej.array_to_dataset(np.zeros((5, 6), np.uint8))
    roi = Roi((Rectangle(1, 2, 3, 1, z=0),), "box")
    imagej.attach_rois(picture, [roi])
    assert imagej.start().service("net.imagej.roi.ROIService").hasROIs(picture)
    assert imagej.shown_rois(picture) == [roi]
