"""The edits of one cache on disk, which begin to exist with the first of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ._spill import CellSpill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from ._folder import EditFolder
    from ._residents import Edited


class EditStore:
    """Edited cells on disk; no file is made before there is one.

    Parameters
    ----------
    make_folder
        Makes the private folder when it is needed.
    limit
        Bytes on disk that edits may take; None is as many as fit.
    """

    def __init__(self, make_folder: Callable[[], EditFolder], limit: int | None) -> None:
        self._make_folder = make_folder
        self._limit = limit
        self._opening = threading.Lock()
        self._spill: CellSpill | None = None

    def adopt(self, folder: EditFolder) -> None:
        """Go on with the edits of an earlier session; the folder is closed when they cannot be opened."""
        try:
            self._spill = CellSpill(folder, limit=self._limit)
        except BaseException:
            folder.close()
            raise

    @property
    def edit_id(self) -> str | None:
        """The name of the edits; None before the first."""
        return None if self._spill is None else self._spill.folder.info.edit_id

    @property
    def digests(self) -> Mapping[int, int]:
        """The digest of each edited cell on disk, by its number."""
        return _NONE if self._spill is None else self._spill.digests

    def put(self, edited: list[Edited]) -> None:
        """Store cells, all or none; when it returns they survive the death of this process."""
        with self._opening:
            if self._spill is None:
                folder = self._make_folder()
                try:
                    self._spill = CellSpill(folder, limit=self._limit)
                except BaseException:
                    folder.close(delete=True)
                    raise
        self._spill.put(edited)

    def get(self, index: int, out: npt.NDArray[Any]) -> int:
        """Read an edited cell and return its digest; `CorruptedDataError` where it is damaged."""
        if self._spill is None:
            raise KeyError(index)
        return self._spill.get(index, out)

    def forget(self, index: int) -> None:
        """Drop a cell's edits, where there are any."""
        if self._spill is not None and index in self._spill.digests:
            self._spill.remove([index])

    def sync(self) -> None:
        """Return when all that is stored would survive a loss of power."""
        if self._spill is not None:
            self._spill.sync()

    def close(self, *, delete: bool) -> None:
        """Close the files, and delete them; twice is allowed."""
        if self._spill is not None:
            self._spill.close(delete=delete)


_NONE: Mapping[int, int] = {}
