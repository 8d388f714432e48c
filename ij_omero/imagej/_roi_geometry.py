"""The geometry between ImageJ's rotated shapes and the OME model's transforms; no Java."""

from __future__ import annotations

import math

import numpy as np

from ij_omero.model import AffineTransform


def exact(value: float) -> float:
    """Return the shortest decimal that ImageJ's 32-bit coordinate stands for: 0.1, not 0.10000000149."""
    narrow = np.float32(value)
    return float(str(narrow)) if float(narrow) == float(value) else float(value)


def rotation_about(x: float, y: float, angle: float) -> AffineTransform | None:
    """Return a rotation by `angle` radians (from x towards y) about a point; None where it turns nothing."""
    if abs(math.sin(angle)) < 1e-9 and math.cos(angle) > 0:
        return None
    cos, sin = math.cos(angle), math.sin(angle)
    return AffineTransform(cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y)


def apply(transform: AffineTransform | None, x: float, y: float) -> tuple[float, float]:
    """Transform a point."""
    if transform is None:
        return (x, y)
    return (
        transform.a00 * x + transform.a01 * y + transform.a02,
        transform.a10 * x + transform.a11 * y + transform.a12,
    )


def is_similarity(transform: AffineTransform) -> bool:
    """Tell whether angles are kept: a rotated rectangle stays a rectangle."""
    columns = np.array([[transform.a00, transform.a01], [transform.a10, transform.a11]])
    product = columns.T @ columns
    scale = max(float(np.trace(product)) / 2, 1e-300)
    return bool(np.allclose(product / scale, np.eye(2), atol=1e-6))


def ellipse_axes(
    x: float, y: float, radius_x: float, radius_y: float, transform: AffineTransform
) -> tuple[float, float, float, float, float]:
    """Return the ends of the major axis and the ratio of minor to major axis of a transformed ellipse.

    Every affine image of an ellipse is an ellipse: the singular values of (matrix x radii) are its radii.
    """
    matrix = np.array([[transform.a00, transform.a01], [transform.a10, transform.a11]]) @ np.diag([radius_x, radius_y])
    directions, radii, _ = np.linalg.svd(matrix)
    centre_x, centre_y = apply(transform, x, y)
    along = directions[:, 0] * radii[0]
    if along[0] < 0 or (along[0] == 0 and along[1] < 0):
        along = -along
    ratio = float(radii[1] / radii[0]) if radii[0] > 0 else 1.0
    return (
        float(centre_x - along[0]),
        float(centre_y - along[1]),
        float(centre_x + along[0]),
        float(centre_y + along[1]),
        ratio,
    )
