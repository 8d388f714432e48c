"""Wrappers go into a script folder whole or not at all, and come out without a trace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ij_omero.scripting import (
    ScriptsExistError,
    ScriptsFolderNotFoundError,
    ScriptsFolderNotWritableError,
    check_scripts,
    install_scripts,
    installed_scripts,
    remove_scripts,
)
from ij_omero.scripting._description import WrappedModule


def module(name: str, *menu: str) -> WrappedModule:
    return WrappedModule(f"test:{name}", name, (*menu, name))


BLUR = module("Gaussian Blur...", "Process", "Filters")
SHARPEN = module("Sharpen", "Process")


@pytest.fixture
def omerodir(tmp_path: Path) -> Path:
    (tmp_path / "lib" / "scripts" / "omero").mkdir(parents=True)
    (tmp_path / "lib" / "scripts" / "omero" / "Own.py").write_text("# the server's\n")
    return tmp_path


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(one.relative_to(folder)): one.read_bytes() if one.is_file() else None for one in folder.rglob("*")}


def test_installing_twice_changes_nothing_and_removing_leaves_no_trace(omerodir: Path) -> None:
    before = content(omerodir)
    report = install_scripts(omerodir, [BLUR, SHARPEN])
    assert report.written == ("imagej/Process/Filters/Gaussian_Blur.py", "imagej/Process/Sharpen.py")
    assert [one.path for one in installed_scripts(omerodir)] == [f"/{path}" for path in report.written]
    assert all(os.access(one.file, os.X_OK) for one in report.scripts)
    after = content(omerodir)
    assert install_scripts(omerodir, [BLUR, SHARPEN]).written == ()
    assert content(omerodir) == after
    assert check_scripts(omerodir) == []
    assert remove_scripts(omerodir).removed == report.written
    assert content(omerodir) == before
    assert remove_scripts(omerodir).removed == ()


def test_a_dry_run_says_the_same_and_does_nothing(omerodir: Path) -> None:
    before = content(omerodir)
    planned = install_scripts(omerodir, [BLUR], dry_run=True)
    assert content(omerodir) == before
    assert install_scripts(omerodir, [BLUR]) == planned
    there = content(omerodir)
    assert remove_scripts(omerodir, dry_run=True).removed == planned.written
    assert content(omerodir) == there


def test_others_stay_unless_begun_anew(omerodir: Path) -> None:
    install_scripts(omerodir, [BLUR])
    install_scripts(omerodir, [SHARPEN])
    assert len(installed_scripts(omerodir)) == 2
    assert install_scripts(omerodir, [SHARPEN], force=True).removed == ("imagej/Process/Filters/Gaussian_Blur.py",)
    assert [one.module for one in installed_scripts(omerodir)] == ["test:Sharpen"]
    assert not (omerodir / "lib/scripts/imagej/Process/Filters").exists()


def test_two_modules_of_one_title_get_two_files_and_keep_them(omerodir: Path) -> None:
    other = WrappedModule("test:other", "Gaussian Blur", ("Process", "Filters", "Gaussian Blur"))
    both = install_scripts(omerodir, [BLUR, other])
    assert [one.path.rpartition("/")[2] for one in both.scripts] == ["Gaussian_Blur.py", "Gaussian_Blur_2.py"]
    assert install_scripts(omerodir, [other]).written == ()


def test_a_folder_of_something_else_is_not_touched(omerodir: Path) -> None:
    own = omerodir / "lib" / "scripts" / "imagej"
    own.mkdir()
    (own / "Mine.py").write_text("mine")
    with pytest.raises(ScriptsExistError, match=r"Path already exists: .*imagej\nPlease run with --force"):
        install_scripts(omerodir, [BLUR])
    assert [path.name for path in own.iterdir()] == ["Mine.py"]
    install_scripts(omerodir, [BLUR], force=True)
    remove_scripts(omerodir)
    assert content(own) == {"Mine.py": b"mine"}


def test_no_omerodir(tmp_path: Path) -> None:
    with pytest.raises(ScriptsFolderNotFoundError, match=r"OMERO scripts directory not found: .*lib/scripts"):
        install_scripts(tmp_path, [BLUR])


def test_a_changed_script_stays_and_is_reported(omerodir: Path) -> None:
    (script,) = install_scripts(omerodir, [BLUR]).scripts
    script.file.write_text(script.file.read_text() + "# mine\n")
    (problem,) = check_scripts(omerodir)
    assert "was changed after it was written" in problem.problem
    assert remove_scripts(omerodir).kept == ("imagej/Process/Filters/Gaussian_Blur.py",)
    assert script.file.exists()
    remove_scripts(omerodir, force=True)
    assert not (omerodir / "lib" / "scripts" / "imagej").exists()


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4, 5])
def test_a_failure_at_any_moment_leaves_what_was_there(
    omerodir: Path, fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_scripts(omerodir, [BLUR])
    before = content(omerodir)
    replace, calls = Path.replace, []

    def failing(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == fails_at:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    three = [module(name, "Process", "New") for name in ("A", "B", "C")]
    with pytest.raises(ScriptsFolderNotWritableError, match="No space left on device"):
        install_scripts(omerodir, three)
    assert content(omerodir) == before


def test_what_a_killed_installation_left_is_cleared_away(omerodir: Path) -> None:
    before = content(omerodir)
    install_scripts(omerodir, [BLUR])
    (omerodir / "lib/scripts/imagej/Process/.Sharpen.py.x1.part").write_text("half")
    remove_scripts(omerodir)
    assert content(omerodir) == before


def test_a_script_whose_python_is_gone_is_reported(omerodir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/gone/bin/python")
    install_scripts(omerodir, [BLUR])
    (problem,) = check_scripts(omerodir)
    assert problem.problem == "runs /gone/bin/python, which is no program any more; generate the scripts again"
