"""OMEIS by HTTP as its documentation shows it, and as a command."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

from ij_omero.cells import CellCache
from ij_omero.model import PlaneIndex, Region
from ij_omero.services import Background, ServiceSettings
from ij_omero.services.omeis import Repository, omeis_app
from ij_omero.stores import LocalStore, find_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a token that is long enough"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    store = LocalStore(tmp_path / "images")
    yield store
    store.close()


@pytest.fixture
def address(store: LocalStore, tmp_path: Path) -> Iterator[str]:
    with Background(lambda: omeis_app(store, Repository(tmp_path / "images.omeis"))) as address:
        yield f"{address}/cgi-bin/omeis"


def test_the_synopsis_of_the_documentation_runs(address: str) -> None:
    """New pixels, an uploaded file with a header of 1024 bytes, Convert, FinishPixels, GetStack, Composite."""
    pixels = np.random.default_rng(0).integers(0, 2000, (2, 3, 4, 48, 64)).astype(">u2")

    def get(**given: object) -> httpx.Response:
        answer = httpx.get(address, params={key: str(value) for key, value in given.items()})
        assert answer.status_code == 200, answer.text
        return answer

    pixels_id = get(Method="NewPixels", Dims="64,48,4,3,2,2").text.strip()
    assert len(pixels_id) <= 21
    content = b"\0" * 1024 + pixels.tobytes()
    file_id = httpx.post(address, data={"Method": "UploadFile"}, files={"File": ("cb_1.r3d", content)}).text.strip()
    converted = get(Method="Convert", PixelsID=pixels_id, FileID=file_id, Offset=1024)
    assert converted.text == f"{pixels.size}\n"
    assert converted.headers["content-type"].startswith("text/plain")
    pixels_id = get(Method="FinishPixels", PixelsID=pixels_id).text.strip()
    stack = get(Method="GetStack", PixelsID=pixels_id, theC=2, theT=0)
    assert stack.content == pixels[0, 2].tobytes()
    assert stack.headers["content-type"] == "application/octet-stream"
    assert int(stack.headers["content-length"]) == len(stack.content)
    picture = get(
        Method="Composite",
        PixelsID=pixels_id,
        theZ=2,
        theT=1,
        GrayChannel="0,456,1200,0",
        Size="100,100",
        Format="TIFF",
    )
    assert picture.headers["content-type"] == "image/tiff"
    assert Image.open(io.BytesIO(picture.content)).size == (100, 75)


def test_a_head_tells_what_a_get_would(address: str) -> None:
    pixels_id = httpx.get(address, params={"Method": "NewPixels", "Dims": "8,8,1,1,1,1"}).text.strip()
    httpx.post(address, data={"Method": "SetPixels", "PixelsID": pixels_id}, files={"Pixels": ("p", b"x" * 64)})
    pixels_id = httpx.get(address, params={"Method": "FinishPixels", "PixelsID": pixels_id}).text.strip()
    answer = httpx.head(address, params={"Method": "GetPixels", "PixelsID": pixels_id})
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "64", b"")


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        ({"params": {"Method": "Dance"}}, 400, "Error calling Dance: Method doesn't exist\n"),
        ({"params": {"Method": "PixelsInfo", "PixelsID": "5"}}, 404, "Error calling PixelsInfo with PixelsID=5: "),
        ({"method": "POST", "content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "the form"),
        ({"method": "POST", "content": iter([b"Method=X"])}, 411, "a POST must tell its Content-Length\n"),
        ({"method": "POST", "files": {"Other": ("a", b"x")}}, 400, "a file was sent as 'Other'"),
        ({"method": "POST", "files": [("File", ("a", b"x")), ("File", ("b", b"x"))]}, 400, "the form cannot be read"),
        ({"method": "DELETE"}, 405, "this address does not take this method\n"),
    ],
)
def test_wrong_requests_are_told_in_text(address: str, request_: dict[str, object], status: int, text: str) -> None:
    answer = httpx.request(**{"method": "GET", "url": address, **request_})  # type: ignore[arg-type]
    assert answer.status_code == status
    assert answer.text.startswith(text)
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_session_key_is_checked(store: LocalStore, tmp_path: Path) -> None:
    settings = ServiceSettings(token=TOKEN)
    with Background(lambda: omeis_app(store, Repository(tmp_path / "omeis"), settings)) as address:
        url = f"{address}/cgi-bin/omeis"
        refused = httpx.get(url, params={"Method": "GetNativeEndian"})
        assert (refused.status_code, refused.text) == (
            401,
            "Error calling GetNativeEndian: SessionKey is missing or wrong\n",
        )
        assert httpx.get(url, params={"Method": "GetNativeEndian", "SessionKey": "guess"}).status_code == 401
        assert httpx.post(url, data={"Method": "GetNativeEndian", "SessionKey": TOKEN}).status_code == 200
        with_header = httpx.get(url, params={"Method": "GetNativeEndian"}, headers={"Authorization": f"Bearer {TOKEN}"})
        assert with_header.status_code == 200


def test_many_clients_at_once_get_their_own_pixels(address: str) -> None:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)  # each thread has one of its own
    with httpx.Client(timeout=120, limits=limits) as client, ThreadPoolExecutor(64) as threads:

        def ask(content: bytes, **given: object) -> httpx.Response:
            files = {"Pixels": ("p", content)} if given["Method"] == "SetPixels" else None
            while (answer := client.post(address, data=given, files=files)).status_code == 503:
                time.sleep(0.05)
            return answer

        def one(value: int) -> bool:
            content = bytes([value]) * 64 * 64 * 2
            pixels_id = ask(content, Method="NewPixels", Dims="64,64,2,1,1,1").text.strip()
            ask(content, Method="SetPixels", PixelsID=pixels_id)
            pixels_id = ask(content, Method="FinishPixels", PixelsID=pixels_id).text.strip()
            return ask(content, Method="GetPixels", PixelsID=pixels_id).content == content

        assert all(threads.map(one, range(64)))


def test_an_image_on_the_server_opens_as_any_other(address: str, store: LocalStore) -> None:
    pixels_id = httpx.get(address, params={"Method": "NewPixels", "Dims": "700,600,1,1,1,2"}).text.strip()
    pixels = np.random.default_rng(1).integers(0, 65535, (600, 700)).astype(">u2")
    httpx.post(address, data={"Method": "SetPixels", "PixelsID": pixels_id}, files={"Pixels": ("p", pixels.tobytes())})
    pixels_id = httpx.get(address, params={"Method": "FinishPixels", "PixelsID": pixels_id}).text.strip()
    host = address.removeprefix("http://").partition("/")[0]
    opened, image_id = find_image(f"omeis://{host}/image/{pixels_id}")
    with CellCache(opened.open(image_id)) as cells:
        found = cells.read(PlaneIndex(0, 0, 0), Region(500, 500, 100, 90))
        np.testing.assert_array_equal(found, pixels[500:590, 500:600])
    opened.close()


def command(tmp_path: Path, *parameters: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    arguments = [sys.executable, "-m", "ij_omero", "omeis", "--store", str(tmp_path / "images"), *parameters]
    return subprocess.run(arguments, input=content, capture_output=True, check=False)


def test_the_command_reads_and_writes_what_the_server_does(address: str, tmp_path: Path) -> None:
    content = bytes(range(24))
    new = command(tmp_path, "Method=NewPixels", "Dims=4,3,2,1,1,1")
    pixels_id = new.stdout.decode().strip()
    assert command(tmp_path, "Method=SetPixels", f"PixelsID={pixels_id}", content=content[::-1]).stdout == b"24\n"
    (tmp_path / "local.raw").write_bytes(content)
    local = (f"PixelsID={pixels_id}", f"Pixels={tmp_path / 'local.raw'}", "IsLocalFile=1")
    assert command(tmp_path, "Method=SetPixels", *local).stdout == b"24\n"
    pixels_id = command(tmp_path, "Method=FinishPixels", f"PixelsID={pixels_id}").stdout.decode().strip()
    assert httpx.get(address, params={"Method": "GetPixels", "PixelsID": pixels_id}).content == content
    upload = command(tmp_path, "Method=UploadFile", "File=a.txt", content=b"abc")
    assert upload.returncode == 1
    assert upload.stderr.decode() == "Error calling UploadFile: UploadSize must be specified!\n"
    file_id = (
        command(tmp_path, "Method=UploadFile", "File=a.txt", "UploadSize=3", content=b"abc").stdout.decode().strip()
    )
    assert httpx.get(address, params={"Method": "ReadFile", "FileID": file_id}).content == b"abc"
    (tmp_path / "local.txt").write_bytes(b"local")
    named = command(tmp_path, "Method=UploadFile", f"File={tmp_path / 'local.txt'}", "IsLocalFile=1", "UploadSize=5")
    file_id = named.stdout.decode().strip()
    assert command(tmp_path, "Method=ReadFile", f"FileID={file_id}", "Offset=2").stdout == b"cal"
    assert command(tmp_path, "nonsense").returncode == 1
