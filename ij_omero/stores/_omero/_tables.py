"""OMERO.tables of an image: made, read and listed in blocks, closed whatever happens."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ij_omero.errors import AttachmentNotFoundError, InvalidInputError, ReadError, StorageError, WriteError
from ij_omero.model import ColumnKind, Table, TableSummary

from ._completing import annotation_link
from ._deleting import delete_objects
from ._failures import FAILURES
from ._ice import omero
from ._session import ALL_GROUPS
from ._table_columns import column_of, empty_column, fill_column, kind_of
from ._values import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._session import Connection, OmeroSession

_DESCRIPTIONS = "ij_omero_column_descriptions"
"""Key of the table's metadata that holds what the descriptions are beyond ASCII, as JSON."""

BLOCK_BYTES = 4 << 20
"""About how much one call carries."""

_TABLES = """
    select f.id, f.name from ImageAnnotationLink l, FileAnnotation a join a.file f
    where l.child.id = a.id and l.parent.id = :id and f.mimetype = 'OMERO.tables' order by f.id
    """
_FILE = "select f.name, f.mimetype, f.details.group.id from OriginalFile f where f.id = :id"


def list_tables(session: OmeroSession, image_id: int, group_id: int) -> list[TableSummary]:
    """Return the tables attached to an image, with their columns."""
    context = {"omero.group": str(group_id)}

    def find(connection: Connection) -> list[TableSummary]:
        parameters = omero.sys.ParametersI().addId(image_id)
        rows = connection.service("Query").projection(_TABLES, parameters, context)
        summaries = []
        for file_id, name in dict.fromkeys((row[0].val, row[1].val) for row in rows):
            with _opened(connection, file_id, context) as table:
                names = tuple(column.name for column in table.getHeaders())
                summaries.append(TableSummary(file_id, name, names, table.getNumberOfRows()))
        return summaries

    return session.call(f"listing the tables of image {image_id}", find)


def read_table(
    session: OmeroSession,
    table_id: int | str,
    *,
    columns: Sequence[str] | None = None,
    rows: range | None = None,
    condition: str | None = None,
) -> Table:
    """Read a table or a part of it."""
    text = str(table_id)
    file_id = int(text) if text.isdecimal() and int(text) < 1 << 63 else 0

    def read(connection: Connection) -> Table:
        parameters = omero.sys.ParametersI().addId(file_id)
        found = connection.service("Query").projection(_FILE, parameters, ALL_GROUPS)
        if not found or found[0][1] is None or found[0][1].val != "OMERO.tables":
            raise AttachmentNotFoundError(
                f"there is no table {table_id!r} at {session.login.server}; tables(image_id) lists those of an image"
            )
        with _opened(connection, file_id, {"omero.group": str(found[0][2].val)}) as table:
            return _read(table, found[0][0].val, columns, rows, condition)

    return session.call(f"reading table {table_id}", read)


def save_table(session: OmeroSession, image_id: int, group_id: int, table: Table) -> int:
    """Write a new table and attach it; after a failure nothing of it stays."""
    if not table.columns:
        raise InvalidInputError(f"table {table.name!r} has no columns; OMERO.tables needs at least one")
    context = {"omero.group": str(group_id)}
    headers = [empty_column(column) for column in table.columns]

    def save(connection: Connection) -> int:
        resources = connection.factory.sharedResources(context)
        made = resources.newTable(0, table.name or "table", context)
        if made is None:
            raise StorageError(_no_tables(session))
        file_id: int = 0
        try:
            file_id = int(made.getOriginalFile().id.val)
            made.initialize(headers, context)
            descriptions = {c.name: c.description for c in table.columns if not c.description.isascii()}
            if descriptions:
                made.setMetadata(_DESCRIPTIONS, omero.rtypes.rstring(json.dumps(descriptions)), context)
            _write_rows(made, table, headers, image_id)
            annotation = omero.model.FileAnnotationI()
            annotation.file = omero.model.OriginalFileI(file_id, False)
            connection.service("Update").saveObject(annotation_link(image_id, annotation), context)
        except BaseException:
            _close(made)
            if file_id:
                delete_objects(connection, "OriginalFile", [file_id], context)
            raise
        _close(made)
        return file_id

    return session.call(f"saving table {table.name!r} of image {image_id}", save, again=False, otherwise=WriteError)


