"""Fixtures for all tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests._browser", "tests._omero"]

_SERVER_FIXTURES = {"omero_server", "omero_user", "omero_group", "omero_web"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the server, so that ``-m "not omero"`` needs none."""
    for item in items:
        if _SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.omero)
