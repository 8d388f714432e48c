"""Encoded pictures that were asked for lately, in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ._encoding import Picture

DEFAULT_BYTES = 128 << 20


class KeptPictures:
    """Pictures by what they show; the one that was asked for longest ago goes first.

    Parameters
    ----------
    bound
        Bytes of all pictures together.
    """

    def __init__(self, bound: int = DEFAULT_BYTES) -> None:
        self._bound = bound
        self._pictures: OrderedDict[Hashable, Picture] = OrderedDict()
        self._lock = threading.Lock()
        self.nbytes = 0

    def get(self, key: Hashable) -> Picture | None:
        """Return a picture, or None."""
        with self._lock:
            picture = self._pictures.get(key)
            if picture is not None:
                self._pictures.move_to_end(key)
            return picture

    def put(self, key: Hashable, picture: Picture) -> None:
        """Keep a picture, unless it is so large that it would push out most others."""
        size = len(picture.content)
        if size > self._bound // 8:
            return
        with self._lock:
            before = self._pictures.pop(key, None)
            self.nbytes += size - (len(before.content) if before else 0)
            self._pictures[key] = picture
            while self.nbytes > self._bound:
                _, gone = self._pictures.popitem(last=False)
                self.nbytes -= len(gone.content)
