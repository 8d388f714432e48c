"""A process that times Java loops over one kind of image: `python _java_images.py KIND [JAR...]`.

KIND is ``ours``, ``plain`` (a CellImg in memory) or ``disk`` (imglib2-cache's DiskCachedCellImg, where JAR... have it
and what it needs). Each kind has a process of its own, because Java compiles a loop for the classes that it has met:
the second kind of image in one process slows the first one down too. Commands are read from standard input, one a line;
each is answered by a line of numbers.

DiskCachedCellImg is used as somebody in Python would: its loader is a Python function, which lets the same source read
into memory that Java copies from, and cells are written from Python the same way. Its cache has as many cells as the
bound has room for; those that it evicted stay in Java's heap until Java collects them.

Java has all of its heap from the start, for every kind. On a virtual machine memory that a process touches first costs
up to 20 times what the cell in it does, which would tell how much the heap happens to grow and little else.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jpype
import jpype.nio
import numpy as np
from _cells import CELL, CELL_BYTES, Synthetic, open_cells, rate

from ij_omero.cells import CellGrid
from ij_omero.imagej import _cell_image, _runtime
from ij_omero.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPS = {
    "sum": "s += ((net.imglib2.type.numeric.integer.UnsignedShortType) c.get()).get();",
    "increment": "net.imglib2.type.numeric.integer.UnsignedShortType t = "
    "(net.imglib2.type.numeric.integer.UnsignedShortType) c.get(); t.set(t.get() + 1); s++;",
}
"""What is done with each pixel."""
COPIES = ("cells", "rows", "sparse")
"""Each kind of iteration has its own copy of a loop, which is compiled for its class alone."""


def java_loops() -> Any:
    """Compile the loops by javassist."""
    made = jpype.JClass("javassist.ClassPool").getDefault().makeClass("ij_omero.bench.Loops")
    method = jpype.JClass("javassist.CtMethod")
    for name, body in LOOPS.items():
        for copy in COPIES:
            text = f"{{ long s = 0; while (c.hasNext()) {{ c.fwd(); {body} }} return s; }}"
            made.addMethod(method.make(f"public static long {name}_{copy}(net.imglib2.Cursor c) {text}", made))
    loader = jpype.JClass("java.lang.ClassLoader").getSystemClassLoader()
    return jpype.JClass(made.toClass(loader, None))


class Ours:
    """An image over this package's cell cache."""

    def __init__(self, folder: Path, planes: int, bound: int) -> None:
        self.cache = open_cells(folder, planes, bound)
        self.image = _cell_image.cell_image(self.cache)
        self.touch = self.cache.hand_out

    def write(self, index: int, pixels: Any) -> None:
        """Write a cell from Python."""
        self.cache.write(*self.cache.grid.locate(index), pixels)

    def persist(self) -> None:
        """Leave nothing that is only in memory."""
        self.cache.autosave()

    def close(self) -> None:
        """Forget everything."""
        self.cache.close(discard=True)


