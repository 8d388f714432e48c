"""The cell cache beside its peers: hits, misses, spilling, bounded passes, memory.

    ./scripts/bench cells [--json FILE] [--repeats N]

Peers run in the same process, each time in another order, and what one of them wrote is carried to the disk before the
next begins. imglib2-cache is not on Maven Central, so its figures are those measured
with the same image on two cores in 2026 (docs/performance.md). Java loops are compiled at run time by javassist.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.cells import CellCache
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, ResolutionLevel
from ij_omero.pixels import ReadHints

if TYPE_CHECKING:
    from collections.abc import Callable

CELL = 512
CELL_BYTES = CELL * CELL * 2
STARTED_AT = os.getloadavg()[0]
rows: list[dict[str, Any]] = []


class Synthetic:
    """A source that costs a copy: value = x + 3 y + 7 z, modulo 2^16."""

    def __init__(self, planes: int, size: int = 4096) -> None:
        self.description = ImageDescription("bench", PixelType.UINT16, size, size, planes)
        self.levels = (ResolutionLevel(0, size, size, CELL, CELL),)
        self.hints = ReadHints(request_bytes=1, parallel=2)
        x, y = np.arange(size, dtype=np.uint32), np.arange(size, dtype=np.uint32)[:, None]
        self.plane = (x + 3 * y).astype(np.uint16)

    def read(self, plane: PlaneIndex, region: Any = None, *, level: int = 0, out: Any = None) -> Any:
        """Read a rectangle."""
        found = self.plane[region.y : region.y + region.height, region.x : region.x + region.width]
        if out is None:
            return found + np.uint16(7 * plane.z)
        return np.add(found, np.uint16(7 * plane.z), out=out)

    def close(self) -> None:
        """Do nothing."""


def rate(work: Callable[[], object], amount: float) -> float:
    began = time.perf_counter()
    work()
    return amount / (time.perf_counter() - began)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of this thread: a busy machine stretches seconds."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def each(read: Callable[[Any], object], asked: list[Any]) -> None:
    """Read one after the other and keep nothing, or what is kept is measured too."""
    for one in asked:
        read(one)


def row(what: str, unit: str, ours: float, peer: float | None, peer_name: str, goal: str, least: float) -> None:
    """Take a figure down; `unit` us and MiB are better when smaller."""
    ratio = None if peer is None else (peer / ours if unit in ("us", "MiB") else ours / peer)
    met = None if goal == "-" else ours <= least if ratio is None else ratio >= least
    rows.append(
        {
            "what": what,
            "unit": unit,
            "ours": round(ours, 1),
            "peer": None if peer is None else round(peer, 1),
            "peer_name": peer_name,
            "ratio": None if ratio is None else round(ratio, 2),
            "goal": None if goal == "-" else least,
            "met": met,
        }
    )
    told = "" if met is None else f"  goal {goal}: {'met' if met else 'MISSED'}"
    beside = "" if ratio is None else f"  {ratio:.2f} x {peer_name} ({peer:,.1f})"
    sys.stdout.write(f"{what:<62} {ours:>12,.1f} {unit:<8}{beside}{told}  (load {os.getloadavg()[0]:.1f})\n")
    sys.stdout.flush()


def alternate(repeats: int, works: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Return the median of each, all run once per round, each time in another order.

    What one deletes is memory that the next writes to, so a fixed order would favour some.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    shuffle = random.Random(1)  # noqa: S311 - an order, no secret
    for _ in range(repeats):
        for name, work in shuffle.sample(list(works.items()), len(works)):
            os.sync()  # each pays for what it writes, and for nothing of the one before
            found[name].append(work())
    return {name: statistics.median(values) for name, values in found.items()}


def open_cells(folder: Path, planes: int, bound: int) -> CellCache:
    return CellCache(Synthetic(planes), spill=folder / "edits", bound=bound, autosave=None)


def python_side(folder: Path, repeats: int) -> None:
    import dask.array
    import tensorstore
    import zarr

    planes = 4
    cells = open_cells(folder, planes, 1 << 30)
    count = len(cells.grid)
    order = np.random.default_rng(0).integers(0, count, 2000).tolist()
    places = [(p.z, r.y, r.x) for p, r in (cells.grid.locate(index) for index in range(count))]
    # peers: the same pixels, uncompressed zarr 3 in cells of the same size
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(folder / "ts")},
        "metadata": {
            "shape": [planes, 4096, 4096],
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, CELL, CELL]}},
            "data_type": "uint16",
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        },
        "create": True,
        "delete_existing": True,
    }
    disk = tensorstore.open(spec).result()
    for index in range(count):
        z, y, x = places[index]
        disk[z, y : y + CELL, x : x + CELL].write(cells.cell(index)).result()
    context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 1 << 30}})
    reopened = {"driver": "zarr3", "kvstore": spec["kvstore"]}
    cached = tensorstore.open({**reopened, "recheck_cached_data": False}, context=context).result()
    on_disk = tensorstore.open(reopened).result()
    stored = zarr.open_array(str(folder / "ts"), mode="r")
    lazy = dask.array.from_zarr(stored)
    view = cells.grid

    def with_ours() -> float:
        cell = cells.cell
        return rate(lambda: each(cell, order), len(order))

    def copied() -> float:
        return rate(lambda: each(lambda index: cells.read(*view.locate(index)), order[:500]), 500)

    def peer(read: Callable[[int, int, int], object], n: int) -> Callable[[], float]:
        return lambda: rate(lambda: each(lambda index: read(*places[index]), order[:n]), n)

    def ts(store: Any) -> Callable[[int, int, int], object]:
        return lambda z, y, x: store[z, y : y + CELL, x : x + CELL].read().result()

    for index in range(count):
        ts(cached)(*places[index])
    hits = alternate(
        repeats,
        {
            "ours": with_ours,
            "copied": copied,
            "tensorstore": peer(ts(cached), 500),
            "tensorstore disk": peer(ts(on_disk), 300),
            "zarr": peer(lambda z, y, x: stored[z, y : y + CELL, x : x + CELL], 200),
            "dask": peer(lambda z, y, x: lazy[z, y : y + CELL, x : x + CELL].compute(scheduler="synchronous"), 60),
        },
    )
    best = max(("tensorstore", "zarr", "dask"), key=lambda name: hits[name])
    row("hit from Python, view, 1 thread", "cells/s", hits["ours"], hits[best], best, ">= 2.5 x", 2.5)
    row("hit from Python, copied out, 1 thread", "cells/s", hits["copied"], hits[best], best, "-", 0)

    # misses: a pass over cells that are not in memory, less what the source itself takes to read into as many arrays
    # as the cache keeps, or into one array again and again, which stays in the processor's cache
    def misses(arrays: int) -> Callable[[], float]:
        def work() -> float:
            cache = open_cells(folder, planes, 8 << 20)
            everything = [(index, *view.locate(index)) for index in range(count)]
            own = [np.zeros((CELL, CELL), np.uint16) for _ in range(arrays)]
            each(cache.cell, list(range(count)))
            taken = cpu_seconds(lambda: each(cache.cell, list(range(count))))
            read = cache.source.read
            spent = cpu_seconds(lambda: [read(plane, r, out=own[i % arrays]) for i, plane, r in everything])
            cache.close()
            return (taken - spent) / count * 1e6

        return work

    found = alternate(repeats + 4, {"kept": misses((8 << 20) // CELL_BYTES), "one": misses(1)})
    row("miss overhead from Python, processor time", "us", found["kept"], None, "", "<= 15 us", 15)
    row("the same, less reading into one warm array", "us", found["one"], None, "", "<= 15 us", 15)

    # dirty cells that leave memory
    pixels = np.random.default_rng(1).integers(0, 65535, (CELL, CELL), np.uint16)
    cells.close()
    megabytes = count * CELL_BYTES / 1e6

    def spill() -> float:
        cache = open_cells(folder, planes, 8 << 20)

        def write() -> None:
            for index in range(count):
                cache.write(*view.locate(index), pixels)
            cache.autosave()

        taken = rate(write, megabytes)
        cache.close(discard=True)
        return taken

    def files() -> float:
        target = folder / "files"
        target.mkdir()

        def write() -> None:
            for index in range(count):
                part = target / f".{index}"
                part.write_bytes(pixels.tobytes())
                part.rename(target / str(index))

        taken = rate(write, megabytes)
        shutil.rmtree(target)
        return taken

    def zarr_write() -> float:
        array = zarr.create_array(
            str(folder / "zw"), shape=(planes, 4096, 4096), chunks=(1, CELL, CELL), dtype="uint16", compressors=None,
            overwrite=True,
        )  # fmt: skip

        def write() -> None:
            for z, y, x in places:
                array[z, y : y + CELL, x : x + CELL] = pixels

        return rate(write, megabytes)

    def ts_write() -> float:
        array = tensorstore.open({**spec, "kvstore": {"driver": "file", "path": str(folder / "tw")}}).result()

        def write() -> None:
            for z, y, x in places:
                array[z, y : y + CELL, x : x + CELL].write(pixels).result()

        return rate(write, megabytes)

    def raw() -> float:
        handle = os.open(folder / "raw", os.O_CREAT | os.O_RDWR)
        taken = rate(lambda: [os.pwrite(handle, pixels, index * CELL_BYTES) for index in range(count)], megabytes)
        os.close(handle)
        (folder / "raw").unlink()
        return taken

    works = {"ours": spill, "tensorstore": ts_write, "zarr": zarr_write, "files": files, "raw": raw}
    written = alternate(repeats + 4, works)
    row("spill: dirty write", "MB/s", written["ours"], written["tensorstore"], "tensorstore", ">= 3 x", 3)
    row("spill: dirty write", "MB/s", written["ours"], written["zarr"], "zarr-python", "-", 0)
    row("spill: dirty write", "MB/s", written["ours"], written["files"], "file per cell", "-", 0)
    row("spill: dirty write", "MB/s", written["ours"], written["raw"], "bare pwrite to a new file", "-", 0)
    row("spill: dirty write", "MB/s", written["ours"], 610, "imglib2-cache, first write (figure)", ">= 2 x", 2)

    cache = open_cells(folder, planes, 4 << 20)
    for index in range(count):
        cache.write(*view.locate(index), pixels)
    cache.autosave()
    back = alternate(
        repeats + 4,
        {
            "ours": lambda: rate(lambda: each(cache.cell, order[:500]), 500 * CELL_BYTES / 1e6),
            "tensorstore": lambda: peer(ts(on_disk), 300)() * CELL_BYTES / 1e6,
        },
    )
    cache.close(discard=True)
    row("spilled cell read back", "MB/s", back["ours"], back["tensorstore"], "tensorstore, disk", ">= 3 x", 3)


def memory(folder: Path) -> None:
    """Resident memory with 8 threads, 10^6 random accesses, a tenth of them edits of 1 pixel."""
    bound = 128 << 20
    cache = open_cells(folder, 16, bound)
    for index in range(300):
        cache.cell(index)
    status = Path("/proc/self/status")

    def resident() -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) << 10

    count = len(cache.grid)
    plans = []
    for seed in range(8):
        # one access in a hundred leaves the tenth of the cells that is looked at
        rng = np.random.default_rng(seed)
        hot, cold = rng.integers(0, count // 10, 125_000), rng.integers(0, count, 125_000)
        chance = rng.random(125_000)
        plans.append((np.where(chance < 0.01, cold, hot).astype(np.int32), chance > 0.999))
    del hot, cold, chance
    held = cache.load_states.nbytes
    base = resident() - held
    most = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, resident() - base)

    watcher = threading.Thread(target=watch)
    watcher.start()

    def work(seed: int) -> None:
        indices, edits = plans[seed]
        for at in range(125_000):
            index = int(indices[at])
            if edits[at]:
                plane, region = cache.grid.locate(index)
                cache.write(plane, region._replace(width=1, height=1), 7)
            else:
                cache.cell(index)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    done.set()
    watcher.join()
    cache.close(discard=True)
    allowed = bound * 1.1 + 8 * CELL_BYTES
    what, peer = "memory: 8 threads, 10^6 accesses, bound 128 MiB", "bound + 10 % + in flight"
    row(what, "MiB", most / 2**20, allowed / 2**20, peer, ">= 1", 1)


LOOPS = {
    "sum": "{ long s = 0; while (c.hasNext()) { c.fwd(); "
    "s += ((net.imglib2.type.numeric.integer.UnsignedShortType) c.get()).get(); } return s; }",
    "increment": "{ long s = 0; while (c.hasNext()) { c.fwd(); "
    "net.imglib2.type.numeric.integer.UnsignedShortType t = (net.imglib2.type.numeric.integer.UnsignedShortType) "
    "c.get(); t.set(t.get() + 1); s++; } return s; }",
}


def java_loops() -> Any:
    import jpype

    pool = jpype.JClass("javassist.ClassPool").getDefault()
    made = pool.makeClass("ij_omero.bench.Loops")
    method = jpype.JClass("javassist.CtMethod")
    for name, body in LOOPS.items():
        made.addMethod(method.make(f"public static long {name}(net.imglib2.Cursor c) {body}", made))
    loader = jpype.JClass("java.lang.ClassLoader").getSystemClassLoader()
    return jpype.JClass(made.toClass(loader, None))


def java_side(folder: Path, repeats: int) -> None:
    import jpype

    from ij_omero.imagej import _cell_image, _runtime

    _runtime.start(max_heap="3g")
    loops = java_loops()
    views = jpype.JClass("net.imglib2.view.Views")
    longs = jpype.JArray(jpype.JLong)
    planes = 8
    cells = open_cells(folder, planes, 1 << 30)
    lazy = _cell_image.cell_image(cells)
    plain = lazy.factory().create(longs(cells.grid.dimensions))
    jpype.JClass("net.imglib2.util.ImgUtil").copy(lazy, plain)
    megabytes = planes * 4096 * 4096 * 2 / 1e6

    def in_cell_order(image: Any) -> Callable[[], float]:
        return lambda: rate(lambda: loops.sum(image.cursor()), megabytes)

    def in_row_order(image: Any) -> Callable[[], float]:
        def half(number: int) -> None:
            low, high = [0] * 5, [int(image.max(d)) for d in range(5)]
            low[3], high[3] = number * planes // 2, (number + 1) * planes // 2 - 1
            loops.sum(views.flatIterable(views.interval(image, longs(low), longs(high))).cursor())

        def both() -> None:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(half, range(2)))

        return lambda: rate(both, megabytes)

    for image in (lazy, plain):
        in_cell_order(image)()
        in_row_order(image)()
    found = alternate(
        repeats,
        {
            "cells": in_cell_order(lazy),
            "cells plain": in_cell_order(plain),
            "rows": in_row_order(lazy),
            "rows plain": in_row_order(plain),
        },
    )
    row("hit from Java, cell order", "MB/s", found["cells"], found["cells plain"], "plain CellImg", ">= 0.8 x", 0.8)
    row("hit from Java, cell order", "MB/s", found["cells"], 949, "DiskCachedCellImg (figure)", ">= 1 x", 1)
    what = "hit from Java, row order, 2 threads"
    row(what, "MB/s", found["rows"], found["rows plain"], "plain CellImg", ">= 0.8 x", 0.8)

    # one pixel of each cell: what a miss costs beyond what the source takes. In the cells' order others load ahead, so
    # the cursor's seconds tell what it waits, and the processor time of all threads what it costs.
    def misses(clock: Callable[[], float]) -> Callable[[], float]:
        def work() -> float:
            cache = open_cells(folder, planes, 1 << 30)
            subsample = views.subsample(_cell_image.cell_image(cache), longs([CELL, CELL, 1, 1, 1]))
            cursor = views.flatIterable(subsample).cursor()
            taken = -clock()
            loops.sum(cursor)
            taken += clock()
            taken -= reading(cache, clock)
            cache.close()
            return taken / len(cache.grid) * 1e6

        return work

    def reading(cache: CellCache, clock: Callable[[], float]) -> float:
        buffer = np.empty((CELL, CELL), np.uint16)
        places = [cache.grid.locate(index) for index in range(len(cache.grid))]
        began = clock()
        for place in places:
            cache.source.read(*place, out=buffer)
        return clock() - began

    def random_misses() -> float:
        cache = open_cells(folder, planes, 1 << 30)
        image = _cell_image.cell_image(cache)
        order = np.random.default_rng(3).permutation(len(cache.grid)).tolist()
        taken = cpu_seconds(lambda: each(cache.hand_out, order)) - reading(cache, time.thread_time)
        cache.close()
        del image
        return taken / len(order) * 1e6

    cells.close()
    del lazy, plain, cells
    jpype.JClass("java.lang.System").gc()
    found = alternate(
        repeats + 2,
        {
            "waited": misses(time.perf_counter),
            "cost": misses(time.process_time),
            "random": random_misses,
        },
    )
    row("miss from Java in the cells' order, what the cursor waits", "us", found["waited"], None, "", "<= 60 us", 60)
    row("the same, processor time of all threads", "us", found["cost"], None, "", "-", 0)
    row("miss from Java in random order, processor time", "us", found["random"], None, "", "<= 60 us", 60)

    planes = 32  # 1 GiB
    megabytes = planes * 4096 * 4096 * 2 / 1e6

    def bounded() -> tuple[float, float, float]:
        cache = open_cells(folder, planes, 64 << 20)
        image = _cell_image.cell_image(cache)
        read = rate(lambda: loops.sum(image.cursor()), megabytes)
        dirty = rate(lambda: loops.increment(image.cursor()), megabytes)
        began = time.perf_counter()
        total = int(loops.sum(image.cursor()))
        back = megabytes / (time.perf_counter() - began)
        plane = cache.source.plane.astype(np.int64)  # type: ignore[attr-defined]
        expected = sum(int(((plane + 7 * z) % 65536 + 1).__mod__(65536).sum()) for z in range(planes))
        assert total == expected, "the pass lost pixels"
        cache.close(discard=True)
        return read, dirty, back

    passes = []
    for _ in range(repeats):
        os.sync()
        passes.append(bounded())
    for number, (what, figure) in enumerate((("read all", 482), ("dirty all", 336), ("read back", 656))):
        ours = statistics.median(values[number] for values in passes)
        named = f"1 GiB under 64 MiB from Java: {what}"
        row(named, "MB/s", ours, figure, "DiskCachedCellImg (figure)", ">= 1.5 x", 1.5)


def report() -> None:
    """Print the table."""
    out = sys.stdout
    load = f"load {STARTED_AT:.1f} at the start, {os.getloadavg()[0]:.1f} at the end"
    out.write(f"\n{platform.machine()}, {os.cpu_count()} cores, {load}, Python {platform.python_version()}\n\n")
    out.write("| what | ours | peer | ratio | goal | met |\n|---|---|---|---|---|---|\n")
    for found in rows:
        peer = f"{found['peer']:,} {found['peer_name']}" if found["peer"] is not None else "-"
        ratio = found["ratio"] if found["ratio"] is not None else "-"
        goal = "" if found["goal"] is None else f"{found['goal']:g}"
        met = "" if found["met"] is None else "yes" if found["met"] else "NO"
        ours = f"{found['ours']:,} {found['unit']}"
        out.write(f"| {found['what']} | {ours} | {peer} | {ratio} | {goal} | {met} |\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to a file")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    given = parser.parse_args()
    logging.getLogger("ij_omero").setLevel(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="bench-cells-"))
    try:
        memory(folder)
        python_side(folder, given.repeats)
        java_side(folder, given.repeats)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        report()
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
