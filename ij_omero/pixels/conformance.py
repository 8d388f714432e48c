"""The tests that every backend must pass, for backends of other packages too; pytest must be installed.

Subclass what applies in a test module, and override the fixtures and the class attributes::

    from ij_omero.pixels.conformance import ImageStoreConformance

    class TestMyStore(ImageStoreConformance):
        @pytest.fixture
        def store(self):
            with contextlib.closing(MyStore(...)) as store:
                yield store

`ImageStoreConformance` includes `PixelSinkConformance` and `PixelSourceConformance`. For a backend that only reads,
`PixelSourceConformance` alone takes a ``source`` and the ``pixels`` that it must hold.
"""

# ruff: noqa: S101 - these are tests
from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from ij_omero.errors import (
    AttachmentNotFoundError,
    ImageNotFoundError,
    InvalidInputError,
    ReadError,
    UnsupportedPixelTypeError,
    WriteError,
)
from ij_omero.model import (
    AffineTransform,
    Channel,
    Column,
    ColumnKind,
    Ellipse,
    ImageDescription,
    ImageId,
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
    Roi,
    Table,
    parse_address,
)

from ._contracts import ImageStore, PixelSink, PixelSource
from ._optional_contracts import UndecodedReads
from ._reading import read_array, write_array, write_order

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["ImageStoreConformance", "PixelSinkConformance", "PixelSourceConformance", "example_pixels"]


def example_pixels(description: ImageDescription, seed: int = 0) -> npt.NDArray[Any]:
    """Return (T, C, Z, Y, X) pixels that use the whole range of the type; the same for the same seed.

    Floats are finite, complex numbers have both parts.
    """
    generator = np.random.default_rng(seed)
    dtype, shape = description.pixel_type.dtype, description.shape
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.name)
        return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    real = generator.normal(0, 1e4, shape)
    if dtype.kind == "c":
        return np.asarray(real + 1j * generator.normal(0, 1e4, shape)).astype(dtype)
    return real.astype(dtype)