class Disk:
    """An image of imglib2-cache whose cells a Python function loads."""

    def __init__(self, folder: Path, planes: int, bound: int, *, empty: bool = False) -> None:
        source = Synthetic(planes)
        shape = (4096, 4096, 1, planes, 1)
        grid = self.grid = CellGrid.over(source.description, source.levels[0], None)
        staging = threading.local()

        def pair() -> Any:
            if not hasattr(staging, "pair"):
                array = np.empty((CELL, CELL), np.uint16)
                buffer = jpype.nio.convertToDirectBuffer(array.reshape(-1).view(np.uint8).data.cast("B"))
                order = jpype.JClass("java.nio.ByteOrder").nativeOrder()
                staging.pair = array, buffer.order(order).asShortBuffer()
            return staging.pair

        self.pair = pair

        @jpype.JImplements("net.imglib2.cache.img.CellLoader")
        class Loader:
            @jpype.JOverride  # type: ignore[untyped-decorator]
            def load(self, cell: Any) -> None:
                array, buffer = pair()
                x, y, z = cell.min(0), cell.min(1), cell.min(3)
                plane, _ = grid.locate(grid.cells_per_plane * z)
                source.read(plane, Region(x, y, CELL, CELL), out=array)
                buffer.get(0, cell.getStorageArray(), 0, CELL * CELL)

        self.folder = Path(tempfile.mkdtemp(dir=folder))
        package = "net.imglib2.cache.img."
        options = jpype.JClass(package + "DiskCachedCellImgOptions").options()
        options = options.cellDimensions(jpype.JArray(jpype.JInt)([CELL, CELL, 1, 1, 1]))
        options = options.cacheType(jpype.JClass(package + "optional.CacheOptions").CacheType.BOUNDED)
        options = options.maxCacheSize(bound // CELL_BYTES)
        options = options.cacheDirectory(jpype.JClass("java.nio.file.Paths").get(str(self.folder)))
        pixel = jpype.JClass("net.imglib2.type.numeric.integer.UnsignedShortType")()
        factory = jpype.JClass(package + "DiskCachedCellImgFactory")(pixel, options)
        sizes = jpype.JArray(jpype.JLong)(shape)
        self.image = factory.create(sizes) if empty else factory.create(sizes, Loader())
        self.cells = self.image.getCache()
        self.touch = lambda index: self.cells.get(jpype.JLong(index))

    def write(self, index: int, pixels: Any) -> None:
        """Write a cell from Python."""
        access = self.cells.get(jpype.JLong(index)).getData()
        array, buffer = self.pair()
        array[...] = pixels
        buffer.get(0, access.getCurrentStorageArray(), 0, CELL * CELL)
        access.setDirty()

    def persist(self) -> None:
        """Leave nothing that is only in memory."""
        self.cells.persistAll()

    def close(self) -> None:
        """Forget everything."""
        self.image.shutdown()
        shutil.rmtree(self.folder)


class Worker:
    """Answers commands."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.loops = java_loops()
        self.views = jpype.JClass("net.imglib2.view.Views")
        self.held: Any = None

    def open(self, planes: int, bound: int, **options: Any) -> Any:
        """Return an image of this process' kind."""
        return (Ours if self.kind == "ours" else Disk)(self.folder, planes, bound, **options)

    def fill(self, planes: int) -> list[float]:
        """Bring an image into memory whole, to be hit."""
        if self.kind == "plain":
            cells = jpype.JArray(jpype.JInt)([CELL, CELL, 1, 1, 1])
            pixel = jpype.JClass("net.imglib2.type.numeric.integer.UnsignedShortType")()
            factory = jpype.JClass("net.imglib2.img.cell.CellImgFactory")(pixel, cells)
            self.image = factory.create(jpype.JArray(jpype.JLong)([4096, 4096, 1, planes, 1]))
        else:
            self.held = self.open(planes, 1 << 30)
            self.image = self.held.image
        self.megabytes = planes * 4096 * 4096 * 2 / 1e6
        for _ in range(3):  # Java compiles meanwhile
            self.cells()
            self.rows()
        return []

    def empty(self) -> list[float]:
        """Forget what `fill` brought."""
        self.image = None
        if self.held is not None:
            self.held.close()
            self.held = None
        jpype.JClass("java.lang.System").gc()
        return []

    def cells(self) -> list[float]:
        """Sum in the order of the cells: MB/s."""
        return [rate(lambda: self.loops.sum_cells(self.image.cursor()), self.megabytes)]

    def rows(self) -> list[float]:
        """Sum in rows by two threads: MB/s."""
        planes = int(self.image.dimension(3))
        longs = jpype.JArray(jpype.JLong)

        def half(number: int) -> None:
            low, high = [0] * 5, [int(self.image.max(d)) for d in range(5)]
            low[3], high[3] = number * planes // 2, (number + 1) * planes // 2 - 1
            part = self.views.interval(self.image, longs(low), longs(high))
            self.loops.sum_rows(self.views.flatIterable(part).cursor())

        with ThreadPoolExecutor(2) as pool:
            return [rate(lambda: list(pool.map(half, range(2))), self.megabytes)]

    def misses(self, planes: int) -> list[float]:
        """Touch a pixel of each cell: seconds waited in cell order, processor seconds of it, and in random order.

        Per cell in us, less what reading the source into one warm array takes.
        """
        found = []
        clocks: list[Callable[[], float]] = [time.perf_counter, time.process_time]
        longs = jpype.JArray(jpype.JLong)
        count = planes * 64
        for clock in clocks:
            held = self.open(planes, 1 << 30)
            cursor = self.views.flatIterable(self.views.subsample(held.image, longs([CELL, CELL, 1, 1, 1]))).cursor()
            began = clock()
            self.loops.sum_sparse(cursor)
            found.append(clock() - began - self.reading(planes, clock))
            del cursor
            held.close()
        held = self.open(planes, 1 << 30)
        order = np.random.default_rng(3).permutation(count).tolist()
        began = time.thread_time()
        for index in order:
            held.touch(index)
        found.append(time.thread_time() - began - self.reading(planes, time.thread_time))
        held.close()
        del held
        jpype.JClass("java.lang.System").gc()
        return [seconds / count * 1e6 for seconds in found]

    def reading(self, planes: int, clock: Callable[[], float]) -> float:
        """Return what reading all cells of the source into one array takes."""
        source = Synthetic(planes)
        grid = CellGrid.over(source.description, source.levels[0], None)
        buffer = np.empty((CELL, CELL), np.uint16)
        places = [grid.locate(index) for index in range(len(grid))]
        began = clock()
        for place in places:
            source.read(*place, out=buffer)
        return clock() - began

    def floor(self) -> list[float]:
        """Make a new Java array for each of 512 cells and copy into it: us each."""
        staging = np.ones((CELL, CELL), np.uint16)
        buffer = jpype.nio.convertToDirectBuffer(staging.reshape(-1).view(np.uint8).data.cast("B"))
        buffer = buffer.order(jpype.JClass("java.nio.ByteOrder").nativeOrder()).asShortBuffer()
        arrays = []
        began = time.thread_time()
        for _ in range(512):
            array = jpype.JArray(jpype.JShort)(CELL * CELL)
            buffer.get(0, array, 0, CELL * CELL)
            arrays.append(array)
        taken = time.thread_time() - began
        arrays.clear()
        jpype.JClass("java.lang.System").gc()
        return [taken / 512 * 1e6]

    def write(self, planes: int, bound: int) -> list[float]:
        """Write each cell from Python, first and again, until all of it is in files: MB/s."""
        pixels = np.random.default_rng(1).integers(0, 65535, (CELL, CELL), np.uint16)
        held = self.open(planes, bound, **({"empty": True} if self.kind == "disk" else {}))

        def all_cells() -> None:
            for index in range(planes * 64):
                held.write(index, pixels)
            held.persist()

        found = [rate(all_cells, planes * 64 * CELL_BYTES / 1e6)]
        held.close()
        return found

    def bounded(self, planes: int, bound: int) -> list[float]:
        """Sum, increment and sum again an image much larger than the bound: MB/s each, processor seconds each."""
        megabytes = planes * 4096 * 4096 * 2 / 1e6
        held = self.open(planes, bound)
        image = held.image
        rates, spent = [], []
        for loop in (self.loops.sum_cells, self.loops.increment_cells, self.loops.sum_cells):
            before = time.process_time()
            began = time.perf_counter()
            total = int(loop(image.cursor()))
            rates.append(megabytes / (time.perf_counter() - began))
            spent.append(time.process_time() - before)
        plane = Synthetic(1).plane
        expected = sum(int((plane + np.uint16(7 * z + 1)).sum(dtype=np.int64)) for z in range(planes))
        assert total == expected, "the pass lost pixels"
        del image
        held.close()
        return rates + spent

    def most(self) -> list[float]:
        """Return the most memory that this process ever had: MiB."""
        return [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]


def main() -> None:
    """Answer commands until the input ends."""
    kind, heap, folder, *jars = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _runtime.start(max_heap=heap, options=[f"-Xms{heap}", "-XX:+AlwaysPreTouch"])
    for jar in jars:
        jpype.addClassPath(jar)
    worker = Worker(kind, Path(folder))
    for line in sys.stdin:
        command, *numbers = line.split()
        answers.write(" ".join(str(number) for number in getattr(worker, command)(*map(int, numbers))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
