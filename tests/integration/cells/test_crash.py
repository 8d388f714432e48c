"""A process that is killed in the middle of editing loses no acknowledged cell and tears none."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ij_omero.cells import list_edits, recover_edits
from tests._cells import P0, ArraySource, describe

SIZE, CELL = 512, 64
KILLS = int(os.environ.get("IJ_OMERO_CRASH_KILLS", "12"))
"""The long form of the drill is `./scripts/drill cells`."""

# Writes whole cells, each with a value of its round, and tells after each round what is on disk by then.
WRITER = """
import sys
from pathlib import Path
from ij_omero.cells import CellCache
from tests._cells import ArraySource, describe
cells = CellCache(ArraySource(describe(512, 512)), spill=Path(sys.argv[1]), cell_shape=(64, 64),
                  bound=6 * 8192, autosave=0.005)
print("ready", flush=True)
for round in range(1, 100_000):
    for index in range(64):
        plane, region = cells.grid.locate(index)
        cells.write(plane, region, round % 60_000)
    cells.autosave()
    print(round, flush=True)
"""


@pytest.mark.parametrize("seed", range(KILLS))
def test_kill_at_a_random_moment(tmp_path: Path, seed: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert writer.stdout is not None
    rng = random.Random(seed)  # noqa: S311 - a moment, not a secret
    acknowledged = 0
    try:
        assert writer.stdout.readline() == "ready\n"
        for _ in range(rng.randint(1, 4)):
            acknowledged = int(writer.stdout.readline())
        # somewhere within the next round
        for _ in range(rng.randrange(20_000)):
            pass
    finally:
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
    acknowledged = max([acknowledged, *(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))])
    (edit,) = list_edits(tmp_path)
    assert not edit.in_use
    with recover_edits(edit.edit_id, ArraySource(describe(SIZE, SIZE)), root=tmp_path, autosave=None) as cells:
        assert len(cells.dirty_cells()) == 64
        for index in range(64):
            pixels = cells.cell(index)
            assert (pixels == pixels[0, 0]).all(), f"cell {index} is torn"
            assert acknowledged <= pixels[0, 0] <= acknowledged + 1
        cells.write(cells.grid.locate(0)[0], cells.grid.locate(0)[1], 65535)
        cells.close(discard=True)


def test_a_session_that_ends_without_closing_keeps_its_edits(tmp_path: Path) -> None:
    script = WRITER.replace('print("ready", flush=True)', "cells.write(P0, None, 3); sys.exit()")
    done = subprocess.run(
        [sys.executable, "-c", script.replace("import ArraySource", "import P0, ArraySource"), str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "ij-omero edits recover" in done.stderr
    (edit,) = list_edits(tmp_path)
    with recover_edits(edit.edit_id, ArraySource(describe(SIZE, SIZE)), root=tmp_path, autosave=None) as cells:
        np.testing.assert_array_equal(cells.saved_view.read(P0), np.full((SIZE, SIZE), 3, np.uint16))
