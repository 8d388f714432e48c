"""Tiles of large images: from the cache, as JPEG, over HTTP, the first view, the layout of lazy arrays.

    ./scripts/bench tiles [--json FILE] [--repeats N]

Pixels come from a source that computes them, so that no server and no disk is measured. Peers are the ways in which
viewers usually do the same: a dictionary behind a lock, a dask.delayed per tile, plain numpy before Pillow.
"""

from __future__ import annotations

import io
import itertools
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

# This file's folder goes last: it holds files with the names of packages of Python.
sys.path.append(sys.path.pop(0))

import http.client

import numpy as np
from _http_load import load, processor_seconds, served
from _measured import Table
from PIL import Image as Pillow

from ij_omero.loading import CachedSource, PyramidTileProvider, load_image_lazy
from ij_omero.model import (
    ChannelRendering,
    ImageDescription,
    PixelType,
    PlaneIndex,
    Region,
    ResolutionLevel,
    parse_address,
)
from ij_omero.model import RenderingSettings as Settings
from ij_omero.pixels import ReadHints
from ij_omero.rendering import Look, render_region, render_scaled_region
from ij_omero.services import Background, serve
from ij_omero.services._core import encode_jpeg
from ij_omero.services.viewer import viewer_app

TILE = 512
LOOKS = tuple(
    ChannelRendering((1000, 41000), (*color, 255)) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
)
LOOK = Look(Settings(LOOKS))


class Computed:
    """A source of any size: smooth structures with noise, which JPEG finds neither easy nor hard."""

    def __init__(self, size: int, channels: int, levels: int) -> None:
        self.description = ImageDescription("computed", PixelType.UINT16, size, size, 1, channels)
        self.levels = tuple(ResolutionLevel(i, size >> i, size >> i, TILE, TILE) for i in range(levels))
        self.hints = ReadHints(request_bytes=1, parallel=2)
        random = np.random.default_rng(0)
        waves = np.sin(np.linspace(0, 40, 2 * TILE)) * 15000 + 20000
        self._block = (waves + waves[:, None] + random.normal(0, 800, (2 * TILE, 2 * TILE))).clip(0, 65535)
        self._block = self._block.astype(np.uint16)

    def read(self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: Any = None) -> Any:
        """Repeat one block."""
        region = self.levels[level].bounds if region is None else region
        rows = np.arange(region.y, region.y + region.height) % (2 * TILE)
        columns = np.arange(region.x, region.x + region.width) % (2 * TILE)
        found = self._block[np.ix_(rows, columns)]
        if out is None:
            return found
        out[:] = found
        return out

    def close(self) -> None:
        """Hold nothing."""


class OneImage:
    """A store that holds one image, as far as the viewer asks."""

    def __init__(self, source: Computed) -> None:
        self._source = source
        self.address = parse_address("memory://computed")

    def open(self, image_id: int) -> Computed:
        """Return the image, whatever the id."""
        return self._source

    def address_of(self, image_id: int) -> Any:
        """Name it."""
        return parse_address(f"memory://computed/image/{image_id}")


