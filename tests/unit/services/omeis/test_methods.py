"""Every method of OMEIS, called as its documentation says, over a local store."""
# ruff: noqa: E501  the words of the original are longer than a line

from __future__ import annotations

import base64
import bz2
import hashlib
import io
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from ij_omero.model import ImageDescription, PixelType, PlaneIndex
from ij_omero.pixels import write_array
from ij_omero.services.omeis import MethodFailure, Omeis, Parameters, Repository
from ij_omero.stores import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    store = LocalStore(tmp_path / "images")
    yield store
    store.close()


@pytest.fixture
def omeis(store: LocalStore, tmp_path: Path) -> Iterator[Omeis]:
    omeis = Omeis(store, Repository(tmp_path / "omeis"))
    yield omeis
    omeis.close()


class Caller:
    def __init__(self, omeis: Omeis) -> None:
        self._omeis = omeis

    def bytes(self, method: str, content: bytes | None = None, *, local: bool = True, **given: object) -> bytes:
        binary = None if content is None else io.BytesIO(content)
        parameters = Parameters([("Method", method), *((name, str(value)) for name, value in given.items())], binary)
        answer = self._omeis.call(parameters, is_local=local)
        self.headers, self.media_type = answer.headers, answer.media_type
        if isinstance(answer.body, bytes):
            return answer.body
        body = b"".join(answer.body)
        assert answer.length in (None, len(body))
        return body

    def text(self, method: str, content: bytes | None = None, **given: object) -> str:
        text = self.bytes(method, content, **given).decode()
        assert self.media_type == "text/plain"
        assert text.endswith("\n")
        return text[:-1]

    def command_fails(self, method: str, **given: object) -> str:
        parameters = Parameters([("Method", method), *((name, str(value)) for name, value in given.items())])
        with pytest.raises(MethodFailure) as caught:
            self._omeis.call(parameters, is_local=True, is_command=True)
        return str(caught.value)

    def fails(self, method: str, content: bytes | None = None, *, local: bool = True, **given: object) -> str:
        with pytest.raises(MethodFailure) as caught:
            self.bytes(method, content, local=local, **given)
        return str(caught.value)


@pytest.fixture
def call(omeis: Omeis) -> Caller:
    return Caller(omeis)


def example(dtype: str = "uint16", shape: tuple[int, ...] = (2, 2, 3, 5, 7)) -> np.ndarray:
    """(T, C, Z, Y, X)."""
    generator = np.random.default_rng(1)
    if np.dtype(dtype).kind == "f":
        return generator.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def written(call: Caller, pixels: np.ndarray) -> str:
    """Write pixels whole and return the id under which they are read."""
    t, c, z, y, x = pixels.shape
    kind = {"IsSigned": int(pixels.dtype.kind == "i"), "IsFloat": 1} if pixels.dtype.kind == "f" else {}
    kind = {"IsFloat": 1} if pixels.dtype.kind == "f" else {"IsSigned": int(pixels.dtype.kind == "i")}
    pixels_id = call.text("NewPixels", Dims=f"{x},{y},{z},{c},{t},{pixels.itemsize}", **kind)
    big = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    assert call.text("SetPixels", big, PixelsID=pixels_id) == str(pixels.size)
    return call.text("FinishPixels", PixelsID=pixels_id)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
def test_pixels_come_back_in_both_byte_orders_and_are_an_image_of_the_store(
    call: Caller, store: LocalStore, dtype: str
) -> None:
    pixels = example(dtype)
    pixels_id = written(call, pixels)
    for big, order in ((1, ">"), (0, "<")):
        raw = call.bytes("GetPixels", PixelsID=pixels_id, BigEndian=big)
        assert raw == pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    assert call.media_type == "application/octet-stream"
    source = store.open(int(pixels_id))
    np.testing.assert_array_equal(source.read(PlaneIndex(z=2, c=1, t=1)), pixels[1, 1, 2])
    source.close()
    sha1 = hashlib.sha1(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()).hexdigest()  # noqa: S324
    signed, is_float = int(pixels.dtype.kind in "if"), int(pixels.dtype.kind == "f")
    assert call.text("PixelsInfo", PixelsID=pixels_id) == (
        f"Dims=7,5,3,2,2,{pixels.itemsize}\nFinished=1\nSigned={signed}\nFloat={is_float}\nSHA1={sha1}"
    )
    assert call.text("PixelsSHA1", PixelsID=pixels_id) == sha1
    assert call.text("FindPixels", SHA1=sha1) == pixels_id


