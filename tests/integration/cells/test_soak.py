"""Sessions one after the other leave nothing behind: no memory, threads, handles, Java objects or files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.jvm
SESSIONS = int(os.environ.get("IJ_OMERO_DRILL_SESSIONS", "12"))
BOUND = 2 << 20
ROOT = Path(__file__).parents[3]


def test_sessions_leave_nothing_behind(tmp_path: Path) -> None:
    # in a process of its own: what other tests leave alive for a while would be counted too
    drill = [sys.executable, str(Path(__file__).with_name("_soak_drill.py")), str(tmp_path), str(SESSIONS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(drill, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=3600).stdout
    before, between, after = json.loads(told.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []
    assert after["threads"] <= before["threads"]
    # a collection may have more workers by then
    assert after["java threads"] <= before["java threads"] + 4, (before, after)
    assert after["handles"] <= before["handles"]

    def grown(what: str) -> int:
        """Return by how much it grew in each of two stretches at least: what is left behind grows in both."""
        return min(between[what] - before[what], after[what] - between[what])

    # a module that some late turn of events imports, in one
    assert grown("python objects") <= 5 * SESSIONS + 50, (before, between, after)
    # one session that stays would cost a bound's worth of arrays
    assert after["java bytes"] <= before["java bytes"] + BOUND // 2, (before, after)
    # the C library keeps a heap for each of several threads, which fills up at some time
    assert grown("resident bytes") <= 24 << 20, (before, between, after)
