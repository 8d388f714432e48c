"""Label images, whose pixels number the thing they belong to, as ROIs of masks and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError

from ._roi import AffineTransform, Mask, Roi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt


def labels_to_rois(labels: npt.ArrayLike, *, z: int | None = None, t: int | None = None) -> list[Roi]:
    """Make one ROI for each label, named by its number, with a mask of its bounding box on each plane it touches.

    Parameters
    ----------
    labels
        Whole numbers, (Y, X), (Z, Y, X) or (T, Z, Y, X); 0 is background.
    z, t
        Where a (Y, X) or (Z, Y, X) array without that axis lies; None is all z-sections or timepoints.

    Returns
    -------
    list of Roi
        In the order of the labels.

    Raises
    ------
    InvalidInputError
        The array holds no whole numbers, negative ones, or has other axes.

    Examples
    --------
    >>> (roi,) = labels_to_rois([[0, 7], [0, 7]])
    >>> roi.name, roi.shapes[0].x, roi.shapes[0].bits.tolist()
    ('7', 1.0, [[True], [True]])
    """
    pixels = np.asarray(labels)
    if pixels.dtype.kind not in "iub" or not 2 <= pixels.ndim <= 4:
        raise InvalidInputError(
            f"a label image holds whole numbers, (Y, X), (Z, Y, X) or (T, Z, Y, X); got {pixels.dtype} {pixels.shape}"
        )
    if pixels.size and pixels.min() < 0:
        raise InvalidInputError(f"label {pixels.min()} is negative; labels count from 1, 0 is background")
    masks: dict[int, list[Mask]] = {}
    for position in np.ndindex(*pixels.shape[:-2]):
        at_z = position[-1] if pixels.ndim > 2 else z
        at_t = position[0] if pixels.ndim > 3 else t
        for label, mask in _masks(pixels[position], at_z, at_t):
            masks.setdefault(label, []).append(mask)
    return [Roi(tuple(masks[label]), str(label)) for label in sorted(masks)]


def rois_to_labels(rois: Sequence[Roi], shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint32) -> npt.NDArray[Any]:
    """Paint the masks of ROIs into a label image; where masks overlap the later ROI wins.

    Parameters
    ----------
    rois
        A ROI whose name is a number above 0 keeps it as its label, unless an earlier one has it; the others get the
        smallest numbers that are free.
    shape
        (Y, X), (Z, Y, X) or (T, Z, Y, X). A mask without a position lies on all planes; what lies outside is cut off.
    dtype
        Of the result; a whole-number type.

    Raises
    ------
    InvalidInputError
        A shape is no plain mask, or a label does not fit the dtype.
    """
    if not 2 <= len(shape) <= 4:
        raise InvalidInputError(f"a label image is (Y, X), (Z, Y, X) or (T, Z, Y, X), not of shape {shape}")
    if np.dtype(dtype).kind not in "iu":
        raise InvalidInputError(f"a label image holds whole numbers, not {np.dtype(dtype)}")
    found = np.zeros(shape, dtype)
    planes = found.reshape((1,) * (4 - found.ndim) + found.shape)
    for roi, label in zip(rois, _numbers(rois), strict=True):
        if label > np.iinfo(found.dtype).max:
            raise InvalidInputError(f"label {label} does not fit into {found.dtype}; choose a wider dtype")
        for mask in roi.shapes:
            if not isinstance(mask, Mask) or mask.transform not in (None, AffineTransform()):
                kind = type(mask).__name__
                raise InvalidInputError(f"ROI {roi.name!r} has a {kind}; only masks without a transform become labels")
            _paint(planes, mask, label)
    return found


def _numbers(rois: Sequence[Roi]) -> list[int]:
    taken: set[int] = set()
    numbers: list[int | None] = []
    for roi in rois:
        named = int(roi.name) if roi.name and roi.name.isdecimal() else 0
        numbers.append(named if named and named not in taken else None)
        taken.add(named)
    free = (number for number in range(1, len(rois) + len(taken) + 1) if number not in taken)
    return [next(free) if number is None else number for number in numbers]


def _paint(planes: npt.NDArray[Any], mask: Mask, label: int) -> None:
    size_t, size_z, height, width = planes.shape
    x, y = round(mask.x), round(mask.y)
    left, top = max(0, x), max(0, y)
    right, bottom = min(width, x + mask.width), min(height, y + mask.height)
    if left >= right or top >= bottom:
        return
    bits = mask.bits[top - y : bottom - y, left - x : right - x]
    for t in range(size_t) if mask.t is None or size_t == 1 else [mask.t]:
        for z in range(size_z) if mask.z is None or size_z == 1 else [mask.z]:
            if t < size_t and z < size_z:
                planes[t, z, top:bottom, left:right][bits] = label


def _masks(plane: npt.NDArray[Any], z: int | None, t: int | None) -> Iterator[tuple[int, Mask]]:
    """Yield label and mask of each label of a plane; sorted once, so that many labels cost no more than few."""
    rows, columns = np.nonzero(plane)
    if not rows.size:
        return
    values = plane[rows, columns]
    order = np.argsort(values, kind="stable")
    labels, starts = np.unique(values[order], return_index=True)
    for label, picked in zip(labels, np.split(order, starts[1:]), strict=True):
        y, x = rows[picked], columns[picked]
        top, left = int(y.min()), int(x.min())
        bits = np.zeros((int(y.max()) - top + 1, int(x.max()) - left + 1), bool)
        bits[y - top, x - left] = True
        yield int(label), Mask(float(left), float(top), bits, z=z, t=t)
