"""Bits that flip on disk are reported, or change nothing; never are wrong pixels handed out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FLIPS = int(os.environ.get("IJ_OMERO_DRILL_FLIPS", "150"))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_flipped_bit_anywhere_is_harmless_or_reported(tmp_path: Path, seed: int) -> None:
    done = subprocess.run(
        [sys.executable, HERE / "_flip_drill.py", tmp_path, str(seed), str(FLIPS)],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["outcomes"]["told"] > FLIPS // 20
