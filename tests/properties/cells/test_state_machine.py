"""Whatever order things happen in, the cells hold what a plain array would."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ij_omero.cells import CellCache, recover_edits
from ij_omero.model import PlaneIndex, Region
from tests._cells import Access, ArraySource, Runtime, describe

X, Y, Z = 21, 19, 2
CELL = 6
BOUND = 5 * CELL * CELL * 2
planes = st.builds(PlaneIndex, st.integers(0, Z - 1), st.just(0), st.just(0))
values = st.integers(0, 65535)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    x, y = draw(st.integers(0, X - 1)), draw(st.integers(0, Y - 1))
    return Region(x, y, draw(st.integers(1, X - x)), draw(st.integers(1, Y - y)))


class CellMachine(RuleBasedStateMachine):
    """Python and another runtime read and write one image under a bound of five cells."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.held: list[tuple[int, Access]] = []

    @initialize()
    def open(self) -> None:
        self.source = ArraySource(describe(X, Y, z=Z))
        self.expected = self.source.pixels.copy()
        self.cells = CellCache(self.source, cell_shape=(CELL, CELL), bound=BOUND, spill=self.root, autosave=None)
        self.attach()

    def attach(self) -> None:
        self.runtime = Runtime()
        self.cells.attach(lambda: self.runtime)
        self.held.clear()

    def area(self, plane: PlaneIndex, region: Region) -> Any:
        return self.expected[plane.t, plane.c, plane.z][
            region.y : region.y + region.height, region.x : region.x + region.width
        ]

    @rule(plane=planes, region=regions())
    def read(self, plane: PlaneIndex, region: Region) -> None:
        np.testing.assert_array_equal(self.cells.read(plane, region), self.area(plane, region))

    @rule(plane=planes, region=regions(), value=values)
    def write(self, plane: PlaneIndex, region: Region, value: int) -> None:
        self.cells.write(plane, region, value)
        self.area(plane, region)[...] = value

    @rule(data=st.data())
    def look_at_a_cell(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.cells.grid) - 1))
        np.testing.assert_array_equal(self.cells.cell(index), self.area(*self.cells.grid.locate(index)))

    @rule(data=st.data())
    def hold_a_cell_elsewhere(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.cells.grid) - 1))
        access = self.runtime.handed_out.get(index) or self.cells.hand_out(index)
        access.holders += 1
        self.held.append((index, access))

    @rule(data=st.data(), value=values)
    def write_elsewhere(self, data: st.DataObject, value: int) -> None:
        if self.held:
            index, access = data.draw(st.sampled_from(self.held))
            access.pixels[0, 0] = value
            self.area(*self.cells.grid.locate(index))[0, 0] = value

    @rule(data=st.data())
    def read_elsewhere(self, data: st.DataObject) -> None:
        if self.held:
            index, access = data.draw(st.sampled_from(self.held))
            np.testing.assert_array_equal(access.pixels, self.area(*self.cells.grid.locate(index)))

    @rule(data=st.data())
    def let_go_elsewhere(self, data: st.DataObject) -> None:
        if self.held:
            found = data.draw(st.sampled_from(range(len(self.held))))
            self.held.pop(found)[1].holders -= 1

    @rule()
    def collect_elsewhere(self) -> None:
        self.runtime.nudge()

    @rule()
    def flush(self) -> None:
        self.cells.flush()

    @rule()
    def save_in_the_background(self) -> None:
        self.cells.autosave()

    @rule(plane=planes, region=regions())
    def prefetch(self, plane: PlaneIndex, region: Region) -> None:
        self.cells.prefetch(plane, region).wait(30)

    @rule(plane=planes, region=regions())
    def revert(self, plane: PlaneIndex, region: Region) -> None:
        self.cells.revert(plane, region)
        original = self.source.pixels[plane.t, plane.c, plane.z]
        self.area(plane, region)[...] = original[
            region.y : region.y + region.height, region.x : region.x + region.width
        ]

    @rule()
    def discard(self) -> None:
        self.cells.discard()
        self.expected[...] = self.source.pixels
        assert self.cells.dirty_cells() == []

    @rule()
    def close_and_recover(self) -> None:
        self.cells.close()
        self.source.closed = False
        if self.cells.edit_id is not None and (self.root / self.cells.edit_id).exists():
            self.cells = recover_edits(self.cells.edit_id, self.source, root=self.root, bound=BOUND, autosave=None)
        else:
            np.testing.assert_array_equal(self.expected, self.source.pixels)
            self.open()
        self.attach()

    @rule()
    def forget_the_process(self) -> None:
        """What a kill leaves is what was stored by then."""
        self.cells.autosave()
        edit_id = self.cells.edit_id
        copy = Path(tempfile.mkdtemp(dir=self.root))
        if edit_id is not None:
            shutil.copytree(self.root / edit_id, copy / edit_id)
            source = ArraySource(describe(X, Y, z=Z))
            with recover_edits(edit_id, source, root=copy, autosave=None) as again:
                for plane in source.description.plane_indices():
                    np.testing.assert_array_equal(again.read(plane), self.expected[plane.t, plane.c, plane.z])
        shutil.rmtree(copy)

    @invariant()
    def saved_is_what_is_expected(self) -> None:
        if hasattr(self, "cells"):
            view = self.cells.saved_view
            for plane in self.source.description.plane_indices():
                np.testing.assert_array_equal(view.read(plane), self.expected[plane.t, plane.c, plane.z])
            wrong = [
                index
                for index in range(len(self.cells.grid))
                if index not in self.cells.dirty_cells()
                and (self.area(*self.cells.grid.locate(index)) != self.original(index)).any()
            ]
            assert wrong == []

    def original(self, index: int) -> Any:
        plane, region = self.cells.grid.locate(index)
        return self.source.pixels[plane.t, plane.c, plane.z][
            region.y : region.y + region.height, region.x : region.x + region.width
        ]

    def teardown(self) -> None:
        if hasattr(self, "cells"):
            self.cells.close(discard=True)
        shutil.rmtree(self.root)


TestCells = CellMachine.TestCase
TestCells.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
