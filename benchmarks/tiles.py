"""Tiles of large images: from the cache, as JPEG, the first view, the layout of lazy arrays.

    ./scripts/bench tiles [--json FILE] [--repeats N]

Pixels come from a source that computes them, so that no server and no disk is measured. Peers are the ways in which
viewers usually do the same: a dictionary behind a lock, a dask.delayed per tile, plain numpy before Pillow.
"""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from typing import Any

import numpy as np
from _measured import Table
from PIL import Image as Pillow

from ij_omero.cells import CellCache
from ij_omero.loading import PyramidTileProvider, load_image_lazy
from ij_omero.model import ChannelRendering, ImageDescription, PixelType, PlaneIndex, Region, ResolutionLevel
from ij_omero.model import RenderingSettings as Settings
from ij_omero.pixels import ReadHints
from ij_omero.rendering import Look, render_region, render_scaled_region

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


class CachedLevel:
    """A source whose full size comes from the cell cache."""

    def __init__(self, cells: CellCache) -> None:
        self.description, self.levels, self.hints = cells.description, cells.source.levels, cells.source.hints
        self._cells = cells

    def read(self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: Any = None) -> Any:
        """Read from the cache."""
        assert level == 0
        return self._cells.read(plane, region, out=out)

    def close(self) -> None:
        """Leave the cache open."""


def jpeg(picture: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def plain_tile(cells: CellCache, region: Region) -> Any:
    total = np.zeros((*region.shape, 3))
    for c, look in enumerate(LOOKS):
        pixels = cells.read(PlaneIndex(0, c, 0), region).astype(float)
        stretched = np.clip((pixels - look.window[0]) / (look.window[1] - look.window[0]), 0, 1)
        total += stretched[:, :, None] * np.array(look.color[:3])
    return total.clip(0, 255).astype(np.uint8)


def jpeg_tiles(table: Table) -> None:
    tiles = [Region(x, y, TILE, TILE) for y in range(0, 2048, TILE) for x in range(0, 2048, TILE)]
    with CellCache(Computed(2048, 4, 1), autosave=None) as cells:
        source = CachedLevel(cells)
        ours, plain, encoding = table.seconds(
            lambda: [jpeg(render_region(source, 0, 0, tile, look=LOOK)) for tile in tiles],
            lambda: [jpeg(plain_tile(cells, tile)) for tile in tiles],
            lambda: [jpeg(picture) for picture in [render_region(source, 0, 0, tiles[0], look=LOOK)] * len(tiles)],
        )
    count = len(tiles)
    name = "512 x 512 JPEG tiles of 4 channels, cached, one thread"
    table.row(name, "tiles/s", count / ours, goal=300, peer=count / plain, peer_name="plain numpy")
    table.row("the same, only the encoding by Pillow", "tiles/s", count / encoding)


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
    table = Table(__doc__)
    jpeg_tiles(table)
    cached_tile(table)
    first_view(table)
    lazy_layout(table)
    table.finish()


if __name__ == "__main__":
    main()
