"""Regions of images of any size, rendered."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError
from ij_omero.model import (
    ChannelRendering,
    ImageDescription,
    PixelType,
    PlaneIndex,
    Region,
    RenderingSettings,
    ResolutionLevel,
)
from ij_omero.pixels import ReadHints, check_request, write_array
from ij_omero.rendering import (
    Look,
    Projection,
    composite_minerva,
    figure_level,
    minerva_level,
    render_planes,
    render_region,
    render_scaled_region,
    scaled_frame,
)
from ij_omero.stores import MemoryStore

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.pixels import PixelSource

GREY = (221, 221, 221)
CHANNELS = (
    ChannelRendering((0, 60000), (255, 0, 0, 255)),
    ChannelRendering((10000, 50000), (0, 128, 255, 255), inverted=True),
)
LOOK = Look(RenderingSettings(CHANNELS))


class Computed:
    """A source of any size whose pixels follow from where they are; it notes what is read."""

    def __init__(self, width: int, height: int, levels: int = 1, tile: int = 256) -> None:
        self.description = ImageDescription("computed", PixelType.UINT16, width, height, 3, 2, 1)
        self.levels = tuple(
            ResolutionLevel(i, max(1, width >> i), max(1, height >> i), tile, tile) for i in range(levels)
        )
        self.hints = ReadHints()
        self.requests: list[tuple[Region, int]] = []

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        region = check_request(self.description, self.levels, plane, region, level, out)
        self.requests.append((region, level))
        rows = (np.arange(region.y, region.y + region.height) << level)[:, None] * 7
        columns = (np.arange(region.x, region.x + region.width) << level)[None, :] * 11
        return (rows + columns + 10000 * plane.c + 500 * plane.z).astype(np.uint16)

    def close(self) -> None:
        pass


def expected(source: PixelSource, rows: Any, columns: Any, level: int = 0, z: int = 0) -> npt.NDArray[np.uint8]:
    planes = [source.read(PlaneIndex(z, c, 0), level=level)[np.ix_(rows, columns)] for c in range(2)]
    return render_planes(planes, CHANNELS)


def test_a_region_is_that_part_of_the_plane() -> None:
    source = Computed(300, 200)
    picture = render_region(source, 1, 0, Region(17, 33, 101, 55), look=LOOK)
    np.testing.assert_array_equal(picture, expected(source, np.arange(33, 88), np.arange(17, 118), z=1))


@pytest.mark.parametrize("region", [Region(0, 0, 301, 5), Region(-1, 0, 5, 5), Region(0, 0, 0, 5)])
def test_a_region_outside_is_refused(region: Region) -> None:
    with pytest.raises(InvalidInputError, match="does not lie in level 0, which is 300 x 200"):
        render_region(Computed(300, 200), 0, 0, region, look=LOOK)


@pytest.mark.parametrize(("z", "t"), [(3, 0), (-1, 0), (0, 1)])
@pytest.mark.parametrize("active", [True, False])
def test_a_plane_that_does_not_exist_is_refused(z: int, t: int, active: bool) -> None:
    look = Look(RenderingSettings(tuple(ChannelRendering((0, 1), active=active) for _ in range(2))))
    with pytest.raises(InvalidInputError, match="lies outside the image"):
        render_region(Computed(30, 20), z, t, look=look)


def test_a_projection_reads_the_stack() -> None:
    source = Computed(40, 30)
    look = Look(LOOK.settings, Projection("max"))
    np.testing.assert_array_equal(
        render_region(source, 0, 0, look=look), expected(source, np.arange(30), np.arange(40), z=2)
    )


def test_a_scaled_region_beyond_the_edges_lies_on_grey() -> None:
    source = Computed(300, 200)
    picture = render_scaled_region(source, 0, 0, (-20, 150, 400, 100), look=LOOK)
    assert picture.shape == (100, 400, 3)
    np.testing.assert_array_equal(picture[:50, 20:320], expected(source, np.arange(150, 200), np.arange(300)))
    picture[:50, 20:320] = GREY
    assert (picture == GREY).all()


def test_a_scaled_region_wholly_outside_is_grey_and_reads_nothing() -> None:
    source = Computed(300, 200)
    assert (render_scaled_region(source, 0, 0, (500, 0, 10, 20), look=LOOK) == GREY).all()
    assert source.requests == []


def test_max_size_is_kept_without_resolution_levels() -> None:
    source = Computed(5000, 3000)
    picture = render_scaled_region(source, 0, 0, (0, 0, 5000, 3000), max_size=500, look=LOOK)
    assert picture.shape == (300, 500, 3)
    np.testing.assert_array_equal(picture, expected(source, np.arange(5, 3000, 10), np.arange(5, 5000, 10)))


def test_max_size_is_kept_where_the_coarsest_level_is_larger() -> None:
    source = Computed(5000, 3000, levels=3)
    assert render_scaled_region(source, 0, 0, (0, 0, 5000, 3000), max_size=100, look=LOOK).shape == (60, 100, 3)
    assert {level for _, level in source.requests} == {2}


def test_only_what_the_answer_needs_is_read() -> None:
    source = Computed(1 << 20, 1 << 20, levels=11)
    picture = render_scaled_region(source, 0, 0, (-8160, -16416, 48960, 48960), look=LOOK)
    assert max(picture.shape) <= 2000
    pixels = sum(region.width * region.height for region, _ in source.requests)
    assert pixels <= 2 * picture.shape[0] * picture.shape[1]


def test_memory_stays_bounded_whatever_is_asked() -> None:
    source = Computed(60_000, 6_000)
    tracemalloc.start()
    try:
        picture = render_scaled_region(source, 0, 0, (-5e11, -5e11, 1e12, 1e12), max_size=300, look=LOOK)
        assert picture.shape == (300, 300, 3)
        render_scaled_region(source, 0, 0, (0, 0, 60_000, 6_000), max_size=300, look=LOOK)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300 << 20  # the plane is 720 MB; what the source computes in 64 bits for a band counts too


def test_pictures_that_are_too_large_are_refused_before_anything_is_read() -> None:
    source = Computed(1 << 30, 1 << 30)
    with pytest.raises(InvalidInputError, match="has more than 1000000 pixels"):
        render_region(source, 0, 0, look=LOOK, max_pixels=10**6)
    with pytest.raises(InvalidInputError, match="has more than"):
        render_scaled_region(source, 0, 0, (0, 0, 1 << 30, 1 << 30), max_size=1 << 30, look=LOOK)
    assert source.requests == []


def test_minerva_regions_lie_on_black_and_follow_its_composite() -> None:
    source = Computed(300, 200)
    look = Look(LOOK.settings, composite="minerva")
    picture = render_scaled_region(source, 0, 0, (-10, 0, 50, 40), look=look, convention="minerva")
    assert not picture[:, :10].any()
    planes = [source.read(PlaneIndex(0, c, 0), Region(0, 0, 40, 40)) for c in range(2)]
    np.testing.assert_array_equal(picture[:, 10:], composite_minerva(planes, CHANNELS))


@pytest.mark.parametrize(
    ("longest", "max_size", "figure", "minerva"),
    [(100, 2000, 0, 0), (2000, 2000, 1, 0), (2001, 2000, 1, 1), (8000, 2000, 3, 2), (10**9, 2000, 4, 4)],
)
def test_levels_by_both_conventions(longest: float, max_size: int, figure: int, minerva: int) -> None:
    levels = Computed(1 << 15, 1 << 14, levels=5).levels
    assert figure_level(levels, longest, max_size) == figure
    assert minerva_level(len(levels), longest, max_size) == minerva


def test_frames_round_towards_zero_in_figures_and_down_at_minerva() -> None:
    levels = Computed(1000, 1000, levels=3).levels
    assert scaled_frame(levels, (-7, 5, 900, 90), 300)[:5] == (2, -1, 1, 225, 22)
    assert scaled_frame(levels, (-7, 5, 900, 90), 300, "minerva")[:5] == (2, -2, 1, 225, 22)


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (0, 0, float("nan"), 5), (0, 0, 5), (0, 0, float("inf"), 1)])
def test_regions_that_are_none(region: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInputError, match="region"):
        render_scaled_region(Computed(30, 20), 0, 0, region, look=LOOK)


def test_an_image_without_settings_is_shown_by_its_channels() -> None:
    store = MemoryStore()
    description = ImageDescription("plain", PixelType.UINT8, 4, 2)
    image_id = write_array(store.create(description), np.full((1, 1, 1, 2, 4), 77, np.uint8))
    assert (render_region(store.open(image_id), 0, 0) == 77).all()


def test_settings_of_another_image_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="describe 1 channels; the image has 2"):
        render_region(Computed(5, 5), 0, 0, look=Look(RenderingSettings(CHANNELS[:1])))
