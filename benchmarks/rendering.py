"""Channels to a picture beside plain numpy and minerva-lib: 4 x uint16 1024 x 1024 to RGB.

    ./scripts/bench rendering [--json FILE] [--repeats N]

minerva-lib is measured in an interpreter of its own, which MINERVA_PYTHON names: it needs numpy 1, and release 0.0.5
on PyPI lacks a header, so it is built from its repository:

    python3 -m venv minerva && minerva/bin/pip install "setuptools<66" wheel "numpy<2"
    minerva/bin/pip install --no-build-isolation --no-deps git+https://github.com/labsyspharm/minerva-lib-python
    MINERVA_PYTHON=minerva/bin/python ./scripts/bench rendering
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from typing import Any

import numpy as np
from _measured import Table

from ij_omero.model import ChannelRendering
from ij_omero.rendering import composite_minerva, render_planes

SIZE = 1024
WINDOW = (1000.0, 41000.0)
PEERS_WHERE_SET = {"plain numpy": 29.5, "minerva-lib's C": 3.75}
"""Milliseconds on the machine that the goals were set on."""
COLORS = {
    "primary colours": ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)),
    "mixed colours": ((255, 20, 0), (0, 255, 70), (90, 0, 255), (255, 155, 12)),
}


def plain_numpy(planes: list[Any], colors: Any, gamma: float = 1.0) -> Any:
    """Write the formula as it is usually written."""
    total = np.zeros((SIZE, SIZE, 3))
    for plane, color in zip(planes, colors, strict=True):
        stretched = np.clip((plane.astype(float) - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1)
        total += stretched[:, :, None] * np.array(color) / 255
    return (255 * np.clip(total, 0, 1) ** gamma).astype(np.uint8)


class Minerva:
    """minerva-lib in another process, which composites when it is told to and says what that took."""

    _PROGRAM = """
import json, sys, time
import numpy as np
from minerva_lib import render
random = np.random.default_rng(0)
planes = [random.integers(0, 65535, (%d, %d), np.uint16) for _ in range(4)]
low, high = (value / 65535 for value in %r)
print("ready", flush=True)
for line in sys.stdin:
    # copies, which it asks for, since it changes its input; they are not measured
    channels = [
        {"image": plane.copy(), "color": [part / 255 for part in color], "min": low, "max": high}
        for plane, color in zip(planes, json.loads(line))
    ]
    began = time.perf_counter()
    render.composite_channels(channels, gamma=1)
    print(time.perf_counter() - began, flush=True)
"""

    def __init__(self, python: str) -> None:
        command = [python, "-c", self._PROGRAM % (SIZE, SIZE, WINDOW)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()
        self.taken: list[float] = []

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("MINERVA_PYTHON names no interpreter that has minerva-lib")
        return line

    def composite(self, colors: Any) -> None:
        """Composite once."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(colors) + "\n")
        self._process.stdin.flush()
        self.taken.append(float(self._line()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    table = Table(__doc__)
    random = np.random.default_rng(0)
    planes = [random.integers(0, 65535, (SIZE, SIZE), np.uint16) for _ in range(4)]
    out = np.empty((SIZE, SIZE, 3), np.uint8)
    minerva = Minerva(os.environ["MINERVA_PYTHON"]) if "MINERVA_PYTHON" in os.environ else None
    if minerva is None:
        print("minerva-lib is not measured: MINERVA_PYTHON is not set")
    for name, colors in COLORS.items():
        channels = [ChannelRendering(WINDOW, (*color, 255)) for color in colors]

        def ours(kernel: str, channels: Any = channels) -> None:
            render_planes(planes, channels, kernel=kernel, out=out)

        works = [
            lambda ours=ours: ours("numba"),
            lambda ours=ours: ours("numpy"),
            lambda colors=colors: plain_numpy(planes, colors),
            lambda: [plane.max() for plane in planes],
        ]
        if minerva is not None:
            minerva.taken.clear()
            works.append(lambda colors=colors: minerva.composite(colors))
        numba, numpy, plain, reading, *_ = (1e3 * taken for taken in table.seconds(*works))
        for kernel, taken, goal in (("numba", numba, 2.0), ("numpy", numpy, 5.0)):
            what = f"OMERO, {name}, {kernel}"
            peers = {"plain numpy": plain}
            if minerva is not None:
                peers["minerva-lib's C"] = 1e3 * statistics.median(minerva.taken[1:])
            for peer_name, peer in peers.items():
                where_set = PEERS_WHERE_SET[peer_name]
                table.row(what, "ms", taken, goal=goal, peer=peer, peer_name=peer_name, peer_where_set=where_set)
        table.row("reading the planes once", "ms", reading)
    if minerva is not None:
        minerva.close()
    channels = [ChannelRendering(WINDOW, (*color, 255)) for color in COLORS["primary colours"]]
    composite, plain = table.seconds(
        lambda: composite_minerva(planes, channels, out=out),
        lambda: plain_numpy(planes, COLORS["primary colours"], 1 / 2.2),
    )
    table.row("Minerva with its gamma", "ms", 1e3 * composite, peer=1e3 * plain, peer_name="plain numpy")
    table.finish()


if __name__ == "__main__":
    main()
