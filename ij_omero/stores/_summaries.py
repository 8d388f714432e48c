"""What stores that keep whole descriptions share: descriptions as stored, lines of listings, ids of ROIs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ij_omero.errors import InvalidInputError
from ij_omero.model import ImageDescription, ImageId, ImageSummary, Roi, Table, TableSummary

if TYPE_CHECKING:
    from collections.abc import Sequence


def stored_description(
    description: ImageDescription, dataset: ImageId | None, source: ImageId | None
) -> ImageDescription:
    """Return a new image's description, with the places of another store taken out.

    Raises
    ------
    InvalidInputError
        The dataset is not a name: these stores have no numbered datasets.
    """
    if dataset is not None and (not isinstance(dataset, str) or not dataset.strip()):
        raise InvalidInputError(f"dataset {dataset!r} is not a name; this store's datasets are plain names: 'cells'")
    return description.replace(
        image_id=None,
        pixels_id=None,
        dataset_id=dataset,
        dataset_name=dataset,
        owner=None,
        group=None,
        source_id=source,
        project_id=None,
        project_name=None,
    )


def summary_of(description: ImageDescription) -> ImageSummary:
    """Return the line of a listing for an image that is stored."""
    if description.image_id is None:
        raise InvalidInputError(f"image {description.name!r} has no id: it is not stored")
    return ImageSummary(
        description.image_id, description.name, description.sizes, description.pixel_type, description.dataset_name
    )


def table_summary(table_id: str, table: Table) -> TableSummary:
    """Return the line of a listing for a table."""
    return TableSummary(table_id, table.name, table.column_names, table.row_count)


def numbered(rois: Sequence[Roi], first: int) -> list[Roi]:
    """Return ROIs with ids for them and their shapes, counted up from ``first``."""
    result = []
    for roi in rois:
        shapes = tuple(replace(shape, shape_id=first + 1 + index) for index, shape in enumerate(roi.shapes))
        result.append(replace(roi, roi_id=first, shapes=shapes))
        first += len(shapes) + 1
    return result
