"""Tables: ImageJ 1's ``ResultsTable`` and SciJava's ``Table`` <-> :class:`ij_omero.model.Table`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import ImageJError
from ij_omero.model import Column, ColumnKind, Table

from ._primitive_arrays import from_java_array, to_java_array
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABEL = "Label"
# classes of scijava-table by their later and their earlier home (the embedded runtime has the earlier one)
_GENERIC_TABLES = ("org.scijava.table.DefaultGenericTable", "net.imagej.table.DefaultGenericTable")
_GENERIC_COLUMNS = ("org.scijava.table.GenericColumn", "net.imagej.table.GenericColumn")
_ARRAYS = {
    ColumnKind.FLOAT_ARRAY: "org.scijava.util.FloatArray",
    ColumnKind.DOUBLE_ARRAY: "org.scijava.util.DoubleArray",
}
_TABLES = ("org.scijava.table.Table", "net.imagej.table.Table")
_NUMBERS = {"byte[]", "short[]", "int[]", "long[]", "float[]", "double[]"}


def from_results_table(results: Any, name: str = "Results") -> Table:
    """Read an ``ij.measure.ResultsTable``.

    Returns
    -------
    Table
        Its row labels, where it has any, as a first column ``Label``; numeric columns as doubles, others as text.
    """
    rows = int(results.size())
    columns = []
    labels = [results.getLabel(row) for row in range(rows)]
    if any(label is not None for label in labels):
        columns.append(Column.of(_LABEL, ["" if label is None else str(label) for label in labels]))
    for index in range(int(results.getLastColumn()) + 1):
        if not results.columnExists(index):
            continue
        heading = str(results.getColumnHeading(index))
        values = results.getColumnAsDoubles(index)
        numbers = from_java_array(values, np.float64) if values is not None else np.zeros(rows)
        texts = None
        if np.isnan(numbers).any():
            # text cells are NaN among the numbers
            texts = [str(results.getStringValue(index, row)) for row in range(rows)]
            if all(_is_number(text) for text in texts):
                texts = None
        columns.append(Column.of(_unique(heading, columns), numbers if texts is None else texts))
    return Table(name, tuple(columns))


def to_results_table(table: Table) -> Any:
    """Make an ``ij.measure.ResultsTable``; a text column ``Label`` becomes the rows' labels.

    ImageJ 1 has numbers and text only: integers and truth values become numbers, rows of arrays text.
    """
    start().imagej1()
    results = java_class("ij.measure.ResultsTable")()
    for _ in range(len(table)):
        results.incrementCounter()
    for column in table.columns:
        as_text = column.values.ndim > 1 or column.kind in (ColumnKind.STRING, ColumnKind.MASK)
        values = column.values.tolist()
        for row, value in enumerate(values):
            if not as_text:
                results.setValue(column.name, row, float(value))
            elif column.name == _LABEL and column.kind is ColumnKind.STRING:
                results.setLabel(value, row)
            else:
                results.setValue(column.name, row, str(value))
    return results


def is_scijava_table(value: Any) -> bool:
    """Tell whether a Java object is a SciJava table."""
    return any(isinstance(value, kind) for kind in _known(_TABLES))


def from_scijava_table(java: Any, name: str = "Table") -> Table:
    """Read a SciJava table; columns are typed by what they hold."""
    columns: list[Column] = []
    for index in range(int(java.getColumnCount())):
        header = java.getColumnHeader(index)
        heading = _unique(str(header) if header is not None else str(index), columns)
        values = [_plain(java.get(index, row)) for row in range(int(java.getRowCount()))]
        columns.append(Column.of(heading, _uniform(values)))
    return Table(name, tuple(columns))


def to_scijava_table(table: Table) -> Any:
    """Make a SciJava ``GenericTable`` with Java's own numbers, truth values and texts in it.

    Rows of arrays are ``org.scijava.util``'s ``LongArray``, ``FloatArray`` or ``DoubleArray``.
    """
    start()
    import jpype

    kinds, columns = _known(_GENERIC_TABLES), _known(_GENERIC_COLUMNS)
    if not kinds:
        raise ImageJError("this ImageJ has no SciJava tables (neither org.scijava.table nor net.imagej.table)")
    boxes = {
        ColumnKind.DOUBLE: jpype.JClass("java.lang.Double"),
        ColumnKind.BOOL: jpype.JClass("java.lang.Boolean"),
        ColumnKind.STRING: jpype.JString,
        ColumnKind.MASK: jpype.JString,
    }
    # whole columns are added: the embedded runtime's appendColumn() fails on a newer scijava-common
    java = kinds[0]()
    for column in table.columns:
        cells = columns[0](column.name)
        if column.values.ndim > 1:
            kind = java_class(_ARRAYS.get(column.kind, "org.scijava.util.LongArray"))
            for row in column.values:
                cells.add(kind(to_java_array(row)))
        else:
            box = boxes.get(column.kind, jpype.JClass("java.lang.Long"))
            for value in column.values.tolist():
                cells.add(box(value))
        java.add(cells)
    return java


def _known(names: Sequence[str]) -> list[Any]:
    found = []
    for name in names:
        try:
            found.append(java_class(name))
        except ImageJError:
            continue
    return found


def _is_number(text: str) -> bool:
    try:
        float(text.replace("Infinity", "inf"))
    except ValueError:
        return text == ""
    return True


def _unique(heading: str, columns: Sequence[Column]) -> str:
    """Return a heading that no column has: ImageJ allows two of one name, a table here does not."""
    taken = {column.name for column in columns}
    name, number = heading, 2
    while name in taken:
        name, number = f"{heading} ({number})", number + 1
    return name


def _plain(value: Any) -> Any:
    """Return a Java cell as a plain Python value."""
    import jpype

    if value is None:
        return None
    if isinstance(value, jpype.JClass("java.lang.Boolean")):
        return bool(value)
    if isinstance(value, (jpype.JClass("java.lang.Float"), jpype.JClass("java.lang.Double"))):
        return float(value)
    if isinstance(value, jpype.JClass("java.lang.Number")):
        return int(value)
    if isinstance(value, java_class("org.scijava.util.PrimitiveArray")):
        value = value.copyArray()
    if isinstance(value, jpype.JArray):
        name = str(value.getClass().getSimpleName())
        return np.array(memoryview(value)) if name in _NUMBERS else list(value)
    return str(value)


def _uniform(values: list[Any]) -> Any:
    """Make the values of one column of one type; numbers with gaps get NaN, all else becomes text."""
    kinds = {type(value) for value in values}
    if kinds <= {bool} or kinds <= {int}:
        return values
    if kinds <= {int, float, type(None)}:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if kinds in ({list}, {np.ndarray}) and len({len(value) for value in values}) == 1:
        return np.array(values)
    return ["" if value is None else str(value) for value in values]
