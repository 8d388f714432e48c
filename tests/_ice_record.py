"""Ice's own record of what goes over the wire, to count what a server is asked."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest


class IceRecord:
    """Names the calls since it was asked last, of the connections that are made while it listens.

    Parameters
    ----------
    folder
        For the record and the ICE_CONFIG that has Ice keep it.
    monkeypatch
        Sets the variable while the record listens, and no longer: a session that an earlier test left behind
        may join again meanwhile, whose calls are none of this test's.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._log = folder / "ice.log"
        self._config = folder / "ice.config"
        self._config.write_text(f"Ice.Trace.Protocol=1\nIce.LogFile={self._log}\n", encoding="utf-8")
        self._monkeypatch = monkeypatch
        self._seen = 0

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Record all calls of the connections that are made meanwhile, for as long as they last."""
        with self._monkeypatch.context() as patched:
            patched.setenv("ICE_CONFIG", str(self._config))
            yield

    def calls(self) -> list[str]:
        """Return the names of the operations that were sent."""
        text = self._log.read_text(encoding="utf-8")
        new, self._seen = text[self._seen :], len(text)
        sent = re.findall(r"sending (?:asynchronous )?request(.*?)\n-- ", new + "\n-- ", re.DOTALL)
        # addProxies is the router's own, at the first call to each service
        return [name for part in sent for name in re.findall(r"operation = (\w+)", part) if name != "addProxies"]
