"""Edits on disk: kept after a session, found again, checked, never in another's hands."""

from __future__ import annotations

import gc
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from ij_omero.cells import CellCache, discard_edits, edits_dir, list_edits, recover_edits
from ij_omero.cells._spill import CellSpill
from ij_omero.errors import (
    CacheLockedError,
    CorruptedDataError,
    DiskFullError,
    InvalidInputError,
    NotFoundError,
    StorageError,
)
from ij_omero.model import PixelType, Region
from tests._cells import P0, ArraySource, describe

ADDRESS = "omero://omero.example.org/image/42"


def open_cells(tmp_path: Path, source: ArraySource | None = None, **options: object) -> CellCache:
    source = source or ArraySource(describe(64, 64))
    options = {"cell_shape": (16, 16), "autosave": None, "address": ADDRESS, **options}
    return CellCache(source, spill=tmp_path, **options)  # type: ignore[arg-type]


def left_behind(tmp_path: Path, value: int = 7) -> str:
    """Edit an image whole and leave without saving."""
    cells = open_cells(tmp_path)
    cells.write(P0, None, value)
    cells.close()
    assert cells.edit_id
    return cells.edit_id


def test_edits_are_listed_recovered_and_discarded(tmp_path: Path) -> None:
    edit_id = left_behind(tmp_path)
    (edit,) = list_edits(tmp_path)
    assert (edit.edit_id, edit.address, edit.image_name, edit.in_use) == (edit_id, ADDRESS, "cells", False)
    assert edit.modified >= edit.created - 1
    assert edit.nbytes > 64 * 64 * 2
    opened: list[str] = []

    def open_source(address: str) -> ArraySource:
        opened.append(address)
        return ArraySource(describe(64, 64))

    with recover_edits(edit_id, open_source, root=tmp_path, autosave=None) as cells:
        assert opened == [ADDRESS]
        assert list_edits(tmp_path)[0].in_use
        assert (cells.read(P0) == 7).all()
        assert len(cells.dirty_cells()) == 16
        cells.write(P0, Region(0, 0, 1, 1), 8)
    with recover_edits(edit_id, ArraySource(describe(64, 64)), root=tmp_path, autosave=None) as cells:
        assert cells.read(P0, Region(0, 0, 2, 1)).tolist() == [[8, 7]]
    discard_edits(edit_id, tmp_path)
    assert list_edits(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFoundError, match="ij-omero edits list"):
        discard_edits(edit_id, tmp_path)


@pytest.mark.parametrize("name", ["", "..", "nothing", "../x", ".new-1"])
def test_only_edits_can_be_discarded(tmp_path: Path, name: str) -> None:
    (tmp_path / ".new-1").mkdir()
    with pytest.raises(NotFoundError):
        discard_edits(name, tmp_path)
    assert (tmp_path / ".new-1").exists()


def test_edits_are_private(tmp_path: Path) -> None:
    edit_id = left_behind(tmp_path)
    folder = tmp_path / edit_id
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.name == "edit.json"


def test_edits_in_use_are_not_opened_twice_nor_discarded(tmp_path: Path) -> None:
    with open_cells(tmp_path) as cells:
        cells.write(P0, None, 1)
        cells.flush()
        assert cells.edit_id
        with pytest.raises(CacheLockedError, match=str(os.getpid())):
            recover_edits(cells.edit_id, ArraySource(describe(64, 64)), root=tmp_path)
        with pytest.raises(CacheLockedError):
            discard_edits(cells.edit_id, tmp_path)
        assert (cells.read(P0) == 1).all()


@pytest.mark.parametrize(
    "source",
    [ArraySource(describe(64, 65)), ArraySource(describe(64, 64, pixel_type=PixelType.INT16))],
    ids=["size", "type"],
)
def test_edits_of_another_image_are_refused(tmp_path: Path, source: ArraySource) -> None:
    edit_id = left_behind(tmp_path)
    with pytest.raises(InvalidInputError, match="not the same image"):
        recover_edits(edit_id, source, root=tmp_path)
    with recover_edits(edit_id, ArraySource(describe(64, 64)), root=tmp_path) as cells:
        assert (cells.read(P0) == 7).all()


