"""A DVID server as a store: what others put there, busy servers, committed versions, large planes."""

from __future__ import annotations

import functools
import http.server
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    CorruptedDataError,
    ImageNotFoundError,
    InvalidInputError,
    LoginError,
    NotFoundError,
    ReadError,
    UnsupportedPixelTypeError,
)
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Quantity, Region, parse_address
from ij_omero.pixels import read_array, write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.services import Background, ServiceSettings
from ij_omero.services.dvid import make_app
from ij_omero.stores import DvidClient, DvidStore, find_image, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with Background(functools.partial(make_app, tmp_path / "store")) as found:
        yield found.replace("http://", "dvid://")


@pytest.fixture
def client(address: str) -> Iterator[DvidClient]:
    with DvidClient(address) as found:
        yield found


@pytest.fixture
def store(address: str) -> Iterator[DvidStore]:
    found = DvidStore(address)
    yield found
    found.close()


def volume(*shape: int) -> Any:
    return np.random.default_rng(5).integers(0, 256, shape, np.uint8)


def test_instances_of_others_are_images(client: DvidClient, store: DvidStore) -> None:
    root = client.new_repo("others")
    client.new_instance(root, "grey", "uint8blk", BlockSize="16", VoxelSize="4,4,40.5", VoxelUnits="nanometers")
    voxels = volume(32, 48, 64)
    client.write(root, "grey", (16, -32, 48), (64, 48, 32), voxels.tobytes())
    client.new_instance(root, "empty", "uint8blk")
    client.new_instance(root, "wide", "uint64blk")
    client.new_instance(root, "region", "roi")
    assert [summary.image_id for summary in store.list_images()] == [f"{root}/grey"]
    source = store.open(f"{root[:7]}/grey")
    description = source.description
    assert description.sizes == (64, 48, 32, 1, 1)
    assert description.image_id == f"{root}/grey"
    assert description.physical_size_z == Quantity(40.5, "nm")
    np.testing.assert_array_equal(read_array(source)[0, 0], voxels)
    np.testing.assert_array_equal(source.read(PlaneIndex(7, 0, 0), Region(5, 6, 7, 8)), voxels[7, 6:14, 5:12])
    for name in ("empty", "region", "nobody"):
        with pytest.raises(ImageNotFoundError):
            store.open(f"{root}/{name}")
    with pytest.raises(UnsupportedPixelTypeError):
        store.open(f"{root}/wide")
    store.delete(f"{root}/grey")
    assert list(store.list_images()) == []


def test_colours_are_four_channels(client: DvidClient, store: DvidStore) -> None:
    root = client.new_repo("others")
    client.new_instance(root, "rgb", "rgba8blk", BlockSize="16")
    voxels = volume(16, 16, 32, 4)
    client.write(root, "rgb", (0, 0, 0), (32, 16, 16), voxels.tobytes())
    source = store.open(f"{root}:master/rgb")
    assert [channel.name for channel in source.description.channels] == ["red", "green", "blue", "alpha"]
    np.testing.assert_array_equal(read_array(source)[0], np.moveaxis(voxels, -1, 0))


def test_images_open_by_their_addresses(address: str, store: DvidStore) -> None:
    description = ImageDescription("a b", PixelType.UINT16, 30, 20, 2, 2, 1)
    pixels = example_pixels(description)
    image_id = write_array(store.create(description), pixels)
    web = f"{address.replace('dvid://', 'http://')}/api/node/{image_id}/raw/xy/9_9/0_0_0"
    for text in (str(store.address_of(image_id)), web):
        assert parse_address(text).scheme == "dvid"
        found, found_id = find_image(text)
        np.testing.assert_array_equal(read_array(found.open(found_id)), pixels)
        found.close()
    assert parse_address("http://h/api/node/3f8c/g").port == 80


def test_new_images_lie_where_they_are_wanted(client: DvidClient, address: str) -> None:
    first, second = client.new_repo("one"), client.new_repo("two")
    description = ImageDescription("x", PixelType.UINT8, 5, 4)
    pixels = example_pixels(description)
    with pytest.raises(InvalidInputError, match="2 repositories"):
        open_store(address).create(description)
    by_dataset = open_store(address)
    image_id = write_array(by_dataset.create(description, dataset=f"{second[:9]}:master"), pixels)
    assert str(image_id).startswith(second)
    assert [each.image_id for each in by_dataset.list_images(second)] == [image_id]
    assert list(by_dataset.list_images(first)) == []
    by_address = open_store(f"{address}/{first}/any")
    assert str(write_array(by_address.create(description), pixels)).startswith(first)
    client.commit(first)
    with pytest.raises(AccessDeniedError, match="locked node"):
        by_address.create(description)
    child = client.new_version(first)
    later = open_store(f"{address}/{first}:master/any")
    assert str(write_array(later.create(description), pixels)).startswith(child)
    assert len(list(later.list_images())) == 2  # what was there before is there at the new version too
    for each in (by_dataset, by_address, later):
        each.close()


