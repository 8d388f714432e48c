"""Whatever an image, a table or an ROI is, a store gives back the same."""

from __future__ import annotations

import datetime
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ij_omero.model import (
    LENGTH_UNITS,
    TIME_UNITS,
    AffineTransform,
    Channel,
    ChannelRendering,
    Column,
    ColumnKind,
    Ellipse,
    ImageDescription,
    KeyValue,
    Label,
    Line,
    Mask,
    PixelType,
    PlaneIndex,
    Point,
    Polygon,
    Polyline,
    Quantity,
    Rectangle,
    Region,
    RenderingSettings,
    Roi,
    Table,
)
from ij_omero.pixels import ImageStore, read_array, write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import LocalStore, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = st.text(max_size=12)  # lone surrogates are no text: Python's own files do not take them either
NUMBERS = st.floats(allow_nan=False, width=64)
COLORS = st.tuples(*[st.integers(0, 255)] * 4)
LENGTHS = st.builds(Quantity, NUMBERS, st.sampled_from(sorted(LENGTH_UNITS)))
TIMES = st.builds(Quantity, NUMBERS, st.sampled_from(sorted(TIME_UNITS)))
WINDOWS = st.tuples(NUMBERS, NUMBERS)
CHANNELS = st.builds(
    Channel,
    st.none() | WORDS,
    st.none() | COLORS,
    st.none() | LENGTHS,
    st.none() | LENGTHS,
    st.none() | WINDOWS,
    st.booleans(),
    st.none() | WORDS,
)
RENDERED = st.builds(
    ChannelRendering, WINDOWS, COLORS, st.booleans(), st.none() | WORDS,
    st.sampled_from(["linear", "polynomial", "exponential", "logarithmic"]), NUMBERS, st.booleans(),
)  # fmt: skip
DATES = st.none() | st.datetimes(timezones=st.none() | st.just(datetime.timezone.utc))


@st.composite
def descriptions(draw: st.DrawFn) -> ImageDescription:
    sizes = draw(st.tuples(st.integers(1, 70), st.integers(1, 70), *[st.integers(1, 3)] * 3))
    count = sizes[3]
    rendering = st.builds(
        RenderingSettings,
        st.tuples(*[RENDERED] * count),
        st.sampled_from(["rgb", "greyscale"]),
        st.integers(0, 2),
        st.integers(0, 2),
    )
    return ImageDescription(
        draw(WORDS),
        draw(st.sampled_from(PixelType)),
        *sizes,
        description=draw(WORDS),
        physical_size_x=draw(st.none() | LENGTHS),
        physical_size_y=draw(st.none() | LENGTHS),
        physical_size_z=draw(st.none() | LENGTHS),
        time_increment=draw(st.none() | TIMES),
        channels=draw(st.tuples(*[CHANNELS] * count)),
        key_values=tuple(draw(st.lists(st.builds(KeyValue, WORDS, WORDS), max_size=3))),
        tags=tuple(draw(st.lists(WORDS, max_size=3))),
        acquired=draw(DATES),
        rendering=draw(st.none() | rendering),
    )


