"""Functions that take and give images, tables and ROIs in all combinations."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ij_omero.imagej import register_module
from ij_omero.model import Roi, Table

Give = Literal["image", "table", "roi", "image, table, roi"]
OUTPUTS = {"new_image": np.ndarray, "new_table": Table, "new_roi": Roi}


def _given(give: str, image: Any = None, table: Any = None, roi: Any = None) -> dict[str, Any]:
    """Return what is asked for, made of what is there, so that each input shows in the outputs."""
    from ij_omero.model import Rectangle

    area = 0.0 if image is None else float(np.count_nonzero(image))
    rows = 0.0 if table is None else float(table.row_count)
    width = 0.0 if roi is None else float(roi.shapes[0].width)
    everything = {
        "image": ("new_image", np.full((1, 1, 1, 4, 4), area + rows + width, np.float32)),
        "table": ("new_table", Table.from_dict("sums", {"Sum": np.array([area, rows, width])})),
        "roi": ("new_roi", Roi((Rectangle(x=0, y=0, width=area + rows + width, height=1),), "sum")),
    }
    return dict(everything[one] for one in give.split(", "))


def from_image(image: np.ndarray, give: Give) -> dict[str, Any]:
    """Take an image."""
    return _given(give, image=image)


def from_table(table: Table, give: Give) -> dict[str, Any]:
    """Take a table."""
    return _given(give, table=table)


def from_roi(roi: Roi, give: Give) -> dict[str, Any]:
    """Take an ROI."""
    return _given(give, roi=roi)


def from_image_and_table(image: np.ndarray, table: Table, give: Give) -> dict[str, Any]:
    """Take an image and a table."""
    return _given(give, image=image, table=table)


def from_image_and_roi(image: np.ndarray, roi: Roi, give: Give) -> dict[str, Any]:
    """Take an image and an ROI."""
    return _given(give, image=image, roi=roi)


def from_table_and_roi(table: Table, roi: Roi, give: Give) -> dict[str, Any]:
    """Take a table and an ROI."""
    return _given(give, table=table, roi=roi)


def from_all(image: np.ndarray, table: Table, roi: Roi, give: Give) -> dict[str, Any]:
    """Take an image, a table and an ROI."""
    return _given(give, image=image, table=table, roi=roi)


for function in (
    from_image,
    from_table,
    from_roi,
    from_image_and_table,
    from_image_and_roi,
    from_table_and_roi,
    from_all,
):
    register_module(function, outputs=OUTPUTS)
