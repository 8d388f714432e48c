"""The cell cache beside its peers: hits, misses, spilling, bounded passes, memory.

    ./scripts/bench cells [--json FILE] [--repeats N] [--only PART...] [--jars JAR...]

Peers run in alternation, each time in another order, and what one of them wrote is carried to the disk before the next
begins. Peers in Python share this process, each kind of Java image has its own (`_java_images.py`). imglib2-cache is
not on Maven Central: `--jars`, or $IJ_OMERO_BENCH_JARS, names its jar and those that it needs (docs/performance.md).
Without them, figures that were measured with the same image on another machine are told and no goal is judged by them.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import mmap
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _cells import CELL, CELL_BYTES, open_cells, rate

if TYPE_CHECKING:
    from collections.abc import Callable

STARTED_AT = os.getloadavg()[0]
rows: list[dict[str, Any]] = []


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
    several = {name: functools.partial(lambda work: [work()], work) for name, work in works.items()}
    return {name: values[0] for name, values in rounds(repeats, several).items()}


def rounds(repeats: int, works: dict[str, Callable[[], list[float]]]) -> dict[str, list[float]]:
    """Return the medians of each that gives several figures, as `alternate` does for those that give one."""
    found: dict[str, list[list[float]]] = {name: [] for name in works}
    shuffle = random.Random(1)  # noqa: S311 - an order, no secret
    for _ in range(repeats):
        for name, work in shuffle.sample(list(works.items()), len(works)):
            os.sync()  # each pays for what it writes, and for nothing of the one before
            found[name].append(work())
    return {name: [statistics.median(column) for column in zip(*values, strict=True)] for name, values in found.items()}


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

    cache = open_cells(folder, planes, 4 << 20)
    for index in range(count):
        cache.write(*view.locate(index), pixels)
    cache.autosave()
    handle = os.open(folder / "raw", os.O_CREAT | os.O_RDWR)
    for index in range(count):
        os.pwrite(handle, pixels, index * CELL_BYTES)
    ring = [np.zeros((CELL, CELL), np.uint16) for _ in range((4 << 20) // CELL_BYTES)]

    def pread(index: int) -> None:
        os.preadv(handle, [ring[index % len(ring)].data], index * CELL_BYTES)

    back = alternate(
        repeats + 4,
        {
            "ours": lambda: rate(lambda: each(cache.cell, order[:500]), 500 * CELL_BYTES / 1e6),
            "tensorstore": lambda: peer(ts(on_disk), 300)() * CELL_BYTES / 1e6,
            "pread": lambda: rate(lambda: each(pread, order[:500]), 500 * CELL_BYTES / 1e6),
        },
    )
    cache.close(discard=True)
    os.close(handle)
    row("spilled cell read back", "MB/s", back["ours"], back["tensorstore"], "tensorstore, disk", ">= 3 x", 3)
    row("spilled cell read back", "MB/s", back["ours"], back["pread"], "bare pread, no checksum", "-", 0)


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


class JavaImages:
    """A process with one kind of image in Java."""

    def __init__(self, kind: str, heap: str, folder: Path, jars: list[str]) -> None:
        script = Path(__file__).with_name("_java_images.py")
        command = [sys.executable, str(script), kind, heap, str(folder), *jars]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words: object) -> list[float]:
        """Have a command done and return its figures."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended at {words}")
        return [float(word) for word in line.split()]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


PEER = "DiskCachedCellImg"
FIGURES = {"hits": 949.0, "write": 610.0, "read all": 482.0, "dirty all": 336.0, "read back": 656.0}
"""What DiskCachedCellImg was measured at with this image on another machine, MB/s."""
COLUMNS = ("read all", "dirty all", "read back")


def beside_peer(what: str, ours: float, peer: float | None, figure: str, goal: str, least: float) -> None:
    """Take a figure down beside the peer of this run, or beside its figure of another machine, which judges nothing."""
    if peer is not None:
        row(what, "MB/s", ours, peer, PEER, goal, least)
    else:
        row(what, "MB/s", ours, FIGURES[figure], f"{PEER}, another machine", "-", 0)


def java_hits(folder: Path, repeats: int, jars: list[str]) -> None:
    """Loops over images that are in memory whole."""
    kinds = ["ours", "plain", *(["disk"] if jars else [])]
    images = {kind: JavaImages(kind, "2g", folder, jars) for kind in kinds}
    for image in images.values():
        image.ask("fill", 8)
    works = {
        f"{order} {kind}": functools.partial(lambda image, order: image.ask(order)[0], image, order)
        for kind, image in images.items()
        for order in ("cells", "rows")
    }
    found = alternate(repeats + 2, works)
    for order, what in (("cells", "cell order"), ("rows", "row order, 2 threads")):
        ours = found[f"{order} ours"]
        row(f"hit from Java, {what}", "MB/s", ours, found[f"{order} plain"], "plain CellImg", ">= 0.8 x", 0.8)
        if jars or order == "cells":
            beside_peer(f"hit from Java, {what}", ours, found.get(f"{order} disk"), "hits", ">= 1 x", 1)
    for image in images.values():
        image.close()


