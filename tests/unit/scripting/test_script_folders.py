"""Scripts of folders follow what lies in them: new, changed, gone, broken."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ij_omero.cli._scripts import scripts_command
from ij_omero.errors import InvalidInputError
from ij_omero.scripting import _script_folders as script_folders
from ij_omero.scripting import (
    _watching,
    check_scripts,
    install_scripts,
    installed_scripts,
    remove_scripts,
    source_folders,
    update_scripts,
    watch_scripts,
)
from ij_omero.scripting._description import WrappedModule

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.scripting import InstallReport

OWN = "import omero.scripts as scripts\n\nscripts.client('Mine', 'Of mine.').closeSession()\n"


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of macros in the order in which they were described; ImageJ is left out."""
    names: list[str] = []

    def described_module(path: Path, root: Path) -> WrappedModule:
        text = path.read_text()
        names.append(path.name)
        if "broken" in text:
            raise InvalidInputError(f"the #@ parameters of {path.name} cannot be read: {text}")
        title = path.stem.replace("_", " ")
        return WrappedModule(f"script:{path}", title, (*path.parent.relative_to(root).parts, title), text)

    monkeypatch.setattr(script_folders, "script_module", described_module)
    return names


@pytest.fixture
def omerodir(tmp_path: Path) -> Path:
    (tmp_path / "server" / "lib" / "scripts").mkdir(parents=True)
    return tmp_path / "server"


@pytest.fixture
def macros(tmp_path: Path) -> Path:
    folder = tmp_path / "macros"
    (folder / "Lab").mkdir(parents=True)
    (folder / "Count_Cells.ijm").write_text("first")
    (folder / "Lab" / "Measure.ijm").write_text("measure")
    (folder / ".hidden.ijm").write_text("hidden")
    (folder / "notes.txt").write_text("notes")
    return folder


def paths(omerodir: Path) -> list[str]:
    return [one.path for one in installed_scripts(omerodir)]


def test_folders_become_menus_and_are_remembered(omerodir: Path, macros: Path, described: list[str]) -> None:
    install_scripts(omerodir, folders=[macros])
    assert paths(omerodir) == ["/imagej/Count_Cells.py", "/imagej/Lab/Measure.py"]
    assert source_folders(omerodir) == (str(macros),)
    assert check_scripts(omerodir) == []


def test_what_is_new_changed_and_gone_is_followed_and_nothing_else_is_touched(
    omerodir: Path, macros: Path, described: list[str]
) -> None:
    install_scripts(omerodir, [WrappedModule("test:x", "X")])
    install_scripts(omerodir, folders=[macros])
    described.clear()
    assert update_scripts(omerodir).written == ()
    assert described == []
    (macros / "Count_Cells.ijm").write_text("second")
    (macros / "New.ijm").write_text("new")
    (macros / "Lab" / "Measure.ijm").unlink()
    planned = update_scripts(omerodir, dry_run=True)
    report = update_scripts(omerodir)
    assert report == planned
    assert report.written == ("imagej/Count_Cells.py", "imagej/New.py")
    assert report.removed == ("imagej/Lab/Measure.py",)
    assert sorted(set(described)) == ["Count_Cells.ijm", "New.ijm"]
    assert paths(omerodir) == ["/imagej/Count_Cells.py", "/imagej/New.py", "/imagej/X.py"]
    assert not (omerodir / "lib/scripts/imagej/Lab").exists()
    remove_scripts(omerodir)
    assert list((omerodir / "lib/scripts").iterdir()) == []


def test_a_wrapper_that_somebody_changed_stays_when_its_macro_goes(
    omerodir: Path, macros: Path, described: list[str]
) -> None:
    install_scripts(omerodir, folders=[macros])
    wrapper = omerodir / "lib/scripts/imagej/Count_Cells.py"
    wrapper.write_text("# mine\n")
    (macros / "Count_Cells.ijm").unlink()
    assert update_scripts(omerodir).kept == ("imagej/Count_Cells.py",)
    assert any("does not exist; update" in one.problem for one in check_scripts(omerodir))
    assert update_scripts(omerodir, force=True).removed == ("imagej/Count_Cells.py",)
    assert not wrapper.exists()


