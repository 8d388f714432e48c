"""Which browser is taken: a pair on PATH, or the one in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import SetupError
from ij_omero.provision import fetch_browser, find_browser, set_up

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without programs and with an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_browser_without_its_driver_is_none(empty: Path) -> None:
    program(empty / "bin/chromium")
    assert find_browser() is None


def test_installed_programs_are_taken(empty: Path) -> None:
    chromium, driver = program(empty / "bin/chromium"), program(empty / "bin/chromedriver")
    found = find_browser()
    assert found is not None
    assert (found.program, found.driver) == (chromium, driver)


def test_unpacked_programs_find_their_libraries_and_fonts(empty: Path) -> None:
    root = empty / "cache/debian/chromium"
    program(root / "usr/lib/chromium/chromium-headless-shell")
    program(root / "usr/bin/chromedriver")
    (root / "usr/lib/x86_64-linux-gnu/pulseaudio").mkdir(parents=True)
    found = find_browser()
    assert found is not None
    assert found.environment["LD_LIBRARY_PATH"].startswith(f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib/x86_64")
    assert found.environment["FONTCONFIG_PATH"] == f"{root}/etc/fonts"
    assert fetch_browser() == found


def test_elsewhere_than_on_debian_it_says_what_to_do(empty: Path) -> None:
    with pytest.raises(SetupError, match="can only be fetched on Debian and Ubuntu"):
        fetch_browser()


def test_no_browser_does_not_keep_anybody_from_the_rest(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("ij_omero.provision._packages.run_pip", lambda *arguments: None)
    set_up(["dev"], progress=lambda message, done=None, total=None: told.append(message))
    assert any(message.startswith("note: no browser for the tests of web pages") for message in told)
