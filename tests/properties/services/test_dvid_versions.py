"""A store of versions agrees with a plain model of it, whatever is written, committed and branched in which order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from ij_omero.services.dvid import VoxelStore
from ij_omero.services.dvid._geometry import Point, checked_box
from ij_omero.services.dvid._volumes import encode_slab, read_box

SIDE = 4
PLACES = st.tuples(*[st.integers(-2, 1)] * 3)


class Versions(RuleBasedStateMachine):
    versions = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = VoxelStore(self.folder)
        self.contents: dict[str, dict[tuple[int, int, int], int]] = {}
        self.locked: set[str] = set()
        self.next_branch = 0

    @initialize(target=versions)
    def begin(self) -> str:
        root = self.store.new_repo("model")
        settings = {"typename": "uint8blk", "dataname": "v", "BlockSize": f"{SIDE}", "Background": 1}
        self.store.new_instance(root, settings)
        self.contents[root] = {}
        return root

    @rule(version=versions, place=PLACES, value=st.integers(0, 255))
    def write(self, version: str, place: tuple[int, int, int], value: int) -> None:
        box = checked_box(Point(*(at * SIDE for at in place)), Point(SIDE, SIDE, SIDE))
        with self.store.reading(version, "v") as at:
            blocks = encode_slab(at.instance, box, np.full((SIDE,) * 3, value, np.uint8))
        try:
            self.store.put_blocks(version, "v", blocks, box)
        except PermissionError:
            assert version in self.locked
        else:
            assert version not in self.locked
            self.contents[version][place] = value

    @rule(version=versions)
    def commit(self, version: str) -> None:
        if version not in self.locked:
            self.store.commit(version)
            self.locked.add(version)

    @precondition(lambda self: self.locked)
    @rule(target=versions, data=st.data())
    def branch(self, data: Any) -> str:
        parent = data.draw(st.sampled_from(sorted(self.locked)))
        self.next_branch += 1
        child = self.store.new_version(parent, branch=f"branch-{self.next_branch}")
        self.contents[child] = dict(self.contents[parent])
        return child

    @rule(version=versions)
    def read(self, version: str) -> None:
        box = checked_box(Point(-9, -8, -7), Point(17, 16, 15))
        with self.store.reading(version, "v") as at:
            found = read_box(at.blocks, at.instance, box)
        whole = np.ones((24, 24, 24), np.uint8)
        for (x, y, z), value in self.contents[version].items():
            low = [12 + at_ * SIDE for at_ in (z, y, x)]
            whole[tuple(slice(a, a + SIDE) for a in low)] = value
        expected = whole[12 - 7 : 12 + 8, 12 - 8 : 12 + 8, 12 - 9 : 12 + 8]
        np.testing.assert_array_equal(found, expected)

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = VoxelStore(self.folder)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestVersions = Versions.TestCase
TestVersions.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
