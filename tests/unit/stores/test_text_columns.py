"""Text columns of any of numpy's kinds come back from a local store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero.model import Column, ColumnKind, ImageDescription, PixelType, Table
from ij_omero.pixels import write_array
from ij_omero.stores import LocalStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("dtype", [object, "U5"])
def test_text_of_any_dtype_is_text(tmp_path: Path, dtype: object) -> None:
    store = LocalStore(tmp_path)
    image_id = write_array(store.create(ImageDescription("a", PixelType.UINT8, 1, 1)), np.zeros((1, 1, 1, 1, 1), "u1"))
    labels = np.array(["", "ä☂"], dtype=dtype)
    table_id = store.save_table(image_id, Table("t", (Column("label", labels, ColumnKind.STRING),)))
    assert store.read_table(table_id).columns[0].values.tolist() == ["", "ä☂"]
    store.close()
