"""Channels as ImageJ shows them: tables of 256 colours, from a colour, a lookup table, and whether it is inverted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._primitive_arrays import from_java_array, to_java_array
from ._runtime import java_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from ij_omero.model import Channel, ImageDescription

    Table = npt.NDArray[np.uint8]
    """(256, 3): red, green, blue."""

TABLES_PROPERTY = "ij_omero.color tables"
"""Under which an ImgPlus keeps the tables that its channels got, to tell whether somebody gave it others."""


def ramp_to(color: tuple[int, ...] | None) -> Table:
    """Return the table from black to a colour, white without one."""
    levels = np.arange(256, dtype=np.float64)[:, None] / 255
    return np.rint(levels * np.array(color[:3] if color else (255, 255, 255), np.float64)).astype(np.uint8)


def tables_of(description: ImageDescription, lookup_tables: Mapping[str, Table] | None = None) -> list[Table]:
    """Return a table for each channel.

    Parameters
    ----------
    description
        The image.
    lookup_tables
        Tables (256, 3) by name; a channel whose table is not among them is shown in its colour, as OMERO does.
    """
    shown = description.rendering.channels if description.rendering is not None else ()
    tables = []
    for index, channel in enumerate(description.channels):
        table = _found(channel, lookup_tables)
        inverted = index < len(shown) and shown[index].inverted
        tables.append(table[::-1] if inverted else table)
    return tables


def _found(channel: Channel, lookup_tables: Mapping[str, Table] | None) -> Table:
    table = (lookup_tables or {}).get(channel.lookup_table) if channel.lookup_table else None
    return ramp_to(channel.color) if table is None else table


def java_table(table: Table) -> Any:
    """Return a table as ``net.imglib2.display.ColorTable8``."""
    import jpype

    row = jpype.JArray(jpype.JByte)
    return java_class("net.imglib2.display.ColorTable8")(
        jpype.JArray(row)([to_java_array(np.ascontiguousarray(table[:, band])) for band in range(3)])
    )


def lut_of(table: Table, window: tuple[float, float] | None) -> Any:
    """Return a table as ``ij.process.LUT``, with its window."""
    lut = java_class("ij.process.LUT")(*(to_java_array(np.ascontiguousarray(table[:, band])) for band in range(3)))
    if window:
        lut.min, lut.max = window
    return lut


def read_java_table(table: Any) -> Table:
    """Return a ``net.imglib2.display.ColorTable`` as an array; one of another length by its nearest entries."""
    last = int(table.getLength()) - 1
    entries = np.rint(np.linspace(0, last, 256)).astype(int).tolist()
    return np.array([[int(table.get(band, entry)) & 0xFF for band in range(3)] for entry in entries], np.uint8)


def read_lut(lut: Any) -> Table:
    """Return an ``ij.process.LUT`` as an array."""
    import jpype

    columns = []
    for getter in ("getReds", "getGreens", "getBlues"):
        values = jpype.JArray(jpype.JByte)(256)
        getattr(lut, getter)(values)
        columns.append(from_java_array(values, np.uint8))
    return np.stack(columns, axis=1)


def color_of(table: Table) -> tuple[int, int, int, int]:
    """Return the brightest colour of a table; an inverted one has it first, others have it last."""
    red, green, blue = table[255 - int(np.argmax(table.astype(int).sum(axis=1)[::-1]))].tolist()
    return (red, green, blue, 255)


def is_ramp(table: Table) -> bool:
    """Tell whether a table leads from black to a colour or back, so that the colour says it all; within rounding."""
    best = ramp_to(color_of(table)).astype(int)
    return any(int(np.abs(best - one.astype(int)).max()) <= 1 for one in (table, table[::-1]))


def telling(table: Table | None) -> Table | None:
    """Return a table of which the colour does not say all, else None."""
    return None if table is None or is_ramp(table) else table
