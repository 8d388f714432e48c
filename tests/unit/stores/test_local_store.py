"""A folder of images: shared by processes, safe against crashes, clear about what is wrong with it."""

from __future__ import annotations

import errno
import gc
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ij_omero.errors import (
    AccessDeniedError,
    AttachmentNotFoundError,
    CorruptedDataError,
    DiskFullError,
    ImageNotFoundError,
    InvalidInputError,
    ReadError,
    StorageError,
    WriteError,
)
from ij_omero.model import Channel, ImageDescription, PixelType, PlaneIndex, Point, Quantity, Region, Roi, Table
from ij_omero.pixels import read_array, write_array, write_order
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import LocalStore

SMALL = ImageDescription("small", PixelType.UINT16, 20, 10)


def written(store: LocalStore, description: ImageDescription = SMALL) -> int:
    image_id = write_array(store.create(description), example_pixels(description))
    assert isinstance(image_id, int)
    return image_id


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".ij_omero_store")}


def test_a_new_folder_appears_with_the_first_image(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "deep" / "images")
    assert list(store.list_images()) == []
    assert not (tmp_path / "deep").exists()
    assert written(store) == 1
    assert names(tmp_path / "deep" / "images") == {"1.ome.zarr"}


def test_ids_are_never_given_twice_even_after_deleting(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert [written(store), written(store)] == [1, 2]
    store.delete(2)
    assert names(tmp_path) == {"1.ome.zarr"}
    assert written(LocalStore(tmp_path)) == 3


WRITER = """
import sys
from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import write_array
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import LocalStore
store = LocalStore(sys.argv[1])
description = ImageDescription(sys.argv[2], PixelType.UINT8, 30, 20)
for _ in range(8):
    print(write_array(store.create(description), example_pixels(description)))
"""


def test_several_processes_and_threads_get_different_ids(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    processes = [subprocess.Popen([*command, f"writer {n}"], stdout=subprocess.PIPE, text=True) for n in range(3)]
    store = LocalStore(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        own = list(pool.map(lambda _: written(store), range(8)))
    others = [int(line) for process in processes for line in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(own + others) == list(range(1, 33))
    assert [summary.image_id for summary in store.list_images()] == list(range(1, 33))


KILLED = """
import os, sys
import numpy as np
from ij_omero.model import ImageDescription, PixelType
from ij_omero.pixels import write_order
from ij_omero.stores import LocalStore
sink = LocalStore(sys.argv[1]).create(ImageDescription("killed", PixelType.UINT8, 3000, 2000))
for plane, region in list(write_order(sink.description, sink.layout))[:5]:
    sink.write(plane, region, np.ones(region.shape, np.uint8))
os.kill(os.getpid(), 9)
"""


def test_a_killed_writer_leaves_no_image_and_its_folder_is_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = LocalStore(tmp_path)
    living = store.create(SMALL)
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert process.returncode == -9
    assert names(tmp_path) == {".writing-1", ".writing-2"}
    assert list(store.list_images()) == []
    with caplog.at_level(logging.WARNING):
        again = LocalStore(tmp_path)
    assert "died" in caplog.text
    assert names(tmp_path) == {".writing-1"}, "the folder of the writer that lives must stay"
    pixels = example_pixels(SMALL)
    assert write_array(living, pixels) == 1
    np.testing.assert_array_equal(read_array(again.open(1)), pixels)
    assert written(store) == 3


def test_a_sink_that_nobody_holds_any_more_is_undone(tmp_path: Path) -> None:
    sink = LocalStore(tmp_path).create(SMALL)
    assert names(tmp_path) == {".writing-1"}
    del sink
    gc.collect()
    assert names(tmp_path) == set()


def test_what_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="neither an image store nor"):
        LocalStore(tmp_path)
    with pytest.raises(StorageError, match="is a file"):
        LocalStore(tmp_path / "notes.txt")
    with pytest.raises(StorageError, match="there is no image store"):
        LocalStore(tmp_path / "typo", create=False)
    with pytest.raises(StorageError):
        LocalStore(tmp_path / "notes.txt" / "below").create(SMALL)
    assert names(tmp_path) == {"notes.txt"}


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "removed", "foreign"])
def test_a_damaged_chunk_is_never_handed_out(tmp_path: Path, damage: str) -> None:
    store = LocalStore(tmp_path)
    image_id = written(store)
    chunk = tmp_path / f"{image_id}.ome.zarr" / "0" / "0" / "0" / "0" / "0" / "0"
    stored = bytearray(chunk.read_bytes())
    if damage == "flipped":
        stored[len(stored) // 2] ^= 4
    source = store.open(image_id)
    if damage == "removed":
        chunk.unlink()
    else:
        chunk.write_bytes({"cut": stored[:-3], "emptied": b"", "foreign": b"not Blosc"}.get(damage, bytes(stored)))
    out = np.zeros((10, 20), np.uint16)
    with pytest.raises(CorruptedDataError, match="chunk"):
        source.read(PlaneIndex(0, 0, 0), out=out)
    assert not out.any()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"multiscales": [{"datasets": 3}]}'])
def test_damaged_metadata_are_told_and_do_not_hide_the_other_images(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = LocalStore(tmp_path)
    good, bad = written(store), written(store)
    (tmp_path / f"{bad}.ome.zarr" / ".zattrs").write_bytes(damage)
    with pytest.raises(CorruptedDataError):
        store.open(bad)
    assert [summary.image_id for summary in store.list_images()] == [good]
    assert "left out" in caplog.text


def test_sizes_that_disagree_are_damage(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    image_id = written(store)
    path = tmp_path / f"{image_id}.ome.zarr" / ".zattrs"
    attributes = json.loads(path.read_text())
    attributes["ij_omero"]["image"]["sizes"]["X"] = 21
    path.write_text(json.dumps(attributes))
    with pytest.raises(CorruptedDataError, match="sizes"):
        store.open(image_id)


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path, tile_size=64)
    description = ImageDescription("large", PixelType.UINT8, 400, 400)
    pixels = example_pixels(description)
    write_bytes, count = Path.write_bytes, 0

    def full(path: Path, data: Any) -> int:
        nonlocal count
        count += 1
        if count > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError, match="free some space"):
        write_array(store.create(description), pixels)
    assert names(tmp_path) == set()
    monkeypatch.undo()
    assert written(store, description) == 2


def test_an_error_at_the_very_end_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    sink = store.create(SMALL)
    pixels = example_pixels(SMALL)
    for plane, region in write_order(SMALL, sink.layout):
        sink.write(plane, region, pixels[0, 0, 0])

    def fail(path: Path, target: Path) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(WriteError, match="Input/output"):
        sink.finish()
    monkeypatch.undo()
    assert names(tmp_path) == set()


READER = """
import os, sys
from ij_omero.errors import AccessDeniedError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Roi, Point
from ij_omero.stores import LocalStore
store = LocalStore(sys.argv[1])
assert store.open(1).read(PlaneIndex(0, 0, 0)).any()
if os.getuid() == 0:  # root may write anywhere; what is imported is imported by now
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
store = LocalStore(sys.argv[1])
assert store.open(1).read(PlaneIndex(0, 0, 0)).any()
attempts = [
    lambda: store.create(ImageDescription("new", PixelType.UINT8, 3, 2)),
    lambda: store.delete(1),
    lambda: store.save_rois(1, [Roi((Point(1, 2),))]),
]
for attempt in attempts:
    try:
        attempt()
    except AccessDeniedError as error:
        assert "choose a folder" in str(error), error
    else:
        raise SystemExit("wrote into a folder that may only be read")
print("denied")
"""


def test_a_read_only_folder_can_be_read_and_refuses_the_rest() -> None:
    # Not tmp_path: pytest makes it for its own user alone, and root may write anywhere
    folder = Path(tempfile.mkdtemp())
    try:
        written(LocalStore(folder))
        before = names(folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, "-c", READER, str(folder)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.stdout == "denied\n", result.stderr
        assert names(folder) == before
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_large_pixels_are_written_as_a_pyramid_of_means(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, tile_size=64)
    description = ImageDescription("pyramid", PixelType.UINT8, 301, 203, 1, 2, 1)
    pixels = example_pixels(description)
    source = store.open(write_array(store.create(description), pixels))
    assert [(level.width, level.height) for level in source.levels] == [(301, 203), (151, 102), (76, 51), (38, 26)]
    padded = np.pad(pixels[0, 1, 0].astype(int), ((0, 1), (0, 1)), mode="edge")
    expected = (padded[0::2, 0::2] + padded[1::2, 0::2] + padded[0::2, 1::2] + padded[1::2, 1::2] + 2) // 4
    np.testing.assert_array_equal(source.read(PlaneIndex(0, 1, 0), level=1), expected)


def test_datasets_are_names(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for dataset in ("cells", "cells", "tissue", None):
        store.create(SMALL, dataset=dataset).abandon()
        write_array(store.create(SMALL, dataset=dataset), example_pixels(SMALL))
    assert [summary.dataset_name for summary in store.list_images("cells")] == ["cells", "cells"]
    assert len(list(store.list_images())) == 4
    for wrong in (7, " "):
        with pytest.raises(InvalidInputError, match="name"):
            store.create(SMALL, dataset=wrong)


def test_tables_and_rois_live_and_die_with_their_image(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first, second = written(store), written(store)
    table_id = store.save_table(first, Table.from_dict("areas", {"area": [1.5, 2.5], "label": ["a", "b"]}))
    store.save_rois(first, [Roi((Point(1, 2),))])
    assert store.tables(second) == []
    assert store.rois(second) == []
    again = LocalStore(tmp_path)
    assert again.read_table(table_id)["area"].tolist() == [1.5, 2.5]
    again.delete(first)
    with pytest.raises(ImageNotFoundError):
        again.read_table(table_id)
    with pytest.raises(AttachmentNotFoundError):
        again.read_table("nonsense")
    (tmp_path / f"{second}.ome.zarr" / "rois.json").write_text("{}")
    with pytest.raises(CorruptedDataError):
        again.rois(second)


def test_a_failing_table_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    image_id = written(store)

    def full(path: Path, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError):
        store.save_table(image_id, Table.from_dict("areas", {"area": [1.5, 2.5]}))
    monkeypatch.undo()
    assert store.tables(image_id) == []
    assert store.save_table(image_id, Table.from_dict("areas", {"area": [1.5]})) == f"{image_id}/1"


def test_reading_and_writing_at_once(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, tile_size=64)
    description = ImageDescription("shared", PixelType.UINT16, 500, 300, 2)
    pixels = example_pixels(description)
    source = store.open(written(store, description))

    def read(number: int) -> bool:
        region = Region(number * 7 % 400, number * 13 % 200, 90, 90)
        found = source.read(PlaneIndex(number % 2, 0, 0), region)
        expected = pixels[0, 0, number % 2, region.y : region.y + 90, region.x : region.x + 90]
        return bool((found == expected).all())

    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(written, store, description) for _ in range(3)]
        assert all(pool.map(read, range(60)))
        assert sorted(each.result() for each in writing) == [2, 3, 4]


def test_closed_stores_make_no_images(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.close()
    with pytest.raises(StorageError, match="closed"):
        store.create(SMALL)


def test_an_unwritable_place_is_access_denied() -> None:
    with pytest.raises((AccessDeniedError, StorageError), match="cannot make the image store"):
        LocalStore("/proc/images").create(SMALL)


def test_omero_metadata_are_there_for_other_readers(tmp_path: Path) -> None:
    description = ImageDescription(
        "cells", PixelType.UINT16, 40, 30, 2, 2, 3, physical_size_x=Quantity(0.25, "µm"),
        physical_size_y=Quantity(250, "nm"), physical_size_z=Quantity(2, "pixel"), time_increment=Quantity(5, "s"),
        channels=(Channel("DAPI", (0, 0, 255, 255), window=(5.0, 99.0)), Channel()),
    )  # fmt: skip
    store = LocalStore(tmp_path, tile_size=16)
    image_id = write_array(store.create(description), np.full(description.shape, 7, np.uint16))
    attributes = json.loads((tmp_path / f"{image_id}.ome.zarr" / ".zattrs").read_text())
    (multiscale,) = attributes["multiscales"]
    assert multiscale["version"] == "0.4"
    assert [axis["name"] for axis in multiscale["axes"]] == list("tczyx")
    assert [axis.get("unit") for axis in multiscale["axes"]] == ["second", None, None, "nanometer", "micrometer"]
    assert [each["path"] for each in multiscale["datasets"]] == ["0", "1", "2"]
    scales = [each["coordinateTransformations"][0]["scale"] for each in multiscale["datasets"]]
    assert scales[:2] == [[5, 1, 2, 250, 0.25], [5, 1, 2, 500, 0.5]]
    first, second = attributes["omero"]["channels"]
    assert (first["label"], first["color"], first["window"]["start"]) == ("DAPI", "0000FF", 5)
    assert second["window"] == {"min": 7, "max": 7, "start": 7, "end": 7}


def test_tables_are_dataframes_to_other_programs(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    image_id = written(store)
    columns = {"area": [1.5], "../x": [1], "Area": [2], "_index": [3], "ä": ["text"], "mean (µm)": [4], "max %": [5]}
    table_id = store.save_table(image_id, Table.from_dict("t", columns))
    folder = tmp_path / f"{image_id}.ome.zarr" / "tables" / "1"
    attributes = json.loads((folder / ".zattrs").read_text())
    assert attributes["encoding-type"] == "dataframe"
    expected = ["area", "_column-1", "_column-2", "_column-3", "_column-4", "_column-5", "max %"]
    assert attributes["column-order"] == expected
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {*expected, "_index"}
    assert store.read_table(table_id).column_names == tuple(columns)


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    one = np.int64(1)
    description = ImageDescription(
        "numpy", PixelType.UINT8, np.int64(6), np.uint16(4), one, one, one,  # type: ignore[arg-type]
        physical_size_x=Quantity(np.float32(0.5), "µm"),  # type: ignore[arg-type]
        channels=(Channel("a", tuple(np.array([1, 2, 3, 4], np.uint8)), window=(np.float32(1), np.int16(2))),),  # type: ignore[arg-type]
    )  # fmt: skip
    store = LocalStore(tmp_path)
    image_id = written(store, description)
    assert store.describe(image_id) == description.replace(image_id=image_id)
    store.save_rois(image_id, [Roi((Point(np.float32(1), np.int64(2), z=np.int64(0)),))])  # type: ignore[arg-type]
    assert store.rois(image_id)[0].shapes[0] == Point(1, 2, z=0)
    source = store.open(image_id)
    region = Region(*np.array([1, 1, 2, 2]))
    assert source.read(PlaneIndex(*np.array([0, 0, 0])), region).shape == (2, 2)


def test_what_cannot_be_kept_is_refused_at_the_start(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(InvalidInputError, match="neither text nor a number"):
        store.create(SMALL.replace(tags=(object(),)))
    assert names(tmp_path) == set()


@pytest.mark.parametrize("value", [0, 7])
def test_an_image_that_was_deleted_is_not_read_as_zeros(tmp_path: Path, value: int) -> None:
    store = LocalStore(tmp_path)
    image_id = write_array(store.create(SMALL), np.full(SMALL.shape, value, np.uint16))
    source = store.open(image_id)
    source.read(PlaneIndex(0, 0, 0))
    store.delete(image_id)
    with pytest.raises(ReadError, match="deleted"):
        source.read(PlaneIndex(0, 0, 0))
