"""ImageJ 1's global state, set up for one call and put back after it.

ImageJ 1 keeps open images, the results table, the ROI manager, macro options and the last error in static fields. A
call gets its own: what one call leaves behind does not reach the next, nor what the user has open.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._runtime import java_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROI_MANAGER = "ij.plugin.frame.RoiManager"
_OPEN_IMAGES = ("imageTable", "imageActivations")


class ImageJ1State:
    """What a call finds, and what it left."""

    def __init__(self, inputs: Sequence[Any], roi_manager: Any) -> None:
        self.inputs = list(inputs)
        self._roi_manager = roi_manager

    @property
    def open_images(self) -> list[Any]:
        """The images that are open now, in the order in which they were opened."""
        table = _field("ij.macro.Interpreter", "imageTable").get(None)
        return list(table) if table is not None else []

    @property
    def active_image(self) -> Any:
        """The image that a next command would work on; None where none is open."""
        return java_class("ij.WindowManager").getCurrentImage()

    @property
    def result_images(self) -> list[Any]:
        """The images that the call opened; where it opened none, those that it was given and left open."""
        given = {int(imp.getID()) for imp in self.inputs}
        still_open = self.open_images
        opened = [imp for imp in still_open if int(imp.getID()) not in given]
        return opened or still_open

    @property
    def results_table(self) -> Any:
        """ImageJ's results table."""
        return java_class("ij.measure.ResultsTable").getResultsTable()

    @property
    def managed_rois(self) -> list[Any]:
        """What the ROI manager holds."""
        return list(self._roi_manager.getRoisAsArray()) if self._roi_manager is not None else []


@contextmanager
def imagej1_state(inputs: Sequence[Any]) -> Iterator[ImageJ1State]:
    """Open the inputs and nothing else, with an empty results table and a ROI manager without a window."""
    interpreter = java_class("ij.macro.Interpreter")
    windows = java_class("ij.WindowManager")
    analyzer = java_class("ij.plugin.filter.Analyzer")
    fields = [_field("ij.macro.Interpreter", name) for name in _OPEN_IMAGES]
    fields.append(_field(_ROI_MANAGER, "instance"))
    saved = [field.get(None) for field in fields]
    saved_results = java_class("ij.measure.ResultsTable").getResultsTable()
    was_batch, was_running = bool(interpreter.batchMode), _macro_running(True)
    manager = hidden_roi_manager()
    try:
        fields[0].set(None, None)
        fields[1].set(None, None)
        fields[2].set(None, manager)
        interpreter.batchMode = True
        analyzer.setResultsTable(java_class("ij.measure.ResultsTable")())
        java_class("ij.plugin.filter.ParticleAnalyzer").setRoiManager(manager)
        java_class("ij.IJ").getErrorMessage()  # clears it
        for imp in inputs:
            interpreter.addBatchModeImage(imp)
        if inputs:
            interpreter.activateImage(inputs[0])
        yield ImageJ1State(inputs, manager)
    finally:
        java_class("ij.Macro").setOptions(None)
        windows.setTempCurrentImage(None)
        for field, value in zip(fields, saved, strict=True):
            field.set(None, value)
        interpreter.batchMode = was_batch
        analyzer.setResultsTable(saved_results)
        java_class("ij.plugin.filter.ParticleAnalyzer").setRoiManager(None)
        _macro_running(was_running)


def hidden_roi_manager() -> Any:
    """Return a ``RoiManager`` that has no window.

    Its constructors make a ``Frame``, which fails without a screen, so the object is made without them and given the
    parts that its methods use.
    """
    manager = _bare_constructor(_ROI_MANAGER).newInstance()
    model = java_class("javax.swing.DefaultListModel")()
    listing = java_class("javax.swing.JList")()
    listing.setModel(model)
    parts = {
        "listModel": model,
        "list": listing,
        "rois": java_class("java.util.ArrayList")(),
        "showAllCheckbox": _bare_constructor("java.awt.Checkbox").newInstance(),
        "labelsCheckbox": _bare_constructor("java.awt.Checkbox").newInstance(),
    }
    for name, part in parts.items():
        _field(_ROI_MANAGER, name).set(manager, part)
    return manager


@functools.cache
def _bare_constructor(class_name: str) -> Any:
    """Return what makes objects as serialization does: only Object's constructor runs.

    Java writes a new class for each, so each is kept.
    """
    factory = java_class("sun.reflect.ReflectionFactory").getReflectionFactory()
    constructor = java_class("java.lang.Object").class_.getDeclaredConstructor()
    return factory.newConstructorForSerialization(java_class(class_name).class_, constructor)


@functools.cache
def _field(class_name: str, field_name: str) -> Any:
    field = java_class(class_name).class_.getDeclaredField(field_name)
    field.setAccessible(True)
    return field


def _macro_running(value: bool) -> bool:
    """Set what ``IJ.macroRunning()`` says, for commands not to store their settings; return the old value."""
    field = _field("ij.IJ", "macroRunning")
    old = bool(field.getBoolean(None))
    field.setBoolean(None, value)
    return old
