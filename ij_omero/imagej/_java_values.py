"""Values between Python and SciJava modules: inputs as the Java type that a module wants, outputs as Python values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import ImageJError, InvalidInputError
from ij_omero.model import Roi, Table

from ._dataset_arrays import array_to_dataset
from ._image_array import ImageArray
from ._imageplus import is_dataset, is_imageplus, to_imageplus
from ._rois import from_imagej_rois, to_imagej_rois
from ._runtime import java_class
from ._tables import from_results_table, from_scijava_table, is_scijava_table, to_results_table, to_scijava_table

if TYPE_CHECKING:
    from ._description import ModuleParameter

_BOXES = {
    "int": "Integer",
    "long": "Long",
    "short": "Short",
    "byte": "Byte",
    "float": "Float",
    "double": "Double",
    "boolean": "Boolean",
    "char": "Character",
}


def to_java(value: Any, parameter: ModuleParameter, module: str) -> Any:
    """Return a Python value as the Java type of an input.

    Raises
    ------
    InvalidInputError
        It does not convert.
    """
    import jpype

    if value is None or isinstance(value, (jpype.JObject, jpype.JArray)):
        return value
    plain = value.item() if isinstance(value, np.generic) else value
    java_type = parameter.java_type
    short = _BOXES.get(java_type) or java_type.removeprefix("java.lang.")
    try:
        if short in _BOXES.values():
            number = int(plain) if short in ("Integer", "Long", "Short", "Byte") else plain
            return jpype.JClass(f"java.lang.{short}")(float(number) if short in ("Float", "Double") else number)
        if short == "String":
            return jpype.JString(str(plain))
        if parameter.is_image:
            return _to_image(plain, java_type)
        if isinstance(plain, Table):
            return to_results_table(plain) if java_type == "ij.measure.ResultsTable" else to_scijava_table(plain)
        if isinstance(plain, Roi) and java_type == "ij.gui.Roi":
            return to_imagej_rois(plain)[0]
        if java_type == "java.io.File":
            return jpype.JClass("java.io.File")(str(Path(plain).expanduser()))
        return _loosely(plain, java_type)
    except (TypeError, ValueError, OverflowError, jpype.JException) as error:
        raise InvalidInputError(
            f"input {parameter.name!r} of {module} is {plain!r}, which does not convert to {java_type} ({error}); "
            f"expected {parameter.expectation}"
        ) from error


def _to_image(value: Any, java_type: str) -> Any:
    if java_type == "ij.ImagePlus":
        return to_imageplus(value)
    if hasattr(value, "to_dataset"):
        value = value.to_dataset()
    dataset = value if is_dataset(value) else array_to_dataset(value)
    return dataset.getImgPlus() if java_type == "net.imagej.ImgPlus" else dataset


def _loosely(value: Any, java_type: str) -> Any:
    """Convert through SciJava's ConvertService; enumerations, colours, dates and whatever plugins add."""
    from ._runtime import start

    if isinstance(value, (bool, int, float, str)):
        boxed = _boxed(value)
        convert = start().service("org.scijava.convert.ConvertService")
        target = java_class(java_type).class_
        if convert.supports(boxed, target):
            return convert.convert(boxed, target)
    if isinstance(value, dict):
        java = java_class("java.util.LinkedHashMap")()
        for key, entry in value.items():
            java.put(_boxed(key), _boxed(entry))
        return java
    if isinstance(value, (list, tuple)):
        java = java_class("java.util.ArrayList")()
        for entry in value:
            java.add(_boxed(entry))
        return java
    if isinstance(value, (np.ndarray, ImageArray)):
        return array_to_dataset(value)
    if isinstance(value, Table):
        return to_scijava_table(value)
    return value


def _boxed(value: Any) -> Any:
    import jpype

    if isinstance(value, bool):
        return jpype.JClass("java.lang.Boolean")(value)
    if isinstance(value, int):
        return jpype.JClass("java.lang.Long" if abs(value) > 2**31 - 1 else "java.lang.Integer")(value)
    if isinstance(value, float):
        return jpype.JClass("java.lang.Double")(value)
    if isinstance(value, Table):
        return to_scijava_table(value)
    if isinstance(value, Roi):
        return to_imagej_rois(value)[0]
    return jpype.JString(value) if isinstance(value, str) else value


def to_python(value: Any) -> Any:
    """Return a Java value as Python's: plain values, lists, dicts, tables and ROIs; images stay Java objects."""
    import jpype

    if value is None or not isinstance(value, (jpype.JObject, jpype.JArray, jpype.JString)):
        return value
    if isinstance(value, (jpype.JString, jpype.JClass("java.lang.Character"))):
        return str(value)
    if isinstance(value, jpype.JClass("java.lang.Boolean")):
        return bool(value)
    if isinstance(value, (jpype.JClass("java.lang.Float"), jpype.JClass("java.lang.Double"))):
        return float(value)
    if isinstance(value, jpype.JClass("java.lang.Number")):
        return float(value.doubleValue()) if "Decimal" in str(value.getClass().getName()) else int(str(value))
    if is_dataset(value) or is_imageplus(value):
        return value
    if is_scijava_table(value):
        return from_scijava_table(value)
    if _is(value, "ij.measure.ResultsTable"):
        return from_results_table(value)
    if _is(value, "ij.gui.Roi"):
        return from_imagej_rois([value])[0]
    if isinstance(value, jpype.JClass("java.util.Map")):
        return {to_python(key): to_python(entry) for key, entry in dict(value).items()}
    if isinstance(value, jpype.JClass("java.util.Collection")):
        return [to_python(entry) for entry in value]
    if isinstance(value, jpype.JArray):
        return [to_python(entry) for entry in value]
    if isinstance(value, (jpype.JClass("java.io.File"), jpype.JClass("java.lang.Enum"))):
        return str(value)
    return value


def _is(value: Any, class_name: str) -> bool:
    try:
        return isinstance(value, java_class(class_name))
    except ImageJError:
        return False
