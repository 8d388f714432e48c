"""The compiled kernel is loaded in the background, and only where many pictures are asked for."""

from __future__ import annotations

import importlib.util

from ij_omero.services.viewer._kernel import RenderingKernel


def test_the_first_pictures_wait_for_no_compiler() -> None:
    kernel = RenderingKernel(pictures=3)
    assert [kernel.choose() for _ in range(3)] == ["numpy"] * 3
    kernel.wait()
    assert kernel.choose() == ("numba" if importlib.util.find_spec("numba") else "numpy")
