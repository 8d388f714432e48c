"""Whatever a client sends, it gets a picture of the size it may have or one error of the tree."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ij_omero.errors import InvalidInputError
from ij_omero.model import ChannelRendering, ImageDescription, PixelType, RenderingSettings
from ij_omero.pixels import write_array
from ij_omero.rendering import (
    Look,
    parse_image_region,
    parse_rendering_query,
    parse_scaled_region,
    render_region,
    render_scaled_region,
)
from ij_omero.stores import MemoryStore

if TYPE_CHECKING:
    from ij_omero.pixels import PixelSource

NEARLY = st.text(alphabet="0123456789-+.,|:$&=?/cregion_maxlutFABenp \u0661", max_size=60)
WILD = st.one_of(NEARLY, st.text(max_size=30))
CHANNELS = st.from_regex(
    r"(-?[0-9]{1,2}(\|-?[0-9.]{1,5}:[0-9.]{1,5})?(\$([0-9a-fA-F]{3,8}|x\.lut))?,?){0,4}", fullmatch=True
)
NUMBERS = st.floats(-1e13, 1e13) | st.integers(-300, 300).map(float)


@cache
def pyramid() -> PixelSource:
    store = MemoryStore(tile_size=32)
    pixels = np.random.default_rng(0).integers(0, 255, (1, 2, 1, 70, 130)).astype(np.uint8)
    description = ImageDescription("pyramid", PixelType.UINT8, 130, 70, 1, 2, 1)
    return store.open(write_array(store.create(description), pixels))


LOOK = Look(
    RenderingSettings((ChannelRendering((0, 255)), ChannelRendering((0, 255), (0, 255, 0, 255)))), kernel="numpy"
)


@given(c=CHANNELS | WILD, maps=WILD, p=WILD, m=WILD, q=WILD)
@settings(deadline=None)
def test_any_rendering_query_gives_settings_that_render(c: str, maps: str, p: str, m: str, q: str) -> None:
    assert LOOK.settings is not None
    request = parse_rendering_query({"c": c, "maps": maps, "p": p, "m": m, "q": q})
    assert request.quality is None or 0 <= request.quality <= 1
    with contextlib.suppress(InvalidInputError):  # a projection may have an empty range
        look = Look(request.apply(LOOK.settings), request.projection, kernel="numpy")
        assert render_region(pyramid(), 0, 0, level=1, look=look).shape == (35, 65, 3)


@given(text=WILD | st.builds("/1/0/0/?c={}&region={}&max_size={}".format, WILD, WILD, WILD))
def test_any_address_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidInputError):
        request = parse_scaled_region(text)
        assert request.width > 0
        assert request.height > 0
        assert request.max_size >= 1


@given(tile=WILD, region=WILD | st.just(""))
def test_any_tile_is_inside_or_refused(tile: str, region: str) -> None:
    with contextlib.suppress(InvalidInputError):
        level, found = parse_image_region({"tile": tile, "region": region}, pyramid().levels)
        assert pyramid().levels[level].bounds.contains(found)


@given(region=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=st.integers(-1, 200), minerva=st.booleans())
@settings(deadline=None)
def test_any_scaled_region_is_no_larger_than_asked(
    region: tuple[float, float, float, float], max_size: int, minerva: bool
) -> None:
    with contextlib.suppress(InvalidInputError):
        convention = "minerva" if minerva else "figure"
        picture = render_scaled_region(pyramid(), 0, 0, region, max_size=max_size, look=LOOK, convention=convention)
        assert 1 <= max(picture.shape[:2]) <= max_size
        assert min(picture.shape) >= 1
