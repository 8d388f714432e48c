"""Columns of tables as OMERO.tables has them, and back."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.model import Column, ColumnKind, Mask

from ._ice import omero
from ._mask_bits import pack_bits, unpack_bits

if TYPE_CHECKING:
    import numpy.typing as npt

_CLASSES = {
    ColumnKind.LONG: "LongColumn",
    ColumnKind.DOUBLE: "DoubleColumn",
    ColumnKind.BOOL: "BoolColumn",
    ColumnKind.STRING: "StringColumn",
    ColumnKind.LONG_ARRAY: "LongArrayColumn",
    ColumnKind.FLOAT_ARRAY: "FloatArrayColumn",
    ColumnKind.DOUBLE_ARRAY: "DoubleArrayColumn",
    ColumnKind.FILE: "FileColumn",
    ColumnKind.IMAGE: "ImageColumn",
    ColumnKind.DATASET: "DatasetColumn",
    ColumnKind.PLATE: "PlateColumn",
    ColumnKind.WELL: "WellColumn",
    ColumnKind.ROI: "RoiColumn",
    ColumnKind.MASK: "MaskColumn",
}
_KINDS = {name: kind for kind, name in _CLASSES.items()}
_ARRAYS = (ColumnKind.LONG_ARRAY, ColumnKind.FLOAT_ARRAY, ColumnKind.DOUBLE_ARRAY)


def kind_of(column: Any) -> ColumnKind:
    """Return the kind of an OMERO column."""
    name = type(column).__name__.removesuffix("I")
    if name not in _KINDS:
        raise ReadError(f"column {column.name!r} is a {name}, which is not known here; read the others by columns=")
    return _KINDS[name]


def empty_column(column: Column) -> Any:
    """Return the OMERO column, without values, that a table is made with."""
    if not column.name or "/" in column.name or column.name.startswith("__"):
        raise InvalidInputError(
            f"OMERO.tables takes no column named {column.name!r}: a name may not be empty, hold a '/' or begin with "
            "'__'; rename the column"
        )
    made: Any = getattr(omero.grid, _CLASSES[column.kind])()
    made.name, made.description = column.name, plain_text(column.description)
    if column.kind is ColumnKind.STRING:
        made.size = max([1, *(len(_text(value).encode()) for value in column.values)])
    if column.kind in _ARRAYS:
        if column.values.ndim != 2 or column.values.shape[1] < 1:
            raise InvalidInputError(
                f"column {column.name!r} is a {column.kind.value}; it needs values of (rows, width), not "
                f"{column.values.shape}"
            )
        made.size = column.values.shape[1]
    return made


def fill_column(made: Any, column: Column, rows: slice, image_id: int) -> None:
    """Put some rows of a column into its OMERO column."""
    values = column.values[rows]
    if column.kind is ColumnKind.MASK:
        _fill_masks(made, list(values), image_id)
    elif column.kind is ColumnKind.STRING:
        made.values = [_text(value) for value in values]
    else:
        made.values = values.tolist()


def column_of(kind: ColumnKind, name: str, description: str, blocks: list[Any]) -> Column:
    """Return the column of the values that were read, block after block."""
    if kind is ColumnKind.MASK:
        masks = [mask for block in blocks for mask in _masks_of(block)]
        values: npt.NDArray[Any] = np.empty(len(masks), object)
        values[:] = masks
        return Column(name, values, kind, description)
    parts = [np.asarray(block.values, kind.dtype) for block in blocks]
    if kind in _ARRAYS:
        parts = [part.reshape(len(part), -1) for part in parts if len(part)] or [np.empty((0, 0), kind.dtype)]
    return Column(name, np.concatenate(parts) if parts else np.empty(0, kind.dtype), kind, description)


def plain_text(text: str) -> str:
    """Return a text as ASCII, the nearest to it that the server's table files take as a column's description."""
    spelled = text.translate({0x00B5: "u", 0x03BC: "u", 0x00D7: "x"})
    return unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _fill_masks(made: Any, masks: list[Any], image_id: int) -> None:
    for mask in masks:
        if not isinstance(mask, Mask):
            raise InvalidInputError(f"a mask column holds Mask shapes, not {type(mask).__name__}")
    made.imageId = [image_id] * len(masks)
    made.theZ = [-1 if mask.z is None else mask.z for mask in masks]
    made.theT = [-1 if mask.t is None else mask.t for mask in masks]
    made.x, made.y = [float(mask.x) for mask in masks], [float(mask.y) for mask in masks]
    made.w, made.h = [float(mask.width) for mask in masks], [float(mask.height) for mask in masks]
    made.bytes = [pack_bits(mask.bits) for mask in masks]


def _masks_of(block: Any) -> list[Mask]:
    return [
        Mask(
            x=block.x[i],
            y=block.y[i],
            bits=unpack_bits(bytes(b & 0xFF for b in block.bytes[i]), round(block.w[i]), round(block.h[i])),
            z=block.theZ[i] if block.theZ[i] >= 0 else None,
            t=block.theT[i] if block.theT[i] >= 0 else None,
        )
        for i in range(len(block.x))
    ]