def test_an_image_that_was_in_the_store_is_read_by_its_number(call: Caller, store: LocalStore) -> None:
    pixels = example("uint8")
    image_id = write_array(store.create(ImageDescription("cells", PixelType.UINT8, 7, 5, 3, 2, 2)), pixels)
    assert call.bytes("GetPixels", PixelsID=image_id) == pixels.tobytes()
    assert call.text("PixelsSHA1", PixelsID=image_id) == hashlib.sha1(pixels.tobytes()).hexdigest()  # noqa: S324


def test_parts_are_read_and_written(call: Caller) -> None:
    pixels = example()
    big = pixels.astype(">u2")
    pixels_id = call.text("NewPixels", Dims="7,5,3,2,2,2")
    stack = call.text("SetStack", big[0, 0].tobytes(), PixelsID=pixels_id, theC=0, theT=0)
    assert stack == str(3 * 5 * 7)
    for z in range(3):
        little = pixels[0, 1, z].tobytes()
        assert call.text("SetPlane", little, PixelsID=pixels_id, theZ=z, theC=1, theT=0, BigEndian="false") == "35"
    for c in range(2):
        for z in range(3):
            where = {"PixelsID": pixels_id, "theZ": z, "theC": c, "theT": 1}
            assert call.text("SetRows", big[1, c, z, :4].tobytes(), **where, theY=0, nRows=4) == "28"
            for x0, x1 in ((0, 2), (3, 6)):
                row = big[1, c, z, 4, x0 : x1 + 1].tobytes()
                count = call.text("SetROI", row, PixelsID=pixels_id, ROI=f"{x0},4,{z},{c},1,{x1},4,{z},{c},1")
                assert count == str(x1 - x0 + 1)
    pixels_id = call.text("FinishPixels", PixelsID=pixels_id)
    assert call.bytes("GetPixels", PixelsID=pixels_id) == big.tobytes()
    assert call.bytes("GetStack", PixelsID=pixels_id, theC=1, theT=0) == big[0, 1].tobytes()
    assert call.bytes("GetPlane", PixelsID=pixels_id, theZ=2, theC=1, theT=1) == big[1, 1, 2].tobytes()
    assert call.bytes("GetRows", PixelsID=pixels_id, theY=1, theZ=2, theC=1, theT=1) == big[1, 1, 2, 1].tobytes()
    rows = call.bytes("GetRows", PixelsID=pixels_id, theY=1, theZ=2, theC=1, theT=1, nRows=3)
    assert rows == big[1, 1, 2, 1:4].tobytes()
    roi = call.bytes("GetROI", PixelsID=pixels_id, ROI="1,2,0,0,0,5,4,1,1,1")
    assert roi == big[:, :, :2, 2:5, 1:6].tobytes()
    assert call.bytes("GetROI", PixelsID=pixels_id, ROI="3,2,1,0,1,3,2,1,0,1") == big[1, 0, 1, 2, 3:4].tobytes()


def test_pixels_are_written_before_they_are_finished_and_read_after(call: Caller) -> None:
    pixels_id = call.text("NewPixels", Dims="2,1,1,1,1,1")
    assert "Finished=0" in call.text("PixelsInfo", PixelsID=pixels_id)
    early = call.fails("GetPixels", PixelsID=pixels_id)
    assert early.splitlines()[0] == f"Error calling GetPixels with PixelsID={pixels_id}: GetPixelsRep failed."
    assert "FinishPixels" in early
    call.text("SetPixels", b"ab", PixelsID=pixels_id)
    finished = call.text("FinishPixels", PixelsID=pixels_id)
    assert call.bytes("GetPixels", PixelsID=finished) == b"ab"
    assert "can only be read" in call.fails("SetPixels", b"cd", PixelsID=pixels_id)
    assert "can only be read" in call.fails("SetPixels", b"cd", PixelsID=finished)
    assert call.bytes("GetPixels", PixelsID=finished) == b"ab"
    assert call.text("FinishPixels", PixelsID=pixels_id) == finished
    assert call.bytes("GetPixels", PixelsID=pixels_id) == b"ab"


