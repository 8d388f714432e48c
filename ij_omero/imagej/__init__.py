"""ImageJ in this process: runtime, cell images, modules, macros, tables and ROIs.

Nothing starts at import; the first call that needs ImageJ starts it (:func:`start` chooses which).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._addresses import OpenedImage, has_scifio, register_addresses
    from ._cell_image import cell_image
    from ._channel_tables import channel_tables
    from ._class_archive import make_class_archive
    from ._class_path import embedded_class_path
    from ._dataset import cells_of, source_address, to_dataset
    from ._dataset_arrays import array_to_dataset, from_dataset
    from ._dataset_changes import described_in_imagej
    from ._dataset_planes import dataset_description, dataset_plane
    from ._description import ModuleDescription, ModuleParameter
    from ._image_array import ImageArray
    from ._imageplus import from_imageplus, is_dataset, is_imageplus, to_imageplus
    from ._macros import run_macro
    from ._masks import attach_rois, from_mask, from_roi_tree, has_masks, to_mask, to_roi_tree
    from ._modules import find_module, modules, run_module
    from ._python_modules import register_module, unregister_module
    from ._result import ModuleResult
    from ._roi_files import read_roi_file, write_roi_file
    from ._rois import from_imagej_rois, to_imagej_rois
    from ._runtime import EMBEDDED, HEAP_VARIABLE, IMAGEJ_VARIABLE, Runtime, current, start
    from ._scripts import describe_script, run_script
    from ._shown import shown_rois, shown_tables
    from ._tables import from_results_table, from_scijava_table, to_results_table, to_scijava_table

_HOMES = {
    "EMBEDDED": "_runtime",
    "HEAP_VARIABLE": "_runtime",
    "IMAGEJ_VARIABLE": "_runtime",
    "ImageArray": "_image_array",
    "ModuleDescription": "_description",
    "ModuleParameter": "_description",
    "ModuleResult": "_result",
    "OpenedImage": "_addresses",
    "Runtime": "_runtime",
    "array_to_dataset": "_dataset_arrays",
    "attach_rois": "_masks",
    "cell_image": "_cell_image",
    "cells_of": "_dataset",
    "channel_tables": "_channel_tables",
    "current": "_runtime",
    "dataset_description": "_dataset_planes",
    "dataset_plane": "_dataset_planes",
    "describe_script": "_scripts",
    "described_in_imagej": "_dataset_changes",
    "embedded_class_path": "_class_path",
    "find_module": "_modules",
    "from_dataset": "_dataset_arrays",
    "from_imagej_rois": "_rois",
    "from_imageplus": "_imageplus",
    "from_mask": "_masks",
    "from_results_table": "_tables",
    "from_roi_tree": "_masks",
    "from_scijava_table": "_tables",
    "has_masks": "_masks",
    "has_scifio": "_addresses",
    "is_dataset": "_imageplus",
    "is_imageplus": "_imageplus",
    "make_class_archive": "_class_archive",
    "modules": "_modules",
    "read_roi_file": "_roi_files",
    "register_addresses": "_addresses",
    "register_module": "_python_modules",
    "run_macro": "_macros",
    "run_module": "_modules",
    "run_script": "_scripts",
    "shown_rois": "_shown",
    "shown_tables": "_shown",
    "source_address": "_dataset",
    "start": "_runtime",
    "to_dataset": "_dataset",
    "to_imagej_rois": "_rois",
    "to_imageplus": "_imageplus",
    "to_mask": "_masks",
    "to_results_table": "_tables",
    "to_roi_tree": "_masks",
    "to_scijava_table": "_tables",
    "unregister_module": "_python_modules",
    "write_roi_file": "_roi_files",
}

__all__ = [
    "EMBEDDED",
    "HEAP_VARIABLE",
    "IMAGEJ_VARIABLE",
    "ImageArray",
    "ModuleDescription",
    "ModuleParameter",
    "ModuleResult",
    "OpenedImage",
    "Runtime",
    "array_to_dataset",
    "attach_rois",
    "cell_image",
    "cells_of",
    "channel_tables",
    "current",
    "dataset_description",
    "dataset_plane",
    "describe_script",
    "described_in_imagej",
    "embedded_class_path",
    "find_module",
    "from_dataset",
    "from_imagej_rois",
    "from_imageplus",
    "from_mask",
    "from_results_table",
    "from_roi_tree",
    "from_scijava_table",
    "has_masks",
    "has_scifio",
    "is_dataset",
    "is_imageplus",
    "make_class_archive",
    "modules",
    "read_roi_file",
    "register_addresses",
    "register_module",
    "run_macro",
    "run_module",
    "run_script",
    "shown_rois",
    "shown_tables",
    "source_address",
    "start",
    "to_dataset",
    "to_imagej_rois",
    "to_imageplus",
    "to_mask",
    "to_results_table",
    "to_roi_tree",
    "to_scijava_table",
    "unregister_module",
    "write_roi_file",
]


def __getattr__(name: str) -> Any:
    """Load the module that a name lives in when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
