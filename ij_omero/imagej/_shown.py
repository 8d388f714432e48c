"""What ImageJ shows beside images: tables in displays and ImageJ 1's results, the ROI manager's ROIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._rois import from_imagej_rois
from ._runtime import java_class, start
from ._tables import from_results_table, from_scijava_table, is_scijava_table

if TYPE_CHECKING:
    from ij_omero.model import Roi, Table


def shown_tables() -> list[Table]:
    """Return the tables that are open in ImageJ, and ImageJ 1's results where there are any."""
    tables = []
    for display in start().service("org.scijava.display.DisplayService").getDisplays():
        tables += [from_scijava_table(table, str(display.getName())) for table in display if is_scijava_table(table)]
    start().imagej1()
    results = java_class("ij.measure.ResultsTable").getResultsTable()
    if results is not None and results.size() > 0:
        tables.append(from_results_table(results))
    return tables


def shown_rois(dataset: Any) -> list[Roi]:
    """Return the ROIs of a Dataset (its property ``rois``) and those in ImageJ 1's ROI manager where that is open."""
    from ._masks import from_roi_tree, is_roi_tree

    start().imagej1()
    rois = []
    attached = dataset.getProperties().get("rois")
    if attached is not None and is_roi_tree(attached):
        rois += from_roi_tree(attached)
    elif isinstance(attached, java_class("java.util.Collection")):
        rois += from_imagej_rois(attached)
    manager = java_class("ij.plugin.frame.RoiManager").getInstance2()
    if manager is not None:
        rois += from_imagej_rois(manager.getRoisAsArray())
    return rois
