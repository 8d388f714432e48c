from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from ij_omero.localserver import _processes
from ij_omero.localserver._processes import HOME_MARK, ProcessList, free_ports, kill_strays, start_time

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# says that it is ready, then waits for its end; "deaf" does not hear SIGTERM
PROGRAM = (
    "import signal, sys, time\n"
    "if 'deaf' in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('ready', flush=True)\n"
    "while True: time.sleep(60)\n"
)


def started(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


def test_a_process_is_known_while_it_runs(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path / "processes.json")
    with started() as process:
        processes.add("sleeper", process.pid)
        assert ProcessList(tmp_path / "processes.json").running("sleeper") == process.pid
        assert processes.stop("sleeper", signal.SIGTERM, patience_s=10)
        assert processes.running("sleeper") is None
        assert processes.read() == {}
        process.returncode = 0  # it was waited for


def test_one_that_does_not_hear_is_killed(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path / "processes.json")
    with started("deaf") as process:
        processes.add("deaf", process.pid)
        assert not processes.stop("deaf", signal.SIGTERM, patience_s=0.2)
        assert start_time(process.pid) is None
        process.returncode = 0


def test_a_pid_given_away_again_is_not_taken_for_ours(tmp_path: Path) -> None:
    processes = ProcessList(tmp_path / "processes.json")
    with started() as process:
        processes.add("sleeper", process.pid)
        text = (tmp_path / "processes.json").read_text()
        (tmp_path / "processes.json").write_text(text.replace(str(start_time(process.pid)), "1"))
        assert processes.running("sleeper") is None
        processes.stop("sleeper", signal.SIGTERM, patience_s=1)
        assert start_time(process.pid) is not None
        process.kill()


def test_pids_of_another_boot_mean_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = ProcessList(tmp_path / "processes.json")
    processes.add("self", os.getpid())
    monkeypatch.setattr(_processes, "boot_id", lambda: "another")
    assert processes.running("self") is None


def test_strays_are_found_by_their_mark_and_others_are_left_alone(tmp_path: Path) -> None:
    with (
        started(**{HOME_MARK: str(tmp_path / "a")}) as stray,
        started(**{HOME_MARK: str(tmp_path / "ab")}) as other,
    ):
        assert kill_strays(tmp_path / "a") == [stray.pid]
        assert start_time(stray.pid) is None
        assert start_time(other.pid) is not None
        other.kill()
        stray.returncode = 0


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5
