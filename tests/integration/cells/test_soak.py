"""Sessions one after the other leave nothing behind: no memory, threads, handles, Java objects or files."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ij_omero.cells import CellCache
from ij_omero.imagej._cell_image import cell_image
from ij_omero.imagej._dataset import to_dataset
from ij_omero.imagej._runtime import java_class, start
from ij_omero.model import Region
from tests._cells import P0, ArraySource, describe

pytestmark = pytest.mark.jvm
SESSIONS = int(os.environ.get("IJ_OMERO_DRILL_SESSIONS", "12"))
BOUND = 2 << 20
_MANAGEMENT = "java.lang.management.ManagementFactory"


@pytest.fixture(scope="module", autouse=True)
def runtime() -> Any:
    return start()


def session(folder: Path, seed: int) -> None:
    """Read and edit from both sides, far beyond the bound; every other session keeps nothing."""
    import jpype

    longs = jpype.JArray(jpype.JLong)
    rng = np.random.default_rng(seed)
    source = ArraySource(describe(1024, 1024), tile=(128, 128))
    expected = source.pixels[0, 0, 0].copy()
    cells = CellCache(source, spill=folder, cell_shape=(128, 128), bound=BOUND // 2, autosave=0.05)
    image = cell_image(cells)
    dataset = to_dataset(cells)
    access = image.randomAccess()
    for _ in range(60):
        x, y = (int(at) for at in rng.integers(0, 960, 2))
        value = int(rng.integers(0, 65536))
        cells.write(P0, Region(x, y, 64, 64), value)
        expected[y : y + 64, x : x + 64] = value
        java_value = int(rng.integers(0, 65536))
        access.setPositionAndGet(longs([y, x, 0, 0, 0])).set(java_value)
        expected[x, y] = java_value
    cells.prefetch(P0).cancel()
    np.testing.assert_array_equal(cells.read(P0), expected)
    assert int(dataset.randomAccess().setPositionAndGet(longs([5, 9, 0, 0, 0])).get()) == expected[9, 5]
    if seed % 2:
        cells.discard()
    cells.close(discard=True)


def counts() -> dict[str, float]:
    """Count what is alive once both collectors have run."""
    memory = java_class("java.lang.Runtime").getRuntime()
    for _ in range(3):
        gc.collect()
        java_class("java.lang.System").gc()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "threads": threading.active_count(),
        "java threads": float(java_class(_MANAGEMENT).getThreadMXBean().getThreadCount()),
        "handles": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - a count
        "python objects": len(gc.get_objects()),
        "java bytes": float(memory.totalMemory() - memory.freeMemory()),
        "resident bytes": float(int(status["VmRSS"].split()[0]) << 10) - float(memory.totalMemory()),
    }


def test_sessions_leave_nothing_behind(tmp_path: Path) -> None:
    for seed in range(SESSIONS):
        session(tmp_path, seed)
    before = counts()
    for seed in range(SESSIONS):
        session(tmp_path, seed)
    after = counts()
    assert list(tmp_path.iterdir()) == []
    assert after["threads"] <= before["threads"]
    # a collection may have more workers by then
    assert after["java threads"] <= before["java threads"] + 4, (before, after)
    assert after["handles"] <= before["handles"]
    assert after["python objects"] <= before["python objects"] + 5 * SESSIONS + 50, (before, after)
    # one session that stays would cost a bound's worth of arrays
    assert after["java bytes"] <= before["java bytes"] + BOUND // 2, (before, after)
    # the C library keeps a heap for each of several threads, which fill up little by little
    assert after["resident bytes"] <= before["resident bytes"] + (24 << 20), (before, after)