def test_the_same_pixels_are_kept_once(call: Caller, store: LocalStore) -> None:
    first = written(call, example())
    assert written(call, example()) == first
    assert len(list(store.list_images())) == 1
    store.delete(int(first))
    again = written(call, example())
    assert again != first
    assert [str(image.image_id) for image in store.list_images()] == [again]


def test_fewer_pixels_are_counted_and_more_are_refused(call: Caller) -> None:
    pixels_id = call.text("NewPixels", Dims="4,2,1,1,1,2")
    assert call.text("SetPixels", b"abcdefg", PixelsID=pixels_id) == "3"
    assert "more pixels were sent than the 8" in call.fails("SetPixels", b"x" * 17, PixelsID=pixels_id)


def test_deleting_is_for_this_machine(call: Caller, store: LocalStore) -> None:
    pixels_id = written(call, example())
    assert "Deletion supported from local connections only" in call.fails(
        "DeletePixels", local=False, PixelsID=pixels_id
    )
    assert call.text("DeletePixels", PixelsID=pixels_id) == pixels_id
    assert list(store.list_images()) == []
    assert "GetPixelsRep failed." in call.fails("GetPixels", PixelsID=pixels_id)
    unfinished = call.text("NewPixels", Dims="4,2,1,1,1,2")
    path = call.text("GetLocalPath", PixelsID=unfinished)
    assert path.startswith("Pixels/")
    call.text("DeletePixels", PixelsID=unfinished)
    assert "GetPixelsRep failed." in call.fails("FinishPixels", PixelsID=unfinished)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Method": ""}, "Error calling OMEIS: Method parameter missing"),
        ({"Method": "Dance"}, "Error calling Dance: Method doesn't exist"),
        ({"Method": "GetPixels"}, "Error calling GetPixels: PixelsID Parameter missing"),
        ({"Method": "GetPixels", "PixelsID": "0"}, "Error calling GetPixels: PixelsID must be positive."),
        *(
            ({"Method": method, "PixelsID": "77"}, f"Error calling {method} with PixelsID=77: GetPixelsRep failed.")
            for method in ("GetPixels", "SetPixels", "FinishPixels", "GetLocalPath", "PixelsInfo")
        ),
        ({"Method": "NewPixels"}, "Error calling NewPixels: Dims Parameter missing"),
        ({"Method": "NewPixels", "FileID": "\N{SUPERSCRIPT ONE}"}, "Error calling NewPixels: Dims Parameter missing"),
        (
            {"Method": "NewPixels", "Dims": "1,2,3"},
            "Error calling NewPixels: Dims improperly formed.  Expecting numX,numY,numZ,numC,numT,numB.  All positive integers.",
        ),
        (
            {"Method": "NewPixels", "Dims": "1,1,1,1,1,3"},
            "Error calling NewPixels: Bytes per pixel must be 1, 2 or 4, not 3",
        ),
        (
            {"Method": "NewPixels", "Dims": "1,1,1,1,1,2", "IsFloat": "TRUE"},
            "Error calling NewPixels: Bytes per pixel must be 4 for floating-point pixels, not 2",
        ),
        (
            {"Method": "NewPixels", "Dims": "1,1,1,1,1,4", "IsFloat": "1", "IsSigned": "0"},
            "Error calling NewPixels: IsSigned must be 1 for floating-point pixels, not 0",
        ),
        ({"Method": "FindPixels"}, "Error calling FindPixels: SHA1 Parameter missing"),
        ({"Method": "FindPixels", "SHA1": "abc"}, "Error calling FindPixels: SHA1 Parameter is not 40 characters"),
        ({"Method": "ReadFile"}, "Error calling ReadFile: FileID must be specified!"),
        ({"Method": "ReadFile", "FileID": "9"}, "Error calling ReadFile with FileID=9: GetFileRep failed."),
    ],
)
def test_wrong_calls_are_told_in_the_words_of_old(
    omeis: Omeis, tmp_path: Path, given: dict[str, str], message: str
) -> None:
    with pytest.raises(MethodFailure) as caught:
        omeis.call(Parameters(given.items()))
    assert str(caught.value).splitlines()[0] == message
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("GetStack", {}, "Parameters theC and theT must be specified to do operations on stacks."),
        ("GetPlane", {"theZ": 0}, "Parameters theZ, theC and theT must be specified to do operations on planes."),
        ("GetRows", {"theZ": 0}, "Parameters theY, theZ, theC and theT must be specified to do operations on rows."),
        (
            "GetPlane",
            {"theZ": 3, "theC": 0, "theT": 0},
            "Parameters theZ, theC, theT (3,0,0) must be in range (2,1,1).",
        ),
        (
            "GetRows",
            {"theY": 4, "theZ": 0, "theC": 0, "theT": 0, "nRows": 2},
            "Number of rows (2) and theY (4) exceed maximum Y (4).",
        ),
        ("GetROI", {}, "ROI Parameter required for the GetROI method"),
        ("GetROI", {"ROI": "1,2,3"}, "ROI improperly formed.  Expected x0,y0,z0,c0,t0,x1,y1,z1,c1,t1"),
        (
            "GetROI",
            {"ROI": "0,0,0,0,0,7,0,0,0,0"},
            "Parameters x1, y1, z1, c1, t1 (7,0,0,0,0) must be in range (6,4,2,1,1).",
        ),
        (
            "Composite",
            {"GrayChannel": "0,0,1,1"},
            "Parameters theZ, and theT must be specified for the composite method.",
        ),
        ("GetThumb", {"Size": "0,5"}, "Thumbnail size cannot be zero or negative."),
    ],
)
def test_parameters_outside_the_image_are_told(
    call: Caller, method: str, given: dict[str, object], message: str
) -> None:
    pixels_id = written(call, example())
    told = call.fails(method, PixelsID=pixels_id, **given)
    assert told.splitlines()[0] == f"Error calling {method} with PixelsID={pixels_id}: {message}"


