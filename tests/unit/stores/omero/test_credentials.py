"""Whose secrets go where; no server is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ij_omero.stores._omero._credentials import find_login

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOST", "SERVER", "PORT", "USER", "PASSWORD", "SESSION", "SESSIONKEY", "GROUP"):
        monkeypatch.delenv(f"OMERO_{name}", raising=False)
    monkeypatch.delenv("ICE_CONFIG", raising=False)
    monkeypatch.setenv("OMERO_SESSIONDIR", str(tmp_path))


def test_a_password_of_the_environment_is_for_the_server_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMERO_PASSWORD", "secret")
    login = find_login("omero://ana@omero.example.org:4444")
    assert (login.server, login.user, login.password) == ("omero.example.org:4444", "ana", "secret")
    assert find_login("omero://omero.example.org").port == 4064
    assert find_login("https://www.omero.example.org/").host == "omero.example.org"


def test_a_password_of_the_environment_stays_with_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMERO_HOST", "mine.example.org")
    monkeypatch.setenv("OMERO_PASSWORD", "secret")
    assert find_login("omero://ana@mine.example.org").password == "secret"
    assert find_login("omero://ana@other.example.org").password is None
    assert find_login("omero://ana@mine.example.org:4444").password is None


def test_somebody_elses_password_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMERO_USER", "root")
    monkeypatch.setenv("OMERO_PASSWORD", "secret")
    assert find_login("omero://ana@omero.example.org").password is None


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMERO_PASSWORD", "secret")
    assert "secret" not in repr(find_login("omero://ana@omero.example.org"))