def test_a_broken_macro_is_told_and_the_others_are_taken(omerodir: Path, macros: Path, described: list[str]) -> None:
    install_scripts(omerodir, folders=[macros])
    before = (omerodir / "lib/scripts/imagej/Count_Cells.py").read_bytes()
    (macros / "Count_Cells.ijm").write_text("broken")
    (macros / "New.ijm").write_text("new")
    report = update_scripts(omerodir)
    assert report.written == ("imagej/New.py",)
    (problem,) = report.problems
    assert problem.startswith(f"{macros / 'Count_Cells.ijm'} was left out: the #@ parameters of Count_Cells.ijm")
    assert (omerodir / "lib/scripts/imagej/Count_Cells.py").read_bytes() == before
    (macros / "Count_Cells.ijm").write_text("mended")
    report = update_scripts(omerodir)
    assert (report.written, report.problems) == (("imagej/Count_Cells.py",), ())


def test_a_folder_that_is_away_for_a_while_loses_nothing(omerodir: Path, macros: Path, described: list[str]) -> None:
    install_scripts(omerodir, folders=[macros])
    macros.rename(macros.with_name("away"))
    report = update_scripts(omerodir)
    assert (report.removed, report.problems) == ((), (f"{macros} is no folder any more; what was made of it stays",))
    macros.with_name("away").rename(macros)
    report = update_scripts(omerodir)
    assert (report.written, report.removed, report.problems) == ((), (), ())


def test_a_folder_that_never_was_is_refused(omerodir: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is no folder; name one with ImageJ macros"):
        install_scripts(omerodir, folders=[tmp_path / "none"])
    assert list((omerodir / "lib/scripts").iterdir()) == []


def test_a_script_for_omero_is_copied_as_it_is(omerodir: Path, macros: Path, described: list[str]) -> None:
    (macros / "Mine.py").write_text(OWN)
    (macros / "Jython.py").write_text("#@ String name\nprint name\n")
    install_scripts(omerodir, folders=[macros])
    assert (omerodir / "lib/scripts/imagej/Mine.py").read_text() == OWN
    assert "Mine.py" not in described and "Jython.py" in described
    assert check_scripts(omerodir) == []
    (macros / "Mine.py").write_text(OWN + "# more\n")
    assert update_scripts(omerodir).written == ("imagej/Mine.py",)
    (macros / "Mine.py").unlink()
    assert update_scripts(omerodir).removed == ("imagej/Mine.py",)


def test_generate_and_update_as_an_administrator_calls_them(omerodir: Path, macros: Path, described: list[str]) -> None:
    def call(*arguments: str) -> tuple[int | None, str]:
        result = CliRunner().invoke(scripts_command, [*arguments], standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return result.return_value, result.output

    assert call("generate", str(omerodir), "--scripts", str(macros))[0] == 0
    assert call("update", str(omerodir)) == (0, "nothing has changed\n")
    (macros / "New.ijm").write_text("new")
    (macros / "Bad.ijm").write_text("broken")
    code, said = call("update", str(omerodir))
    assert code == 4
    assert "imagej/New.py written" in said and "Bad.ijm was left out" in said
    assert call("generate", str(omerodir), "--scripts", str(macros), "--force")[0] == 4


def test_a_watched_folder_is_followed(omerodir: Path, macros: Path, described: list[str]) -> None:
    install_scripts(omerodir, folders=[macros])
    reports: list[InstallReport] = []
    told = threading.Condition()

    def watch() -> None:
        for report in watch_scripts(omerodir, every=0.02):
            with told:
                reports.append(report)
                told.notify()
            if report.removed:
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    (macros / "New.ijm").write_text("new")
    with told:
        assert told.wait_for(lambda: reports, timeout=30)
    (macros / "New.ijm").unlink()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert [(one.written, one.removed) for one in reports] == [(("imagej/New.py",), ()), ((), ("imagej/New.py",))]


def test_what_comes_and_goes_while_folders_are_read_is_followed(
    omerodir: Path, macros: Path, described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install_scripts(omerodir, folders=[macros])
    passing = macros / "New.ijm"
    update, calls = _watching.update_scripts, []

    def update_while_it_passes(*args: object, **options: object) -> InstallReport:
        if not calls:
            passing.write_text("new")
        calls.append(args)
        try:
            return update(*args, **options)  # type: ignore[arg-type]
        finally:
            passing.unlink(missing_ok=True)

    monkeypatch.setattr(_watching, "update_scripts", update_while_it_passes)
    reports = watch_scripts(omerodir, every=0.02)
    assert next(reports).written == ("imagej/New.py",)
    assert next(reports).removed == ("imagej/New.py",)
