from __future__ import annotations

import numpy as np
import pytest

from ij_omero import imagej
from ij_omero.model import ColumnKind, Table

pytestmark = pytest.mark.jvm


def table() -> Table:
    return Table.from_dict(
        "T",
        {
            "Label": ["a", "b"],
            "Area": [1.5, float("nan")],
            "Class": ["round", "long thing"],
            "Count": [1, 2**40],
            "Edge": [True, False],
        },
    )


def test_results_table_keeps_labels_numbers_and_text() -> None:
    back = imagej.from_results_table(imagej.to_results_table(table()), "T")
    assert back.column_names == ("Label", "Area", "Class", "Count", "Edge")
    assert back["Label"].tolist() == ["a", "b"]
    assert back["Class"].tolist() == ["round", "long thing"]
    np.testing.assert_array_equal(back["Area"], [1.5, np.nan])
    assert back["Count"].tolist() == [1, 2**40]


def test_scijava_table_keeps_kinds() -> None:
    back = imagej.from_scijava_table(imagej.to_scijava_table(table()))
    kinds = [column.kind for column in back.columns]
    assert kinds == [ColumnKind.STRING, ColumnKind.DOUBLE, ColumnKind.STRING, ColumnKind.LONG, ColumnKind.BOOL]
    assert back["Count"].tolist() == [1, 2**40]


@pytest.mark.parametrize(
    ("kind", "element", "becomes"),
    [
        ("DoubleArray", "JDouble", ColumnKind.DOUBLE_ARRAY),
        ("FloatArray", "JFloat", ColumnKind.FLOAT_ARRAY),
        ("LongArray", "JLong", ColumnKind.LONG_ARRAY),
        ("IntArray", "JInt", ColumnKind.LONG_ARRAY),
        ("ShortArray", "JShort", ColumnKind.LONG_ARRAY),
        ("ByteArray", "JByte", ColumnKind.LONG_ARRAY),
    ],
)
def test_rows_of_arrays_are_scijavas(kind: str, element: str, becomes: ColumnKind) -> None:
    import jpype

    java = imagej.to_scijava_table(Table.from_dict("T", {"n": [1, 2]}))
    cells = java.get(0).getClass().getConstructor(jpype.JClass("java.lang.String")).newInstance("arrays")
    for row in ([1, 2, 3], [-4, 5, 6]):
        cells.add(jpype.JClass(f"org.scijava.util.{kind}")(jpype.JArray(getattr(jpype, element))(row)))
    java.add(cells)
    column = imagej.from_scijava_table(java).columns[1]
    assert (column.kind, column.values.tolist()) == (becomes, [[1, 2, 3], [-4, 5, 6]])
    again = imagej.to_scijava_table(Table("T", (column,))).get(0, 1)
    wide = {"IntArray": "LongArray", "ShortArray": "LongArray", "ByteArray": "LongArray"}
    assert str(again.getClass().getSimpleName()) == wide.get(kind, kind)
    assert [float(again.getValue(index)) for index in range(3)] == [-4, 5, 6]


def test_a_column_without_a_header_gets_its_number() -> None:
    java = imagej.to_scijava_table(Table.from_dict("T", {"a": [1, 2], "b": [3, 4]}))
    java.get(1).setHeader(None)
    assert imagej.from_scijava_table(java).column_names == ("a", "1")


def test_a_table_without_rows_survives() -> None:
    empty = Table.from_dict("none", {"a": np.zeros(0)})
    assert len(imagej.from_scijava_table(imagej.to_scijava_table(empty))) == 0
    assert len(imagej.from_results_table(imagej.to_results_table(empty))) == 0
