"""Which kernel renders: the compiled one, but nobody waits for it."""

from __future__ import annotations

import importlib.util
import threading

import numpy as np

from ij_omero.model import ChannelRendering
from ij_omero.rendering import render_planes


class _Compiled:
    """The compiled kernel takes seconds to load the first time; until then numpy renders, with the same result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ready = False

    @property
    def kernel(self) -> str:
        return "auto" if self._ready else "numpy"

    def start(self) -> None:
        """Load it in the background; further calls do nothing."""
        with self._lock:
            if self._thread is None and importlib.util.find_spec("numba") is not None:
                self._thread = threading.Thread(target=self._load, name="ij-omero-rendering-kernel")
                self._thread.start()

    def _load(self) -> None:
        for dtype in (np.uint8, np.uint16):
            render_planes([np.zeros((8, 8), dtype)], [ChannelRendering((0.0, 255.0))], kernel="auto")
        self._ready = True


compiled = _Compiled()
