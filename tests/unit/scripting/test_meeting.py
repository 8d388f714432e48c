"""Where jobs and warm workers meet: nobody else's folder, nobody else's process."""

from __future__ import annotations

import socket
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from ij_omero.errors import ScriptError
from ij_omero.scripting import _meeting, _worker


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    path = Path(tempfile.mkdtemp(prefix="ijw")) / "own"
    monkeypatch.setenv(_meeting.FOLDER_VARIABLE, str(path))
    return path


def test_the_folder_is_this_users_alone(folder: Path) -> None:
    assert stat.S_IMODE(_meeting.meeting_folder().stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_can_enter_is_not_used(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ScriptError, match="is not a folder that only this user can enter"):
        _meeting.meeting_folder()


def test_a_link_in_place_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    folder.symlink_to(tmp_path)
    with pytest.raises(ScriptError, match="is not a folder"):
        _meeting.meeting_folder()


def test_another_imagej_is_another_worker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _meeting.socket_path()
    monkeypatch.setenv("IJ_OMERO_IMAGEJ", "/opt/Fiji.app")
    assert _meeting.socket_path() != one


def test_nobody_at_the_socket_is_no_error(folder: Path) -> None:
    assert _meeting.call(_meeting.socket_path()) is None
    with socket.socket(socket.AF_UNIX) as listening:  # bound, and gone without having been removed
        listening.bind(str(_meeting.socket_path()))
    assert _meeting.call(_meeting.socket_path()) is None
    assert _worker.workers() == []


def test_somebody_elses_process_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(_meeting.socket_path()))
        listening.listen()
        monkeypatch.setattr("os.geteuid", lambda: 12345)
        assert _meeting.call(folder / next(folder.glob("*.sock")).name) is None


@pytest.mark.parametrize(("text", "seconds"), [("", 0), ("0", 0), ("-3", 0), ("600", 600), (" 1.5 ", 1.5)])
def test_how_long_a_worker_waits(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setenv(_meeting.WARM_VARIABLE, text)
    assert _meeting.idle_limit() == seconds


def test_a_wait_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_meeting.WARM_VARIABLE, "yes")
    with pytest.raises(ScriptError, match="expected the seconds"):
        _meeting.idle_limit()


@pytest.mark.parametrize(("text", "size"), [("", 4 << 30), ("512m", 512 << 20), ("2G", 2 << 30), ("lots", 4 << 30)])
def test_how_large_a_worker_may_grow(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv(_meeting.MEMORY_VARIABLE, text)
    assert _worker.largest_memory() == size


def test_messages_travel_whole() -> None:
    one, other = socket.socketpair()
    message = {"text": "ü" * 100_000}
    with one, other:
        # longer than what a socket holds, so that sending ends only with receiving
        sending = threading.Thread(target=_meeting.send, args=(one, message))
        sending.start()
        assert _meeting.receive(other) == message
        sending.join()
        one.close()
        assert _meeting.receive(other) is None


def test_messages_that_come_together_are_told_apart() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b'{"taken": true}\n{"status": 3}\n{"half"')
        there.shutdown(socket.SHUT_WR)
        assert [_meeting.receive(here) for _ in range(3)] == [{"taken": True}, {"status": 3}, None]