def flip(path: Path, value: bytes) -> None:
    """Flip one bit wherever the file has these bytes; LMDB leaves old pages behind."""
    data = path.read_bytes()
    assert value in data
    path.write_bytes(data.replace(value, bytes([value[0] ^ 0x10]) + value[1:]))


def test_a_flipped_bit_is_reported_and_never_handed_out(tmp_path: Path) -> None:
    cells = open_cells(tmp_path)
    cells.write(P0, Region(0, 0, 16, 16), 0x5A5A)
    cells.write(P0, Region(16, 0, 16, 16), 0x1234)
    cells.close()
    assert cells.edit_id
    flip(tmp_path / cells.edit_id / "cells.mdb", b"\x5a" * 512)
    source = ArraySource(describe(64, 64))
    with recover_edits(cells.edit_id, source, root=tmp_path, autosave=None) as again:
        for read in (lambda: again.cell(0), lambda: again.saved_view.read(P0), lambda: again.read(P0)):
            with pytest.raises(CorruptedDataError, match=r"cell 0 .*revert"):
                read()
        assert (again.cell(1) == 0x1234).all()
        again.revert(P0, Region(0, 0, 16, 16))
        np.testing.assert_array_equal(again.cell(0), source.pixels[0, 0, 0, :16, :16])


def test_cells_are_found_again_wherever_later_edits_moved_them(tmp_path: Path) -> None:
    source = ArraySource(describe(64, 64))
    with open_cells(tmp_path, source, bound=2 * 16 * 16 * 2) as cells:
        expected = np.zeros((64, 64), np.uint16)
        generator = np.random.default_rng(0)
        for turn in range(40):
            cell = cells.grid.locate(int(generator.integers(0, 16)))[1]
            cells.write(P0, cell, turn)
            expected[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width] = turn
            if turn >= 16:  # each has been read from its place by then
                edited = expected > 0
                assert (cells.read(P0)[edited] == expected[edited]).all()
        cells.close(discard=True)


@pytest.mark.parametrize("same_start", [True, False])
def test_a_file_that_leads_back_to_earlier_edits_is_refused_unless_the_machine_went_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_start: bool
) -> None:
    with open_cells(tmp_path) as cells:
        for value in (1, 2):
            cells.write(P0, None, value)
            cells.autosave()
    assert cells.edit_id
    file = tmp_path / cells.edit_id / "cells.mdb"
    content = bytearray(file.read_bytes())
    numbers = {at: int.from_bytes(content[at : at + 8], "little") for at in (144, 4096 + 144)}
    latest = max(numbers, key=numbers.__getitem__)
    content[latest : latest + 8] = (numbers[latest] - 2).to_bytes(8, "little")
    file.write_bytes(content)
    if not same_start:
        monkeypatch.setattr("ij_omero.cells._last_commit.boot_id", lambda: "another")
        with recover_edits(cells.edit_id, ArraySource(describe(64, 64)), root=tmp_path, autosave=None) as again:
            assert set(again.read(P0).reshape(-1).tolist()) <= {1, 2}
        return
    with pytest.raises(CorruptedDataError, match=r"leads to edits before the last ones.*discard"):
        recover_edits(cells.edit_id, ArraySource(describe(64, 64)), root=tmp_path, autosave=None)
    earlier = min(numbers, key=numbers.__getitem__)
    for at, number in numbers.items():
        content[at : at + 8] = (number + 2 * (at == earlier)).to_bytes(8, "little")
    file.write_bytes(content)
    with pytest.raises(CorruptedDataError, match=r"leads to other edits than the last ones.*discard"):
        recover_edits(cells.edit_id, ArraySource(describe(64, 64)), root=tmp_path, autosave=None)


def test_a_bit_that_flips_after_a_cell_was_read_is_reported_too(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65535, (64, 64), np.uint16)
    with open_cells(tmp_path, bound=1) as cells:
        cells.write(P0, None, pixels)
        cells.autosave()
        first = cells.grid.locate(0)[1]
        assert (cells.read(P0) == pixels).all()
        assert cells.edit_id
        file = tmp_path / cells.edit_id / "cells.mdb"
        content = bytearray(file.read_bytes())
        place = content.find(pixels[:16, :16].tobytes())
        with file.open("r+b") as handle:
            handle.seek(place + 5)
            handle.write(bytes([content[place + 5] ^ 4]))
        with pytest.raises(CorruptedDataError, match="edited cell 0"):
            cells.read(P0, first)
        cells.close(discard=True)


