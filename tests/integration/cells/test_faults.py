"""Every file operation of the edits fails once, and from then on: nothing is lost, and somebody is told.

Each fails in one of four ways here; `IJ_OMERO_FAULT_STEP=1`, as in the drill, has all of them fail in all ways.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STEP = int(os.environ.get("IJ_OMERO_FAULT_STEP", "4"))
SCENARIOS, CODES, LASTING = ("editing", "recovering"), (errno.ENOSPC, errno.EIO), ("once", "lasting")


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "faults.c", "-ldl"], check=True)
    return library


@pytest.mark.parametrize("lasting", LASTING)
@pytest.mark.parametrize("code", CODES, ids=["full", "io"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_any_file_operation_may_fail(tmp_path: Path, preloaded: Path, scenario: str, code: int, lasting: str) -> None:
    first = 1 + (2 * CODES.index(code) + LASTING.index(lasting)) % STEP
    done = subprocess.run(
        [sys.executable, HERE / "_fault_drill.py", tmp_path, scenario, str(code), lasting, str(first), str(STEP)],
        env={**os.environ, "LD_PRELOAD": str(preloaded), "PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["operations"] > 50
    assert report["failures"] == []
