"""What the plain descriptions promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ij_omero.errors import AddressError, InvalidInputError, UnsupportedPixelTypeError
from ij_omero.model import (
    Channel,
    Column,
    ColumnKind,
    ImageDescription,
    Mask,
    PixelType,
    PlaneIndex,
    Quantity,
    Region,
    Roi,
    Table,
    parse_address,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("omero://host/image/42", {"host": "host", "port": 4064, "image_id": 42, "user": None}),
        ("OMERO://ana@Host.Example.org:4065/Image/7/", {"host": "host.example.org", "port": 4065, "user": "ana"}),
        ("omero://[::1]:4064/image/1", {"host": "::1", "image_id": 1}),
        ("omero://host", {"host": "host", "image_id": None}),
        ("omero:server=h&user=a%26b&imageID=3&pixelsID=9", {"host": "h", "user": "a&b", "image_id": 3, "pixels_id": 9}),
        ("omero:server=h&encrypted=false", {"port": 4063, "encrypted": False}),
        ("omero:imageID=3.omero", {"host": None, "image_id": 3}),
        ("omero:server=h&password=p%40w&sessionID=abc", {"password": "p@w", "session_id": "abc"}),
        ("/data/3.ome.zarr", {"scheme": "file", "image_id": 3, "path": Path("/data/3.ome.zarr")}),
        ("/data/photo.ome.zarr", {"scheme": "file", "image_id": "photo.ome.zarr"}),
        ("/data/series.zarr/0", {"scheme": "file", "image_id": "0"}),
        ("/data/images", {"scheme": "file", "image_id": None}),
        ("file:///data/a%20b.zarr", {"path": Path("/data/a b.zarr")}),
        ("memory://name/image/1", {"scheme": "memory", "host": "name", "image_id": 1}),
        ("dvid://host:8000/1a2b/grayscale", {"scheme": "dvid", "image_id": "1a2b/grayscale"}),
    ],
)
def test_addresses(text: str, expected: dict[str, object]) -> None:
    address = parse_address(text)
    assert {key: getattr(address, key) for key in expected} == expected
    assert parse_address(str(address)) == address
    assert parse_address(address) is address


def test_what_is_no_text_is_no_address() -> None:
    with pytest.raises(AddressError, match="NoneType is no image address"):
        parse_address(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("omero://", "host"),
        ("omero://ho st/image/1", "host"),
        ("omero://host:70000/image/1", "port"),
        ("omero://host/image/0", "above 0"),
        ("omero://host/image/-1", "above 0"),
        ("omero://host/dataset/1", "does not name an image"),
        ("omero:host=h", "unknown part"),
        ("ftp://host/1", "unknown kind"),
        ("file://elsewhere/data", "host"),
        ("file:", "no path"),
        ("dvid://host/abc", "UUID/INSTANCE"),
        ("memory:name", "//"),
        ("a\0b", "NUL"),
    ],
)
def test_what_is_no_address_is_told(text: str, says: str) -> None:
    with pytest.raises(AddressError, match=says):
        parse_address(text)


def test_a_description_checks_itself() -> None:
    with pytest.raises(InvalidInputError, match="whole number"):
        ImageDescription("a", PixelType.UINT8, 1.5, 1)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="size Z"):
        ImageDescription("a", PixelType.UINT8, 1, 1, 0)
    with pytest.raises(InvalidInputError, match=r"physical_size_x .*Quantity"):
        ImageDescription("a", PixelType.UINT8, 4, 4, physical_size_x=0.2)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="2 channels but 1"):
        ImageDescription("a", PixelType.UINT8, 1, 1, size_c=2, channels=(Channel(),))
    description = ImageDescription("a", PixelType.UINT16, 3, 4, 5, 6, 7)
    assert len(description.channels) == 6
    assert description.shape == (7, 6, 5, 4, 3)
    assert description.nbytes == 3 * 4 * 5 * 6 * 7 * 2
    assert description.plane_indices()[:3] == [PlaneIndex(0, 0, 0), PlaneIndex(1, 0, 0), PlaneIndex(2, 0, 0)]
    assert len(description.replace(size_c=2).channels) == 2


def test_pixel_types() -> None:
    for pixel_type in PixelType:
        assert PixelType.of(pixel_type.dtype) is pixel_type
        assert PixelType.of(pixel_type.dtype.newbyteorder(">")) is pixel_type
        assert PixelType.named(pixel_type.value) is pixel_type
    with pytest.raises(UnsupportedPixelTypeError, match="float16"):
        PixelType.of(np.float16)
    with pytest.raises(UnsupportedPixelTypeError, match="unknown pixel type"):
        PixelType.named("uint12")


def test_units() -> None:
    assert Quantity(1, "micron").unit == "µm"
    assert Quantity(1, "μm").unit == "µm", "the Greek letter and the micro sign are one"
    assert Quantity(250, "nm").to("µm") == 0.25
    assert str(Quantity(0.25, "MICROMETER")) == "0.25 µm"


def test_regions() -> None:
    assert Region(0, 0, 10, 10).intersection(Region(5, 6, 10, 10)) == Region(5, 6, 5, 4)
    assert Region(0, 0, 5, 5).intersection(Region(5, 0, 5, 5)) is None
    assert Region(0, 0, 5, 5).contains(Region(1, 1, 4, 4))
    assert not Region(0, 0, 5, 5).contains(Region(1, 1, 5, 4))


def test_tables_check_themselves() -> None:
    with pytest.raises(InvalidInputError, match="differ in length"):
        Table.from_dict("t", {"a": [1], "b": [1, 2]})
    with pytest.raises(InvalidInputError, match="two columns of one name"):
        Table("t", (Column.of("a", [1]), Column.of("a", [2])))
    with pytest.raises(InvalidInputError, match="no column 'c'"):
        Table.from_dict("t", {"a": [1]})["c"]
    table = Table.from_dict(
        "t", {"a": [1, 2], "b": [0.5, 1], "c": ["x", "y"], "d": [True, False], "e": [[1, 2], [3, 4]]}
    )
    kinds = [column.kind for column in table.columns]
    assert kinds == [ColumnKind.LONG, ColumnKind.DOUBLE, ColumnKind.STRING, ColumnKind.BOOL, ColumnKind.LONG_ARRAY]
    assert next(iter(table.rows())) == (1, 0.5, "x", True, [1, 2])
    assert Table.from_pandas("t", table.to_pandas()[["a", "b", "c", "d"]]).column_names == ("a", "b", "c", "d")


def test_masks_compare_by_what_they_show() -> None:
    bits = np.eye(3, dtype=bool)
    assert Mask(1, 2, bits, shape_id=5) == Mask(1, 2, bits.copy())
    assert Mask(1, 2, bits) != Mask(1, 2, ~bits)
    assert Mask(1, 2, bits, stroke_width=2) != Mask(1, 2, bits)
    assert Roi((Mask(1, 2, bits),), roi_id=4) == Roi((Mask(1, 2, bits, shape_id=5),))
    with pytest.raises(InvalidInputError, match="2-D"):
        Mask(0, 0, np.zeros(3, bool))


def test_missing_values_are_no_texts() -> None:
    table = Table.from_dict(
        "gaps", {"n": [1, None, 3], "x": [0.5, np.nan, None], "s": ["a", None, float("nan")], "none": [None] * 3}
    )
    np.testing.assert_array_equal(table["n"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(table["x"], [0.5, np.nan, np.nan])
    assert table["s"].tolist() == ["a", "", ""]
    assert table["none"].tolist() == [""] * 3


def test_missing_values_of_pandas_are_no_texts() -> None:
    import pandas

    frame = pandas.DataFrame({"n": pandas.array([1, None], "Int64"), "s": pandas.array(["a", None], "string")})
    table = Table.from_pandas("gaps", frame)
    np.testing.assert_array_equal(table["n"], [1.0, np.nan])
    assert table["s"].tolist() == ["a", ""]