def test_more_pixels_than_there_is_room_for_are_refused_and_leave_nothing(call: Caller, tmp_path: Path) -> None:
    told = call.fails("NewPixels", Dims="2147483647,2147483647,1000,100,100,4")
    assert "there is no room" in told
    assert list((tmp_path / "omeis" / "Pixels").iterdir()) == []


def test_files_are_kept_once_and_told_of(call: Caller) -> None:
    first = call.text("UploadFile", b"hello", File="a.txt")
    second = call.text("UploadFile", b"hello", File="b.txt")
    assert first != second
    sha1 = hashlib.sha1(b"hello").hexdigest()  # noqa: S324
    assert call.text("FileInfo", FileID=first) == f"Name=a.txt\nLength=5\nSHA1={sha1}\nHasAliases={second}"
    assert call.text("FileInfo", FileID=second) == f"Name=b.txt\nLength=5\nSHA1={sha1}\nIsAlias={first}"
    assert call.text("FileSHA1", FileID=second) == sha1
    assert call.bytes("ReadFile", FileID=second) == b"hello"
    assert call.headers["Content-Disposition"] == 'attachment; filename="b.txt"'
    assert call.bytes("ReadFile", FileID=first, Offset=1, Length=3) == b"ell"
    assert call.bytes("ReadFile", FileID=first, Offset=3, Length=99) == b"lo"
    assert "Offset is greater than file's length." in call.fails("ReadFile", FileID=first, Offset=5)
    assert call.text("DeleteFile", FileID=first) == first
    assert call.bytes("ReadFile", FileID=second) == b"hello"
    assert "GetFileRep failed." in call.fails("FileInfo", FileID=first)
    call.text("DeleteFile", FileID=second)
    assert "local connections only" in call.fails("DeleteFile", local=False, FileID=second)


def test_a_file_of_the_server_cannot_be_named_from_outside(call: Caller) -> None:
    assert "command line only" in call.fails("UploadFile", b"", File="/etc/passwd", IsLocalFile="true")
    pixels_id = call.text("NewPixels", Dims="2,2,1,1,1,1")
    told = call.fails("SetPixels", PixelsID=pixels_id, Pixels="/etc/passwd", IsLocalFile="true")
    assert "command line only" in told
    assert "No pixels specified" in call.command_fails("SetPixels", PixelsID=pixels_id, IsLocalFile=1)
    told = call.command_fails("SetPixels", PixelsID=pixels_id, Pixels="/no/such", IsLocalFile=1)
    assert "/no/such: No such file or directory" in told


