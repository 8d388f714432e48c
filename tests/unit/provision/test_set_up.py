from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import InvalidInputError, SetupError
from ij_omero.provision import _debian, _ice_source, _ice_wheel, group_names, ice_wheel, set_up
from ij_omero.provision.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path


def test_an_unknown_group_lists_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"embedded", "omero", "server", "web", "dev", "all"} <= set(group_names())
    with pytest.raises(InvalidInputError, match=r"no group nonsense; there are: .*embedded"):
        set_up(["nonsense"])
    assert main(["nonsense"]) == 1
    assert "error: no group nonsense" in capsys.readouterr().err


def test_a_patch_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.cpp").write_text("old old")
    with pytest.raises(SetupError, match=r"'old' occurs 2 times in \*\.cpp"):
        _ice_source.apply_patch(tmp_path, _ice_source.Patch("*.cpp", "old", "new", 1))
    (tmp_path / "a.cpp").write_text("old")
    _ice_source.apply_patch(tmp_path, _ice_source.Patch("*.cpp", "old", "new", 1))
    assert (tmp_path / "a.cpp").read_text() == "new"


def test_a_missing_compiler_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"gcc is missing: sudo apt-get install g\+\+"):
        ice_wheel(sys.executable)


def test_a_python_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no-python is not a Python interpreter that runs"):
        ice_wheel(str(tmp_path / "no-python"))


def test_packages_on_another_system_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"only be fetched on Debian and Ubuntu.*libssl-dev"):
        _debian.unpack_packages("headers", ["libssl-dev"], "", "usr/include/*", lambda *_: None)


def test_a_cached_wheel_is_used_and_a_damaged_one_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path))
    built: list[Path] = []

    def build(python: str, interpreter: object, wheel: Path, progress: object, jobs: int) -> None:
        built.append(wheel)
        wheel.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("Ice.py", "x" * 100)

    monkeypatch.setattr(_ice_wheel, "_build", build)
    wheel = ice_wheel()
    assert ice_wheel() == wheel
    assert len(built) == 1
    wheel.write_bytes(wheel.read_bytes()[:50])
    assert ice_wheel() == wheel
    assert len(built) == 2
    packed = bytearray(wheel.read_bytes())
    packed[36] ^= 0xFF  # the first byte of what is packed
    wheel.write_bytes(packed)
    assert ice_wheel() == wheel
    assert len(built) == 3
