"""A small image with everything a viewer shows, and a viewer over a store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from ij_omero.images import Connection
from ij_omero.model import (
    AffineTransform,
    Channel,
    Ellipse,
    KeyValue,
    Label,
    Line,
    Mask,
    Point,
    Polygon,
    Polyline,
    Quantity,
    Rectangle,
    Roi,
)
from ij_omero.services import Background
from ij_omero.services.viewer import viewer_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.images import Image
    from ij_omero.pixels import ImageStore

SIZE_T, SIZE_C, SIZE_Z, SIZE_Y, SIZE_X = SHAPE = (2, 3, 3, 500, 700)
CHANNELS = (
    Channel("DAPI", (0, 0, 255, 255), emission=Quantity(461, "nm"), window=(100, 4000)),
    Channel("GFP", (0, 255, 0, 255), window=(100, 9000)),
    Channel("Cy5", (255, 0, 0, 255), window=(100, 9000)),
)
DISC = np.hypot(*np.mgrid[-20:20, -30:30]) < 19
ROIS = (
    Roi((Rectangle(50, 40, 120, 90, text="a cell", stroke_color=(255, 255, 0, 255)),), name="cell"),
    Roi((Ellipse(400, 120, 60, 30, fill_color=(0, 255, 255, 64), z=1, t=0),), name="nucleus"),
    Roi((Polygon(((300, 300), (400, 320.5), (350, 400))), Polyline(((10, 400), (100, 450), (150, 400)), c=2))),
    Roi((Line(500, 50, 650, 200), Point(600, 300), Label(450, 350, text="here"))),
    Roi((Mask(200, 200, DISC, fill_color=(255, 128, 0, 128)),), name="mask"),
    Roi((Rectangle(0, 0, 10, 10, transform=AffineTransform(1, 0, 5, 0, 1, 7)),), description="moved"),
)


def blobs(seed: int = 0, shape: tuple[int, int, int, int, int] = SHAPE) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return (T, C, Z, Y, X) uint16: smooth structures that differ from plane to plane."""
    random = np.random.default_rng(seed)
    size_t, size_c, size_z, size_y, size_x = shape
    y, x = np.mgrid[:size_y, :size_x].astype(np.float32)
    pixels = np.empty(shape, np.uint16)
    for t, c, z in np.ndindex(size_t, size_c, size_z):
        wave = np.sin(x / (17 + 9 * c) + t) * np.sin(y / (23 - 4 * c) + z / 2)
        light = (2000, 5000, 8000)[c % 3]
        pixels[t, c, z] = (200 + light * np.clip(wave, 0, 1) ** 2 + random.normal(0, 20, (size_y, size_x))).clip(0)
    return pixels


def save_blobs(connection: Connection, name: str = "blobs", **changes: Any) -> Image:
    """Save the image with its channels, sizes, ROIs and key-value pairs."""
    given: dict[str, Any] = {
        "name": name,
        "channels": CHANNELS,
        "physical_size_x": Quantity(0.25, "µm"),
        "physical_size_y": Quantity(0.25, "µm"),
        "physical_size_z": Quantity(1.5, "µm"),
        "key_values": (KeyValue("stain", "DAPI, GFP, Cy5"),),
        "rois": ROIS,
        "description": "made for <b>looking</b> at",
    }
    return connection.save_image(blobs(), **{**given, **changes})


@contextlib.contextmanager
def viewing(store: ImageStore | Connection, **options: Any) -> Iterator[httpx.Client]:
    """Serve a store's images on a free port and give a client of it."""
    app = viewer_app(store.store if isinstance(store, Connection) else store, **options)
    with Background(lambda: app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client
