"""The programs in scripts/ and the command group, as an administrator calls them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ij_omero.cli._scripts import scripts_command
from ij_omero.scripting import existing_imagej, install_imagej, install_scripts, remove_imagej, server_imagej
from ij_omero.scripting._description import WrappedModule

TOOLS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def omerodir(tmp_path: Path) -> Path:
    (tmp_path / "lib" / "scripts").mkdir(parents=True)
    return tmp_path


def run(tool: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    venv = str(Path(sys.executable).parents[1])
    variables = {**os.environ, "IJ_OMERO_VENV": venv, **environment}
    return subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, env=variables, timeout=120)


@pytest.mark.parametrize("tool", ["gen-scripts", "install-imagej", "run-script", "uninstall-imagej"])
def test_every_tool_explains_itself(tool: str) -> None:
    done = run(tool, "--help")
    assert done.returncode == 0
    assert f"{tool} <" in done.stdout


@pytest.mark.parametrize("tool", ["install-imagej", "run-script", "uninstall-imagej"])
def test_without_arguments_a_tool_tells_its_usage(tool: str) -> None:
    done = run(tool)
    assert done.returncode == 64
    assert done.stderr.startswith(f"usage: {tool}")


def test_the_whole_table_of_exit_codes_is_told() -> None:
    told = run("gen-scripts", "--help").stdout
    assert all(f"{code} " in told.partition("Exit codes:")[2] for code in (0, 1, 2, 3, 4, 64, 70))


def test_outside_a_job_a_module_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ICE_CONFIG", raising=False)
    done = run("run-script", "Gaussian Blur...", "System Information")
    assert done.returncode == 2  # the number of modules that failed
    assert "ICE_CONFIG names no file with a job's settings" in done.stderr and "Traceback" not in done.stderr


def test_no_omerodir_has_its_own_exit_code(tmp_path: Path) -> None:
    done = run("gen-scripts", str(tmp_path), "--bogus")
    assert done.returncode == 1
    assert "[WARNING] Ignoring bogus flag: --bogus" in done.stderr
    assert f"OMERO scripts directory not found: {tmp_path}/lib/scripts" in done.stderr


def test_a_folder_of_something_else_has_its_own_exit_code(omerodir: Path) -> None:
    (omerodir / "lib/scripts/imagej").mkdir()
    result = CliRunner().invoke(
        scripts_command, ["generate", str(omerodir), "--module", "System Information"], standalone_mode=False
    )
    assert result.return_value == 2
    assert "Please run with --force" in result.output


def test_generate_list_check_remove(omerodir: Path) -> None:
    def call(*arguments: str) -> str:
        result = CliRunner().invoke(scripts_command, [*arguments], standalone_mode=False)
        assert result.exception is None, result.output
        assert result.return_value in (None, 0)
        return result.output

    where = str(omerodir)
    assert "1 scripts generated." in call("generate", where, "--module", "System Information")
    assert "/imagej/Help/System_Information.py" in call("list", where)
    assert "1 scripts, 0 problems" in call("check", where)
    assert "would be removed" in call("remove", where, "--dry-run")
    assert "1 scripts removed." in call("remove", where)
    assert list((omerodir / "lib/scripts").iterdir()) == []


def test_an_imagej_that_is_there_is_used(omerodir: Path, tmp_path: Path) -> None:
    fiji = omerodir / "lib" / "Fiji.app"
    (fiji / "jars").mkdir(parents=True)
    assert server_imagej(omerodir) == {"IJ_OMERO_IMAGEJ": str(fiji)}
    assert install_imagej(omerodir) is None
    assert remove_imagej(omerodir) is None
    assert fiji.is_dir()


@pytest.mark.jvm
def test_the_embedded_imagej_is_put_into_the_omerodir_and_out_again(omerodir: Path) -> None:
    made = install_imagej(omerodir)
    assert made == omerodir / "lib" / "ImageJ.app"
    assert install_imagej(omerodir) is None
    assert server_imagej(omerodir) == {"IJ_OMERO_CACHE": str(made)}
    # with nothing else to fall back on, and without writing into it
    text = "from ij_omero.imagej import start; print(start().imagej1_version)"
    before = sorted(made.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "IJ_OMERO_CACHE": str(made)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.startswith("1."), done.stderr
    assert sorted(made.rglob("*")) == before
    remove_imagej(omerodir)
    assert [path.name for path in (omerodir / "lib").iterdir()] == ["scripts"]


def test_what_an_older_version_put_there_is_renewed(omerodir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ij_omero.imagej.make_class_archive", lambda cache: None)
    made = install_imagej(omerodir)
    assert made is not None
    names = sorted(path.relative_to(made) for path in made.rglob("*"))
    (jar,) = made.glob("imagej/ij1-headless-*.jar")
    older = jar.rename(jar.with_name("ij1-headless-older.jar"))
    record = made / ".ij_omero.json"
    record.write_text(record.read_text().replace(jar.name, older.name))
    assert install_imagej(omerodir, dry_run=True) == made and older.exists()
    assert install_imagej(omerodir) == made
    assert sorted(path.relative_to(made) for path in made.rglob("*")) == names
    assert install_imagej(omerodir) is None
    remove_imagej(omerodir)
    assert not made.exists()


def test_removal_leaves_what_others_put_beside(omerodir: Path) -> None:
    install_scripts(omerodir, [WrappedModule("test:x", "X")])
    (omerodir / "lib/scripts/imagej/Note.txt").write_text("mine")
    CliRunner().invoke(scripts_command, ["remove", str(omerodir)], standalone_mode=False)
    assert [path.name for path in (omerodir / "lib/scripts/imagej").iterdir()] == ["Note.txt"]


@pytest.mark.parametrize(
    ("given", "launcher", "used"),
    [
        ("Fiji.app", "Fiji.app/ImageJ-linux64", "Fiji.app"),
        ("Fiji", "Fiji/fiji-linux-x64", "Fiji"),
        (".", "Fiji.app/ImageJ-linux64", "Fiji.app"),
        (".", "Fiji/fiji-linux-x64", "Fiji"),
        ("Fiji.app", "Fiji.app/Contents/MacOS/fiji-macos", "Fiji.app"),
    ],
)
def test_an_imagej_is_found_whatever_its_launcher_is_called(
    tmp_path: Path, given: str, launcher: str, used: str
) -> None:
    program = tmp_path / launcher
    program.parent.mkdir(parents=True)
    program.touch()
    (tmp_path / used / "jars").mkdir()
    assert existing_imagej(tmp_path / given) == {"IJ_OMERO_IMAGEJ": str(tmp_path / used)}


def test_imagej_home_without_an_imagej_is_told(omerodir: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("gen-scripts", str(omerodir), "--module", "System Information", IMAGEJ_HOME=str(tmp_path / "empty"))
    assert done.returncode == 1
    assert "is no ImageJ or Fiji folder: there is no jars/ in it" in done.stderr
    assert list((omerodir / "lib/scripts").iterdir()) == []


def test_a_tool_whose_flag_lacks_its_value_says_so(omerodir: Path) -> None:
    done = run("gen-scripts", str(omerodir), "--scripts")
    assert (done.returncode, done.stderr) == (64, "gen-scripts: --scripts needs a value\n")


def test_the_tool_takes_a_folder_of_scripts(omerodir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "Mine.py").write_text("import omero.scripts as scripts\n")
    done = run("gen-scripts", str(omerodir), "--scripts", str(folder))
    assert done.returncode == 0, done.stderr
    assert "imagej/Mine.py written" in done.stdout and "1 scripts generated." in done.stdout
    assert run("uninstall-imagej", str(omerodir)).returncode == 0
    assert list((omerodir / "lib/scripts").iterdir()) == []
