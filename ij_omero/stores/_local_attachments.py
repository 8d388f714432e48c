"""Tables and ROIs of an image in a local store.

A table is a Zarr 2 group ``tables/<number>`` in the image's folder, laid out as AnnData's dataframes are (encoding-type
``dataframe`` 0.2.0: one array per column, ``column-order``, ``_index``), so that ``anndata.io.read_elem`` and any Zarr
reader open it; columns of arrays are 2-D, which AnnData's readers do not take. What OMERO.tables knows besides (names,
kinds, descriptions) is in the group's ``ij_omero`` attribute. ROIs are in ``rois.json`` (see `_roi_json`).
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import AttachmentNotFoundError, CorruptedDataError, InvalidInputError
from ij_omero.model import Column, ColumnKind, ImageId, Roi, Table, TableSummary

from ._description_json import json_text
from ._disk_errors import storage_error
from ._local_folder import write_atomically
from ._roi_json import roi_from_json, roi_to_json
from ._summaries import numbered
from ._zarr_layouts import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ._description_json import Json


def split_table_id(table_id: int | str) -> tuple[ImageId, int]:
    """Return the image and the number that a table's id names."""
    image, _, number = str(table_id).rpartition("/")
    if not image or not number.isdecimal():
        raise AttachmentNotFoundError(f"no table {table_id!r}; a table's id is 'IMAGE/NUMBER', see tables(image)")
    return (int(image) if image.isdecimal() else image), int(number)


class ImageAttachments:
    """What lies beside the pixels in an image's folder."""

    def __init__(self, folder: Path, image_id: ImageId) -> None:
        self._folder = folder
        self._image_id = image_id

    def tables(self) -> list[TableSummary]:
        """Return the tables in the order in which they were saved."""
        found = []
        for number in self._table_numbers():
            own = self._table_block(number)
            names = tuple(column["name"] for column in own["columns"])
            found.append(TableSummary(f"{self._image_id}/{number}", own["name"], names, own["rows"]))
        return found

    def read_table(self, number: int) -> Table:
        """Read a table."""
        import zarr

        own = self._table_block(number)
        folder = self._folder / "tables" / str(number)
        columns = []
        try:
            for column in own["columns"]:
                kind = ColumnKind(column["kind"])
                values = zarr.open_array(store=str(folder / column["path"]), mode="r")[...]
                columns.append(Column(column["name"], np.asarray(values, kind.dtype), kind, column["description"]))
        except Exception as error:  # zarr-python's codecs raise anything
            raise CorruptedDataError(f"the table {folder} is damaged: {error}") from error
        return Table(own["name"], tuple(columns))

    def save_table(self, table: Table) -> str:
        """Write a table whole, or leave nothing."""
        for column in table.columns:
            if column.kind is ColumnKind.MASK:
                raise InvalidInputError(f"column {column.name!r} holds masks; a local store keeps masks as ROIs")
        try:
            with self._locked():
                number = max(self._table_numbers(), default=0) + 1
                part = self._folder / "tables" / f".part-{number}"
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                _write_table(part, table)
                part.rename(part.with_name(str(number)))
        except OSError as error:
            raise storage_error(error, f"cannot save table {table.name!r} in {self._folder}") from error
        return f"{self._image_id}/{number}"

    def rois(self) -> list[Roi]:
        """Return the ROIs in the order in which they were saved."""
        return [roi_from_json(roi) for roi in self._roi_block()["rois"]]

    def save_rois(self, rois: Sequence[Roi]) -> list[int | str]:
        """Add ROIs, all or none."""
        try:
            with self._locked():
                block = self._roi_block()
                added = numbered(rois, block["next_id"])
                block["rois"].extend(roi_to_json(roi) for roi in added)
                block["next_id"] += sum(len(roi.shapes) + 1 for roi in added)
                write_atomically(self._folder / "rois.json", json_text(block))
        except OSError as error:
            raise storage_error(error, f"cannot save ROIs in {self._folder}") from error
        return [roi.roi_id for roi in added if roi.roi_id is not None]

    def _roi_block(self) -> Json:
        block = read_json(self._folder / "rois.json")
        if block is None:
            return {"format": 1, "next_id": 1, "rois": []}
        if not isinstance(block.get("rois"), list) or not isinstance(block.get("next_id"), int):
            raise CorruptedDataError(f"{self._folder / 'rois.json'} is damaged")
        return block

    def _table_numbers(self) -> list[int]:
        try:
            names = [entry.name for entry in (self._folder / "tables").iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise storage_error(error, f"cannot list the tables of {self._folder}") from error
        return sorted(int(name) for name in names if name.isdecimal())

    def _table_block(self, number: int) -> Json:
        folder = self._folder / "tables" / str(number)
        attributes = read_json(folder / ".zattrs")
        if attributes is None:
            raise AttachmentNotFoundError(f"no table '{self._image_id}/{number}'; see tables({self._image_id!r})")
        own = attributes.get("ij_omero")
        if not isinstance(own, dict) or not {"name", "rows", "columns"} <= set(own):
            raise CorruptedDataError(f"the table {folder} is damaged: its description is missing")
        return own

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / ".attachments.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _write_table(folder: Path, table: Table) -> None:
    paths = _column_paths(table)
    columns = [
        {"name": column.name, "path": path, "kind": column.kind.value, "description": column.description}
        for column, path in zip(table.columns, paths, strict=True)
    ]
    attributes: dict[str, Any] = {
        "encoding-type": "dataframe",
        "encoding-version": "0.2.0",
        "column-order": paths,
        "_index": "_index",
        "ij_omero": {"format": 1, "name": table.name, "rows": table.row_count, "columns": columns},
    }
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps(attributes, indent=1))
    _write_column(folder / "_index", np.arange(table.row_count, dtype=np.int64))
    for column, path in zip(table.columns, paths, strict=True):
        _write_column(folder / path, column.values)


def _column_paths(table: Table) -> list[str]:
    """Return a folder's name per column: the column's own where every file system takes it."""
    paths: list[str] = []
    for index, name in enumerate(table.column_names):
        plain = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9 _()%-]{0,60}[A-Za-z0-9_()%-])?", name)
        taken = {path.lower() for path in paths}
        paths.append(name if plain and name.lower() not in taken else f"_column-{index}")
    return paths


def _write_column(folder: Path, values: np.ndarray[Any, Any]) -> None:
    """Write one column as one chunk, encoded as AnnData has it."""
    import numcodecs

    text = values.dtype.kind in "OUT"
    values = values.astype(object) if text else values
    stored = values if text else np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    compressor = numcodecs.Zstd(3)
    metadata: dict[str, Any] = {
        "zarr_format": 2,
        "shape": list(stored.shape),
        "chunks": [max(1, size) for size in stored.shape],
        "dtype": "|O" if text else stored.dtype.str,
        "compressor": compressor.get_config(),
        "fill_value": "" if text else 0,
        "order": "C",
        "filters": [{"id": "vlen-utf8"}] if text else None,
        "dimension_separator": "/",
    }
    folder.mkdir()
    (folder / ".zarray").write_text(json.dumps(metadata, indent=1))
    kind = {"encoding-type": "string-array" if text else "array", "encoding-version": "0.2.0"}
    (folder / ".zattrs").write_text(json.dumps(kind))
    if stored.size:
        plain = numcodecs.VLenUTF8().encode(stored) if text else stored
        (folder / "/".join("0" * stored.ndim)).parent.mkdir(parents=True, exist_ok=True)
        (folder / "/".join("0" * stored.ndim)).write_bytes(compressor.encode(plain))
