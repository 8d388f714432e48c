"""Reading and writing on a real OMERO.server beside what others do there.

    ./scripts/bench omero [--json FILE] [--repeats N] [--size PIXELS] [--planes N] [--home FOLDER] [--no-java]

The server is brought up for the run on this machine, and wiped afterwards unless ``--home`` names one that is kept. All
are measured over one connection each, in alternation, on the same images. Peers: ``ezomero.get_image``, BlitzGateway's
``getPlanes`` and ``getTiles``, omero-browser-qt's providers (only its loading module, so that no Qt is needed), a plain
loop over two RawPixelsStores with ``numpy.frombuffer``, and ``createImageFromNumpySeq`` for writing.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

# This file's folder goes last: its own name is that of omero-py's package.
sys.path.append(sys.path.pop(0))

from _measured import Table

from ij_omero.cells import CellCache
from ij_omero.images import Connection
from ij_omero.localserver import LocalServer
from ij_omero.model import ImageDescription, KeyValue, PixelType, PlaneIndex, Quantity, Region
from ij_omero.pixels import read_array, write_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CELL = 512
SUB = 512


class Bench:
    """One image of uint16 planes on the server, our store and a gateway of omero-py on it."""

    def __init__(self, server: LocalServer, table: Table, size: int, planes: int) -> None:
        from omero.gateway import BlitzGateway

        from ij_omero.stores import OmeroStore

        self.table, self.size, self.planes = table, size, planes
        self.gateway = BlitzGateway("root", server.password, host=server.host, port=server.port, secure=True)
        if not self.gateway.connect():
            raise SystemExit("omero-py cannot log in")
        self.store = OmeroStore.connect(server.host, "root", server.password, port=server.port)
        self.pixels = np.random.default_rng(0).integers(0, 4000, (1, 1, planes, size, size), dtype=np.uint16)
        self.description = ImageDescription("bench", PixelType.UINT16, size, size, planes)
        self.image_id = int(write_array(self.store.create(self.description), self.pixels))
        self.image = self.gateway.getObject("Image", self.image_id)
        self.source = self.store.open(self.image_id)
        self.megabytes = self.pixels.nbytes / 1e6

    def compare(
        self,
        what: str,
        ours: Callable[[], object],
        peers: dict[str, tuple[Callable[[], object], float | None]],
        amount: float,
        unit: str = "MB/s",
    ) -> None:
        """Measure in alternation; a row for each peer, the goal being its factor."""
        times = self.table.seconds(ours, *(work for work, _ in peers.values()))
        for (name, (_, factor)), seconds in zip(peers.items(), times[1:], strict=True):
            peer = amount / seconds
            goal = None if factor is None else factor * peer
            self.table.row(what, unit, amount / times[0], goal=goal, peer=peer, peer_name=name)

    def close(self) -> None:
        """Log out."""
        self.source.close()
        self.store.close()
        self.gateway.close()


class Kept:
    """A source that a cache does not close: what is measured is cold cells, not opening the image."""

    def __init__(self, source: Any) -> None:
        for part in ("description", "levels", "hints", "read", "read_undecoded", "read_planes"):
            setattr(self, part, getattr(source, part))

    def close(self) -> None:
        """Leave it open."""


class RawPair:
    """What a careful programmer writes with omero-py: two stores kept open, one call in flight on each."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stores = [bench.gateway.c.sf.createRawPixelsStore() for _ in range(2)]
        for store in self._stores:
            store.setPixelsId(bench.image.getPrimaryPixels().getId(), False)

    def planes(self, wanted: list[int]) -> Any:
        """Read planes into one array."""
        size = self._bench.size
        found = np.empty((len(wanted), size, size), np.uint16)
        calls: list[Any] = []
        for at, z in enumerate([*wanted, -1, -1]):
            store = self._stores[at % 2]
            if at >= 2:
                data = store.end_getPlane(calls[at - 2])
                found[at - 2] = np.frombuffer(data, ">u2").reshape(size, size)
            if z >= 0:
                calls.append(store.begin_getPlane(z, 0, 0))
        return found

    def tiles(self, wanted: list[tuple[int, Region]]) -> None:
        """Read tiles and swap their bytes."""
        calls: list[Any] = []
        for at, one in enumerate([*wanted, None, None]):
            store = self._stores[at % 2]
            if at >= 2:
                tile = wanted[at - 2][1]
                np.frombuffer(store.end_getTile(calls[at - 2]), ">u2").reshape(tile.shape).astype("=u2")
            if one is not None:
                calls.append(store.begin_getTile(one[0], 0, 0, *one[1]))

    def close(self) -> None:
        """Close both stores."""
        for store in self._stores:
            store.close()


