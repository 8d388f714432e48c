"""Runs with faults.so preloaded: each scenario once per file operation, that operation failing.

python _fault_drill.py FOLDER SCENARIO ERRNO once|lasting; prints one JSON object.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import logging
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ij_omero.cells import CellCache, recover_edits
from ij_omero.errors import StorageError
from tests._cells import P0, ArraySource, describe

if TYPE_CHECKING:
    from collections.abc import Callable

faults = ctypes.CDLL(None)
faults.faults_struck.restype = ctypes.c_char_p
SIZE, CELL = 64, 16
MUST_TELL = {"write", "pwrite", "pwritev", "fsync", "fdatasync", "ftruncate", "open", "mkdir", "rename", "mmap"}


class LogCounter(logging.Handler):
    """Counts warnings; a failure that the next attempt made good is told there."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.levelno >= logging.WARNING


told_in_log = LogCounter()


class Drill:
    """One run of a scenario: what the pixels must be, and which errors reached the caller."""

    def __init__(self, root: Path, unlucky: bool) -> None:
        self.root = root
        self.unlucky = unlucky
        self.source = ArraySource(describe(SIZE, SIZE))
        self.expected = self.source.pixels[0, 0, 0].copy()
        self.errors: list[StorageError] = []

    def tried(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except StorageError as error:
            self.errors.append(error)
            return False
        return True

    def write(self, cells: CellCache, index: int, value: int) -> None:
        _, region = cells.grid.locate(index)
        if self.tried(lambda: cells.write(P0, region, value)):
            self.expected[region.y : region.y + CELL, region.x : region.x + CELL] = value

    def read(self, cells: CellCache, index: int) -> None:
        _, region = cells.grid.locate(index)
        wanted = self.expected[region.y : region.y + CELL, region.x : region.x + CELL]
        self.tried(lambda: np.testing.assert_array_equal(cells.cell(index), wanted))

    def edit(self, cells: CellCache, first: int) -> None:
        for round in range(2):
            for index in range(len(cells.grid)):
                self.write(cells, index, first + 100 * round + index)
            self.tried(cells.flush)
            for index in range(len(cells.grid)):
                self.read(cells, index)
            self.tried(cells.autosave)


def editing(drill: Drill) -> None:
    """A session from the first edit on; after the fault it goes on and ends as if there had been none."""
    cells = CellCache(drill.source, spill=drill.root, cell_shape=(CELL, CELL), bound=4 * CELL * CELL * 2, autosave=None)
    drill.edit(cells, 1000)
    faults.faults_disarm()
    np.testing.assert_array_equal(cells.saved_view.read(P0), drill.expected)
    drill.write(cells, 3, 4242)
    cells.close()
    check_recovered(drill, str(cells.edit_id))


def recovering(drill: Drill) -> None:
    """A session that goes on with the edits of an earlier one."""
    edit_id = next(drill.root.iterdir()).name
    drill.expected[:] = 77
    opened: list[CellCache] = []

    def recover() -> None:
        opened.append(
            recover_edits(edit_id, ArraySource(describe(SIZE, SIZE)), root=drill.root, bound=2048, autosave=None)
        )

    drill.tried(recover)
    if opened:
        drill.edit(opened[0], 2000)
        drill.tried(opened[0].close)
    faults.faults_disarm()
    for cells in opened:
        cells.close()
    check_recovered(drill, edit_id)


def check_recovered(drill: Drill, edit_id: str) -> None:
    source = ArraySource(describe(SIZE, SIZE))
    with recover_edits(edit_id, source, root=drill.root, autosave=None) as again:
        np.testing.assert_array_equal(again.read(P0), drill.expected)
        again.close(discard=True)
    # while nothing works, nothing can be tidied up either
    assert drill.unlucky or list(drill.root.iterdir()) == []


def run(scenario: str, root: Path, at: int, code: int, lasting: bool) -> str:
    """Return what went wrong; empty where nothing did."""
    drill = Drill(root, lasting)
    faults.faults_arm(os.fsencode(root), at, code, lasting)
    try:
        {"editing": editing, "recovering": recovering}[scenario](drill)
    except BaseException:
        return traceback.format_exc()
    struck = faults.faults_struck().decode().removesuffix("64")
    if struck in MUST_TELL and not drill.errors and not told_in_log.count:
        return f"nobody was told that {struck} failed"
    return ""


def in_a_child(work: Callable[[], str]) -> tuple[int, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with os.fdopen(writing, "w") as report:
            report.write(work())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as report:
        told = report.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told


def main() -> None:
    logging.getLogger("ij_omero").addHandler(told_in_log)
    logging.getLogger("ij_omero").propagate = False
    folder, scenario, code, lasting = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "lasting"
    first, step = int(sys.argv[5]), int(sys.argv[6])
    earlier = folder / "earlier"
    earlier.mkdir()
    if scenario == "recovering":
        with CellCache(ArraySource(describe(SIZE, SIZE)), spill=earlier, cell_shape=(CELL, CELL)) as cells:
            cells.write(P0, None, 77)
    # once without a fault: what is imported on the way is imported in this process, not in each child
    shutil.copytree(earlier, folder / "edits")
    if without_fault := run(scenario, folder / "edits", 1 << 30, code, lasting):
        sys.exit(without_fault)
    shutil.rmtree(folder / "edits")
    told_in_log.count = 0
    failures = []
    for at in itertools.count(first, step):
        root = folder / "edits"
        shutil.copytree(earlier, root)

        def work(root: Path = root, at: int = at) -> str:
            found = run(scenario, root, at, code, lasting)
            return json.dumps([found, faults.faults_seen(), faults.faults_struck().decode()])

        exit_code, told = in_a_child(work)
        found, seen, struck = json.loads(told) if exit_code == 0 else (f"ended with {exit_code}", at, "?")
        shutil.rmtree(root)
        if not struck:
            break
        if found:
            failures.append(f"operation {at}, {struck}: {found}")
    print(json.dumps({"operations": at - 1, "seen": seen, "failures": failures}))


if __name__ == "__main__":
    main()
