"""Tables that nobody wants in memory: written and read in blocks on a real OMERO.tables."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError
from ij_omero.model import ImageDescription, PixelType, Table
from ij_omero.pixels import write_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.stores import OmeroStore
    from tests._omero import OmeroUser

ROWS, BLOCK = 1_000_000, 100_000


@pytest.fixture
def image_id(store: OmeroStore) -> int:
    description = ImageDescription("measured", PixelType.UINT8, 2, 2)
    return int(write_array(store.create(description), np.zeros((1, 1, 1, 2, 2), "u1")))


def blocks(living: list[int]) -> Iterator[Table]:
    """A million rows; notes how many blocks are alive whenever another one is asked for."""
    made: list[weakref.ref[Any]] = []
    for start in range(0, ROWS, BLOCK):
        gc.collect()
        living.append(sum(one() is not None for one in made))
        cell = np.arange(start, start + BLOCK)
        made.append(weakref.ref(cell))
        yield Table.from_dict("cells", {"cell": cell, "area": cell / 4, "bright": cell % 1000 == 0})
        del cell


def test_a_million_rows_go_there_and_back_in_blocks(store: OmeroStore, user: OmeroUser, image_id: int) -> None:
    living: list[int] = []
    table_id = store.save_table_blocks(image_id, blocks(living))
    assert max(living) <= 2, "blocks that were written are kept"
    (summary,) = store.tables(image_id)
    assert (summary.row_count, summary.column_names) == (ROWS, ("cell", "area", "bright"))

    read, sizes = 0, []
    for block in store.read_table_blocks(table_id, columns=["area"]):
        np.testing.assert_array_equal(block["area"], np.arange(read, read + block.row_count) / 4)
        read += block.row_count
        sizes.append(block.row_count)
    assert read == ROWS
    assert max(sizes) <= ROWS // 2

    rows = store.read_table(table_id, columns=["cell"], rows=range(ROWS - 5, ROWS))
    assert rows["cell"].tolist() == list(range(ROWS - 5, ROWS))
    found = store.read_table(table_id, columns=["cell"], condition="bright & (area >= 200000)")
    assert found["cell"].tolist() == list(range(800_000, ROWS, 1000))
    within = store.read_table(table_id, columns=["cell"], rows=range(5000, 9000), condition="bright")
    assert within["cell"].tolist() == [5000, 6000, 7000, 8000]

    with user.gateway() as gateway:
        opened = gateway.c.sf.sharedResources().openTable(gateway.getObject("OriginalFile", table_id)._obj)
        assert opened.getNumberOfRows() == ROWS
        assert opened.readCoordinates([ROWS - 1]).columns[1].values == [(ROWS - 1) / 4]
        opened.close()


def test_reading_may_stop_early_and_goes_on_after_a_lost_connection(store: OmeroStore, image_id: int) -> None:
    table_id = store.save_table(image_id, Table.from_dict("t", {"n": np.arange(1000)}))
    reading = store.read_table_blocks(table_id, most_rows=300)
    assert next(reading)["n"][-1] == 299
    client = store.session.connection().client
    client.getRouter(client.getCommunicator()).ice_getConnection().close(True)
    assert [block["n"][0] for block in reading] == [300, 600, 900]
    reading = store.read_table_blocks(table_id, most_rows=300)
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert store.read_table(table_id, rows=range(9, -1, -3))["n"].tolist() == [9, 6, 3, 0]


def test_blocks_that_do_not_fit_leave_no_table(store: OmeroStore, image_id: int) -> None:
    first = Table.from_dict("t", {"name": ["abc", "d"]})
    with pytest.raises(InvalidInputError, match="columns"):
        store.save_table_blocks(image_id, [first, Table.from_dict("t", {"other": ["x"]})])
    with pytest.raises(InvalidInputError, match="3 bytes"):
        store.save_table_blocks(image_id, [first, Table.from_dict("t", {"name": ["abcd"]})])
    with pytest.raises(InvalidInputError, match="no columns"):
        store.save_table_blocks(image_id, [])
    assert store.tables(image_id) == []
