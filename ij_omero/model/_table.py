"""Tables of measurements, as both ImageJ and OMERO.tables know them."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class ColumnKind(str, enum.Enum):
    """What a column holds; the reference kinds hold ids of OMERO objects."""

    LONG = "long"
    DOUBLE = "double"
    BOOL = "bool"
    STRING = "string"
    LONG_ARRAY = "long-array"
    FLOAT_ARRAY = "float-array"
    DOUBLE_ARRAY = "double-array"
    FILE = "file"
    IMAGE = "image"
    DATASET = "dataset"
    PLATE = "plate"
    WELL = "well"
    ROI = "roi"
    MASK = "mask"

    @property
    def is_reference(self) -> bool:
        """Whether the values are ids of OMERO objects."""
        return self in (
            ColumnKind.FILE,
            ColumnKind.IMAGE,
            ColumnKind.DATASET,
            ColumnKind.PLATE,
            ColumnKind.WELL,
            ColumnKind.ROI,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of a column's values (of their elements, for the array kinds)."""
        if self in (ColumnKind.DOUBLE, ColumnKind.DOUBLE_ARRAY):
            return np.dtype(np.float64)
        if self is ColumnKind.FLOAT_ARRAY:
            return np.dtype(np.float32)
        if self is ColumnKind.BOOL:
            return np.dtype(np.bool_)
        if self in (ColumnKind.STRING, ColumnKind.MASK):
            return np.dtype(object)
        return np.dtype(np.int64)


@dataclass(frozen=True, eq=False)
class Column:
    """One column: values are a 1-D array of (rows,), or (rows, width) for the array kinds."""

    name: str
    values: npt.NDArray[Any]
    kind: ColumnKind
    description: str = ""

    @classmethod
    def of(cls, name: str, values: Sequence[Any] | npt.NDArray[Any], description: str = "") -> Column:
        """Make a column of the kind that its values ask for (integers, numbers, booleans or text).

        Missing values (None, those of pandas) are not-a-number among numbers and empty among texts.
        """
        array = _without_gaps(np.asarray(values))
        if array.ndim == 2:
            kinds = {"i": ColumnKind.LONG_ARRAY, "u": ColumnKind.LONG_ARRAY, "f": ColumnKind.DOUBLE_ARRAY}
            kind = ColumnKind.FLOAT_ARRAY if array.dtype == np.float32 else kinds.get(array.dtype.kind)
        elif array.ndim == 1:
            simple = {"i": ColumnKind.LONG, "u": ColumnKind.LONG, "f": ColumnKind.DOUBLE, "b": ColumnKind.BOOL}
            kind = simple.get(array.dtype.kind, ColumnKind.STRING)
        else:
            kind = None
        if kind is None:
            raise InvalidInputError(
                f"column {name!r} has {array.dtype} values of shape {array.shape}; "
                "expected one number, truth value or text per row, or one array of numbers per row"
            )
        if kind is ColumnKind.STRING:
            array = np.array([str(value) for value in array.tolist()], dtype=object)
        return cls(name, array.astype(kind.dtype, copy=False), kind, description)


def _without_gaps(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values of a column with those that are missing replaced."""
    if array.dtype != object or array.ndim != 1:
        return array
    values = array.tolist()
    there = [value for value in values if not _is_missing(value)]
    if len(there) == len(values):
        return array
    if there and all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in there):
        return np.array([np.nan if _is_missing(value) else float(value) for value in values])
    return np.array(["" if _is_missing(value) else value for value in values], dtype=object)


def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")  # pandas' own, without importing it


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length, with a name.

    Raises
    ------
    InvalidInputError
        Columns differ in length, or two have one name.
    """

    name: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        """Check lengths and names."""
        lengths = {len(column.values) for column in self.columns}
        if len(lengths) > 1:
            raise InvalidInputError(f"columns of table {self.name!r} differ in length: {sorted(lengths)}")
        names = self.column_names
        if len(set(names)) != len(names):
            raise InvalidInputError(f"table {self.name!r} has two columns of one name: {sorted(names)}")

    @classmethod
    def from_dict(cls, name: str, columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> Table:
        """Make a table of ``{column name: values}``."""
        return cls(name, tuple(Column.of(key, values) for key, values in columns.items()))

    @classmethod
    def from_pandas(cls, name: str, frame: Any) -> Table:
        """Make a table of a pandas ``DataFrame``; its index is left out."""
        return cls.from_dict(name, {str(key): frame[key].to_numpy() for key in frame.columns})

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.columns[0].values) if self.columns else 0

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.row_count

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return the values of a column.

        Raises
        ------
        InvalidInputError
            There is no column of this name.
        """
        for column in self.columns:
            if column.name == name:
                return column.values
        raise InvalidInputError(f"table {self.name!r} has no column {name!r}; it has {list(self.column_names)}")

    def rows(self) -> Iterable[tuple[Any, ...]]:
        """Yield the rows as tuples of plain values."""
        return zip(*(column.values.tolist() for column in self.columns), strict=True)

    def to_pandas(self) -> Any:
        """Return a pandas ``DataFrame`` (pandas must be installed)."""
        import pandas as pd

        return pd.DataFrame({c.name: list(c.values) if c.values.ndim > 1 else c.values for c in self.columns})


@dataclass(frozen=True)
class TableSummary:
    """A table that a store holds: its id, name and columns, without the values."""

    table_id: int | str
    name: str
    column_names: tuple[str, ...] = ()
    row_count: int | None = None