FRACTIONS = st.floats(-1e6, 1e6)
POINTS = st.lists(st.tuples(FRACTIONS, FRACTIONS), min_size=1, max_size=5).map(tuple)
COMMON: dict[str, Any] = {
    "z": st.none() | st.integers(0, 9),
    "c": st.none() | st.integers(0, 9),
    "t": st.none() | st.integers(0, 9),
    "text": st.none() | WORDS,
    "stroke_color": st.none() | COLORS,
    "fill_color": st.none() | COLORS,
    "stroke_width": st.none() | FRACTIONS,
    "font_size": st.none() | FRACTIONS,
    "transform": st.none() | st.builds(AffineTransform, *[FRACTIONS] * 6),
}
BITS = st.tuples(st.integers(1, 19), st.integers(1, 19), st.integers(0, 99)).map(
    lambda drawn: np.random.default_rng(drawn[2]).integers(0, 2, drawn[:2]).astype(bool)
)
SHAPES = st.one_of(
    *[st.builds(kind, *[FRACTIONS] * 4, **COMMON) for kind in (Rectangle, Ellipse, Line)],
    *[st.builds(kind, FRACTIONS, FRACTIONS, **COMMON) for kind in (Point, Label)],
    *[st.builds(kind, POINTS, **COMMON) for kind in (Polygon, Polyline)],
    st.builds(Mask, FRACTIONS, FRACTIONS, BITS, **COMMON),
)
ROIS = st.builds(Roi, st.lists(SHAPES, min_size=1, max_size=3).map(tuple), st.none() | WORDS, st.none() | WORDS)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(0, 5))

    def column(values: Any) -> list[Any]:
        drawn: list[Any] = draw(st.lists(values, min_size=rows, max_size=rows))
        return drawn

    long = np.array(column(st.integers(-(2**63), 2**63 - 1)), np.int64)
    pairs = np.array(column(st.tuples(NUMBERS, NUMBERS)), np.float64).reshape(rows, 2)
    text = np.empty(rows, object)
    text[:] = column(WORDS)
    columns = [
        Column(draw(WORDS), long, draw(st.sampled_from([ColumnKind.LONG, ColumnKind.ROI])), draw(WORDS)),
        Column("d", np.array(column(st.floats()), np.float64), ColumnKind.DOUBLE),
        Column("b", np.array(column(st.booleans()), np.bool_), ColumnKind.BOOL),
        Column("s", text, ColumnKind.STRING),
        Column("p", pairs, ColumnKind.DOUBLE_ARRAY),
    ]
    named = {each.name: each for each in columns}
    return Table(draw(WORDS), tuple(named.values()))


@pytest.fixture(params=["memory", "local"], scope="module")
def store(request: pytest.FixtureRequest) -> Iterator[ImageStore]:
    with tempfile.TemporaryDirectory() as folder:
        made = MemoryStore(tile_size=32) if request.param == "memory" else LocalStore(folder, tile_size=32)
        yield made
        made.close()


@given(description=descriptions(), seed=st.integers(0, 99), part=st.tuples(*[st.floats(0, 0.999)] * 4))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_images(store: ImageStore, description: ImageDescription, seed: int, part: tuple[float, ...]) -> None:
    pixels = example_pixels(description, seed)
    image_id = write_array(store.create(description), pixels)
    assert store.describe(image_id) == description.replace(image_id=image_id)
    source = store.open(image_id)
    found = read_array(source)
    assert found.dtype == pixels.dtype
    np.testing.assert_array_equal(found, pixels)
    x, y = int(part[0] * description.size_x), int(part[1] * description.size_y)
    region = Region(x, y, 1 + int(part[2] * (description.size_x - x)), 1 + int(part[3] * (description.size_y - y)))
    expected = pixels[0, -1, -1, y : y + region.height, x : x + region.width]
    plane = PlaneIndex(description.size_z - 1, description.size_c - 1, 0)
    np.testing.assert_array_equal(source.read(plane, region), expected)
    source.close()
    store.delete(image_id)


@pytest.fixture(scope="module")
def image_id(store: ImageStore) -> Any:
    description = ImageDescription("attachments", PixelType.UINT8, 3, 2)
    return write_array(store.create(description), example_pixels(description))


@given(table=tables())
@settings(max_examples=40, deadline=None)
def test_tables(store: ImageStore, image_id: Any, table: Table) -> None:
    table_id = store.save_table(image_id, table)
    found = store.read_table(table_id)
    assert (found.name, found.column_names, found.row_count) == (table.name, table.column_names, table.row_count)
    for ours, theirs in zip(table.columns, found.columns, strict=True):
        assert (theirs.kind, theirs.description) == (ours.kind, ours.description)
        assert theirs.values.dtype == ours.values.dtype
        np.testing.assert_array_equal(theirs.values, ours.values)
    assert table_id in {summary.table_id for summary in store.tables(image_id)}


@given(rois=st.lists(ROIS, max_size=3))
@settings(max_examples=40, deadline=None)
def test_rois(store: ImageStore, image_id: Any, rois: list[Roi]) -> None:
    ids = store.save_rois(image_id, rois)
    found = {roi.roi_id: roi for roi in store.rois(image_id)}
    assert [found[roi_id] for roi_id in ids] == rois
    assert len({*ids, *(shape.shape_id for roi_id in ids for shape in found[roi_id].shapes)}) == len(ids) + sum(
        len(roi.shapes) for roi in rois
    )
