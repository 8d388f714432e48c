from __future__ import annotations

import math

import numpy as np
import pytest

from ij_omero.imagej._roi_geometry import apply, ellipse_axes, exact, is_similarity, rotation_about
from ij_omero.model import AffineTransform


def test_a_rotation_keeps_its_centre_and_turns_the_rest() -> None:
    turn = rotation_about(10, 20, math.pi / 2)
    assert turn is not None
    assert apply(turn, 10, 20) == pytest.approx((10, 20))
    assert apply(turn, 11, 20) == pytest.approx((10, 21))
    assert is_similarity(turn)
    assert rotation_about(10, 20, 0.0) is None


def test_the_axes_of_a_sheared_ellipse_lie_on_its_transformed_outline() -> None:
    shear = AffineTransform(1.0, 0.7, 3.0, 0.0, 1.2, -4.0)
    assert not is_similarity(shear)
    x1, y1, x2, y2, ratio = ellipse_axes(5, 6, 4, 2, shear)
    angles = np.linspace(0, 2 * np.pi, 20_000)
    outline = np.array([apply(shear, 5 + 4 * math.cos(a), 6 + 2 * math.sin(a)) for a in angles])
    distances = np.hypot(*(outline - np.array(apply(shear, 5, 6))).T)
    assert math.hypot(x2 - x1, y2 - y1) / 2 == pytest.approx(distances.max(), rel=1e-6)
    assert ratio == pytest.approx(distances.min() / distances.max(), rel=1e-6)


def test_32_bit_coordinates_are_read_as_the_decimals_they_stand_for() -> None:
    assert exact(float(np.float32(0.1))) == 0.1
    assert exact(0.1) == 0.1
