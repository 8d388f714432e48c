"""Tables and ROIs of an image, as values beside it."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import AttachmentNotFoundError, CorruptedDataError, InvalidInputError, NotFoundError
from ij_omero.model import Column, ColumnKind, Roi, Table, TableSummary
from ij_omero.stores._description_json import json_text, number, to_number
from ij_omero.stores._roi_json import roi_from_json, roi_to_json
from ij_omero.stores._summaries import numbered
from ij_omero.stores.dvid_layout import VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._client import DvidClient

_FLOATS = (ColumnKind.DOUBLE, ColumnKind.DOUBLE_ARRAY, ColumnKind.FLOAT_ARRAY)


class ImageValues:
    """What belongs to an image beside its pixels.

    ROIs that are saved together are one value, so two writers at once lose nothing of each other.
    """

    def __init__(self, client: DvidClient, uuid: str, name: str) -> None:
        self._client = client
        self._uuid = uuid
        self._name = name

    def tables(self) -> list[TableSummary]:
        """Return the image's tables."""
        found = []
        for key in self._keys("table"):
            table = self._table(key)
            found.append(TableSummary(self._table_id(key), table.name, table.column_names, table.row_count))
        return found

    def read_table(self, number: str) -> Table:
        """Read a table."""
        key = f"table/{self._name}/{number}"
        try:
            return self._table(key)
        except NotFoundError as error:
            raise AttachmentNotFoundError(f"no table '{self._uuid}/{self._name}/{number}'; see tables()") from error

    def save_table(self, table: Table) -> str:
        """Attach a table."""
        for column in table.columns:
            if column.kind is ColumnKind.MASK:
                raise InvalidInputError(f"column {column.name!r} holds masks; keep masks as ROIs")
        key = f"table/{self._name}/{self._next('table')}"
        self._client.set_value(self._uuid, VALUES, key, json_text(_table_to_json(table)).encode())
        return self._table_id(key)

    def rois(self) -> list[Roi]:
        """Return the image's ROIs in the order in which they were saved."""
        return [roi_from_json(roi) for key in self._keys("rois") for roi in self._value(key)["rois"]]

    def save_rois(self, rois: Sequence[Roi]) -> list[int | str]:
        """Add ROIs."""
        # other writers may be at work: no number that can be counted up from is ours alone
        added = numbered(rois, 1 + (secrets.randbits(40) << 20))
        key = f"rois/{self._name}/{self._next('rois')}"
        block = {"format": 1, "rois": [roi_to_json(roi) for roi in added]}
        self._client.set_value(self._uuid, VALUES, key, json_text(block).encode())
        return [roi.roi_id for roi in added if roi.roi_id is not None]

    def delete(self) -> None:
        """Remove everything of the image, its description first: then it is gone for everybody."""
        keys = [f"image/{self._name}", *self._keys("table"), *self._keys("rois")]
        for key in keys:
            self._client.delete_value(self._uuid, VALUES, key)

    def _keys(self, kind: str) -> list[str]:
        try:
            keys = self._client.keys(self._uuid, VALUES)
        except NotFoundError:
            return []
        return sorted(key for key in keys if key.startswith(f"{kind}/{self._name}/"))

    def _next(self, kind: str) -> str:
        """Return the last part of a key after all that are there, which no other writer takes."""
        return f"{len(self._keys(kind)) + 1:06d}-{secrets.token_hex(4)}"

    def _table_id(self, key: str) -> str:
        return f"{self._uuid}/{self._name}/{key.rpartition('/')[2]}"

    def _value(self, key: str) -> dict[str, Any]:
        found = self._client.value(self._uuid, VALUES, key)
        try:
            told = json.loads(found)
        except ValueError as error:
            raise CorruptedDataError(f"the value {key} of {self._uuid} is damaged: {error}") from error
        if not isinstance(told, dict) or told.get("format") != 1:
            raise CorruptedDataError(f"the value {key} of {self._uuid} is damaged, or of a later version")
        return told

    def _table(self, key: str) -> Table:
        told = self._value(key)
        try:
            return Table(told["name"], tuple(_column(column) for column in told["columns"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptedDataError(f"the table {key} of {self._uuid} is damaged: {error!r}") from error


def _table_to_json(table: Table) -> dict[str, Any]:
    columns = []
    for column in table.columns:
        values: Any = column.values.tolist()
        if column.kind in _FLOATS:
            values = [number(each) for each in np.asarray(column.values, np.float64).reshape(-1).tolist()]
        told = {"name": column.name, "kind": column.kind.value, "description": column.description}
        columns.append(told | {"shape": list(column.values.shape), "values": values})
    return {"format": 1, "name": table.name, "columns": columns}


def _column(told: dict[str, Any]) -> Column:
    kind = ColumnKind(told["kind"])
    values = told["values"]
    if kind in _FLOATS:
        array = np.array([to_number(each) for each in values], kind.dtype).reshape(told["shape"])
    elif kind.is_reference and any(isinstance(each, str) for each in values):
        array = np.array(values)  # images of stores whose ids are names
    else:
        array = np.array(values, kind.dtype).reshape(told["shape"])
    return Column(told["name"], array, kind, told["description"])
