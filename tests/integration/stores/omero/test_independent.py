"""What this store writes, read by plain omero-py; and what plain omero-py writes, read by this store."""

from __future__ import annotations

import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from ij_omero.model import (
    AffineTransform,
    Channel,
    ChannelRendering,
    Column,
    ColumnKind,
    ImageDescription,
    KeyValue,
    Label,
    Mask,
    PixelType,
    PlaneIndex,
    Point,
    Polygon,
    Quantity,
    Rectangle,
    Region,
    RenderingSettings,
    Roi,
    Table,
)
from ij_omero.pixels import read_array, write_array
from ij_omero.pixels.conformance import example_pixels

if TYPE_CHECKING:
    from ij_omero.stores import OmeroStore
    from tests._omero import OmeroUser

STORED = [kind for kind in PixelType if not kind.is_complex]


def raw_planes(gateway: Any, image_id: int, dtype: Any) -> Any:
    """All pixels (T, C, Z, Y, X) through the server's own RawPixelsStore."""
    pixels = gateway.getObject("Image", image_id).getPrimaryPixels()
    shape = tuple(getattr(pixels, f"getSize{axis}")() for axis in "TCZYX")
    found = np.empty(shape, dtype)
    raw = gateway.c.sf.createRawPixelsStore()
    try:
        raw.setPixelsId(pixels.getId(), False)
        for t, c, z in np.ndindex(*shape[:3]):
            found[t, c, z] = np.frombuffer(raw.getPlane(z, c, t), dtype.newbyteorder(">")).reshape(shape[3:])
    finally:
        raw.close()
    return found


@pytest.mark.parametrize("kind", STORED)
def test_others_read_the_pixels_that_were_written(store: OmeroStore, user: OmeroUser, kind: PixelType) -> None:
    description = ImageDescription(kind.value, kind, 13, 7, 2, 3, 2)
    pixels = example_pixels(description)
    image_id = write_array(store.create(description), pixels)
    with user.gateway() as gateway:
        if kind is PixelType.BIT:
            np.testing.assert_array_equal(raw_planes(gateway, image_id, np.dtype(np.uint8)), pixels * 255)
        else:
            np.testing.assert_array_equal(raw_planes(gateway, image_id, kind.dtype), pixels)
            assert gateway.getObject("Image", image_id).getPixelsType() == kind.value


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_pixels_of_others_are_read(store: OmeroStore, user: OmeroUser, dtype: str) -> None:
    planes = [(np.arange(35).reshape(5, 7) * (plane + 1) % 120).astype(dtype) for plane in range(12)]
    with user.gateway() as gateway:
        image_id = gateway.createImageFromNumpySeq(iter(planes), "theirs", 2, 3, 2).getId()
    source = store.open(image_id)
    # createImageFromNumpySeq takes planes in the order z, c, t, with t fastest.
    for number, plane in enumerate(planes):
        z, c, t = number // 6, number // 2 % 3, number % 2
        np.testing.assert_array_equal(source.read(PlaneIndex(z, c, t)), plane)
    assert source.read(PlaneIndex(1, 2, 1), Region(3, 2, 4, 3)).tolist() == planes[11][2:5, 3:7].tolist()