def java_misses(folder: Path, repeats: int, jars: list[str]) -> None:
    """Cells that are touched for the first time."""
    images = {kind: JavaImages(kind, "2g", folder, jars) for kind in ["ours", *(["disk"] if jars else [])]}
    for image in images.values():
        image.ask("misses", 2)  # Java compiles meanwhile
    found = rounds(repeats + 2, {kind: functools.partial(image.ask, "misses", 8) for kind, image in images.items()})
    told = (
        ("miss from Java in the cells' order, what the cursor waits", "<= 60 us", 60),
        ("the same, processor time of all threads", "-", 0),
        ("miss from Java in random order, processor time", "<= 60 us", 60),
    )
    for number, (what, goal, least) in enumerate(told):
        row(what, "us", found["ours"][number], None, "", goal, least)
        if jars:
            row(what, "us", found["ours"][number], found["disk"][number], PEER, "-", 0)
    floors = rounds(repeats + 2, {"java": functools.partial(images["ours"].ask, "floor"), "system": memory_floor})
    row("of that: Java makes a new array and copies into it", "us", floors["java"][0], None, "", "-", 0)
    row("the system gives 512 KiB of memory, copied to", "us", floors["system"][0], None, "", "-", 0)
    for image in images.values():
        image.close()


def memory_floor() -> list[float]:
    """Return what it takes to copy a cell's bytes to memory that the system has to give first."""
    pixels = np.random.default_rng(1).integers(0, 65535, (CELL, CELL), np.uint16)
    kept = []

    def copy() -> None:
        for _ in range(256):
            memory = mmap.mmap(-1, CELL_BYTES)
            np.frombuffer(memory, np.uint16).reshape(CELL, CELL)[...] = pixels
            kept.append(memory)

    return [cpu_seconds(copy) / 256 * 1e6]


def java_bounded(folder: Path, repeats: int, jars: list[str]) -> None:
    """Images and edits larger than the bound."""
    kinds = ["ours", *(["disk"] if jars else [])]
    # imglib2-cache's bound counts cells, and those that it evicted stay until Java collects them: only the heap binds.
    # Of 512 MiB it runs out, written to from Python and read
    images = {kind: JavaImages(kind, "1g", folder, jars) for kind in kinds}
    for image in images.values():
        image.ask("write", 1, 8 << 20)
    works = {kind: functools.partial(image.ask, "write", 4, 8 << 20) for kind, image in images.items()}
    written = rounds(repeats + 4, works)
    peer = written["disk"][0] if jars else None
    beside_peer("dirty write from Python, Java running", written["ours"][0], peer, "write", ">= 2 x", 2)
    for image in images.values():
        image.close()
    images = {kind: JavaImages(kind, "1g", folder, jars) for kind in kinds}
    for image in images.values():
        image.ask("bounded", 2, 64 << 20)
    works = {kind: functools.partial(image.ask, "bounded", 32, 64 << 20) for kind, image in images.items()}
    found = rounds(repeats, works)
    for number, column in enumerate(COLUMNS):
        peer = found["disk"][number] if jars else None
        what = f"1 GiB under 64 MiB from Java: {column}"
        beside_peer(what, found["ours"][number], peer, column, ">= 1.5 x", 1.5)
        ours = found["ours"][number + 3] / 2048 * 1e6
        other = found["disk"][number + 3] / 2048 * 1e6 if jars else None
        row(f"{column}: processor time of all threads per cell, the loop too", "us", ours, other, PEER, "-", 0)
    for kind, image in images.items():
        name = "this package" if kind == "ours" else PEER
        row(f"most memory of the process in all that: {name}", "MiB", image.ask("most")[0], None, "", "-", 0)
        image.close()


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


PARTS = {
    "memory": lambda folder, repeats, jars: memory(folder),
    "python": lambda folder, repeats, jars: python_side(folder, repeats),
    "hits": java_hits,
    "misses": java_misses,
    "bounded": java_bounded,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to a file")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"some of {', '.join(PARTS)}")
    jars = os.environ.get("IJ_OMERO_BENCH_JARS", "").split(os.pathsep)
    parser.add_argument("--jars", nargs="+", default=[jar for jar in jars if jar], help="imglib2-cache and its own")
    given = parser.parse_args()
    logging.getLogger("ij_omero").setLevel(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="bench-cells-"))
    try:
        for part in given.only or PARTS:
            PARTS[part](folder, given.repeats, given.jars)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        report()
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