class PixelSourceConformance:
    """What every `PixelSource` does."""

    @pytest.fixture
    def source(self) -> PixelSource:
        """Give the source to test: best with several planes, more than one tile, and odd sizes."""
        raise pytest.UsageError("override the fixture `source`")

    @pytest.fixture
    def pixels(self) -> npt.NDArray[Any]:
        """Give the (T, C, Z, Y, X) pixels that the source holds."""
        raise pytest.UsageError("override the fixture `pixels`")

    def test_source_is_a_pixel_source(self, source: PixelSource) -> None:
        """The protocol's members are there."""
        assert isinstance(source, PixelSource)
        assert source.hints.parallel >= 1
        assert source.hints.request_bytes >= 1

    def test_levels_start_at_full_size_and_shrink(self, source: PixelSource) -> None:
        """Level 0 is full size, and every further level is smaller."""
        levels, description = source.levels, source.description
        assert (levels[0].width, levels[0].height) == (description.size_x, description.size_y)
        assert [level.index for level in levels] == list(range(len(levels)))
        for larger, smaller in itertools.pairwise(levels):
            assert (smaller.width, smaller.height) <= (larger.width, larger.height)
            assert smaller.width * smaller.height < larger.width * larger.height
        for level in levels:
            assert level.tile_width >= 1
            assert level.tile_height >= 1

    def test_whole_image(self, source: PixelSource, pixels: npt.NDArray[Any]) -> None:
        """All planes read whole are the image, in native byte order."""
        found = read_array(source)
        assert found.shape == pixels.shape == source.description.shape
        assert found.dtype == pixels.dtype == source.description.pixel_type.dtype
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, pixels)

    def test_any_region(self, source: PixelSource, pixels: npt.NDArray[Any]) -> None:
        """Rectangles within, on and across tile borders, down to one pixel."""
        for plane, region in _some_regions(source):
            found = source.read(plane, region)
            assert found.shape == region.shape
            np.testing.assert_array_equal(found, _cut(pixels, plane, region))
            if isinstance(source, UndecodedReads):
                np.testing.assert_array_equal(source.read_undecoded(plane, region), found)

    def test_reading_into_an_array(self, source: PixelSource, pixels: npt.NDArray[Any]) -> None:
        """``out`` is filled and returned, also where it is a strided view; nothing beside it is touched."""
        for plane, region in _some_regions(source)[:4]:
            expected = _cut(pixels, plane, region)
            plain = np.zeros(region.shape, pixels.dtype)
            assert source.read(plane, region, out=plain) is plain
            np.testing.assert_array_equal(plain, expected)
            frame = np.zeros((region.height * 2 + 2, region.width * 2 + 2), pixels.dtype)
            view = frame[1:-1:2, 1:-1:2]
            source.read(plane, region, out=view)
            np.testing.assert_array_equal(view, expected)
            view[...] = 0
            assert not frame.any()

    def test_what_was_read_is_the_callers_own(self, source: PixelSource, pixels: npt.NDArray[Any]) -> None:
        """Changing it changes nothing in the source."""
        plane = PlaneIndex(0, 0, 0)
        found = source.read(plane)
        found[...] = 0
        np.testing.assert_array_equal(source.read(plane), pixels[0, 0, 0])

    def test_levels_show_the_image(self, source: PixelSource) -> None:
        """Every level reads whole and by region, and both agree."""
        last = PlaneIndex(*(size - 1 for size in source.description.sizes[2:]))
        for level in source.levels:
            whole = source.read(last, level=level.index)
            assert whole.shape == level.bounds.shape
            half = Region(level.width // 2, level.height // 2, -(-level.width // 2), -(-level.height // 2))
            half = half.intersection(level.bounds) or level.bounds
            part = source.read(last, half, level=level.index)
            np.testing.assert_array_equal(part, whole[half.y :, half.x :])

    def test_requests_outside_the_image_are_refused(self, source: PixelSource) -> None:
        """With InvalidInputError, before anything is read."""
        description = source.description
        width, height = description.size_x, description.size_y
        first = PlaneIndex(0, 0, 0)
        refused: list[dict[str, Any]] = [
            {"plane": PlaneIndex(description.size_z, 0, 0)},
            {"plane": PlaneIndex(0, description.size_c, 0)},
            {"plane": PlaneIndex(0, 0, description.size_t)},
            {"plane": PlaneIndex(-1, 0, 0)},
            {"plane": first, "level": len(source.levels)},
            {"plane": first, "level": -1},
            {"plane": first, "region": Region(0, 0, width + 1, 1)},
            {"plane": first, "region": Region(-1, 0, 1, 1)},
            {"plane": first, "region": Region(0, height, 1, 1)},
            {"plane": first, "region": Region(0, 0, 0, 1)},
            {"plane": first, "out": np.zeros((height + 1, width), description.pixel_type.dtype)},
            {"plane": first, "out": np.zeros((height, width), np.float16)},
        ]
        for request in refused:
            with pytest.raises(InvalidInputError):
                source.read(**request)

    def test_many_threads_at_once(self, source: PixelSource, pixels: npt.NDArray[Any]) -> None:
        """Requests from several threads do not disturb each other."""
        requests = _some_regions(source) * 4
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda request: source.read(*request), requests))
        for (plane, region), found in zip(requests, results, strict=True):
            np.testing.assert_array_equal(found, _cut(pixels, plane, region))

    def test_closed_sources_say_so(self, source: PixelSource) -> None:
        """Closing twice is allowed; reading afterwards is a ReadError."""
        source.close()
        source.close()
        with pytest.raises(ReadError):
            source.read(PlaneIndex(0, 0, 0))