def test_files_are_zipped_under_their_names(call: Caller) -> None:
    ids = [call.text("UploadFile", content, File=name) for name, content in (("a", b"1"), ("../a", b"2"), ("b", b"3"))]
    archive = zipfile.ZipFile(io.BytesIO(call.bytes("ZipFiles", FileID=",".join(ids), OrigName='my "files"')))
    assert archive.namelist() == ["a", f"{ids[1]}-a", "b"]
    assert [archive.read(name) for name in archive.namelist()] == [b"1", b"2", b"3"]
    assert call.headers["Content-Disposition"] == 'attachment; filename="my _files_.zip"'
    # one that is asked for twice is there once, and a name that is taken in this way too is another
    taken = call.text("UploadFile", b"4", File=f"{ids[1]}-a")
    asked = ",".join([ids[0], taken, ids[1], ids[0]])
    archive = zipfile.ZipFile(io.BytesIO(call.bytes("ZipFiles", FileID=asked)))
    assert archive.namelist() == ["a", f"{ids[1]}-a", f"{ids[1]}-{ids[1]}-a"]


def test_files_become_pixels(call: Caller) -> None:
    pixels = example()
    little = call.text("UploadFile", b"header!!" + pixels.tobytes(), File="little")
    pixels_id = call.text("NewPixels", Dims="7,5,3,2,2,2")
    whole = call.text("Convert", PixelsID=pixels_id, FileID=little, Offset=8, BigEndian=0)
    assert whole == str(pixels.size)
    mirrored = np.ascontiguousarray(pixels[0, 0, 1, 1:3, ::-1]).astype(">u2")
    rows = call.text("UploadFile", mirrored.tobytes(), File="rows")
    where = {"PixelsID": pixels_id, "theZ": 0, "theC": 0, "theT": 0}
    assert call.text("ConvertRows", **where, theY=1, nRows=2, FileID=rows, FlipHorizontal=1) == "14"
    assert call.fails("ConvertPlane", **where, FileID=99).startswith("Error calling ConvertPlane with FileID=99: Get")
    short = call.fails("ConvertPlane", **where, FileID=rows)
    assert "Did not convert correct number of pixels.  Expected 35, got 14" in short
    stack = call.text("UploadFile", pixels[1, 1].astype(">u2").tobytes(), File="stack")
    assert call.text("ConvertStack", PixelsID=pixels_id, theC=1, theT=0, FileID=stack) == "105"
    pixels_id = call.text("FinishPixels", PixelsID=pixels_id)
    expected = pixels.copy()
    expected[0, 0, 0, 1:3] = pixels[0, 0, 1, 1:3]
    expected[0, 1] = pixels[1, 1]
    assert call.bytes("GetPixels", PixelsID=pixels_id, BigEndian=0) == expected.tobytes()
    assert call.text("FileInfo", FileID=stack).splitlines()[-1] == f"HasPixelDeps={pixels_id}"


def test_a_directory_of_a_tiff_becomes_a_plane(call: Caller) -> None:
    pixels = example()[0, 0]
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, photometric="minisblack", compression="zlib")
    file_id = call.text("UploadFile", buffer.getvalue(), File="a.tif")
    pixels_id = call.text("NewPixels", Dims="7,5,2,1,1,2")
    for z in range(2):
        count = call.text("ConvertTIFF", PixelsID=pixels_id, FileID=file_id, theZ=z, theC=0, theT=0, TIFFDirIndex=z + 1)
        assert count == "35"
    where = {"PixelsID": pixels_id, "theZ": 0, "theC": 0, "theT": 0}
    assert "no directory 3" in call.fails("ConvertTIFF", **where, FileID=file_id, TIFFDirIndex=3)
    broken = call.text("UploadFile", buffer.getvalue()[:40], File="b.tif")
    assert "cannot be read as TIFF" in call.fails("ConvertTIFF", **where, FileID=broken)
    other = call.text("NewPixels", Dims="7,5,2,1,1,1")
    assert "the pixels are uint8" in call.fails("ConvertTIFF", **{**where, "PixelsID": other}, FileID=file_id)
    pixels_id = call.text("FinishPixels", PixelsID=pixels_id)
    assert call.bytes("GetPixels", PixelsID=pixels_id, BigEndian=0) == pixels[1:].tobytes()


def test_pictures_are_imported_by_the_stores_own_reader(call: Caller, store: LocalStore) -> None:
    buffer = io.BytesIO()
    pixels = example("uint8")[0, 0, 0]
    Image.fromarray(pixels).save(buffer, "png")
    picture = call.text("UploadFile", buffer.getvalue(), File="cells.png")
    noise = call.text("UploadFile", b"noise", File="noise.png")
    assert call.text("IsBioFormats", FileID=f"{picture},{noise}") == picture
    image_id = call.text("ImportBioFormats", FileID=picture)
    assert store.describe(int(image_id)).name == "cells.png"
    assert call.bytes("GetPixels", PixelsID=image_id) == pixels.tobytes()
    assert "could not be imported" in call.fails("ImportBioFormats", FileID=noise)