def test_others_see_everything_that_belongs_to_an_image(store: OmeroStore, user: OmeroUser) -> None:
    import omero

    source_id = write_array(
        store.create(ImageDescription("source", PixelType.UINT8, 4, 4)), np.zeros((1, 1, 1, 4, 4), "u1")
    )
    description = ImageDescription(
        "everything ☂",
        PixelType.UINT16,
        40,
        30,
        3,
        2,
        2,
        "what it is",
        Quantity(0.25, "µm"),
        Quantity(250, "nm"),
        Quantity(1, "in"),
        Quantity(3, "min"),
        (
            Channel("DAPI", (0, 0, 255, 255), Quantity(405, "nm"), Quantity(450, "nm"), (10.0, 500.0)),
            Channel("GFP", (0, 255, 0, 255), None, None, (0.0, 900.0), active=False),
        ),
        (KeyValue("a", "1"), KeyValue("b", "2"), KeyValue("a", "3")),
        ("tagged",),
        datetime.datetime(2024, 5, 17, 13, 45, 12, tzinfo=datetime.timezone.utc),
    )
    pixels = np.random.default_rng(0).integers(5, 1000, description.shape).astype("u2")
    dataset = store.find_or_create_dataset("results")
    image_id = write_array(store.create(description, dataset=dataset, source=source_id), pixels)
    assert store.find_or_create_dataset("results") == dataset
    with user.gateway() as gateway:
        image = gateway.getObject("Image", image_id)
        assert (image.getName(), image.getDescription()) == ("everything ☂", "what it is")
        stored = image.getPrimaryPixels()._obj
        lengths = [getattr(stored, f"getPhysicalSize{axis}")() for axis in "XYZ"]
        assert [(x.getValue(), str(x.getUnit())) for x in lengths] == [
            (0.25, "MICROMETER"),
            (250, "NANOMETER"),
            (1, "INCH"),
        ]
        assert (stored.getTimeIncrement().getValue(), str(stored.getTimeIncrement().getUnit())) == (3, "MINUTE")
        first, second = image.getChannels()
        assert (first.getLabel(), second.getLabel()) == ("DAPI", "GFP")
        assert first.getColor().getRGB() == (0, 0, 255)
        assert (first.getWindowStart(), first.getWindowEnd()) == (10, 500)
        assert (first.getWindowMin(), first.getWindowMax()) == (pixels[:, 0].min(), pixels[:, 0].max())
        assert (first.getExcitationWave(), first.getEmissionWave()) == (405, 450)
        assert (first.isActive(), second.isActive()) == (True, False)
        assert image.getParent().getId() == dataset
        assert image.getAcquisitionDate() is not None
        values = [a.getValue() for a in image.listAnnotations() if a.OMERO_TYPE.__name__ == "MapAnnotationI"]
        assert [("a", "1"), ("b", "2"), ("a", "3")] in [[tuple(pair) for pair in value] for value in values]
        assert [("source image", str(source_id))] in [[tuple(pair) for pair in value] for value in values]
        assert [a.getValue() for a in image.listAnnotations() if a.OMERO_TYPE.__name__ == "TagAnnotationI"] == [
            "tagged"
        ]
        link = omero.model.ProjectDatasetLinkI()
        link.parent, link.child = omero.model.ProjectI(), omero.model.DatasetI(dataset, False)
        link.parent.name = omero.rtypes.rstring("study")
        gateway.getUpdateService().saveObject(link)
        thumbnail = np.asarray(Image.open(BytesIO(image.getThumbnail((64, 64)))))
        assert thumbnail.max() > 60, "the thumbnail is black"
    found = store.describe(image_id)
    assert found.source_id == source_id
    assert (found.dataset_id, found.dataset_name, found.project_name) == (dataset, "results", "study")


def test_rendering_settings_both_ways(store: OmeroStore, user: OmeroUser) -> None:
    rendering = RenderingSettings(
        (
            ChannelRendering((5, 100), (255, 128, 0, 255), True, None, "exponential", 0.5, True),
            ChannelRendering((0, 50), (0, 255, 255, 200), False, "cool.lut", "linear", 1.0, False),
        ),
        "greyscale",
        1,
        2,
    )
    description = ImageDescription("rendered", PixelType.UINT8, 20, 10, 2, 2, 3, rendering=rendering)
    image_id = write_array(store.create(description), example_pixels(description))
    assert store.describe(image_id).rendering == rendering
    with user.gateway() as gateway:
        image = gateway.getObject("Image", image_id)
        assert image.isGreyscaleRenderingModel()
        assert (image.getDefaultZ(), image.getDefaultT()) == (1, 2)
        assert image.getChannels()[0].isInverted()
        image.setColorRenderingModel()
        image.set_active_channels([1, 2], [[7, 70], [8, 80]], ["FF0000", "00FF00"])
        image.saveDefaults()
    changed = store.describe(image_id)
    assert changed.rendering is not None
    assert changed.rendering.model == "rgb"
    assert [channel.window for channel in changed.channels] == [(7, 70), (8, 80)]
    assert [channel.color for channel in changed.channels] == [(255, 0, 0, 255), (0, 255, 0, 255)]


