"""Ctrl-C and SIGTERM in the middle of an import and of bringing a server up."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero.localserver import LocalServer

if TYPE_CHECKING:
    from pathlib import Path


def large_files(folder: Path) -> list[Path]:
    """Files that hold pixels."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # renamed in between
            if path.is_file() and path.stat().st_size > 1000:
                found.append(path)
    return found


@pytest.mark.parametrize(
    ("sent", "code", "words"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_an_interrupted_import_leaves_nothing(tmp_path: Path, sent: signal.Signals, code: int, words: str) -> None:
    np.save(tmp_path / "large.npy", np.random.default_rng(0).integers(0, 60000, (9000, 9000), dtype=np.uint16))
    store = tmp_path / "images"
    command = [sys.executable, "-m", "ij_omero"]
    process = subprocess.Popen([*command, "import", tmp_path / "large.npy", "--to", store], stderr=subprocess.PIPE)
    while process.poll() is None and not any(large_files(store)):
        time.sleep(0.01)  # until it writes; the test's own time limit ends a process that never does
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert err.decode().strip() == words
    listing = subprocess.run([*command, "list", store, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(listing.stdout) == []
    assert large_files(store) == []


@pytest.mark.omero
def test_a_server_that_is_broken_off_leaves_nothing_running(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "ij_omero", "server", "up", "--home", home, "--port", "0"]
    server = LocalServer(home)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            begun = next(line for line in process.stderr if "PostgreSQL is ready" in line)
            assert any(server.status().processes.values()), begun
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            assert process.returncode == 143
            status = server.status()
            assert (status.state, set(status.processes.values())) == ("down", {None})
        finally:
            server.wipe()
