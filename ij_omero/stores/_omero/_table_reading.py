"""Reading an OMERO.table in blocks of a few megabytes; a block that a lost connection swallowed is asked for again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from ij_omero.errors import AttachmentNotFoundError, InvalidInputError, ReadError
from ij_omero.model import ColumnKind, Table

from ._failures import FAILURES
from ._ice import omero
from ._session import ALL_GROUPS
from ._table_columns import column_of, kind_of
from ._values import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from ._session import Connection, OmeroSession

BLOCK_BYTES = 4 << 20
"""About how much one call carries."""

FIRST_ROWS = 4096
MOST_ROWS = 1 << 18

DESCRIPTIONS = "ij_omero_column_descriptions"
"""Key of the table's metadata that holds what the descriptions are beyond ASCII, as JSON."""

_FILE = "select f.name, f.mimetype, f.details.group.id from OriginalFile f where f.id = :id"


def open_table(connection: Connection, file_id: int, context: dict[str, str]) -> Any:
    """Open a table on the server; `close_table` it."""
    resources = connection.factory.sharedResources(context)
    table = resources.openTable(omero.model.OriginalFileI(file_id, False), context)
    if table is None:
        raise ReadError(f"the server cannot open table {file_id}; does its Tables service run?")
    return table


def close_table(table: Any) -> None:
    """Close a table; one whose connection is gone is closed already."""
    try:
        table.close()
    except FAILURES:
        return


class TableReader:
    """Some columns and rows of one table, block after block.

    Parameters
    ----------
    session
        The login.
    table_id
        The id of the table's original file.
    columns, rows, condition
        As for `OmeroStore.read_table`.
    """

    def __init__(
        self,
        session: OmeroSession,
        table_id: int | str,
        columns: Sequence[str] | None,
        rows: range | None,
        condition: str | None,
    ) -> None:
        text = str(table_id)
        self._session = session
        self._doing = f"reading table {table_id}"
        self._file_id = int(text) if text.isdecimal() and int(text) < 1 << 63 else 0
        self._missing = AttachmentNotFoundError(
            f"there is no table {table_id!r} at {session.login.server}; tables(image_id) lists those of an image"
        )
        self._opened: tuple[Connection, Any] | None = None
        self._name, self._context = session.call(self._doing, self._find)
        try:
            self._headers, total, self._descriptions = self._call(_about)
            self._chosen = self._columns(columns)
            self._rows = rows if rows is not None else range(total)
            if len(self._rows) and not (0 <= min(self._rows) and max(self._rows) < total):
                raise InvalidInputError(f"rows {self._rows} lie outside table {self._name!r}, which has {total} rows")
            self._condition, self._total = condition, total
        except BaseException:
            self.close()
            raise

    def blocks(self, most_rows: int | None = None) -> Iterator[list[Any]]:
        """Yield OMERO's columns of some rows at a time, of about `BLOCK_BYTES` or of so many rows."""
        most = most_rows or MOST_ROWS
        if self._rows.step == 1 and self._condition is None:
            numbers, start, stop = None, self._rows.start, self._rows.stop if len(self._rows) else self._rows.start
        else:
            numbers = self._matching()
            start, stop = 0, len(numbers)
        step = min(most, FIRST_ROWS)
        while start < stop:
            end = min(start + step, stop)
            wanted = (start, end) if numbers is None else numbers[start:end]
            block = self._call(lambda table, wanted=wanted: self._block(table, wanted))
            yield block
            start, step = end, min(most, _rows_per_block(block, end - start))

    def table(self, blocks: list[list[Any]]) -> Table:
        """Return the rows of some blocks as a table."""
        found = []
        for position, index in enumerate(self._chosen):
            header = self._headers[index]
            description = self._descriptions.get(header.name, header.description or "")
            found.append(column_of(kind_of(header), header.name, description, [block[position] for block in blocks]))
        return Table(self._name, tuple(found))

    def close(self) -> None:
        """Close the table on the server; twice is allowed."""
        opened, self._opened = self._opened, None
        if opened is not None:
            close_table(opened[1])

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the table."""
        self.close()

    def _find(self, connection: Connection) -> tuple[str, dict[str, str]]:
        parameters = omero.sys.ParametersI().addId(self._file_id)
        found = connection.service("Query").projection(_FILE, parameters, ALL_GROUPS)
        if not found or found[0][1] is None or found[0][1].val != "OMERO.tables":
            raise self._missing
        return str(found[0][0].val), {"omero.group": str(found[0][2].val)}

    def _call(self, ask: Any) -> Any:
        """Ask the open table; after a lost connection open it again and ask once more."""

        def on(connection: Connection) -> Any:
            if self._opened is None or self._opened[0] is not connection:
                self._opened = (connection, open_table(connection, self._file_id, self._context))
            return ask(self._opened[1])

        return self._session.call(self._doing, on)

    def _columns(self, columns: Sequence[str] | None) -> list[int]:
        names = [header.name for header in self._headers]
        missing = [column for column in columns or () if column not in names]
        if missing:
            raise InvalidInputError(f"table {self._name!r} has no column {missing[0]!r}; it has {names}")
        return [names.index(column) for column in columns] if columns is not None else list(range(len(names)))

    def _block(self, table: Any, wanted: Any) -> list[Any]:
        if isinstance(wanted, tuple):
            return list(table.read(self._chosen, *wanted).columns)
        return list(table.slice(self._chosen, wanted).columns)

    def _matching(self) -> list[int]:
        if self._condition is None:
            return list(self._rows)
        condition = self._condition
        # Only rows of the range are looked at; a range that runs backwards keeps its order.
        low, high = (min(self._rows), max(self._rows) + 1) if len(self._rows) else (0, 0)

        def ask(table: Any) -> list[int]:
            try:
                return list(table.getWhereList(condition, None, low, high, 1)) if high else []
            except omero.ApiUsageException as error:
                raise InvalidInputError(f"the condition {condition!r} is not understood: {error.message}") from error

        numbers = [number for number in self._call(ask) if number in self._rows]
        return numbers[::-1] if self._rows.step < 0 else numbers


def _about(table: Any) -> tuple[list[Any], int, dict[str, str]]:
    text = value_of(table.getMetadata(DESCRIPTIONS))
    exact = {str(name): str(description) for name, description in json.loads(text).items()} if text else {}
    return table.getHeaders(), int(table.getNumberOfRows()), exact


def _rows_per_block(block: list[Any], rows: int) -> int:
    """Return how many rows about fill a call, judged by the last block."""
    size = 0
    for column in block:
        if kind_of(column) is ColumnKind.MASK:
            size += sum(len(data) + 48 for data in column.bytes)
        else:
            size += rows * max(8, getattr(column, "size", 8))
    return max(1, min(MOST_ROWS, rows * BLOCK_BYTES // max(1, size)))
