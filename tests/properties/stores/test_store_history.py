"""Whatever is done to a local store, in whatever order, it holds what was put there and nothing else."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from ij_omero.errors import InvalidInputError, WriteError
from ij_omero.model import ImageDescription, PixelType, Point, Roi, Table
from ij_omero.pixels import PixelSink, read_array, write_order
from ij_omero.pixels.conformance import example_pixels
from ij_omero.stores import LocalStore


class StoreHistory(RuleBasedStateMachine):
    """A store beside a plain dictionary that says what it should hold."""

    sinks = Bundle("sinks")
    images = Bundle("images")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = LocalStore(self.folder, tile_size=16)
        self.expected: dict[Any, np.ndarray[Any, Any]] = {}
        self.tables: dict[Any, int] = {}
        self.rois: dict[Any, int] = {}
        self.given: set[Any] = set()
        self.open_sinks = 0

    @rule(target=sinks, width=st.integers(1, 40), height=st.integers(1, 40), seed=st.integers(0, 9))
    def begin(self, width: int, height: int, seed: int) -> tuple[PixelSink, np.ndarray[Any, Any]]:
        description = ImageDescription(f"image {seed}", PixelType.UINT16, width, height)
        self.open_sinks += 1
        return self.store.create(description), example_pixels(description, seed)

    @rule(target=images, begun=consumes(sinks), tiles=st.integers(0, 12))
    def write(self, begun: tuple[PixelSink, np.ndarray[Any, Any]], tiles: int) -> Any:
        sink, pixels = begun
        order = list(write_order(sink.description, sink.layout))
        for plane, region in order[:tiles]:
            part = pixels[0, 0, 0, region.y : region.y + region.height, region.x : region.x + region.width]
            sink.write(plane, region, part)
        self.open_sinks -= 1
        try:
            image_id = sink.finish()
        except WriteError:
            assert tiles < len(order)
            return multiple()
        assert tiles >= len(order)
        assert image_id not in self.given
        self.given.add(image_id)
        self.expected[image_id], self.tables[image_id], self.rois[image_id] = pixels, 0, 0
        return image_id

    @rule(begun=consumes(sinks))
    def abandon(self, begun: tuple[PixelSink, np.ndarray[Any, Any]]) -> None:
        self.open_sinks -= 1
        begun[0].abandon()
        try:
            begun[0].write(*next(write_order(begun[0].description, begun[0].layout)), begun[1][0, 0, 0])
        except (WriteError, InvalidInputError):
            return
        raise AssertionError("an abandoned image was written")

    @rule(image_id=consumes(images))
    def delete(self, image_id: Any) -> None:
        self.store.delete(image_id)
        for held in (self.expected, self.tables, self.rois):
            del held[image_id]

    @rule(image_id=images)
    def attach(self, image_id: Any) -> None:
        self.tables[image_id] += 1
        self.rois[image_id] += 2
        self.store.save_table(image_id, Table.from_dict("t", {"a": [1, 2]}))
        self.store.save_rois(image_id, [Roi((Point(1, 2),))] * 2)

    @rule()
    def open_again(self) -> None:
        self.store = LocalStore(self.folder, tile_size=16)

    @invariant()
    def holds_what_was_put_there(self) -> None:
        assert [summary.image_id for summary in self.store.list_images()] == sorted(self.expected)
        for image_id, pixels in self.expected.items():
            np.testing.assert_array_equal(read_array(self.store.open(image_id)), pixels)
            assert len(self.store.tables(image_id)) == self.tables[image_id]
            assert len(self.store.rois(image_id)) == self.rois[image_id]
        writing = [path for path in self.folder.iterdir() if path.name.startswith(".writing-")]
        assert len(writing) == self.open_sinks

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestStoreHistory = StoreHistory.TestCase
TestStoreHistory.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
