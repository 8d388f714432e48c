from __future__ import annotations

import math

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

pytestmark = pytest.mark.jvm
TURN = AffineTransform(0.8, -0.6, 46.0, 0.6, 0.8, -18.0)
BITS = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1]], bool)


@pytest.mark.parametrize(
    "roi",
    [
        Roi((Rectangle(1, 2, 3.5, 4),), name="box"),
        Roi((Ellipse(5, 6, 2, 3, z=1),)),
        Roi((Line(1.5, 2, 3, 4, stroke_color=(255, 0, 0, 255), stroke_width=2.0, c=1, z=2, t=0),)),
        Roi((Polygon(((0.0, 0.0), (5.0, 0.0), (5.0, 5.5)), text="hi", t=1, fill_color=(1, 2, 3, 99)),)),
        Roi((Polyline(((0.0, 0.0), (5.0, 0.0), (5.0, 5.0))),)),
        Roi((Point(1, 2), Point(3.5, 4.25))),
        Roi((Label(3, 4, text="two\nlines", font_size=14.0),)),
        Roi((Mask(2, 3, BITS, z=0),)),
        Roi((Ellipse(50, 60, 20, 10, transform=TURN),)),
        Roi((Rectangle(1, 2, 3, 4, z=0), Ellipse(5, 6, 2, 3, z=1), Point(4, 4)), name="several shapes"),
    ],
    ids=lambda roi: "+".join(type(shape).__name__ for shape in roi.shapes),
)
def test_a_roi_comes_back_as_it_went(roi: Roi) -> None:
    imp = imagej.to_imageplus(np.zeros((2, 3, 4, 100, 100), np.uint8))
    (back,) = imagej.from_imagej_rois(imagej.to_imagej_rois(roi, imp), imp)
    assert back.name == roi.name
    assert len(back.shapes) == len(roi.shapes)
    for one, other in zip(back.shapes, roi.shapes, strict=True):
        assert_close(one, other)


def assert_close(one: Shape, other: Shape) -> None:
    assert type(one) is type(other)
    for name in vars(other):
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(theirs, (float, AffineTransform)):
            assert mine == pytest.approx(theirs, abs=1e-6), name
        elif name == "bits":
            np.testing.assert_array_equal(mine, theirs)
        else:
            assert mine == theirs, name


def test_positions_count_from_one_in_imagej_with_zero_for_all() -> None:
    (java,) = imagej.to_imagej_rois(Rectangle(0, 0, 2, 2, c=1, z=2))
    assert (java.getCPosition(), java.getZPosition(), java.getTPosition()) == (2, 3, 0)


def test_a_position_in_a_plain_stack_is_the_z_section() -> None:
    imp = imagej.to_imageplus(np.zeros((5, 9, 9), np.uint8))
    (java,) = imagej.to_imagej_rois(Rectangle(0, 0, 2, 2, z=3), imp)
    java.setPosition(4)
    (roi,) = imagej.from_imagej_rois([java], imp)
    assert (roi.shapes[0].z, roi.shapes[0].c, roi.shapes[0].t) == (3, None, None)


def test_a_rotated_rectangle_covers_the_same_pixels() -> None:
    angle = math.radians(30)
    about = AffineTransform(math.cos(angle), -math.sin(angle), 30.0, math.sin(angle), math.cos(angle), 10.0)
    (java,) = imagej.to_imagej_rois(Rectangle(10, 10, 30, 12, transform=about))
    (roi,) = imagej.from_imagej_rois([java])
    (again,) = imagej.to_imagej_rois(roi)
    assert list(again.getParams()) == pytest.approx(list(java.getParams()))
    assert again.getStatistics().area == pytest.approx(30 * 12, rel=0.05)


def test_a_composite_selection_becomes_a_mask() -> None:
    shape = java_class("ij.gui.ShapeRoi")
    ring = shape(java_class("ij.gui.Roi")(2.0, 3.0, 8.0, 8.0)).xor(shape(java_class("ij.gui.Roi")(4.0, 5.0, 2.0, 2.0)))
    (roi,) = imagej.from_imagej_rois([ring])
    expected = np.ones((8, 8), bool)
    expected[2:4, 2:4] = False
    assert roi.shapes == (Mask(2.0, 3.0, expected),)


def test_freehand_and_traced_outlines_become_polygons_and_rounded_corners_too() -> None:
    (roi,) = imagej.from_imagej_rois([java_class("ij.gui.Roi")(1, 1, 20, 20, 8)])
    assert isinstance(roi.shapes[0], Polygon)


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no pixel"):
        imagej.to_imagej_rois(Mask(0, 0, np.zeros((2, 2), bool)))