def browser_qt() -> Any:
    """Return omero-browser-qt's loading module without its windows; None where it is not installed."""
    try:
        from importlib.metadata import distribution

        folder = Path(str(distribution("omero-browser-qt").locate_file("omero_browser_qt")))
        package = types.ModuleType("omero_browser_qt")
        package.__path__ = [str(folder)]
        sys.modules.setdefault("omero_browser_qt", package)
        if importlib.util.find_spec("PyQt6") is None:
            # Its loading module names these three of Qt for the login window, which is not opened here.
            core = types.ModuleType("PyQt6.QtCore")
            vars(core).update(QObject=object, QSettings=object, pyqtSignal=lambda *_: None)
            sys.modules.update({"PyQt6": types.ModuleType("PyQt6"), "PyQt6.QtCore": core})
        return importlib.import_module("omero_browser_qt.image_loader")
    except ImportError as error:
        print(f"omero-browser-qt is left out: {error}", file=sys.stderr)
        return None


def reading(bench: Bench, raw: RawPair) -> None:
    z_all = list(range(bench.planes))
    some = z_all[: max(1, bench.planes // 2)]
    plane_mb = bench.megabytes / bench.planes
    pixels, planes_of = bench.image.getPrimaryPixels(), bench.source

    def read_planes() -> None:
        for z in some:
            planes_of.read(PlaneIndex(z, 0, 0))

    peers: dict[str, tuple[Callable[[], object], float | None]] = {
        "raw loop over planes": (lambda: raw.planes(some), 0.9),
        "BlitzGateway.getPlanes": (lambda: list(pixels.getPlanes([(z, 0, 0) for z in some])), None),
    }
    qt = browser_qt()
    if qt is not None:

        def qt_planes() -> None:
            provider = qt.RegularImagePlaneProvider(bench.image)
            for z in some:
                provider.get_plane(0, z)

        peers["omero-browser-qt"] = (qt_planes, None)
    bench.compare("whole planes, one by one", read_planes, peers, plane_mb * len(some))

    peers = {"raw loop over planes": (lambda: raw.planes(z_all), 0.9)}
    if importlib.util.find_spec("ezomero"):
        import ezomero

        peers["ezomero.get_image"] = (lambda: ezomero.get_image(bench.gateway, bench.image_id), 7)
    if qt is not None:
        peers["omero-browser-qt"] = (lambda: qt.RegularImagePlaneProvider(bench.image).get_stack(0), None)
    bench.compare("z-stack", lambda: read_array(planes_of), peers, bench.megabytes)

    corner = min(SUB, bench.size // 2)
    region = Region(bench.size // 4, bench.size // 4, corner, corner)
    tiles = [(z, 0, 0, tuple(region)) for z in z_all]

    def sub_region() -> None:
        out = np.empty((bench.planes, region.height, region.width), np.uint16)
        planes_of.read_planes([PlaneIndex(z, 0, 0) for z in z_all], region, out=list(out))

    peers = {
        "BlitzGateway.getTiles": (lambda: list(pixels.getTiles(tiles)), None),
        "raw tiles": (lambda: raw.tiles([(z, region) for z in z_all]), None),
    }
    if importlib.util.find_spec("ezomero"):
        start, lengths = (region.x, region.y, 0, 0, 0), (region.width, region.height, bench.planes, 1, 1)
        peers["ezomero.get_image"] = (
            lambda: ezomero.get_image(bench.gateway, bench.image_id, start_coords=start, axis_lengths=lengths),
            5,
        )
    bench.compare("a sub-region over z", sub_region, peers, corner * corner * 2 * bench.planes / 1e6)


def cells(bench: Bench, raw: RawPair, folder: Path) -> None:
    grid = [Region(x, y, CELL, CELL) for y in range(0, bench.size, CELL) for x in range(0, bench.size, CELL)]
    grid = [r for r in grid if r.x + CELL <= bench.size and r.y + CELL <= bench.size]
    every = [(z, r) for z in range(bench.planes) for r in grid]
    chosen = [every[i] for i in np.random.default_rng(2).permutation(len(every))[: max(8, len(every) // 4)]]

    def random_cells() -> None:
        with CellCache(Kept(bench.source), cell_shape=(CELL, CELL), autosave=None, spill=folder) as cache:
            for z, region in chosen:
                cache.read(PlaneIndex(z, 0, 0), region)

    def one_by_one() -> None:
        for tile in chosen:
            raw.tiles([tile])

    megabytes = len(chosen) * CELL * CELL * 2 / 1e6
    peers: dict[str, tuple[Callable[[], object], float | None]] = {
        "raw tiles, as asked for": (one_by_one, 0.9),
        "raw tiles, all known beforehand": (lambda: raw.tiles(chosen), None),
    }
    bench.compare("random 512 x 512 cells, one asked for after the other", random_cells, peers, megabytes)


def java_pass(bench: Bench, raw: RawPair, folder: Path) -> None:
    """Measure a cold cursor of Java over cells of 512 x 512."""
    from _java_images import java_loops

    from ij_omero.imagej import _cell_image, _runtime

    # all of the heap from the start: memory that is touched first costs much more than a cell on a virtual machine
    _runtime.start(max_heap="2g", options=["-Xms2g", "-XX:+AlwaysPreTouch"])
    loops = java_loops()
    expected = int(bench.pixels.sum())

    def scan() -> None:
        with CellCache(Kept(bench.source), cell_shape=(CELL, CELL), autosave=None, spill=folder) as cache:
            found = int(loops.sum_cells(_cell_image.cell_image(cache).cursor()))
            if found != expected:
                raise SystemExit(f"the cursor saw a sum of {found}, expected {expected}")

    cut = range(0, bench.size, CELL)
    every = [
        (z, Region(x, y, min(CELL, bench.size - x), min(CELL, bench.size - y)))
        for z in range(bench.planes)
        for y in cut
        for x in cut
    ]
    one = RawPair(bench)

    def single_tiles() -> None:
        store = one._stores[0]
        for z, region in every:
            np.frombuffer(store.getTile(z, 0, 0, *region), ">u2").astype("=u2")

    bench.compare(
        "cold pass of a Java cursor over 512 x 512 cells",
        scan,
        {
            "raw loop over planes": (lambda: raw.planes(list(range(bench.planes))), 0.7),
            "one getTile per cell": (single_tiles, 2.5),
        },
        bench.megabytes,
    )
    one.close()


def writing(bench: Bench) -> None:
    made: list[int] = []
    planes = [bench.pixels[0, 0, z] for z in range(bench.planes)]

    def theirs() -> None:
        image = bench.gateway.createImageFromNumpySeq(iter(planes), "peer", bench.planes, 1, 1)
        made.append(image.getId())

    def bare() -> None:
        made.append(int(write_array(bench.store.create(bench.description), bench.pixels)))

    full = bench.description.replace(
        description="with everything",
        physical_size_x=Quantity(0.2, "µm"),
        physical_size_y=Quantity(0.2, "µm"),
        key_values=(KeyValue("a", "1"), KeyValue("b", "2")),
        tags=("bench",),
    )
    dataset = bench.store.find_or_create_dataset("bench")

    def whole() -> None:
        sink = bench.store.create(full, dataset=dataset, source=bench.image_id)
        made.append(int(write_array(sink, bench.pixels)))

    def remove() -> None:
        while made:
            bench.store.delete(made.pop())

    times = bench.table.seconds(bare, whole, theirs, afterwards=remove)
    name, rates = "createImageFromNumpySeq", [bench.megabytes / seconds for seconds in times]
    bench.table.row(
        "writing, pixels, statistics and rendering", "MB/s", rates[0], goal=rates[2], peer=rates[2], peer_name=name
    )
    bench.table.row(
        "writing with metadata, links and provenance too",
        "MB/s",
        rates[1],
        goal=rates[2] / 1.1,
        peer=rates[2],
        peer_name=name,
    )


def opening_calls(bench: Bench, server: LocalServer, folder: Path) -> None:
    """Count what opening sends, in Ice's own record of a connection made for that."""
    import omero

    from ij_omero.stores import OmeroStore

    record = folder / "ice.log"
    tracing = {"Ice.Trace.Protocol": "1", "Ice.LogFile": str(record)}
    client = omero.client(host=server.host, port=server.port, pmap=tracing)
    try:
        client.createSession("root", server.password)
        with Connection(OmeroStore.of_client(client)) as connection:
            list(connection.list_images())  # the session's first question is not opening's
            before = record.stat().st_size
            connection.open_image(bench.image_id)
            sent = record.read_text(encoding="utf-8")[before:].count("request id") // 2  # each comes back
            bench.table.row("calls to the server that opening an image takes", "calls", sent, goal=3)
    finally:
        client.closeSession()


def opening(bench: Bench) -> None:
    peer = lambda: bench.gateway.getObject("Image", bench.image_id).getPrimaryPixels().getSizeX()  # noqa: E731
    ours, theirs = bench.table.seconds(lambda: bench.store.open(bench.image_id).close(), peer)
    name = "BlitzGateway.getObject and its pixels"
    bench.table.row("opening an image with all its metadata", "ms", 1e3 * ours, peer=1e3 * theirs, peer_name=name)


def run(server: LocalServer, table: Table, options: argparse.Namespace, folder: Path) -> None:
    bench = Bench(server, table, options.size, options.planes)
    raw = RawPair(bench)
    np.testing.assert_array_equal(raw.planes([0, 1]), bench.pixels[0, 0, :2])
    size = f"uint16 {options.size} x {options.size} x {options.planes}, {bench.megabytes:.0f} MB"
    print(f"{size}, medians of {options.repeats} in alternation, load {os.getloadavg()[0]:.1f}", flush=True)
    try:
        opening_calls(bench, server, folder)
        opening(bench)
        reading(bench, raw)
        cells(bench, raw, folder)
        if not options.no_java:
            java_pass(bench, raw, folder)
        writing(bench)
    finally:
        raw.close()
        bench.close()


def servers(home: Path | None) -> Iterator[LocalServer]:
    if home is not None:
        server = LocalServer(home, port=0)
        server.up()
        yield server
        return
    with tempfile.TemporaryDirectory(prefix="ij_omero-bench-") as folder:
        server = LocalServer(Path(folder) / "home", port=0)
        try:
            server.up()
            yield server
        finally:
            server.wipe()


def main() -> None:
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--size", type=int, default=2048, help="pixels along X and Y")
    own.add_argument("--planes", type=int, default=12, help="z-sections, at least 2")
    own.add_argument("--home", type=Path, help="home of a local server that is kept")
    own.add_argument("--no-java", action="store_true", help="leave the JVM out")
    table = Table(__doc__, parents=[own])
    warnings.simplefilter("ignore")  # of omero-py's own modules, on import
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ij_omero-bench-") as folder:
        for server in servers(table.options.home):
            run(server, table, table.options, Path(folder))
    ratios = [row["ratio"] for row in table.rows if row["ratio"]]
    told = f"median ratio {statistics.median(ratios):.2f}, {time.monotonic() - began:.0f} s"
    print(f"{told}, load {' '.join(f'{load:.1f}' for load in os.getloadavg())} (1, 5, 15 min)")
    table.finish()


if __name__ == "__main__":
    main()
