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


def test_a_table_without_rows_survives() -> None:
    empty = Table.from_dict("none", {"a": np.zeros(0)})
    assert len(imagej.from_scijava_table(imagej.to_scijava_table(empty))) == 0
    assert len(imagej.from_results_table(imagej.to_results_table(empty))) == 0
