"""Label images become masks and come back the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError
from ij_omero.model import Mask, Rectangle, Roi, labels_to_rois, rois_to_labels


@pytest.mark.parametrize("shape", [(9, 11), (3, 9, 11), (2, 3, 9, 11), (0, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_there_and_back(shape: tuple[int, ...], dtype: Any) -> None:
    labels = np.random.default_rng(0).choice([0, 0, 1, 2, 9, 100], shape).astype(dtype)
    rois = labels_to_rois(labels)
    assert [roi.name for roi in rois] == [str(label) for label in np.unique(labels) if label]
    found = rois_to_labels(rois, shape, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, labels)


def test_masks_keep_their_last_row_and_column_and_their_plane() -> None:
    labels = np.zeros((2, 5, 6), np.uint16)
    labels[1, 2:5, 3:6] = 4
    (roi,) = labels_to_rois(labels, t=7)
    (mask,) = roi.shapes
    assert isinstance(mask, Mask)
    assert (mask.x, mask.y, mask.width, mask.height, mask.z, mask.t) == (3, 2, 3, 3, 1, 7)
    assert mask.bits.all()


def test_numbers_are_kept_where_they_are_free_and_the_later_wins() -> None:
    one = np.ones((2, 2), bool)
    rois = [Roi((Mask(0, 0, one),), "2"), Roi((Mask(1, 1, one),), "nucleus"), Roi((Mask(-1, 2, one),), "2")]
    assert rois_to_labels(rois, (3, 3)).tolist() == [[2, 2, 0], [2, 1, 1], [3, 1, 1]]
    everywhere = rois_to_labels(rois[:1], (2, 3, 3))
    np.testing.assert_array_equal(everywhere[0], everywhere[1])


@pytest.mark.parametrize("labels", [np.zeros((2, 2)), np.zeros(3, int), np.array([[-1]])])
def test_what_is_no_label_image_is_refused(labels: Any) -> None:
    with pytest.raises(InvalidInputError, match="label"):
        labels_to_rois(labels)


def test_what_cannot_be_painted_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="Rectangle"):
        rois_to_labels([Roi((Rectangle(0, 0, 2, 2),))], (3, 3))
    with pytest.raises(InvalidInputError, match="uint8"):
        rois_to_labels([Roi((Mask(0, 0, np.ones((1, 1), bool)),), "300")], (3, 3), np.uint8)
    with pytest.raises(InvalidInputError, match="whole numbers"):
        rois_to_labels([], (3, 3), float)
    with pytest.raises(InvalidInputError, match="shape"):
        rois_to_labels([], (3,))