class PixelSinkConformance:
    """What every `PixelSink` does; the fixture ``store`` gives the store that makes them."""

    description: ClassVar[ImageDescription] = ImageDescription(
        "conformance", PixelType.UINT16, 301, 203, 2, 3, 2, channels=(Channel("DAPI"), Channel("GFP"), Channel("ö µ"))
    )
    """What most tests write; make it larger where the store's tiles are larger."""

    @pytest.fixture
    def store(self) -> ImageStore:
        """Give an open store that may be written; what tests create need not be removed."""
        raise pytest.UsageError("override the fixture `store`")

    def test_sink_is_a_pixel_sink(self, store: ImageStore) -> None:
        """The protocol's members are there, and the layout fits into the image."""
        with store.create(self.description) as sink:
            assert isinstance(sink, PixelSink)
            assert sink.description.shape == self.description.shape
            assert 1 <= sink.layout.tile_width
            assert 1 <= sink.layout.tile_height

    def test_written_tiles_become_an_image(self, store: ImageStore) -> None:
        """Pixels come back as they were written, whatever their byte order; the caller may reuse its buffer."""
        pixels = example_pixels(self.description)
        with store.create(self.description) as sink:
            for plane, region in write_order(self.description, sink.layout):
                tile = _cut(pixels, plane, region).astype(pixels.dtype.newbyteorder(">"))
                sink.write(plane, region, tile)
                tile[...] = 0
            image_id = sink.finish()
        np.testing.assert_array_equal(_read(store, image_id), pixels)

    def test_tiles_out_of_order_are_refused(self, store: ImageStore) -> None:
        """With InvalidInputError; the right tile is still taken afterwards."""
        with store.create(self.description) as sink:
            order = list(write_order(self.description, sink.layout))
            (plane, region), last = order[0], order[-1]
            pixels = np.ones(region.shape, self.description.pixel_type.dtype)
            with pytest.raises(InvalidInputError):
                sink.write(*last, np.ones(last[1].shape, pixels.dtype))
            with pytest.raises(InvalidInputError):
                sink.write(plane, region, pixels[:-1])
            with pytest.raises(InvalidInputError):
                sink.write(plane, region, pixels.astype(np.float64))
            sink.write(plane, region, pixels)

    def test_incomplete_images_are_not_finished(self, store: ImageStore) -> None:
        """``finish`` raises WriteError, and nothing of the image stays."""
        before = _ids(store)
        with store.create(self.description) as sink:
            plane, region = next(write_order(self.description, sink.layout))
            sink.write(plane, region, np.ones(region.shape, self.description.pixel_type.dtype))
            with pytest.raises(WriteError):
                sink.finish()
        assert _ids(store) == before

    def test_abandoned_images_leave_nothing(self, store: ImageStore) -> None:
        """Neither by ``abandon`` nor by an error in the ``with`` block; abandoning twice is allowed."""
        before = _ids(store)
        sink = store.create(self.description)
        plane, region = next(write_order(self.description, sink.layout))
        sink.write(plane, region, np.ones(region.shape, self.description.pixel_type.dtype))
        sink.abandon()
        sink.abandon()
        with pytest.raises(ZeroDivisionError), store.create(self.description):
            raise ZeroDivisionError
        assert _ids(store) == before

    def test_images_are_visible_once_they_are_finished(self, store: ImageStore) -> None:
        """Not before; ``abandon`` afterwards does nothing, writing is refused."""
        before = _ids(store)
        pixels = example_pixels(self.description)
        sink = store.create(self.description)
        for plane, region in write_order(self.description, sink.layout):
            sink.write(plane, region, _cut(pixels, plane, region))
        assert _ids(store) == before
        image_id = sink.finish()
        assert _ids(store) == before | {image_id}
        sink.abandon()
        assert _ids(store) == before | {image_id}
        with pytest.raises((WriteError, InvalidInputError)):
            sink.write(plane, region, _cut(pixels, plane, region))


