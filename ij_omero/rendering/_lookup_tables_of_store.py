"""The lookup tables that a store keeps, by name, each read when it is first needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ij_omero.errors import IJOmeroError
from ij_omero.pixels import LookupTableFiles

from ._lookup_tables import parse_lookup_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from ij_omero.pixels import ImageStore

logger = logging.getLogger(__name__)


class StoreLookupTables(Mapping[str, "npt.NDArray[np.uint8]"]):
    """Tables (256, 3) uint8 by name; safe from any thread.

    The store is asked once for the names, when the first is looked for, and once for each table that is used. A table
    that cannot be read is as one that is not there: its channel is shown in its colour.

    Parameters
    ----------
    store
        What keeps them; where it cannot be asked, there are none until it can.

    Examples
    --------
    >>> look = Look(settings, lookup_tables=StoreLookupTables(store))  # doctest: +SKIP
    """

    def __init__(self, store: LookupTableFiles) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._names: frozenset[str] | None = None
        self._tables: dict[str, npt.NDArray[np.uint8] | None] = {}

    def __getitem__(self, name: str) -> npt.NDArray[np.uint8]:
        """Return a table; KeyError where there is none, or none that can be read."""
        with self._lock:
            if name not in self._known_names():
                raise KeyError(name)
            if name not in self._tables:
                self._tables[name] = self._read(name)
            table = self._tables[name]
        if table is None:
            raise KeyError(name)
        return table

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        with self._lock:
            names = sorted(self._known_names())
        return iter(names)

    def __len__(self) -> int:
        """Return how many there are."""
        with self._lock:
            return len(self._known_names())

    def _known_names(self) -> frozenset[str]:
        if self._names is None:
            try:
                self._names = frozenset(self._store.lookup_table_names())
            except IJOmeroError as error:
                logger.warning("channels are shown in their colours for now: %s", error)
                return frozenset()
        return self._names

    def _read(self, name: str) -> npt.NDArray[np.uint8] | None:
        try:
            return parse_lookup_table(self._store.lookup_table_file(name), name)
        except IJOmeroError as error:
            logger.warning("the lookup table %s is not used: %s", name, error)
            return None


def lookup_tables_of(store: ImageStore) -> Mapping[str, npt.NDArray[np.uint8]] | None:
    """Return the tables that a store keeps, or None where it keeps none."""
    return StoreLookupTables(store) if isinstance(store, LookupTableFiles) else None