def test_key_values_are_those_of_the_image_not_of_its_pixels(store: OmeroStore, user: OmeroUser) -> None:
    # Image and pixels ids differ as soon as one image was deleted in between on another group; here both are given.
    first = write_array(store.create(ImageDescription("a", PixelType.UINT8, 2, 2)), np.zeros((1, 1, 1, 2, 2), "u1"))
    with user.gateway() as gateway:
        from omero.gateway import MapAnnotationWrapper

        for pairs in ([["k", "1"], ["k", "2"]], [["z", ""], ["k", "1"]]):
            annotation = MapAnnotationWrapper(gateway)
            annotation.setValue(pairs)
            annotation.save()
            gateway.getObject("Image", first).linkAnnotation(annotation)
    assert store.describe(first).key_values == (("k", "1"), ("k", "2"), ("z", ""), ("k", "1"))


def test_more_than_one_pixels_of_an_image(store: OmeroStore, user: OmeroUser) -> None:
    description = ImageDescription("two", PixelType.UINT8, 4, 3)
    image_id = write_array(store.create(description), example_pixels(description))
    with user.gateway() as gateway:
        service = gateway.c.sf.getPixelsService()
        first = gateway.getObject("Image", image_id).getPrimaryPixels().getId()
        second = service.copyAndResizePixels(first, None, None, None, None, [0], "copy", True).val
    assert store.describe(image_id).pixels_id == first
    assert store.describe(image_id, pixels_id=second).pixels_id == second


def test_tables_both_ways(store: OmeroStore, user: OmeroUser) -> None:
    import omero.grid

    image_id = write_array(store.create(ImageDescription("t", PixelType.UINT8, 2, 2)), np.zeros((1, 1, 1, 2, 2), "u1"))
    mask = Mask(1, 2, np.eye(5, 7, dtype=bool), z=1)
    masks = np.empty(2, object)
    masks[:] = [mask, mask]
    table = Table(
        "Results.csv",
        (
            Column("Area", np.array([1.5, np.nan]), ColumnKind.DOUBLE, "in µm²"),
            Column("n", np.array([1, 2**40]), ColumnKind.LONG),
            Column("ok", np.array([True, False]), ColumnKind.BOOL),
            Column("label", np.array(["ä☂", ""], object), ColumnKind.STRING),
            Column("l", np.array([[1, 2], [3, 4]]), ColumnKind.LONG_ARRAY),
            Column("f", np.array([[0.5], [1.5]], "f4"), ColumnKind.FLOAT_ARRAY),
            Column("d", np.array([[0.5, 1], [1.5, 2]]), ColumnKind.DOUBLE_ARRAY),
            *(Column(k.value, np.array([image_id, 0]), k) for k in ColumnKind if k.is_reference),
            Column("mask", masks, ColumnKind.MASK),
        ),
    )
    table_id = store.save_table(image_id, table)
    with user.gateway() as gateway:
        opened = gateway.c.sf.sharedResources().openTable(gateway.getObject("OriginalFile", table_id)._obj)
        headers = {header.name: header for header in opened.getHeaders()}
        assert headers["Area"].description == "in um2"
        assert isinstance(headers["roi"], omero.grid.RoiColumn)
        data = {column.name: column for column in opened.readCoordinates([0, 1]).columns}
        opened.close()
        assert data["label"].values == ["ä☂", ""]
        assert data["n"].values == [1, 2**40]
        assert data["l"].values == [[1, 2], [3, 4]]
        files = [a.getFile().getName() for a in gateway.getObject("Image", image_id).listAnnotations()]
        assert files == ["Results.csv"]
    found = store.read_table(table_id)
    assert [(c.name, c.kind, c.description) for c in found.columns] == [
        (c.name, c.kind, c.description) for c in table.columns
    ]
    for ours, theirs in zip(table.columns, found.columns, strict=True):
        np.testing.assert_array_equal(theirs.values, ours.values)


def test_parts_of_a_large_table(store: OmeroStore) -> None:
    image_id = write_array(store.create(ImageDescription("t", PixelType.UINT8, 2, 2)), np.zeros((1, 1, 1, 2, 2), "u1"))
    count = 300_000
    table_id = store.save_table(image_id, Table.from_dict("t", {"a": np.arange(count), "b": np.arange(count) / 2}))
    (summary,) = store.tables(image_id)
    assert (summary.table_id, summary.row_count, summary.column_names) == (table_id, count, ("a", "b"))
    np.testing.assert_array_equal(store.read_table(table_id)["a"], np.arange(count))
    part = store.read_table(table_id, columns=["b"], rows=range(1000, 200_000))
    assert part.column_names == ("b",)
    np.testing.assert_array_equal(part["b"], np.arange(1000, 200_000) / 2)
    chosen = store.read_table(table_id, condition="(a >= 10) & (b < 7)")
    assert chosen["a"].tolist() == [10, 11, 12, 13]


