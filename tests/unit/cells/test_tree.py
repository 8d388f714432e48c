"""A file of edits is opened only where what leads to the cells is whole."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import lmdb
import pytest

from ij_omero.cells._tree import DamagedTreeError, check_tree

if TYPE_CHECKING:
    from pathlib import Path


def churned(path: Path, *, seed: int) -> Path:
    """Return a file with small and large values, many of which were replaced and deleted."""
    generator = random.Random(seed)  # noqa: S311  sizes
    with lmdb.open(os.fspath(path), subdir=False, map_size=1 << 30, sync=False) as environment:
        for _ in range(60):
            with environment.begin(write=True) as transaction:
                for _ in range(generator.randrange(1, 40)):
                    key = b"%06d" % generator.randrange(400)
                    if generator.random() < 0.3:
                        transaction.delete(key)
                    else:
                        transaction.put(key, bytes(generator.choice([0, 40, 1000, 5000, 70000])))
                if generator.random() < 0.2:
                    transaction.abort()
    return path


@pytest.mark.parametrize("seed", range(4))
def test_a_whole_file_is_let_through(tmp_path: Path, seed: int) -> None:
    check_tree(churned(tmp_path / "file", seed=seed))


def test_an_empty_file_is_let_through(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_tree(tmp_path / "file")


@pytest.mark.parametrize("keep", [100, 4096, 9000, 0.5, -4096])
def test_a_file_that_was_cut_is_refused(tmp_path: Path, keep: float) -> None:
    file = churned(tmp_path / "file", seed=1)
    size = file.stat().st_size
    os.truncate(file, int(keep * size if isinstance(keep, float) else keep % size))
    with pytest.raises(DamagedTreeError):
        check_tree(file)


def test_a_page_that_leads_beyond_the_file_is_refused(tmp_path: Path) -> None:
    file = churned(tmp_path / "file", seed=1)
    content = bytearray(file.read_bytes())
    metas = [4096 * n + 16 for n in range(2)]
    root = max(metas, key=lambda at: content[at + 128 : at + 136][::-1]) + 24 + 48 + 40
    content[root : root + 8] = (len(content) // 4096 + 1).to_bytes(8, "little")
    file.write_bytes(content)
    with pytest.raises(DamagedTreeError, match="led to"):
        check_tree(file)
