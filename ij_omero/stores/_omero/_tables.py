"""OMERO.tables of an image: made, read and listed in blocks, closed whatever happens."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError, StorageError, WriteError
from ij_omero.model import Column, Table, TableSummary

from ._completing import annotation_link
from ._deleting import delete_objects
from ._ice import omero
from ._table_columns import empty_column, fill_column
from ._table_reading import BLOCK_BYTES, DESCRIPTIONS, TableReader, close_table, open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ._session import Connection, OmeroSession

_TABLES = """
    select f.id, f.name from ImageAnnotationLink l, FileAnnotation a join a.file f
    where l.child.id = a.id and l.parent.id = :id and f.mimetype = 'OMERO.tables' order by f.id
    """


def list_tables(session: OmeroSession, image_id: int, group_id: int) -> list[TableSummary]:
    """Return the tables attached to an image, with their columns."""
    context = {"omero.group": str(group_id)}

    def find(connection: Connection) -> list[TableSummary]:
        parameters = omero.sys.ParametersI().addId(image_id)
        rows = connection.service("Query").projection(_TABLES, parameters, context)
        summaries = []
        for file_id, name in dict.fromkeys((row[0].val, row[1].val) for row in rows):
            table = open_table(connection, file_id, context)
            try:
                names = tuple(column.name for column in table.getHeaders())
                summaries.append(TableSummary(file_id, name, names, table.getNumberOfRows()))
            finally:
                close_table(table)
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
    with TableReader(session, table_id, columns, rows, condition) as reader:
        return reader.table(list(reader.blocks()))


def read_table_blocks(
    session: OmeroSession,
    table_id: int | str,
    *,
    columns: Sequence[str] | None,
    rows: range | None,
    condition: str | None,
    most_rows: int | None,
) -> Iterator[Table]:
    """Yield a table or a part of it, some rows at a time."""
    with TableReader(session, table_id, columns, rows, condition) as reader:
        for block in reader.blocks(most_rows):
            yield reader.table([block])


def save_table(session: OmeroSession, image_id: int, group_id: int, blocks: Iterable[Table]) -> int:
    """Write a new table of the rows of all blocks and attach it; after a failure nothing of it stays."""
    remaining = iter(blocks)
    first = next(remaining, None)
    if first is None or not first.columns:
        raise InvalidInputError(
            f"table {first.name if first else ''!r} has no columns; OMERO.tables needs at least one"
        )
    context = {"omero.group": str(group_id)}
    headers = [empty_column(column) for column in first.columns]

    def save(connection: Connection) -> int:
        resources = connection.factory.sharedResources(context)
        made = resources.newTable(0, first.name or "table", context)
        if made is None:
            raise StorageError(_no_tables(session))
        file_id: int = 0
        try:
            file_id = int(made.getOriginalFile().id.val)
            made.initialize(headers, context)
            descriptions = {c.name: c.description for c in first.columns if not c.description.isascii()}
            if descriptions:
                made.setMetadata(DESCRIPTIONS, omero.rtypes.rstring(json.dumps(descriptions)), context)
            for block in itertools.chain([first], remaining):
                _check_block(block, first, headers)
                _write_rows(made, block, headers, image_id)
            annotation = omero.model.FileAnnotationI()
            annotation.file = omero.model.OriginalFileI(file_id, False)
            connection.service("Update").saveObject(annotation_link(image_id, annotation), context)
        except BaseException:
            close_table(made)
            if file_id:
                delete_objects(connection, "OriginalFile", [file_id], context)
            raise
        close_table(made)
        return file_id

    return session.call(f"saving table {first.name!r} of image {image_id}", save, again=False, otherwise=WriteError)


def _check_block(block: Table, first: Table, headers: list[Any]) -> None:
    if [_shape(column) for column in block.columns] != [_shape(column) for column in first.columns]:
        raise InvalidInputError(
            f"a block of table {first.name!r} has the columns {list(block.column_names)}; all need the names, kinds "
            f"and widths of the first: {list(first.column_names)}"
        )
    if block is first:
        return
    for column, header in zip(block.columns, headers, strict=True):
        if isinstance(header, omero.grid.StringColumn) and empty_column(column).size > header.size:
            raise InvalidInputError(
                f"a text of column {column.name!r} is longer than the {header.size} bytes that the first block made "
                "room for; put the longest into the first block, or fill one of its texts up with spaces"
            )


def _shape(column: Column) -> tuple[Any, ...]:
    return column.name, column.kind, column.values.shape[1:]


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


def _no_tables(session: OmeroSession) -> str:
    return (
        f"{session.login.server} makes no tables: its Tables service does not run; ask its administrator, and save the "
        "measurements as a file meanwhile"
    )
