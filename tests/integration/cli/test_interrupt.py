"""Ctrl-C in the middle of an import."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def test_an_interrupted_import_leaves_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.random.default_rng(0).integers(0, 60000, (9000, 9000), dtype=np.uint16))
    store = tmp_path / "images"
    command = [sys.executable, "-m", "ij_omero"]
    process = subprocess.Popen([*command, "import", tmp_path / "large.npy", "--to", store], stderr=subprocess.PIPE)
    while process.poll() is None and not (store.is_dir() and any(store.iterdir())):
        time.sleep(0.01)  # until it writes; the test's own time limit ends a process that never does
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.decode().strip() == "interrupted"
    listing = subprocess.run([*command, "list", store, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(listing.stdout) == []
    assert not [path for path in store.rglob("*") if path.is_file() and path.stat().st_size > 1000]
