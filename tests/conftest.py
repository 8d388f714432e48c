"""Fixtures for all tests."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["tests._browser", "tests._omero"]

_SERVER_FIXTURES = {"omero_server", "omero_user", "omero_group", "omero_web"}
_PROGRAMS = {"cli", "demo", "localserver", "scripting", "web"}
"""Folders of those integration tests with a server that mostly start processes; about half of the time."""


def pytest_configure() -> None:
    """Read the certificates of authorities once, not for each client of a plain HTTP server (55 ms of a processor)."""
    with contextlib.suppress(ImportError, AttributeError):  # of httpx' own; without, tests take longer
        from httpx._transports import default

        default.create_ssl_context = functools.cache(default.create_ssl_context)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the server, so that ``-m "not omero"`` needs none."""
    for item in items:
        if _SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.omero)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share tests out by file, those of a server in two halves, each to one process, which brings up one of its own.

    xdist's own groups (``--dist loadgroup``) are lost with pytest 9.2, whose ids of tests cannot be changed.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByServerAndFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            if not _uses_server(config.rootpath / file, config.rootpath / "tests"):
                return file
            return "server of programs" if _PROGRAMS.intersection(file.split("/")) else "server of pixels"

    return ByServerAndFile(config, log)


@functools.cache
def _uses_server(file: Path, top: Path) -> bool:
    """Tell whether a file of tests, or a conftest that it has its fixtures from, names a fixture of the server."""
    folders = [folder for folder in file.parents if folder.is_relative_to(top) and folder != top]
    sources = [file, *(folder / "conftest.py" for folder in folders)]
    return any(name in source.read_text("utf-8") for source in sources if source.exists() for name in _SERVER_FIXTURES)