def test_statistics_are_those_of_numpy(call: Caller) -> None:
    pixels = example("int16")
    pixels_id = written(call, pixels)
    lines = [line.split("\t") for line in call.text("GetPlaneStats", PixelsID=pixels_id).splitlines()]
    assert [tuple(map(int, line[:3])) for line in lines] == [
        (c, t, z) for t in range(2) for c in range(2) for z in range(3)
    ]
    for line in lines:
        c, t, z = map(int, line[:3])
        plane = pixels[t, c, z].astype(float)
        y, x = np.mgrid[:5, :7]
        offset = 1 - plane.min()
        logs = np.log(plane + offset)
        geomean = np.exp(logs.mean()) - offset
        expected = [
            plane.min(),
            plane.max(),
            plane.mean(),
            plane.std(ddof=1),
            geomean,
            np.sqrt(((plane - geomean) ** 2).sum() / 34),
            (plane * x).sum() / plane.sum(),
            (plane * y).sum() / plane.sum(),
            plane.sum(),
            (plane**2).sum(),
            logs.sum(),
            (plane * x).sum(),
            (plane * y).sum(),
            plane.sum() * z,
        ]
        np.testing.assert_allclose([float(value) for value in line[3:]], expected, rtol=1e-9, atol=1e-6)
    stacks = [line.split("\t") for line in call.text("GetStackStats", PixelsID=pixels_id).splitlines()]
    assert [tuple(map(int, line[:2])) for line in stacks] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    stack = pixels[1, 0].astype(float)
    found = [float(value) for value in stacks[2][2:]]
    assert found[:4] == pytest.approx([stack.min(), stack.max(), stack.mean(), stack.std(ddof=1)])
    geomeans = [float(line[7]) for line in lines if line[:2] == ["0", "1"]]
    assert found[4] == pytest.approx(np.mean(geomeans))
    z = np.arange(3)[:, None, None]
    assert found[8] == pytest.approx((stack * z).sum() / stack.sum())


def test_histograms_count_every_pixel_between_the_extremes(call: Caller) -> None:
    pixels = example("uint8")
    pixels[0, 0, 0] = 17
    pixels_id = written(call, pixels)
    planes = call.text("GetPlaneHist", PixelsID=pixels_id).splitlines()
    assert all(line.endswith("\t") for line in planes)
    counts = [int(value) for value in planes[0].split("\t")[3:-1]]
    assert (len(counts), counts[64], sum(counts)) == (128, 35, 35)
    stacks = call.text("GetStackHist", PixelsID=pixels_id).splitlines()
    counts = [int(value) for value in stacks[-1].split("\t")[2:-1]]
    stack = pixels[1, 1].astype(float)
    bins = ((stack - stack.min()) * (127 / (stack.max() - stack.min()))).astype(int)
    assert counts == np.bincount(bins.ravel(), minlength=128).tolist()


def composite(call: Caller, pixels_id: str, **given: object) -> Image.Image:
    return Image.open(io.BytesIO(call.bytes("Composite", PixelsID=pixels_id, theZ=2, theT=1, **given)))


def test_a_grey_composite_is_scaled_between_its_levels(call: Caller) -> None:
    pixels = example()
    pixels_id = written(call, pixels)
    picture = composite(call, pixels_id, GrayChannel="0,20000,50000,0", Format="TIFF")
    assert (picture.format, call.media_type) == ("TIFF", "image/tiff")
    expected = np.clip((pixels[1, 0, 2] - 20000.0) * 255 / 30000, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(picture), expected)
    gamma = composite(call, pixels_id, GrayChannel="0,20000,50000,2", Format="png")
    expected = (255 * np.clip((pixels[1, 0, 2] - 20000.0) / 30000, 0, 1) ** 2).astype(np.uint8)
    np.testing.assert_allclose(np.asarray(gamma), expected, atol=1)
    jpeg = composite(call, pixels_id, GrayChannel="0,20000,50000")
    assert (jpeg.format, jpeg.mode, call.media_type) == ("JPEG", "L", "image/jpeg")


