"""Lookup tables in every format that OMERO and ImageJ read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero.errors import ConnectionFailedError, InvalidInputError
from ij_omero.model import ChannelRendering
from ij_omero.rendering import (
    PRIMARY_LOOKUP_TABLES,
    StoreLookupTables,
    parse_lookup_table,
    read_lookup_tables,
    render_planes,
)

if TYPE_CHECKING:
    from pathlib import Path

TABLE = np.random.default_rng(5).integers(0, 256, (256, 3)).astype(np.uint8)
RAW = TABLE.T.tobytes()


def nih(columns: np.ndarray) -> bytes:
    count = columns.shape[1]
    return b"ICOL" + bytes([0, 10]) + count.to_bytes(2, "big") + bytes(24) + columns.tobytes()


def text(rows: np.ndarray, form: str, head: str = "") -> bytes:
    return (head + "".join(form.format(*row) for row in rows)).encode()


@pytest.mark.parametrize(
    "content",
    [
        RAW,
        RAW + bytes(202),
        nih(np.ascontiguousarray(TABLE.T)),
        text(TABLE, "{}\t{}\t{}\n"),
        text(TABLE, "{} {} {}\r\n", "Red Green Blue\r\n"),
        text(np.column_stack([np.arange(256), TABLE]), "{} {} {} {}\n", "Index Red Green Blue\n"),
        text(np.vstack([[[1, 2, 3]], TABLE]), "{},{},{}\n"),
    ],
    ids=["raw", "raw with a tail", "NIH", "text", "text with a head", "text with an index", "text with a row too many"],
)
def test_every_format_gives_the_same_table(content: bytes) -> None:
    np.testing.assert_array_equal(parse_lookup_table(content), TABLE)


def test_a_table_of_few_colours_is_interpolated() -> None:
    columns = np.array([[0, 128], [255, 0], [7, 7]], np.uint8)
    table = parse_lookup_table(nih(columns) + bytes(800))
    assert table[0].tolist() == [0, 255, 7]
    assert table[64].tolist() == [64, 127, 7]
    assert table[255].tolist() == [128, 0, 7]


@pytest.mark.parametrize("content", [b"", b"abc", bytes(2000), b"1 2 3\n" * 200 + b" " * 900, b"a b c\n" * 300])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"odd\.lut is not a lookup table"):
        parse_lookup_table(content, "odd.lut")


def test_a_folder_is_read_by_file_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.lut").write_bytes(RAW)
    (tmp_path / "broken.lut").write_bytes(b"no")
    (tmp_path / "b.txt").write_bytes(RAW)
    assert list(read_lookup_tables(tmp_path)) == ["a.lut"]


def test_primary_tables_are_ramps_from_black() -> None:
    for table in PRIMARY_LOOKUP_TABLES.values():
        assert table[0].tolist() == [0, 0, 0]
        assert table[255].max() == 255
    assert PRIMARY_LOOKUP_TABLES["yellow.lut"][100].tolist() == [100, 100, 0]


class Keeping:
    """A store that keeps tables, and counts how often it is asked."""

    def __init__(self) -> None:
        self.files = {"mine.lut": RAW, "broken.lut": b"no"}
        self.asked: list[str] = []
        self.gone = False

    def lookup_table_names(self) -> tuple[str, ...]:
        self.asked.append("names")
        if self.gone:
            raise ConnectionFailedError("the server is gone")
        return tuple(self.files)

    def lookup_table_file(self, name: str) -> bytes:
        self.asked.append(name)
        return self.files[name]


def test_tables_of_a_store_are_read_once_when_they_are_needed(caplog: pytest.LogCaptureFixture) -> None:
    store = Keeping()
    tables = StoreLookupTables(store)
    assert not store.asked
    for _ in range(3):
        np.testing.assert_array_equal(tables["mine.lut"], TABLE)
        assert tables.get("broken.lut") is None and tables.get("nobody-knows-it.lut") is None
    assert store.asked == ["names", "mine.lut", "broken.lut"]
    assert "broken.lut is not a lookup table" in caplog.text


def test_a_store_that_cannot_be_asked_now_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    store = Keeping()
    tables = StoreLookupTables(store)
    store.gone = True
    assert tables.get("mine.lut") is None and "the server is gone" in caplog.text
    store.gone = False
    assert tables.get("mine.lut") is not None


def test_a_channel_is_shown_in_a_table_of_the_store() -> None:
    channel = ChannelRendering((0, 255), (255, 0, 0, 255), lookup_table="mine.lut")
    pixels = np.arange(256, dtype=np.uint8)[None]
    picture = render_planes([pixels], [channel], lookup_tables=StoreLookupTables(Keeping()))
    np.testing.assert_array_equal(picture[0], TABLE)