def test_rois_both_ways(store: OmeroStore, user: OmeroUser) -> None:
    import omero.model
    from omero.rtypes import rdouble, rint, rstring

    image_id = write_array(
        store.create(ImageDescription("r", PixelType.UINT8, 20, 20)), np.zeros((1, 1, 1, 20, 20), "u1")
    )
    bits = np.zeros((3, 5), bool)
    bits[2, 4] = bits[0, 0] = True
    shapes = (
        Rectangle(1, 2, 3, 4, z=0, t=2, stroke_color=(255, 0, 0, 255), stroke_width=2.0, text="box"),
        Mask(2, 3, bits),
        Polygon(((0.5, 1), (2, 3), (4, 5)), transform=AffineTransform(1, 2, 3, 4, 5, 6)),
        Label(1, 1, text="words", font_size=12),
    )
    (roi_id,) = store.save_rois(image_id, [Roi(shapes, "name", "why")])
    with user.gateway() as gateway:
        (roi,) = gateway.c.sf.getRoiService().findByImage(image_id, None).rois
        box, mask, polygon, label = roi.copyShapes()
        assert (box.theZ.val, box.theC, box.theT.val) == (0, None, 2)
        assert box.strokeColor.val == -16776961
        assert bytes(mask.getBytes()) == bytes([0b10000000, 0b00000010])
        assert (mask.width.val, mask.height.val) == (5, 3)
        assert polygon.points.val == "0.5,1.0 2.0,3.0 4.0,5.0"
        assert polygon.transform.a12.val == 6
        assert label.textValue.val == "words"
        theirs = omero.model.RoiI()
        theirs.image = omero.model.ImageI(image_id, False)
        point = omero.model.PointI()
        point.x, point.y, point.theZ = rdouble(1), rdouble(2), rint(-1)
        ellipse = omero.model.EllipseI()
        ellipse.x = ellipse.y = ellipse.radiusX = ellipse.radiusY = rdouble(3)
        line = omero.model.PolylineI()
        line.points = rstring("points[1,2 3,4] points1[1,2 3,4] points2[1,2 3,4] mask[0,0]")
        for shape in (point, ellipse, line):
            theirs.addShape(shape)
        gateway.getUpdateService().saveObject(theirs)
    ours, others = store.rois(image_id)
    assert ours.shapes == shapes
    assert others.shapes[0] == Point(1, 2)
    assert others.shapes[2].points == ((1, 2), (3, 4))  # type: ignore[union-attr]
    # In place: ids stay, what was left out goes, what has no id is new.
    changed = Roi((ours.shapes[1], Point(9, 9)), "renamed", roi_id=roi_id)
    assert store.update_rois(image_id, [changed]) == [roi_id]
    again = {roi.roi_id: roi for roi in store.rois(image_id)}[roi_id]
    assert again.name == "renamed"
    assert again.shapes == (Mask(2, 3, bits), Point(9, 9))
    assert again.shapes[0].shape_id == ours.shapes[1].shape_id
    store.delete_rois([roi_id])
    assert [roi.roi_id for roi in store.rois(image_id)] == [others.roi_id]


def test_floats_above_the_plane_limit_are_written_in_whole_rows(store: OmeroStore) -> None:
    description = ImageDescription("large floats", PixelType.FLOAT, 3300, 3200)
    pixels = np.arange(3300 * 3200, dtype="f4").reshape(description.shape)
    image_id = write_array(store.create(description), pixels)
    source = store.open(image_id)
    np.testing.assert_array_equal(read_array(source), pixels)
    assert len(source.levels) == 1


def test_planes_of_more_bytes_than_a_message_may_have(store: OmeroStore) -> None:
    description = ImageDescription("just below the plane limit", PixelType.DOUBLE, 3192, 3192)
    row = np.arange(3192, dtype=np.float64)
    pixels = (row[:, None] * 4000 + row).reshape(description.shape)
    source = store.open(write_array(store.create(description), pixels))
    assert np.array_equal(source.read(PlaneIndex(0, 0, 0)), pixels[0, 0, 0])