def by_pillow(picture: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def jpeg(picture: Any) -> bytes:
    return encode_jpeg(picture, 90)


def plain_tile(cells: CachedSource, region: Region) -> Any:
    total = np.zeros((*region.shape, 3))
    for c, look in enumerate(LOOKS):
        pixels = cells.read(PlaneIndex(0, c, 0), region).astype(float)
        stretched = np.clip((pixels - look.window[0]) / (look.window[1] - look.window[0]), 0, 1)
        total += stretched[:, :, None] * np.array(look.color[:3])
    return total.clip(0, 255).astype(np.uint8)


def jpeg_tiles(table: Table) -> None:
    tiles = [Region(x, y, TILE, TILE) for y in range(0, 2048, TILE) for x in range(0, 2048, TILE)]
    source = CachedSource(Computed(2048, 4, 1))
    picture = render_region(source, 0, 0, tiles[0], look=LOOK)
    ours, plain, encoding, pillow = table.seconds(
        lambda: [jpeg(render_region(source, 0, 0, tile, look=LOOK)) for tile in tiles],
        lambda: [by_pillow(plain_tile(source, tile)) for tile in tiles],
        lambda: [jpeg(picture) for _ in tiles],
        lambda: [by_pillow(picture) for _ in tiles],
    )
    began = time.process_time()
    for tile in tiles:
        jpeg(render_region(source, 0, 0, tile, look=LOOK))
    busy = time.process_time() - began
    source.close()
    count = len(tiles)
    name = "512 x 512 JPEG tiles of 4 channels, cached, one thread"
    table.row(name, "tiles/s", count / ours, goal=300, peer=count / plain, peer_name="plain numpy")
    table.row("the same, per second of processor time", "tiles/s", count / busy)
    table.row("the same, only the encoding", "tiles/s", count / encoding, peer=count / pillow, peer_name="Pillow")


def fetch(address: str, paths: list[str], connections: int = 2) -> None:
    """Ask for all paths over a few connections that stay open, as a browser does."""
    left, lock, failed = iter(paths), threading.Lock(), []

    def ask() -> None:
        connection = http.client.HTTPConnection(address.removeprefix("http://"))
        while True:
            with lock:
                path = next(left, None)
            if path is None:
                break
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failed.append(path)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def channel_query() -> str:
    windows = (f"{i}|{look.window[0]}:{look.window[1]}" for i, look in enumerate(LOOKS, 1))
    colors = ("".join(f"{part:02X}" for part in look.color[:3]) for look in LOOKS)
    return ",".join(f"{window}$" + color for window, color in zip(windows, colors, strict=True))


def serve_tiles() -> None:
    # the viewer loads the compiled kernel beside its first pictures, which are not what is measured
    render_region(Computed(TILE, 4, 1), 0, 0, look=LOOK)
    app = viewer_app(OneImage(Computed(2048, 4, 1)))
    serve(lambda: app, on_ready=lambda address: print(address, flush=True))


def tiles_over_http(table: Table) -> None:
    """Ask a server process for tiles from processes of their own: as many as the two cores have room for."""
    places = [(x, y) for y in range(4) for x in range(4)]
    base = f"/webgateway/render_image_region/1/0/0/?c={channel_query()}"
    qualities = itertools.count()

    def fresh(rounds: int = 500) -> list[str]:
        """Ask for another quality, which is another picture: no server has kept it."""
        shown = [f"{base}&q={0.9 - 1e-6 * next(qualities):.6f}" for _ in range(rounds)]
        return [f"{look}&tile=0,{x},{y},{TILE},{TILE}" for look in shown for x, y in places]

    kept = fresh(1)
    with served(__file__, "--serve") as (host, port, process):
        # until all cells are read and the compiled kernel is loaded
        load(host, port, "GET", fresh(), clients=2, seconds=2)
        load(host, port, "GET", kept, clients=2, seconds=1)
        for what, make in (("rendered from cells", fresh), ("encoded before", lambda: kept)):
            for clients in (1, 2, 4):
                took = processor_seconds(process)
                rate, times = load(host, port, "GET", make(), clients=clients, seconds=2)
                took = processor_seconds(process) - took
                name = f"512 x 512 JPEG tiles over HTTP, {what}, {clients} clients"
                table.row(name, "tiles/s", rate, goal=300)
                table.row("the same, the server's processor time each", "ms", 1e3 * took / len(times))


def first_page(table: Table) -> None:
    """Time what the page asks for when it opens: facts, imgData, histograms, tiles of a screen of 1500 x 1000."""
    source = Computed(100_000, 4, 9)
    tiles = [f"/webgateway/render_image_region/1/0/0/?tile=6,{x},{y},512,512" for x in range(4) for y in range(4)]
    histograms = [f"/webgateway/histogram_json/1/channel/{c}/" for c in range(4)]

    def opened() -> None:
        app = viewer_app(OneImage(source))
        with Background(lambda: app) as address:
            fetch(address, ["/view/1", "/api/images/1", "/webgateway/imgData/1/"], 1)
            fetch(address, [*tiles, *histograms], 6)

    (taken,) = table.seconds(opened)
    table.row("100,000 x 100,000: the page's requests, server started and ended", "s", taken, goal=1)


def cached_tile(table: Table) -> None:
    kept: OrderedDict[tuple[int, ...], Any] = OrderedDict()
    lock = threading.Lock()
    times = 2000

    def peer() -> None:
        for _ in range(times):
            with lock:
                kept.move_to_end((0, 0, 0, 0, 1, 1))
                kept[0, 0, 0, 0, 1, 1]

    with PyramidTileProvider(Computed(4096, 1, 3)) as tiles:
        kept[0, 0, 0, 0, 1, 1] = tiles.get_tile(0, 0, 0, 0, 1, 1)

        def ours() -> None:
            for _ in range(times):
                tiles.get_cached_tile(0, 0, 0, 0, 1, 1)

        mine, others = table.seconds(ours, peer)
    name = "a dictionary behind a lock"
    table.row("a cached tile", "us", 1e6 * mine / times, goal=20, peer=1e6 * others / times, peer_name=name)


def first_view(table: Table) -> None:
    source = Computed(100_000, 4, 9)

    def tiles() -> None:
        with PyramidTileProvider(source) as provider:
            provider.load_overview()
            level = provider.best_level_for_scale(1024 / 100_000)
            for tx in range(2):
                for ty in range(2):
                    provider.get_tile(level, 0, 0, 0, tx, ty)

    opened, rendered = table.seconds(
        tiles, lambda: render_scaled_region(source, 0, 0, (0, 0, 100_000, 100_000), max_size=1024, look=LOOK)
    )
    table.row("100,000 x 100,000: opened, overview, tiles of the screen", "s", opened, goal=1)
    table.row("100,000 x 100,000: the whole image rendered into 1024", "s", rendered, goal=1)


def lazy_layout(table: Table) -> None:
    import dask
    import dask.array

    source = Computed(100 * TILE * 3 + TILE * 16, 1, 1)
    count = (source.levels[0].width // TILE) ** 2

    def peer(across: int = 32) -> Any:
        read = dask.delayed(source.read)
        plane = PlaneIndex(0, 0, 0)
        return dask.array.block(
            [
                [
                    dask.array.from_delayed(
                        read(plane, Region(x * TILE, y * TILE, TILE, TILE)), (TILE, TILE), dtype="u2"
                    )
                    for x in range(across)
                ]
                for y in range(across)
            ]
        )

    ours = table.seconds(lambda: load_image_lazy(source))[0]
    began = time.perf_counter()
    peer()
    others = (time.perf_counter() - began) * count / 32**2
    name = "a dask.delayed per tile (1,024 measured)"
    table.row(f"lazy arrays over {count:,} tiles laid out", "s", ours, goal=0.5, peer=others, peer_name=name)


def main() -> None:
    if sys.argv[1:] == ["--serve"]:
        serve_tiles()
        return
    table = Table(__doc__)
    jpeg_tiles(table)
    tiles_over_http(table)
    cached_tile(table)
    first_view(table)
    first_page(table)
    lazy_layout(table)
    table.finish()


if __name__ == "__main__":
    main()
