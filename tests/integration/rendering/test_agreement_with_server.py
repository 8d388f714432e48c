"""Pictures agree with the RenderingEngine of a real OMERO.server, before JPEG."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.model import ChannelRendering, RenderingSettings
from ij_omero.rendering import Projection, project, read_lookup_tables, render_planes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from ij_omero.localserver import LocalServer
    from tests._omero import MakeUser, OmeroUser

SIZE_Z, SIZE_Y, SIZE_X = 5, 61, 83
WINDOWS = {
    "uint8": [(10, 200), (0, 255)],
    "int8": [(-100, 100), (0, 60)],
    "uint16": [(100, 4000), (30000, 30007), (0, 65535)],
    "int16": [(-2000, 3000), (-32768, 32767)],
    "uint32": [(1000, 3_000_000_000), (70000, 70300)],
    "int32": [(-5_000_000, 7_000_000), (100, 100_000)],
    "float32": [(-1.5, 2.25), (0.25, 0.75)],
    "float64": [(0.0, 1000.0), (-3.5, -0.5)],
}
FAMILIES = [("linear", 1.0), ("polynomial", 2.0), ("polynomial", 0.45), ("exponential", 1.0), ("exponential", 0.3)]
FAMILIES += [("logarithmic", 1.0)]
CHANNELS = [
    ChannelRendering((0, 1), (255, 0, 0, 255)),
    ChannelRendering((0, 1), (12, 200, 99, 255)),
    ChannelRendering((0, 1), (255, 255, 255, 255), inverted=True),
]


class Engine:
    """A rendering engine of the server, driven by plain omero-py."""

    def __init__(self, gateway: Any, image_id: int) -> None:
        self.image = gateway.getObject("Image", image_id)
        self.image._prepareRenderingEngine()
        self.engine = self.image._re
        self.gateway = gateway

    def apply(self, settings: RenderingSettings) -> None:
        from omero.romio import ReverseIntensityMapContext

        models = {m.value.val: m for m in self.engine.getAvailableModels()}
        families = {f.value.val: f for f in self.engine.getAvailableFamilies()}
        self.engine.setModel(models[settings.model])
        for index, channel in enumerate(settings.channels):
            self.engine.setActive(index, channel.active)
            self.engine.setQuantizationMap(index, families[channel.family], channel.coefficient, False)
            self.engine.setChannelWindow(index, *map(float, channel.window))
            self.engine.setRGBA(index, *channel.color)
            self.engine.setChannelLookupTable(index, channel.lookup_table)
            reverse = ReverseIntensityMapContext()
            self.engine.removeCodomainMapFromChannel(reverse, index)
            if channel.inverted:
                self.engine.addCodomainMapToChannel(reverse, index)

    def picture(self, z: int = 0, projection: Any = None, sections: tuple[int, int] = (0, 0)) -> npt.NDArray[np.uint8]:
        import omero

        if projection is None:
            plane = omero.romio.PlaneDef(omero.romio.XY, 0, 0, z, 0, None, 0)
            packed = self.engine.renderAsPackedInt(plane)
        else:
            packed = self.engine.renderProjectedAsPackedInt(projection, 0, 1, *sections)
        words = np.array(packed, np.int64).reshape(SIZE_Y, SIZE_X)
        return np.stack([words >> shift & 255 for shift in (16, 8, 0)], axis=-1).astype(np.uint8)


@pytest.fixture
def user(omero_user: MakeUser) -> OmeroUser:
    return omero_user()


@contextlib.contextmanager
def engine_for(user: OmeroUser, pixels: npt.NDArray[Any]) -> Iterator[Engine]:
    """Store pixels (C, Z, Y, X) and open a rendering engine on them."""
    with user.gateway() as gateway:
        count, depth = pixels.shape[:2]
        planes = (pixels[c, z] for z, c in itertools.product(range(depth), range(count)))
        image = gateway.createImageFromNumpySeq(planes, "rendered", depth, count, 1)
        engine = Engine(gateway, image.getId())
        try:
            yield engine
        finally:
            engine.engine.close()


def some_pixels(dtype: str, channels: int) -> npt.NDArray[Any]:
    """Return noise over the windows of a type with a margin, its limits included."""
    random = np.random.default_rng(7)
    windows = WINDOWS[dtype]
    shape = (channels, SIZE_Z, SIZE_Y, SIZE_X)
    starts = np.array([windows[c % len(windows)][0] for c in range(channels)], float)[:, None, None, None]
    ends = np.array([windows[c % len(windows)][1] for c in range(channels)], float)[:, None, None, None]
    values = starts + (ends - starts) * random.uniform(-0.2, 1.2, shape)
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.floor(values), limits.min, limits.max)
    values[:, 0, 0, :4] = np.concatenate([starts, ends, starts + (ends - starts) / 2, starts], axis=3)[:, 0, 0]
    return values.astype(dtype)


def with_windows(dtype: str, **changes: Any) -> tuple[ChannelRendering, ...]:
    from dataclasses import replace

    windows = WINDOWS[dtype]
    return tuple(replace(c, window=windows[i % len(windows)], **changes) for i, c in enumerate(CHANNELS))


def worst(ours: npt.NDArray[np.uint8], theirs: npt.NDArray[np.uint8]) -> int:
    return int(np.abs(ours.astype(int) - theirs.astype(int)).max())


@pytest.mark.parametrize("dtype", WINDOWS)
def test_windows_families_colours_and_inversion(user: OmeroUser, dtype: str) -> None:
    pixels = some_pixels(dtype, len(CHANNELS))
    differences = {}
    with engine_for(user, pixels) as engine:
        for (family, coefficient), model in itertools.product(FAMILIES, ("rgb", "greyscale")):
            channels = with_windows(dtype, family=family, coefficient=coefficient)
            engine.apply(RenderingSettings(channels, model))
            theirs = engine.picture()
            for kernel in ("numpy", "auto"):
                ours = render_planes(list(pixels[:, 0]), channels, model=model, kernel=kernel)
                differences[family, coefficient, model, kernel] = worst(ours, theirs)
    assert {key: value for key, value in differences.items() if value > 1} == {}


def test_alpha_and_hidden_channels(user: OmeroUser) -> None:
    pixels = some_pixels("uint16", 3)
    channels = (
        ChannelRendering((100, 4000), (250, 130, 7, 128)),
        ChannelRendering((0, 9000), (255, 255, 255, 255), active=False),
        ChannelRendering((500, 4000), (0, 255, 31, 200), inverted=True),
    )
    with engine_for(user, pixels) as engine:
        engine.apply(RenderingSettings(channels))
        assert worst(render_planes(list(pixels[:, 2]), channels), engine.picture(z=2)) <= 1
        hidden = tuple(ChannelRendering(c.window, active=False) for c in channels)
        engine.apply(RenderingSettings(hidden))
        assert not engine.picture().any()
        assert not render_planes(list(pixels[:, 0]), hidden).any()


def test_windows_that_do_not_fit_the_pixel_type(user: OmeroUser) -> None:
    pixels = some_pixels("uint8", 3)
    with engine_for(user, pixels) as engine:
        for window in [(-50, 100), (100, 900), (-300, 900), (200.5, 200.5), (40, 40), (90.25, 101.75)]:
            channels = (ChannelRendering(window), *[ChannelRendering((0, 255), active=False)] * 2)
            engine.apply(RenderingSettings(channels))
            assert worst(render_planes(list(pixels[:, 0]), channels), engine.picture()) <= 1, window


def test_the_servers_own_lookup_tables(user: OmeroUser, omero_server: LocalServer) -> None:
    """Shown in its own table where the server has any; a name that nobody knows is shown in the channel's colour."""
    tables = read_lookup_tables(Path(omero_server.env()["OMERODIR"]) / "lib" / "scripts")
    pixels = some_pixels("uint8", 2)
    with engine_for(user, pixels) as engine:
        for name in [*tables, "nobody-knows-it.lut"]:
            channels = (
                ChannelRendering((10, 200), (9, 90, 200, 255), lookup_table=name, inverted=True),
                ChannelRendering((0, 255), (0, 255, 0, 255)),
            )
            engine.apply(RenderingSettings(channels))
            ours = render_planes(list(pixels[:, 0]), channels, lookup_tables=tables)
            assert worst(ours, engine.picture()) <= 1, name


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_projections(user: OmeroUser, dtype: str) -> None:
    from omero.constants.projection import ProjectionType

    methods = {
        "max": ProjectionType.MAXIMUMINTENSITY,
        "mean": ProjectionType.MEANINTENSITY,
        "sum": ProjectionType.SUMINTENSITY,
    }
    pixels = some_pixels(dtype, 1)
    channels = with_windows(dtype)[:1]
    with engine_for(user, pixels) as engine:
        engine.apply(RenderingSettings(channels))
        for (method, theirs), sections in itertools.product(methods.items(), [(0, SIZE_Z - 1), (1, 3), (2, 2)]):
            wanted = Projection(method, *sections).sections(SIZE_Z)
            plane = project((pixels[0, z] for z in wanted), method, (SIZE_Y, SIZE_X), pixels.dtype)
            difference = worst(render_planes([plane], channels), engine.picture(projection=theirs, sections=sections))
            assert difference <= 1, (method, sections)