def test_a_cell_under_another_cells_number_is_not_handed_out(tmp_path: Path) -> None:
    edit_id = left_behind(tmp_path)
    path = tmp_path / edit_id / "cells.mdb"
    with lmdb.open(str(path), subdir=False) as env, env.begin(write=True) as transaction:
        keys = [bytes(key) for key in transaction.cursor().iternext(values=False)]
        first = {key[-1]: transaction.get(key) for key in keys[:2]}
        transaction.put(keys[2], first[0])
        transaction.put(keys[3], first[1])
    with pytest.raises(CorruptedDataError):
        recover_edits(edit_id, ArraySource(describe(64, 64)), root=tmp_path).cell(1)


def test_a_damaged_description_is_named_and_can_be_discarded(tmp_path: Path) -> None:
    edit_id = left_behind(tmp_path)
    (tmp_path / edit_id / "edit.json").write_text("{")
    assert list_edits(tmp_path) == []
    with pytest.raises(CorruptedDataError, match=f"discard {edit_id}"):
        recover_edits(edit_id, ArraySource(describe(64, 64)), root=tmp_path)
    discard_edits(edit_id, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_edits_of_a_later_format_are_refused(tmp_path: Path) -> None:
    edit_id = left_behind(tmp_path)
    path = tmp_path / edit_id / "edit.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(CorruptedDataError, match="format 2"):
        recover_edits(edit_id, ArraySource(describe(64, 64)), root=tmp_path)


def test_a_full_disk_reaches_the_writer_and_loses_nothing(tmp_path: Path) -> None:
    source = ArraySource(describe(640, 640), tile=(64, 64))
    cells = open_cells(tmp_path, source, cell_shape=(64, 64), bound=10 * 8192, spill_limit=40 * 8192)
    expected = source.pixels[0, 0, 0].copy()
    with pytest.raises(DiskFullError, match="limit"):
        for index in range(100):
            _, region = cells.grid.locate(index)
            cells.write(P0, region, index)
            expected[region.y : region.y + 64, region.x : region.x + 64] = index
    np.testing.assert_array_equal(cells.saved_view.read(P0), expected)
    with pytest.raises(DiskFullError):
        cells.flush()
    with pytest.raises(DiskFullError):
        cells.close()
    # cells in memory can still be changed, and all of it be saved elsewhere
    in_memory = cells.grid.locate(index - 1)[1]
    cells.write(P0, in_memory, 4242)
    expected[in_memory.y : in_memory.y + 64, in_memory.x : in_memory.x + 64] = 4242
    np.testing.assert_array_equal(cells.saved_view.read(P0), expected)
    cells.close(discard=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cells = open_cells(tmp_path / "file" / "edits")
    cells.write(P0, None, 1)
    with pytest.raises(StorageError, match="IJ_OMERO_EDITS"):
        cells.flush()
    assert (cells.read(P0) == 1).all()
    cells.close(discard=True)


def test_the_folder_of_edits_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "mine"))
    assert edits_dir() == tmp_path / "mine"
    cells = CellCache(ArraySource(describe(64, 64)), autosave=None)
    cells.write(P0, None, 1)
    cells.close()
    assert [edit.address for edit in list_edits()] == [None]
    with pytest.raises(InvalidInputError, match="without an address"):
        recover_edits(list_edits()[0].edit_id, lambda address: ArraySource(describe(64, 64)))
    discard_edits(list_edits()[0].edit_id)