def test_colours_levels_by_mean_and_regions(call: Caller) -> None:
    pixels = example()
    pixels_id = written(call, pixels)
    picture = composite(
        call, pixels_id, RedChannel="1,-1,1,1", BlueChannel="0,0,1,1", LevelBasis="mean", Format="png", ROI="1,1,4,3"
    )
    assert (picture.mode, picture.size) == ("RGB", (4, 3))
    found = np.asarray(picture)
    assert not found[..., 1].any()
    stack = pixels[1, 1].astype(float)
    low = max(stack.mean() - stack.std(ddof=1), stack.min())
    high = min(stack.mean() + stack.std(ddof=1), stack.max())
    expected = np.clip((pixels[1, 1, 2, 1:4, 1:5] - low) * 255 / (high - low), 0, 255)
    np.testing.assert_allclose(found[..., 0], expected.astype(np.uint8), atol=1)
    by_geomean = composite(call, pixels_id, GrayChannel="0,-1,1,1", LevelBasis="geomean", Format="png")
    assert np.asarray(by_geomean).min() == 0


def test_a_size_keeps_the_aspect_ratio(call: Caller) -> None:
    pixels_id = written(call, example("uint8", (2, 1, 3, 40, 80)))
    assert composite(call, pixels_id, GrayChannel="0,0,255,1", Size="20,20").size == (20, 10)
    assert composite(call, pixels_id, GrayChannel="0,0,255,1", Size="160,400").size == (160, 80)


def test_a_composite_may_be_kept_as_a_file(call: Caller) -> None:
    pixels_id = written(call, example())
    composite(call, pixels_id, GrayChannel="0,0,1,1", Format="png", Save='../a"b')
    assert call.media_type == "application/octet-stream"
    assert call.headers["Content-Disposition"] == 'attachment; filename=".._a_b.png"'


@pytest.mark.parametrize(
    "given",
    [
        {"GrayChannel": "2,0,1,1"},
        {"GrayChannel": "0,nan,1,1"},
        {"GrayChannel": "zero"},
        {"GrayChannel": "0,0,1,1", "Format": "gif"},
        {"GrayChannel": "0,0,1,1", "Size": "100000,100000"},
        {},
    ],
)
def test_composites_that_cannot_be_are_told(call: Caller, given: dict[str, str]) -> None:
    pixels_id = written(call, example())
    told = call.fails("Composite", PixelsID=pixels_id, theZ=0, theT=0, **given)
    assert told.startswith(f"Error calling Composite with PixelsID={pixels_id}: ")


def test_a_thumbnail_is_what_was_set(call: Caller) -> None:
    pixels_id = written(call, example("uint8", (1, 1, 1, 100, 200)))
    assert "SetThumb=1" in call.fails("GetThumb", PixelsID=pixels_id)
    where = {"PixelsID": pixels_id, "theZ": 0, "theT": 0}
    assert call.bytes("Composite", **where, GrayChannel="0,0,255,1", SetThumb=1) == b""
    assert call.media_type == "text/plain"
    thumbnail = Image.open(io.BytesIO(call.bytes("GetThumb", PixelsID=pixels_id)))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (50, 25))
    assert Image.open(io.BytesIO(call.bytes("GetThumb", PixelsID=pixels_id, Size="20,20"))).size == (20, 10)


OME_XML = """<?xml version="1.0"?>
<OME xmlns="http://www.openmicroscopy.org/XMLschemas/OME/FC/ome.xsd" xmlns:Bin="http://www.openmicroscopy.org/Bin">
<Image Name="one"><Pixels DimensionOrder="XYCZT" PixelType="Uint16" BigEndian="false" SizeX="7" SizeY="5" SizeZ="3"
 SizeC="2" SizeT="1">{data}</Pixels></Image></OME>"""


def ome_xml(pixels: np.ndarray) -> bytes:
    """Of a (C, Z, Y, X) array; planes in the order XYCZT, in turn plain, zlib and bzip2."""
    ways = [("none", bytes), ("zlib", zlib.compress), ("bzip2", bz2.compress)]
    data = []
    for z in range(3):
        for c in range(2):
            name, pack = ways[(z * 2 + c) % 3]
            packed = base64.b64encode(pack(pixels[c, z].tobytes())).decode()
            data.append(f'<Bin:BinData Compression="{name}">{packed[:20]}\n{packed[20:]}</Bin:BinData>')
    return OME_XML.format(data="\n".join(data)).encode()


