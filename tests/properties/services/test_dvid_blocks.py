"""Blocks come back from their stored form, whatever their type, shape, content and compression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ij_omero.services.dvid._block_codecs import Compression, decode

SHAPES = st.tuples(st.integers(0, 3), st.integers(1, 2), *[st.sampled_from([1, 3, 16, 32])] * 3)


@pytest.mark.parametrize("form", ["none", "lz4", "gzip:1"])
@given(
    shape=SHAPES,
    dtype=st.sampled_from(["u1", "<u2", "<u4", "<u8", "<f4"]),
    most=st.sampled_from([0, 3, 255]),
    seed=st.integers(0, 99),
)
def test_views_of_a_volume_come_back(form: str, shape: tuple[int, ...], dtype: str, most: int, seed: int) -> None:
    volume = np.random.default_rng(seed).integers(0, most + 1, (*shape[:-1], 2 * shape[-1])).astype(dtype)
    blocks = volume[..., ::2]  # not contiguous
    stored = Compression.parse(form).encode(blocks)
    nbytes = int(np.prod(shape[-3:])) * blocks.itemsize
    found = [decode(value, nbytes).view(dtype).reshape(shape[-3:]) for value in stored]
    assert len(found) == shape[0] * shape[1]
    for one, expected in zip(found, blocks.reshape(-1, *shape[-3:]), strict=True):
        np.testing.assert_array_equal(one, expected)