@pytest.mark.parametrize("seed", range(8))
def test_what_was_flushed_survives_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Of pages written after the flush, the disk has some and not others."""
    cells = open_cells(tmp_path, ArraySource(describe(256, 256)), cell_shape=(64, 64))
    cells.write(P0, None, 1)
    cells.flush()
    cells.write(P0, Region(0, 0, 128, 256), 2)
    cells.flush()
    assert cells.edit_id
    file = tmp_path / cells.edit_id / "cells.mdb"
    flushed = file.read_bytes()
    for value in range(3, 8):
        cells.write(P0, None, value)
        cells.autosave()
    later = file.read_bytes()
    rng = np.random.default_rng(seed)
    disk = bytearray(later)
    for at in range(0, len(later), 4096):
        if rng.random() < 0.5:
            disk[at : at + 4096] = flushed[at : at + 4096].ljust(4096, b"\0")
    other = tmp_path / "other" / cells.edit_id
    other.mkdir(parents=True)
    (other / "edit.json").write_bytes((file.parent / "edit.json").read_bytes())
    (other / "cells.mdb").write_bytes(disk)
    (other / "cells.mdb.flushed").write_bytes((file.parent / "cells.mdb.flushed").read_bytes())
    cells.close(discard=True)
    monkeypatch.setattr("ij_omero.cells._power.boot_id", lambda: "another start of the machine")
    source = ArraySource(describe(256, 256))
    with recover_edits(other.name, source, root=other.parent, autosave=None) as again:
        assert (again.read(P0, Region(0, 0, 128, 256)) == 2).all()
        assert (again.read(P0, Region(128, 0, 128, 256)) == 1).all()
        again.write(P0, None, 9)
        again.flush()
    with recover_edits(other.name, ArraySource(describe(256, 256)), root=other.parent) as again:
        assert (again.read(P0) == 9).all()


def test_an_image_that_is_dropped_without_closing_keeps_its_edits(tmp_path: Path) -> None:
    cells = open_cells(tmp_path)
    cells.write(P0, None, 5)
    del cells
    gc.collect()
    patience = threading.Event()
    for _ in range(3000):
        if [edit.in_use for edit in list_edits(tmp_path)] == [False]:
            break
        patience.wait(0.01)
    (edit,) = list_edits(tmp_path)
    with recover_edits(edit.edit_id, ArraySource(describe(64, 64)), root=tmp_path, autosave=None) as again:
        assert (again.read(P0) == 5).all()


def test_a_disk_that_fails_once_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = open_cells(tmp_path, bound=4 * 512)
    cells.write(P0, Region(0, 0, 16, 16), 1)
    cells.flush()
    put = CellSpill.put

    def fail(self: CellSpill, edited: object) -> None:
        raise StorageError("Input/output error")

    monkeypatch.setattr(CellSpill, "put", fail)
    cells.write(P0, Region(16, 0, 48, 16), 2)
    with pytest.raises(StorageError, match="Input/output"):
        cells.write(P0, Region(0, 16, 64, 16), 3)
    with pytest.raises(StorageError, match="Input/output"):
        cells.flush()
    monkeypatch.setattr(CellSpill, "put", put)
    cells.write(P0, Region(0, 16, 64, 16), 3)
    cells.close()
    (edit,) = list_edits(tmp_path)
    with recover_edits(edit.edit_id, ArraySource(describe(64, 64)), root=tmp_path, autosave=None) as again:
        assert again.read(P0, Region(0, 0, 64, 1)).tolist() == [[1] * 16 + [2] * 48]
        assert (again.read(P0, Region(0, 16, 64, 16)) == 3).all()


def test_edits_on_disk_do_not_count_as_memory(tmp_path: Path) -> None:
    def mapped() -> int:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(status["RssFile"].split()[0]) << 10

    cell, count = 512 << 10, 48
    source = ArraySource(describe(512, 512 * count), tile=(512, 512))
    options: dict[str, Any] = {"bound": 2 * cell, "autosave": None}
    cells = CellCache(source, spill=tmp_path, cell_shape=(512, 512), **options)
    before = mapped()
    for value in (1, 2):  # the second time over what is on disk already
        for index in range(count):
            cells.write(*cells.grid.locate(index), value)
        cells.autosave()
    assert all((cells.cell(index) == 2).all() for index in range(count))
    assert mapped() - before < 4 * cell
    cells.close()
    assert cells.edit_id
    with recover_edits(cells.edit_id, source, root=tmp_path, **options) as recovered:
        assert len(recovered.dirty_cells()) == count
        assert mapped() - before < 4 * cell
