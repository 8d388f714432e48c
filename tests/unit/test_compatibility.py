"""docs/compatibility.md names tests that exist, and small behaviours that it promises."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError
from ij_omero.model import Column, ColumnKind, parse_address, parse_server

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_document_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+|Test\w+)`", (ROOT / "docs" / "compatibility.md").read_text()))
    sources = [*(ROOT / "tests").rglob("test_*.py"), ROOT / "ij_omero" / "pixels" / "conformance.py"]
    there = set(re.findall(r"(?:def|class) (test_\w+|Test\w+)", "\n".join(path.read_text() for path in sources)))
    assert len(named) > 50
    assert named - there == set()


@pytest.mark.parametrize("name", ["h.org", "www.h.org", "http://h.org", "https://h.org", "https://www.h.org"])
def test_names_of_servers_become_hosts(name: str) -> None:
    address = parse_address(f"omero:server={name}&imageID=3")
    assert (address.host, address.port, address.image_id) == ("h.org", 4064, 3)
    assert parse_server(f"{name}:4070") == parse_server("omero://h.org:4070")


def test_a_name_that_ends_in_omero_is_a_file() -> None:
    assert parse_address("asdf.omero").scheme == "file"


def test_an_array_of_booleans_is_refused_at_once() -> None:
    with pytest.raises(InvalidInputError):
        Column.of("flags", np.ones((3, 2), bool))
    assert Column.of("flag", np.ones(3, bool)).kind is ColumnKind.BOOL
