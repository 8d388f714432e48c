"""Descriptions, ROIs and tables as JSON: what the local store writes, and what servers and their clients exchange."""

from __future__ import annotations

from typing import Any

import numpy as np

from ij_omero.errors import CorruptedDataError
from ij_omero.model import Column, ColumnKind, Table

from ._description_json import description_from_json, description_to_json, json_text, number, to_number
from ._roi_json import roi_from_json, roi_to_json

__all__ = [
    "description_from_json",
    "description_to_json",
    "json_text",
    "roi_from_json",
    "roi_to_json",
    "table_from_json",
    "table_to_json",
]


def table_to_json(table: Table) -> dict[str, Any]:
    """Return a table as JSON, column by column."""
    columns = [
        {
            "name": column.name,
            "kind": column.kind.value,
            "description": column.description,
            "dtype": "str" if column.values.dtype.kind in "UOT" else column.values.dtype.str,
            "width": column.values.shape[1] if column.values.ndim == 2 else None,
            "values": _numbers(column.values) if column.values.dtype.kind == "f" else column.values.tolist(),
        }
        for column in table.columns
    ]
    return {"name": table.name, "columns": columns}


def table_from_json(block: dict[str, Any]) -> Table:
    """Return the table of a JSON object.

    Raises
    ------
    CorruptedDataError
        It is none.
    """
    try:
        return Table(block["name"], tuple(_column(column) for column in block["columns"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedDataError(f"this is no table in JSON: {error}") from error


def _column(block: dict[str, Any]) -> Column:
    values, dtype = block["values"], block["dtype"]
    if dtype == "str":
        array = np.array([str(value) for value in values], dtype=object)
    elif np.dtype(dtype).kind == "f":
        array = np.array([_floats(value) for value in values], dtype)
    elif np.dtype(dtype).kind in "iub":
        array = np.array(values, dtype)
    else:
        raise ValueError(f"values of type {dtype!r}")
    if block["width"] is not None:
        array = array.reshape(len(values), block["width"])
    return Column(block["name"], array, ColumnKind(block["kind"]), block["description"])


def _numbers(values: Any) -> list[Any]:
    return [_numbers(value) if np.ndim(value) else number(float(value)) for value in values]


def _floats(value: Any) -> Any:
    return [_floats(each) for each in value] if isinstance(value, list) else to_number(value)
