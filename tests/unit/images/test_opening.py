"""Logging in: who is asked for a password, and when."""

from __future__ import annotations

import io
from typing import Any

import pytest

import ij_omero
from ij_omero.errors import AddressError, LoginError
from ij_omero.images import split_address
from ij_omero.stores import MemoryStore, OmeroStore


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Let logins succeed with the password ``secret`` only, and note them."""
    seen: list[tuple[Any, ...]] = []

    def connect(address: Any = None, user: Any = None, password: Any = None, **others: Any) -> MemoryStore:
        seen.append((str(address), user, password))
        if password != "secret":
            raise LoginError("wrong user or password")
        return MemoryStore()

    monkeypatch.setattr(OmeroStore, "connect", connect)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "secret")
    return seen


def test_a_person_at_a_terminal_is_asked_once(logins: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    ij_omero.connect("example.org", user="ana")
    assert logins == [("example.org", "ana", None), ("example.org", "ana", "secret")]
    ij_omero.open_store("omero://ana@example.org")
    assert len(logins) == 4


@pytest.mark.parametrize("login", [{"user": "ana", "password": "wrong"}, {"user": "ana", "session_id": "x"}, {}])
def test_what_was_given_and_is_wrong_is_an_error(
    logins: list[Any], login: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    with pytest.raises(LoginError):
        ij_omero.connect("example.org", **login)
    assert len(logins) == 1


def test_a_program_is_never_asked(logins: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(LoginError):
        ij_omero.connect("example.org", user="ana")


def test_an_address_is_split_into_store_and_image() -> None:
    store, image_id = split_address("omero://ana@example.org:4065/image/42")
    assert (str(store), image_id) == ("omero://ana@example.org:4065", 42)
    store, image_id = split_address("/data/images/3.ome.zarr")
    assert (str(store), image_id) == ("/data/images", 3)
    store, image_id = split_address("/data/foreign.ome.zarr")
    assert (str(store), image_id) == ("/data", "foreign.ome.zarr")
    store, image_id = split_address("/data/plain")
    assert (str(store), image_id) == ("/data/plain", None)
    with pytest.raises(AddressError, match=r"omero://example.org/image/42"):
        split_address("omero://example.org")
