"""The cell cache: pixels of any source, read when touched, edited in place, bounded in memory, safe on disk.

An edited cell that leaves memory goes to a private folder below `edits_dir()` and is preferred over the source from
then on. Edits of a session that died are found again with `list_edits`.
"""

from __future__ import annotations

from ._budget import set_process_bound
from ._cache import AUTOSAVE_SECONDS, DEFAULT_BOUND, CellCache
from ._edits import discard_edits, list_edits, recover_edits
from ._entry import ForeignCells, ForeignHome
from ._folder import EDITS_VARIABLE, EditInfo, edits_dir
from ._grid import CellGrid
from ._prefetch import Prefetch
from ._saved_view import SavedView
from ._states import LoadStates

__all__ = [
    "AUTOSAVE_SECONDS",
    "DEFAULT_BOUND",
    "EDITS_VARIABLE",
    "CellCache",
    "CellGrid",
    "EditInfo",
    "ForeignCells",
    "ForeignHome",
    "LoadStates",
    "Prefetch",
    "SavedView",
    "discard_edits",
    "edits_dir",
    "list_edits",
    "recover_edits",
    "set_process_bound",
]
