"""Sessions one after the other in a process of their own; prints what is alive after a third, two thirds and all."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np

from ij_omero.cells import CellCache
from ij_omero.imagej._cell_image import cell_image
from ij_omero.imagej._dataset import to_dataset
from ij_omero.imagej._runtime import java_class, start
from ij_omero.model import Region
from tests._cells import P0, ArraySource, describe

BOUND = 2 << 20
_MANAGEMENT = "java.lang.management.ManagementFactory"


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


if __name__ == "__main__":
    spill, sessions = Path(sys.argv[1]), int(sys.argv[2])
    start()
    found = []
    for _ in range(3):
        for seed in range(sessions):
            session(spill, seed)
        found.append(counts())
    print(json.dumps(found), flush=True)
