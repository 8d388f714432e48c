"""A server over a new store, spoken to without a network."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ij_omero.services._core import build_app_of
from ij_omero.services.dvid import Limits, dvid_part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ij_omero.pixels import ImageStore


class Dvid:
    """Asks an application directly; the event loop runs in a thread."""

    def __init__(self, folder: Path, limits: Limits | None = None, images: ImageStore | None = None) -> None:
        self.folder = folder
        self._app = build_app_of([dvid_part(folder, limits, images)])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._stack = contextlib.AsyncExitStack()
        self._do(self._stack.enter_async_context(self._app.router.lifespan_context(self._app)))
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._app), base_url="http://localhost", timeout=60
        )

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        return self._do(self._client.request(method, path, **given))

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.ask("POST", path, **given)

    def new_repo(self, **told: str) -> str:
        return str(self.post("/api/repos", json=told).json()["root"])

    def new_instance(self, uuid: str, name: str, typename: str = "uint8blk", **settings: Any) -> str:
        """Make an instance and return the beginning of its addresses."""
        told = {"typename": typename, "dataname": name, **settings}
        answer = self.post(f"/api/repo/{uuid}/instance", json=told)
        assert answer.status_code == 200, answer.text
        return f"/api/node/{uuid}/{name}"

    def close(self) -> None:
        self._do(self._client.aclose())
        self._do(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def dvid(tmp_path: Path) -> Iterator[Dvid]:
    server = Dvid(tmp_path / "store")
    yield server
    server.close()


@pytest.fixture
def uuid(dvid: Dvid) -> str:
    return dvid.new_repo(alias="test")