def test_ome_xml_goes_in_and_out_with_its_pixels(call: Caller) -> None:
    pixels = example()[0]
    file_id = call.text("UploadFile", ome_xml(pixels), File="a.ome")
    assert call.text("IsOMExml", FileID=file_id) == "1"
    document = call.bytes("ImportOMEfile", FileID=file_id).decode()
    assert call.media_type == "text/xml"
    assert "BinData" not in document
    pixels_id = document.partition('ImageServerID="')[2].partition('"')[0]
    assert call.bytes("GetPixels", PixelsID=pixels_id, BigEndian=0) == pixels.tobytes()
    assert call.text("PixelsSHA1", PixelsID=pixels_id) in document
    exported = call.bytes("ExportOMEfile", document.encode(), File="b.ome", BigEndian=0)
    again = call.text("UploadFile", exported, File="c.ome")
    assert call.text("IsOMExml", FileID=again) == "1"
    assert f'ImageServerID="{pixels_id}"' in call.bytes("ImportOMEfile", FileID=again).decode()


@pytest.mark.parametrize(
    "wrong",
    [
        b"no xml",
        b'<!DOCTYPE OME [<!ENTITY a "aaaa">]><OME>&a;</OME>',
        OME_XML.format(data="<BinData>AAAA</BinData>").encode(),
        OME_XML.format(data='<BinData Compression="zlib">AAAA</BinData>').encode(),
        OME_XML.format(data="<BinData>*</BinData>").encode(),
        OME_XML.replace("Uint16", "text").format(data="<BinData>AAAA</BinData>").encode(),
        ome_xml(example()[0])[:-200],
    ],
)
def test_documents_that_are_wrong_leave_nothing(call: Caller, store: LocalStore, tmp_path: Path, wrong: bytes) -> None:
    file_id = call.text("UploadFile", wrong, File="a.ome")
    told = call.fails("ImportOMEfile", FileID=file_id)
    assert "the file could not be imported" in told
    assert str(tmp_path) not in told
    assert list(store.list_images()) == []
    assert list((tmp_path / "omeis" / "Pixels").iterdir()) == []


def test_other_documents_are_no_ome_xml(call: Caller) -> None:
    for content in (b"<html/>", b"", b"\x00\x01", b'<OME xmlns="http://example.org/"/>'):
        assert call.text("IsOMExml", FileID=call.text("UploadFile", content, File="a")) == "0"


def test_the_byte_order_of_the_machine_is_told(call: Caller) -> None:
    assert call.text("GetNativeEndian") in ("Big", "Little")


def test_the_first_of_several_values_counts_and_names_are_exact(omeis: Omeis) -> None:
    parameters = Parameters([("Method", "NewPixels"), ("dims", "9,9,9,9,9,9"), ("Dims", "1,1,1,1,1,1"), ("Dims", "x")])
    answer = omeis.call(parameters)
    assert isinstance(answer.body, bytes)
    assert answer.body.strip().isdigit()


def test_figures_and_pictures_do_not_depend_on_how_wide_pixels_are(call: Caller) -> None:
    """Pixels of 1 and 2 bytes are counted by their values, wider ones are not."""
    pixels = np.random.default_rng(2).integers(0, 100, (1, 1, 2, 20, 40))
    told: dict[str, set[object]] = {}
    for dtype in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"):
        of = {"PixelsID": written(call, pixels.astype(dtype))}
        for method in ("GetPlaneStats", "GetPlaneHist", "GetStackStats", "GetStackHist"):
            lines = call.text(method, **of).split()
            told.setdefault(method, set()).add(tuple(round(float(value), 3) for value in lines))
        picture = call.bytes("Composite", theZ=1, theT=0, GrayChannel="0,10,90,0.7", Format="PNG", **of)
        told.setdefault("Composite", set()).add(picture)
    assert {method: len(different) for method, different in told.items()} == dict.fromkeys(told, 1)


def test_pixels_are_made_where_a_killed_server_left_a_file(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "omeis" / "Pixels" / "1").write_bytes(b"left over")
    pixels_id = call.text("NewPixels", Dims="2,2,1,1,1,2")
    content = bytes(range(8))
    assert call.text("SetPixels", content, PixelsID=pixels_id) == "4"
    image_id = call.text("FinishPixels", PixelsID=pixels_id)
    assert call.bytes("GetPixels", PixelsID=image_id) == content
