"""Which kernel renders: the compiled one, where many pictures are asked for, and nobody waits for it."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import threading

import numpy as np

from ij_omero.model import ChannelRendering
from ij_omero.rendering import render_planes

logger = logging.getLogger(__name__)

PICTURES = 64


class RenderingKernel:
    """numpy at first, numba's kernel after a while: it is faster, with the same result, but takes seconds to load.

    Loading it at once would slow down the first pictures, which people wait for, and the end of short runs.

    Parameters
    ----------
    pictures
        After how many pictures it is loaded, in the background.
    """

    def __init__(self, pictures: int = PICTURES) -> None:
        self._pictures = pictures
        self._asked = itertools.count(1)
        self._thread: threading.Thread | None = None
        self._name = "numpy"

    def choose(self) -> str:
        """Return the kernel for the next picture, ``"numpy"`` or ``"numba"``."""
        name = self._name
        if next(self._asked) == self._pictures and importlib.util.find_spec("numba") is not None:
            self._thread = threading.Thread(target=self._load, name="ij-omero-rendering-kernel")
            self._thread.start()
        return name

    def wait(self) -> None:
        """Wait until it is loaded, where that has begun."""
        if self._thread is not None:
            self._thread.join()

    def _load(self) -> None:
        try:
            for dtype in (np.uint8, np.uint16):
                render_planes([np.zeros((8, 8), dtype)], [ChannelRendering((0.0, 255.0))], kernel="numba")
        except Exception as error:  # whatever is wrong with numba here, numpy goes on
            logger.warning("numba's kernel does not load, numpy renders: %s", error)
        else:
            self._name = "numba"


kernel = RenderingKernel()
