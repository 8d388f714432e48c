"""Fixtures for all tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests._browser", "tests._omero"]

_SERVER_FIXTURES = {"omero_server", "omero_user", "omero_group", "omero_web"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the server, so that ``-m "not omero"`` needs none, and what one process runs of several.

    All tests of the server run in one process, which brings it up once; the others are shared out by file.
    """
    for item in items:
        uses_server = bool(_SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())))
        if uses_server:
            item.add_marker(pytest.mark.omero)
        item.add_marker(pytest.mark.xdist_group("server" if uses_server else item.nodeid.split("::")[0]))
