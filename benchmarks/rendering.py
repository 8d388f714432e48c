"""Channels to a picture beside plain numpy and minerva-lib: 4 x uint16 1024 x 1024 to RGB.

    ./scripts/bench rendering [--json FILE] [--repeats N]

minerva-lib is measured where it can be imported; its release 0.0.5 lacks a header to build and needs numpy 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _measured import Table

from ij_omero.model import ChannelRendering
from ij_omero.rendering import composite_minerva, render_planes

SIZE = 1024
WINDOW = (1000.0, 41000.0)
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


def minerva_lib(planes: list[Any], colors: Any) -> Any:
    """Call it with copies, which it asks for, since it changes its input."""
    from minerva_lib import render

    channels = [
        {"image": plane.copy(), "color": [c / 255 for c in color], "min": WINDOW[0] / 65535, "max": WINDOW[1] / 65535}
        for plane, color in zip(planes, colors, strict=True)
    ]
    return render.composite_channels(channels, gamma=1)


def main() -> None:
    table = Table(__doc__)
    random = np.random.default_rng(0)
    planes = [random.integers(0, 65535, (SIZE, SIZE), np.uint16) for _ in range(4)]
    out = np.empty((SIZE, SIZE, 3), np.uint8)
    try:
        minerva_lib(planes, COLORS["primary colours"])
        with_minerva = True
    except (ImportError, OSError, AttributeError) as error:  # its release does not build from PyPI, nor know numpy 2
        print(f"minerva-lib is not measured: {error}")
        with_minerva = False
    for name, colors in COLORS.items():
        channels = [ChannelRendering(WINDOW, (*color, 255)) for color in colors]

        def ours(kernel: str, channels: Any = channels) -> None:
            render_planes(planes, channels, kernel=kernel, out=out)

        works = [
            lambda ours=ours: ours("numba"),
            lambda ours=ours: ours("numpy"),
            lambda colors=colors: plain_numpy(planes, colors),
        ]
        if with_minerva:
            works.append(lambda colors=colors: minerva_lib(planes, colors))
        numba, numpy, plain, *minerva = (1e3 * taken for taken in table.seconds(*works))
        for kernel, taken, goal in (("numba", numba, 2.0), ("numpy", numpy, 5.0)):
            table.row(f"OMERO, {name}, {kernel}", "ms", taken, goal=goal, peer=plain, peer_name="plain numpy")
            for peer in minerva:
                table.row(
                    f"OMERO, {name}, {kernel}",
                    "ms",
                    taken,
                    goal=goal,
                    peer=peer,
                    peer_name="minerva-lib and its copies",
                )
    channels = [ChannelRendering(WINDOW, (*color, 255)) for color in COLORS["primary colours"]]
    composite, plain = table.seconds(
        lambda: composite_minerva(planes, channels, out=out),
        lambda: plain_numpy(planes, COLORS["primary colours"], 1 / 2.2),
    )
    table.row("Minerva with its gamma", "ms", 1e3 * composite, peer=1e3 * plain, peer_name="plain numpy")
    table.finish()


if __name__ == "__main__":
    main()
