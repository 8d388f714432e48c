"""ROI files, checked with roifile, which reads and writes them without ImageJ."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import roifile

from ij_omero import imagej
from ij_omero.errors import InvalidInputError, StorageError
from ij_omero.model import Ellipse, Label, Line, Mask, Point, Polygon, Polyline, Rectangle, Roi

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.jvm
BITS = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1]], bool)
ROIS = [
    Roi((Rectangle(1, 2, 30, 4, z=2, c=0, t=1),), "box"),
    Roi((Ellipse(15, 16, 5, 3), Point(1.5, 2), Point(3, 4.25)), "several"),
    Roi((Polygon(((0.0, 0.0), (15.0, 0.0), (15.0, 5.5))),), "box"),
    Roi((Polyline(((0.0, 0.0), (5.0, 0.0), (5.0, 5.0))),), "a/line"),
    Roi((Line(1.5, 2, 3, 4, stroke_color=(255, 0, 0, 255), stroke_width=2.0),), "line"),
    Roi((Mask(2, 3, BITS),), "mask"),
    Roi((Label(3, 4, text="words", font_size=14.0),), "label"),
]


def test_a_set_comes_back_and_others_read_it(tmp_path: Path) -> None:
    path = imagej.write_roi_file(tmp_path / "set.zip", ROIS)
    assert imagej.read_roi_file(path) == ROIS
    others = {roi.name: roi for roi in roifile.roiread(path)}
    assert len(zipfile.ZipFile(path).namelist()) == 8
    box = next(roi for roi in roifile.roiread(path) if roi.name == "box" and roi.roitype == roifile.ROI_TYPE.RECT)
    assert (box.left, box.top, box.right, box.bottom) == (1, 2, 31, 6)
    assert (box.c_position, box.z_position, box.t_position) == (1, 3, 2)
    np.testing.assert_array_equal(others["a/line"].coordinates(), [[0, 0], [5, 0], [5, 5]])


def test_what_others_wrote_is_read(tmp_path: Path) -> None:
    polygon = roifile.ImagejRoi.frompoints([[1.5, 2], [9, 2], [9, 7.25]], name="drawn", z=3)
    roifile.roiwrite(tmp_path / "drawn.roi", polygon)
    (roi,) = imagej.read_roi_file(tmp_path / "drawn.roi")
    assert roi.name == "drawn"
    (shape,) = roi.shapes
    assert isinstance(shape, Polygon)
    assert shape.points == ((1.5, 2.0), (9.0, 2.0), (9.0, 7.25))


def test_one_selection_is_a_roi_file(tmp_path: Path) -> None:
    path = imagej.write_roi_file(tmp_path / "one.roi", ROIS[:1])
    assert imagej.read_roi_file(path) == ROIS[:1]
    with pytest.raises(InvalidInputError, match=r"expected one for a \.roi file"):
        imagej.write_roi_file(path, ROIS)
    assert imagej.read_roi_file(path) == ROIS[:1]
    assert [file.name for file in tmp_path.iterdir()] == ["one.roi"]


def test_what_is_no_roi_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.roi").write_bytes(b"no selection of ImageJ's, but long enough to be one" * 3)
    (tmp_path / "text.zip").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with zipfile.ZipFile(tmp_path / "damaged.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", bytes(range(256)) * 20)
    damaged = bytearray((tmp_path / "damaged.zip").read_bytes())
    damaged[35] ^= 0xFF  # the first byte of what is packed
    (tmp_path / "damaged.zip").write_bytes(damaged)
    for name in ("text.roi", "text.zip", "empty.zip", "damaged.zip"):
        with pytest.raises(InvalidInputError, match=name):
            imagej.read_roi_file(tmp_path / name)
    with pytest.raises(StorageError, match="cannot be read"):
        imagej.read_roi_file(tmp_path / "missing.roi")
    with pytest.raises(StorageError, match="cannot be written"):
        imagej.write_roi_file(tmp_path / "missing" / "one.roi", ROIS[:1])
    with pytest.raises(InvalidInputError, match="expected"):
        imagej.write_roi_file(tmp_path / "one.txt", ROIS[:1])