def _write_rows(made: Any, table: Table, headers: list[Any], image_id: int) -> None:
    per_row = sum(
        column.values[0].nbytes if column.values.ndim > 1 else getattr(header, "size", 8)
        for column, header in zip(table.columns, headers, strict=True)
        if len(column.values)
    )
    step = max(1, BLOCK_BYTES // max(1, per_row))
    for start in range(0, table.row_count, step):
        rows = slice(start, min(start + step, table.row_count))
        for column, header in zip(table.columns, headers, strict=True):
            fill_column(header, column, rows, image_id)
        made.addData(headers)


def _read(table: Any, name: str, columns: Sequence[str] | None, rows: range | None, condition: str | None) -> Table:
    headers = table.getHeaders()
    names = [header.name for header in headers]
    missing = [column for column in columns or () if column not in names]
    if missing:
        raise InvalidInputError(f"table {name!r} has no column {missing[0]!r}; it has {names}")
    chosen = [names.index(column) for column in columns] if columns is not None else list(range(len(names)))
    total = table.getNumberOfRows()
    wanted = rows if rows is not None else range(total)
    if len(wanted) and not (0 <= min(wanted) and max(wanted) < total):
        raise InvalidInputError(f"rows {wanted} lie outside table {name!r}, which has {total} rows")
    if wanted.step != 1 or condition is not None:
        numbers = _matching(table, wanted, condition, total)
        parts = _by_number(table, chosen, numbers)
    else:
        parts = _by_range(table, chosen, wanted)
    blocks = list(parts)
    exact = _exact_descriptions(table)
    found = []
    for position, index in enumerate(chosen):
        header = headers[index]
        description = exact.get(header.name, header.description or "")
        found.append(column_of(kind_of(header), header.name, description, [block[position] for block in blocks]))
    return Table(name, tuple(found))


def _exact_descriptions(table: Any) -> dict[str, str]:
    text = value_of(table.getMetadata(_DESCRIPTIONS))
    return {str(name): str(description) for name, description in json.loads(text).items()} if text else {}


def _by_range(table: Any, chosen: list[int], wanted: range) -> Iterator[list[Any]]:
    step = 4096
    start = wanted.start
    while start < wanted.stop and len(wanted):
        stop = min(start + step, wanted.stop)
        block = table.read(chosen, start, stop).columns
        yield block
        start, step = stop, _rows_per_block(block, step)


def _by_number(table: Any, chosen: list[int], numbers: list[int]) -> Iterator[list[Any]]:
    step = 4096
    for start in range(0, len(numbers), step):
        yield table.slice(chosen, numbers[start : start + step]).columns


def _matching(table: Any, wanted: range, condition: str | None, total: int) -> list[int]:
    if condition is None:
        return list(wanted)
    try:
        numbers = table.getWhereList(condition, None, 0, total, 1)
    except omero.ApiUsageException as error:
        raise InvalidInputError(f"the condition {condition!r} is not understood: {error.message}") from error
    return [number for number in numbers if number in wanted]


def _rows_per_block(block: list[Any], rows: int) -> int:
    """Return how many rows about fill a call, judged by the last block."""
    size = 0
    for column in block:
        if kind_of(column) is ColumnKind.MASK:
            size += sum(len(data) + 48 for data in column.bytes)
        else:
            size += rows * max(8, getattr(column, "size", 8))
    return max(1, min(1 << 18, rows * BLOCK_BYTES // max(1, size)))


@contextmanager
def _opened(connection: Connection, file_id: int, context: dict[str, str]) -> Iterator[Any]:
    resources = connection.factory.sharedResources(context)
    table = resources.openTable(omero.model.OriginalFileI(file_id, False), context)
    if table is None:
        raise ReadError(f"the server cannot open table {file_id}; does its Tables service run?")
    try:
        yield table
    finally:
        _close(table)


def _close(table: Any) -> None:
    try:
        table.close()
    except FAILURES:
        return


def _no_tables(session: OmeroSession) -> str:
    return (
        f"{session.login.server} makes no tables: its Tables service does not run; ask its administrator, and save the "
        "measurements as a file meanwhile"
    )