class ImageStoreConformance(PixelSinkConformance, PixelSourceConformance):
    """What every `ImageStore` does, with its sources and sinks."""

    pixel_types: ClassVar[frozenset[PixelType]] = frozenset(PixelType)
    """What the store holds; the others must be refused by UnsupportedPixelTypeError."""

    keeps: ClassVar[frozenset[str]] = frozenset({"description", "physical_size", "channels", "key_values", "tags"})
    """What descriptions keep besides sizes, pixel type and name; also ``acquired``, ``time_increment``, ``source``."""

    dataset: ClassVar[ImageId | None] = None
    """A dataset that images may be created in, where the store has any."""

    @pytest.fixture
    def pixels(self) -> npt.NDArray[Any]:
        """Give pixels for the sources' tests."""
        return example_pixels(self.description)

    @pytest.fixture
    def source(self, store: ImageStore, pixels: npt.NDArray[Any]) -> PixelSource:
        """Write an image and open it."""
        return store.open(write_array(store.create(self.description), pixels))

    def test_store_is_an_image_store(self, store: ImageStore) -> None:
        """The protocol's members are there."""
        assert isinstance(store, ImageStore)

    @pytest.mark.parametrize("pixel_type", list(PixelType))
    def test_pixel_types(self, store: ImageStore, pixel_type: PixelType) -> None:
        """Every type that the store holds comes back exactly; the others are refused."""
        description = ImageDescription(f"pixels {pixel_type.value}", pixel_type, 37, 21, 2, 1, 1)
        if pixel_type not in self.pixel_types:
            with pytest.raises(UnsupportedPixelTypeError):
                store.create(description)
            return
        pixels = example_pixels(description)
        image_id = write_array(store.create(description), pixels)
        found = _read(store, image_id)
        assert store.describe(image_id).pixel_type is pixel_type
        assert found.dtype == pixel_type.dtype
        np.testing.assert_array_equal(found, pixels)

    @pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (1, 70, 1, 1, 2), (513, 1, 1, 2, 1), (65, 63, 3, 1, 1)])
    def test_odd_sizes(self, store: ImageStore, sizes: tuple[int, int, int, int, int]) -> None:
        """One pixel, one row, one column; axes of length 1 stay axes."""
        description = ImageDescription(f"sizes {sizes}", PixelType.UINT8, *sizes)
        pixels = example_pixels(description)
        image_id = write_array(store.create(description), pixels)
        assert store.describe(image_id).sizes == sizes
        np.testing.assert_array_equal(_read(store, image_id), pixels)

    def test_not_a_number_stays(self, store: ImageStore) -> None:
        """Infinities and NaN of floats come back."""
        description = ImageDescription("not a number", PixelType.FLOAT, 3, 1)
        pixels = np.array([np.nan, np.inf, -np.inf], np.float32).reshape(description.shape)
        np.testing.assert_array_equal(_read(store, write_array(store.create(description), pixels)), pixels)

    def test_descriptions_come_back(self, store: ImageStore) -> None:
        """Name, calibration, channels, key-value pairs in their order, tags."""
        given = _described()
        image_id = write_array(store.create(given), example_pixels(given))
        found = store.describe(image_id)
        assert found.image_id == image_id
        assert (found.name, found.sizes, found.pixel_type) == (given.name, given.sizes, given.pixel_type)
        if "description" in self.keeps:
            assert found.description == given.description
        if "physical_size" in self.keeps:
            for axis in "xyz":
                assert getattr(found, f"physical_size_{axis}") == getattr(given, f"physical_size_{axis}")
        if "channels" in self.keeps:
            for ours, theirs in zip(given.channels, found.channels, strict=True):
                assert (theirs.name, theirs.color) == (ours.name, ours.color)
                assert (theirs.excitation, theirs.emission) == (ours.excitation, ours.emission)
        if "key_values" in self.keeps:
            assert found.key_values == given.key_values
        if "tags" in self.keeps:
            assert sorted(found.tags) == sorted(given.tags)
        for name in ("acquired", "time_increment"):
            if name in self.keeps:
                assert getattr(found, name) == getattr(given, name)
        with_source = store.open(image_id)
        assert with_source.description == found
        with_source.close()

    def test_images_are_listed_and_found_by_address(self, store: ImageStore) -> None:
        """With their sizes and types; the address parses to the same image."""
        description = self.description.replace(name="listed ☂")
        image_id = write_array(store.create(description), example_pixels(description))
        found = {summary.image_id: summary for summary in store.list_images()}
        assert found[image_id].name == "listed ☂"
        assert found[image_id].sizes == description.sizes
        assert found[image_id].pixel_type is description.pixel_type
        address = store.address_of(image_id)
        assert address.image_id == image_id
        assert parse_address(str(address)) == address
        assert parse_address(str(store.address)).image_id is None

    def test_datasets_and_sources(self, store: ImageStore) -> None:
        """An image lies in its dataset and knows what it was made from."""
        description = ImageDescription("parent", PixelType.UINT8, 4, 3)
        pixels = example_pixels(description)
        parent = write_array(store.create(description), pixels)
        child = write_array(store.create(description, dataset=self.dataset, source=parent), pixels)
        if self.dataset is not None:
            assert store.describe(child).dataset_id == self.dataset
            listed = {summary.image_id for summary in store.list_images(self.dataset)}
            assert child in listed
            assert parent not in listed
        if "source" in self.keeps:
            assert store.describe(child).source_id == parent

    def test_deleted_images_are_gone(self, store: ImageStore) -> None:
        """With everything of them; their ids are not found."""
        description = ImageDescription("deleted", PixelType.UINT8, 4, 3)
        image_id = write_array(store.create(description), example_pixels(description))
        store.delete(image_id)
        assert image_id not in _ids(store)
        for use in (store.open, store.describe, store.delete):
            with pytest.raises(ImageNotFoundError):
                use(image_id)

    def test_unknown_ids(self, store: ImageStore) -> None:
        """Say that there is no such image, in every method that takes one."""
        unknown = 999_999_999
        for use in (store.open, store.describe, store.delete, store.tables, store.rois):
            with pytest.raises(ImageNotFoundError):
                use(unknown)
        with pytest.raises(ImageNotFoundError):
            store.save_rois(unknown, [Roi((Point(1, 2),))])
        with pytest.raises(ImageNotFoundError):
            store.save_table(unknown, Table.from_dict("t", {"a": [1]}))
        with pytest.raises(ImageNotFoundError):
            store.create(self.description, source=unknown)
        with pytest.raises(AttachmentNotFoundError):
            store.read_table(unknown)

    def test_tables_come_back(self, store: ImageStore) -> None:
        """All kinds of columns, with names, order and rows; an empty table too."""
        image_id = self._small_image(store)
        table = Table(
            "Messung µ",
            (
                Column.of("count", [1, -2, 2**40]),
                Column.of("area", [1.5, float("nan"), -1e300]),
                Column.of("inside", [True, False, True]),
                Column.of("label ö", ["", "ä☂", "long " * 20]),
                Column("centre", np.array([[1.0, 2], [3, 4], [5, 6]]), ColumnKind.DOUBLE_ARRAY),
                Column("image", np.array([image_id] * 3), ColumnKind.IMAGE),
            ),
        )
        empty = Table("empty", (Column.of("a", np.zeros(0, np.int64)),))
        ids = [store.save_table(image_id, each) for each in (table, empty)]
        summaries = {summary.table_id: summary for summary in store.tables(image_id)}
        assert set(summaries) == set(ids)
        assert summaries[ids[0]].name == table.name
        found = store.read_table(ids[0])
        assert found.name == table.name
        assert found.column_names == table.column_names
        for ours, theirs in zip(table.columns, found.columns, strict=True):
            assert theirs.kind is ours.kind
            np.testing.assert_array_equal(theirs.values, ours.values)
        assert store.read_table(ids[1]).row_count == 0

    def test_rois_come_back(self, store: ImageStore) -> None:
        """All shapes with positions, text and colours; ids are given, in order, and more can be added."""
        image_id = self._small_image(store)
        red, blue = (255, 0, 0, 255), (0, 0, 255, 128)
        bits = np.zeros((5, 11), bool)
        bits[1:4, 2:9] = True
        shapes = (
            Rectangle(1, 2, 30.5, 4, z=0, c=0, t=0, text="box", stroke_color=red, fill_color=blue, stroke_width=2),
            Ellipse(10, 11, 4.25, 3, transform=AffineTransform(0, -1, 20, 1, 0, 0)),
            Line(0, 0, 5.5, 6),
            Point(3, 4, z=1),
            Polygon(((0, 0), (10, 0), (5, 7.5))),
            Polyline(((0, 0), (10, 0), (5, 7.5))),
            Label(1, 1, text="ä note"),
            Mask(2, 3, bits),
        )
        rois = [Roi(shapes, "all shapes"), Roi((Point(0.5, 0.5),), "one", "a description")]
        ids = store.save_rois(image_id, rois)
        assert len(set(ids)) == 2
        found = {roi.roi_id: roi for roi in store.rois(image_id)}
        assert set(found) == set(ids)
        for roi_id, roi in zip(ids, rois, strict=True):
            assert found[roi_id].name == roi.name
            assert set(found[roi_id].shapes) == set(roi.shapes)
        more = store.save_rois(image_id, [Roi((Point(1, 1),))])
        assert {roi.roi_id for roi in store.rois(image_id)} == {*ids, *more}

    def test_closing_closes_the_sources(self, store: ImageStore, source: PixelSource) -> None:
        """Twice is allowed."""
        store.close()
        store.close()
        with pytest.raises(ReadError):
            source.read(PlaneIndex(0, 0, 0))

    def _small_image(self, store: ImageStore) -> ImageId:
        description = ImageDescription("small", PixelType.UINT8, 40, 30, 2)
        return write_array(store.create(description), example_pixels(description))