def test_unfinished_images_are_seen_by_nobody(client: DvidClient, store: DvidStore) -> None:
    description = ImageDescription("x", PixelType.UINT8, 700, 600, 2)
    sink = store.create(description)
    root = next(iter(client.repos()))
    (name,) = (name for name in client.repo(root)["DataInstances"] if name.startswith("x-"))
    with pytest.raises(ImageNotFoundError, match="being written"):
        store.open(f"{root}/{name}")
    sink.abandon()
    assert name not in client.repo(root)["DataInstances"]


def test_large_planes_are_read_by_several_requests_and_written_in_bands(store: DvidStore) -> None:
    description = ImageDescription("large", PixelType.UINT16, 3000, 2500, 1, 2)
    pixels = example_pixels(description)
    source = store.open(write_array(store.create(description), pixels))
    np.testing.assert_array_equal(source.read(PlaneIndex(0, 1, 0)), pixels[0, 1, 0])
    region = Region(100, 90, 2900, 2300)
    np.testing.assert_array_equal(source.read(PlaneIndex(0, 0, 0), region), pixels[0, 0, 0, 90:2390, 100:])


def test_sections_are_read_in_few_requests(store: DvidStore, monkeypatch: pytest.MonkeyPatch) -> None:
    description = ImageDescription("stack", PixelType.UINT8, 64, 64, 40, 2, 2)
    pixels = example_pixels(description)
    source = store.open(write_array(store.create(description), pixels))
    asked = []
    read = DvidClient.read
    monkeypatch.setattr(DvidClient, "read", lambda *given: (asked.append(given[-1]), read(*given))[1])
    np.testing.assert_array_equal(read_array(source), pixels)
    assert len(asked) == 1


class _Busy(http.server.BaseHTTPRequestHandler):
    """Answers 503 a few times before it lets a request through."""

    refusals = 0
    answer: tuple[int, bytes] = (200, b"{}")
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        if type(self).refusals > 0:
            type(self).refusals -= 1
            self.send_response(503)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None: ...


@pytest.fixture
def busy() -> Iterator[tuple[type[_Busy], DvidClient]]:
    handler = type("Busy", (_Busy,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with DvidClient(f"dvid://127.0.0.1:{server.server_port}") as client:
            yield handler, client
        server.shutdown()
        thread.join()


def test_busy_servers_are_asked_again(busy: tuple[type[_Busy], DvidClient]) -> None:
    handler, client = busy
    handler.refusals = 4
    assert client.repos() == {}
    assert handler.asked == 5
    handler.refusals = 100
    with pytest.raises(ConnectionFailedError, match="busy"):
        client.repos()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, b"<html>"), CorruptedDataError),
        ((401, b"token"), LoginError),
        ((403, b"no"), AccessDeniedError),
        ((404, b"no"), NotFoundError),
        ((400, b"Cannot do POST on locked node x"), AccessDeniedError),
        ((400, b"could not find UUID with partial match to x"), NotFoundError),
        ((400, b"anything"), InvalidInputError),
        ((502, b"gateway"), ConnectionFailedError),
    ],
)
def test_refusals_are_errors_of_their_kind(
    busy: tuple[type[_Busy], DvidClient], answer: tuple[int, bytes], error: type[Exception]
) -> None:
    handler, client = busy
    handler.answer = answer
    with pytest.raises(error):
        client.repos()


def test_servers_that_do_not_answer_say_so(tmp_path: Path) -> None:
    with Background(functools.partial(make_app, tmp_path)) as found:
        gone = found.replace("http://", "dvid://")
    with pytest.raises(ConnectionFailedError, match="no DVID server answers"), DvidClient(gone) as client:
        client.repos()


def test_tokens_are_sent(tmp_path: Path) -> None:
    token = "0123456789abcdef"
    with Background(functools.partial(make_app, tmp_path, ServiceSettings(token=token))) as found:
        address = found.replace("http://", "dvid://")
        with DvidClient(address) as client, pytest.raises(LoginError):
            client.repos()
        store = open_store(address, token=token)
        assert list(store.list_images()) == []
        assert token not in str(store.address)
        store.close()


def test_several_threads_save_tables_and_rois_of_one_image(store: DvidStore) -> None:
    from ij_omero.model import Point, Roi, Table

    description = ImageDescription("x", PixelType.UINT8, 5, 4)
    image_id = write_array(store.create(description), example_pixels(description))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: store.save_table(image_id, Table.from_dict(f"t{n}", {"a": [n]})), range(6)))
        list(pool.map(lambda n: store.save_rois(image_id, [Roi((Point(n, n),))]), range(6)))
    assert {summary.name for summary in store.tables(image_id)} == {f"t{n}" for n in range(6)}
    assert len({roi.roi_id for roi in store.rois(image_id)}) == 6


def test_reading_fails_as_reading(store: DvidStore, client: DvidClient) -> None:
    description = ImageDescription("x", PixelType.UINT8, 5, 4)
    image_id = write_array(store.create(description), example_pixels(description))
    source = store.open(image_id)
    uuid, _, name = str(image_id).partition("/")
    client.delete_instance(uuid, name)
    with pytest.raises(ReadError):
        source.read(PlaneIndex(0, 0, 0))
