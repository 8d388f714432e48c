"""How the command begins and ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ij_omero.cli import app, main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Outcome

COMMANDS = [
    "demo",
    "info",
    "list",
    "import",
    "export",
    "view",
    "crop",
    "imgdata",
    "serve",
    "omeis",
    "dvid",
    "run",
    "modules",
    "edits",
    "scripts",
    "server",
    "setup",
    "doctor",
]


def start(*arguments: str, **options: object) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "ij_omero", *arguments]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)  # type: ignore[call-overload,no-any-return]


def test_help_lists_every_command() -> None:
    done = start("--help")
    out, err = done.communicate(timeout=60)
    assert (done.returncode, err) == (0, "")
    for name in COMMANDS:
        assert f"\n  {name} " in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 4


def test_the_command_list_is_pinned() -> None:
    assert app.list_commands(None) == COMMANDS  # type: ignore[arg-type]


def test_version(ij_omero: Callable[..., Outcome]) -> None:
    assert ij_omero("--version").out.startswith("ij-omero 0.")


def test_debug_shows_the_traceback_and_keeps_the_exit_code(ij_omero: Callable[..., Outcome]) -> None:
    for arguments in (["--debug", "info", "ftp://x"], ["info", "--debug", "ftp://x"]):
        done = ij_omero(*arguments)
        assert done.code == 1
        assert "Traceback" in done.err
        assert "AddressError" in done.err


def test_a_fault_of_the_program_has_its_own_code(
    ij_omero: Callable[..., Outcome], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("ij_omero.images.Image.tables", broken)
    done = ij_omero("info", store / "1.ome.zarr")
    assert (done.code, done.out) == (70, "")
    assert done.err == "error: unexpected ZeroDivisionError: by zero; --debug shows where\n"


def test_control_c_ends_with_130(
    ij_omero: Callable[..., Outcome], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ij_omero.images.Image.tables", interrupted)
    done = ij_omero("info", store / "1.ome.zarr")
    assert (done.code, done.err.strip()) == (130, "interrupted")


def test_being_told_to_end_ends_with_143(
    ij_omero: Callable[..., Outcome], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told_to_end(self: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("ij_omero.images.Image.tables", told_to_end)
    done = ij_omero("info", store / "1.ome.zarr")
    assert (done.code, done.err.strip()) == (143, "terminated")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_goes_away_is_no_error(store: Path) -> None:
    done = start("list", str(store))
    assert done.stdout is not None
    done.stdout.close()
    assert done.stderr is not None
    with done.stderr:
        assert done.stderr.read() == ""
    assert done.wait(60) in (0, 141)


def test_json_of_a_real_process_is_one_document(store: Path) -> None:
    done = start("info", str(store / "1.ome.zarr"), "--json")
    out, err = done.communicate(timeout=60)
    assert (done.returncode, err) == (0, "")
    assert json.loads(out)["name"] == "stripes.png"


def test_a_password_file_that_cannot_be_read_is_wrong_usage(ij_omero: Callable[..., Outcome]) -> None:
    done = ij_omero("list", "omero://localhost", "--password-file", "/no/such/file")
    assert done.code == 2
    assert "/no/such/file" in done.err


def test_an_empty_password_file_is_said_to_be_empty(ij_omero: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("\n")
    done = ij_omero("list", "omero://localhost", "--password-file", str(tmp_path / "password"))
    assert done.code == 2
    assert "is empty" in done.err