def _described() -> ImageDescription:
    import datetime

    return ImageDescription(
        'a name with "quotes", ä and / ☂',
        PixelType.UINT8,
        12,
        7,
        2,
        2,
        1,
        description="two\nlines",
        physical_size_x=Quantity(0.25, "µm"),
        physical_size_y=Quantity(250, "nm"),
        physical_size_z=Quantity(1.5, "µm"),
        time_increment=Quantity(2, "s"),
        channels=(
            Channel("DAPI", (0, 0, 255, 255), Quantity(405, "nm"), Quantity(450, "nm"), (0.0, 200.0)),
            Channel("GFP", (0, 255, 0, 255), Quantity(488, "nm"), Quantity(520, "nm"), (10.0, 100.0)),
        ),
        key_values=(KeyValue("stain", "H&E"), KeyValue("a", "1"), KeyValue("stain", "DAPI"), KeyValue("leer", "")),
        tags=("good", "schön"),
        acquired=datetime.datetime(2024, 5, 17, 13, 45, 12, tzinfo=datetime.timezone.utc),
    )


def _cut(pixels: npt.NDArray[Any], plane: PlaneIndex, region: Region) -> npt.NDArray[Any]:
    rows, columns = slice(region.y, region.y + region.height), slice(region.x, region.x + region.width)
    return pixels[plane.t, plane.c, plane.z, rows, columns]


