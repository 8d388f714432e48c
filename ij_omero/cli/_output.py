"""What commands print: lines and small tables for people, one JSON document for machines."""

from __future__ import annotations

import datetime
import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for machines.")


def print_json(data: Any) -> None:
    """Print data as one JSON document."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    """Turn what JSON does not know into what it does."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return value.tolist()
    return str(value)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns, each as wide as its widest entry; numbers stand at the right."""
    body = [[("" if cell is None else str(cell)) for cell in row] for row in rows]
    numeric = [all(_is_number(row[i]) for row in body) and bool(body) for i in range(len(header))]
    widths = [max(len(line[i]) for line in [list(header), *body]) for i in range(len(header))]
    for line in [list(header), *body]:
        cells: list[str] = []
        for cell, width, right in zip(line, widths, numeric, strict=True):
            align: Callable[[int], str] = cell.rjust if right else cell.ljust
            cells.append(align(width))
        click.echo("  ".join(cells).rstrip())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names with their values, those without a value left out."""
    shown = [(name, str(value)) for name, value in pairs if value not in (None, "", ())]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name.ljust(width)}  {value}")


def bytes_text(count: int) -> str:
    """Return for example ``1.5 MB``."""
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000 or unit == "PB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
