"""Lookup tables: grey levels to colours, from the files that OMERO and ImageJ keep them in."""

from __future__ import annotations

import logging
import math
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

logger = logging.getLogger(__name__)
_ENTRIES = 256
_RAW_BYTES = 3 * _ENTRIES
_RAW_LENGTHS = (_RAW_BYTES, 970)  # the second is what ImageJ 1 once wrote, with a tail
_NIH_MAGIC = b"ICOL"
_NIH_HEADER = 32
_SEPARATORS = re.compile(r"[^+\-./0-9A-Za-z:;<=>?@\[\]^_`{|}~\\]+")


def parse_lookup_table(content: bytes, name: str = "") -> npt.NDArray[np.uint8]:
    """Read a ``.lut`` file's bytes: NIH Image's format, 768 raw bytes, or text.

    Parameters
    ----------
    content
        The file's bytes.
    name
        What to call it in an error.

    Returns
    -------
    ndarray
        (256, 3) uint8: red, green, blue.

    Raises
    ------
    InvalidInputError
        It is none of the three formats.

    Notes
    -----
    The rules are those of ``omeis.providers.re.lut`` (ome/omero-common), which are ImageJ 1's.
    """
    table = None
    if len(content) > _RAW_BYTES and content.startswith(_NIH_MAGIC):
        table = _nih(content)
    elif len(content) in _RAW_LENGTHS:
        table = np.frombuffer(content, np.uint8, _RAW_BYTES).reshape(3, _ENTRIES).T
    elif len(content) > _RAW_BYTES:
        table = _text(content)
    if table is None:
        raise InvalidInputError(
            f"{name or 'this'} is not a lookup table; expected 768 bytes (red, green, blue), an NIH Image table that "
            "begins with ICOL, or text with 256 rows of 3 numbers"
        )
    return np.ascontiguousarray(table)


def _nih(content: bytes) -> npt.NDArray[np.uint8] | None:
    count = int.from_bytes(content[6:8], "big", signed=True)
    if not 0 < count <= _ENTRIES or len(content) < _NIH_HEADER + 3 * count:
        return None
    columns = np.frombuffer(content, np.uint8, 3 * count, _NIH_HEADER).reshape(3, count)
    if count == _ENTRIES:
        return columns.T
    position = np.arange(_ENTRIES) * (count / _ENTRIES)
    below = position.astype(int)
    above = np.minimum(below + 1, count - 1)
    fraction = position - below
    mixed: npt.NDArray[np.uint8] = ((1 - fraction) * columns[:, below] + fraction * columns[:, above]).astype(np.uint8)
    return mixed.T


def _text(content: bytes) -> npt.NDArray[np.uint8] | None:
    lines = content.decode("latin-1").splitlines()
    rows = [words for line in lines if (words := [word for word in _SEPARATORS.split(line) if word])]
    if rows and not any(_is_number(word) for word in rows[0]):
        rows = rows[1:]
    if not rows or not 3 <= len(rows[0]) <= 4 or any(len(row) != len(rows[0]) for row in rows):
        return None
    if not _ENTRIES <= len(rows) <= _ENTRIES + 2:
        return None
    first = 1 if len(rows) > _ENTRIES else 0
    chosen = [row[-3:] for row in rows[first : first + _ENTRIES]]
    if len(chosen) < _ENTRIES or not all(_is_number(word) for row in chosen for word in row):
        return None
    return np.array(chosen, np.float64).astype(np.int64).astype(np.uint8)


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def read_lookup_tables(folder: Path | str) -> dict[str, npt.NDArray[np.uint8]]:
    """Read every ``.lut`` file below a folder, by its file name as OMERO does; unreadable files are left out.

    An OMERO.server keeps its own in ``lib/scripts``, ImageJ in ``luts``.
    """
    found: dict[str, npt.NDArray[np.uint8]] = {}
    for path in sorted(Path(folder).rglob("*.lut")):
        try:
            found[path.name] = parse_lookup_table(path.read_bytes(), str(path))
        except InvalidInputError:
            continue
    return found


def _ramps() -> Mapping[str, npt.NDArray[np.uint8]]:
    ramp = np.arange(_ENTRIES, dtype=np.uint8)
    mixes = {
        "grays": (1, 1, 1),
        "red": (1, 0, 0),
        "green": (0, 1, 0),
        "blue": (0, 0, 1),
        "cyan": (0, 1, 1),
        "magenta": (1, 0, 1),
        "yellow": (1, 1, 0),
    }
    tables = {f"{name}.lut": ramp[:, None] * np.array(mix, np.uint8) for name, mix in mixes.items()}
    return MappingProxyType(tables)


PRIMARY_LOOKUP_TABLES = _ramps()
"""The ramps from black that every ImageJ and OMERO has: red, green, blue, cyan, magenta, yellow, grays."""


def find_lookup_table(
    name: str | None, lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None
) -> npt.NDArray[np.uint8] | None:
    """Return a table by its name, from those given or the primary ones; None where there is none of that name.

    Raises
    ------
    InvalidInputError
        The table is not (256, 3) uint8.
    """
    if not name:
        return None
    table = (lookup_tables or {}).get(name)
    if table is None:
        table = PRIMARY_LOOKUP_TABLES.get(name)
    if table is None:
        logger.warning("no lookup table %r is known; its channel is shown in its colour, as OMERO does", name)
        return None
    if table.shape != (_ENTRIES, 3) or table.dtype != np.uint8:
        raise InvalidInputError(
            f"lookup table {name!r} has shape {table.shape} and dtype {table.dtype}; expected (256, 3) uint8"
        )
    return table