def _some_regions(source: PixelSource) -> list[tuple[PlaneIndex, Region]]:
    """Return a dozen rectangles: corners, one pixel, across a tile's border, and some drawn with a fixed seed."""
    description, level = source.description, source.levels[0]
    width, height = description.size_x, description.size_y
    x, y = min(level.tile_width, width) // 2, min(level.tile_height, height) // 2
    regions = [
        level.bounds,
        Region(0, 0, 1, 1),
        Region(width - 1, height - 1, 1, 1),
        Region(x, y, width - x, height - y),
        Region(0, height // 2, width, 1),
        Region(width // 2, 0, 1, height),
    ]
    generator = np.random.default_rng(1)
    for _ in range(6):
        left, top = int(generator.integers(width)), int(generator.integers(height))
        size = (int(generator.integers(1, width - left + 1)), int(generator.integers(1, height - top + 1)))
        regions.append(Region(left, top, *size))
    planes = description.plane_indices()
    return [(planes[(7 * index) % len(planes)], region) for index, region in enumerate(regions)]


def _ids(store: ImageStore) -> set[ImageId]:
    return {summary.image_id for summary in store.list_images()}


def _read(store: ImageStore, image_id: ImageId) -> npt.NDArray[Any]:
    source = store.open(image_id)
    try:
        return read_array(source)
    finally:
        source.close()
