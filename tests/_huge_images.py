"""A sparse OME-Zarr image of 100,000 x 100,000 pixels: only the chunks that a test looks at are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SIZE, TILE, LEVELS = 100_000, 512, 9
PLANE_BYTES = 2 * SIZE * SIZE
CORNER = (slice(99_840, SIZE), slice(99_840, SIZE))
"""(Y, X) of the last chunk of the full size, whose pixels' numbers do not fit 32 bits."""


def corner_pixels() -> npt.NDArray[np.uint16]:
    """What the last chunk holds."""
    return np.random.default_rng(0).integers(1, 60_000, (SIZE - 99_840, SIZE - 99_840), dtype=np.uint16)


def make_huge_image(folder: Path, zarr: Any) -> Path:
    """Write the image, 20 GB if it were whole, in some kilobytes; each level's first pixel is its index + 1."""
    path = folder / "huge.ome.zarr"
    group = zarr.open_group(store=str(path), mode="w", zarr_format=2)
    size, datasets = SIZE, []
    for level in range(LEVELS):
        array = group.create_array(str(level), shape=(size, size), chunks=(TILE, TILE), dtype="uint16", fill_value=0)
        array[:1, :1] = level + 1
        if level == 0:
            array[CORNER] = corner_pixels()
        scale = [{"type": "scale", "scale": [2.0**level] * 2}]
        datasets.append({"path": str(level), "coordinateTransformations": scale})
        size = -(-size // 2)
    axes = [{"name": name, "type": "space"} for name in "yx"]
    group.attrs["multiscales"] = [{"name": "huge", "axes": axes, "datasets": datasets, "version": "0.4"}]
    return path
