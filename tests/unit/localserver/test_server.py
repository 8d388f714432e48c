from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import InvalidInputError, MissingDependencyError, ServerStartError
from ij_omero.localserver import LocalServer, _server, default_home
from ij_omero.localserver._home import Home

if TYPE_CHECKING:
    from pathlib import Path


def test_one_that_was_never_started_is_down(tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "home")
    status = server.status()
    assert (status.state, status.port, status.processes) == ("down", None, {})
    assert json.loads(json.dumps(status.to_json()))["home"] == str(tmp_path / "home")
    assert server.down().state == "down"
    server.wipe()
    assert not (tmp_path / "home").exists()
    with pytest.raises(ServerStartError, match="was never started: ij-omero server up"):
        server.env()


@pytest.mark.parametrize("verb", ["up", "down", "wipe"])
def test_a_folder_with_other_things_in_it_is_refused_and_left_alone(tmp_path: Path, verb: str) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInputError, match=r"not empty and was not made by a local server \(thesis\.txt"):
        getattr(LocalServer(tmp_path), verb)()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_wipe_that_was_broken_off_can_be_finished(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    (home.folder / ".half-way").touch()
    LocalServer(home.folder).wipe()
    assert not home.folder.exists()


def test_all_that_is_missing_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_java() -> None:
        raise MissingDependencyError("no Java 17 or later was found")

    monkeypatch.setattr(_server, "_NEEDED", {"no_such_module": "no-such-package"})
    monkeypatch.setattr(_server, "find_java", no_java)
    with pytest.raises(MissingDependencyError, match=r"(?s)no-such-package .*scripts/setup server.*no Java 17"):
        LocalServer(tmp_path / "home", port=0).up()
    assert not [path for path in (tmp_path / "home").iterdir() if path.name != ".lock"]


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_out_of_range_are_refused(port: int) -> None:
    with pytest.raises(InvalidInputError, match="must be from 0"):
        LocalServer(port=port)


def test_the_home_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IJ_OMERO_SERVER_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("IJ_OMERO_SERVER_HOME")
    assert default_home().parts[-2:] == ("ij-omero", "server")
