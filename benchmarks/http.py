"""Servers under load: DVID's interface.

    ./scripts/bench http [--json FILE] [--seconds N]

Clients are processes of their own on the same processors as the server: on a machine with two of them a server with two
workers and its clients share both. Goals are what Janelia's DVID (Go) was measured at on two processors, and more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import sysconfig
import tempfile
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

# This file's name is that of a package of Python, and its folder comes first for whatever runs here.
if __name__ == "http":
    own = PathFinder.find_spec("http", [sysconfig.get_paths()["stdlib"]])
    sys.modules["http"] = module_from_spec(own)
    own.loader.exec_module(sys.modules["http"])
else:
    sys.path.append(sys.path.pop(0))

import urllib.request

import numpy as np
from _http_load import load, processor_seconds, served
from _measured import Table

SIDE, LARGE = 64, 256
SERVER = """
import functools, sys
from ij_omero.services import serve
from ij_omero.services.dvid import make_app
serve(functools.partial(make_app, sys.argv[1]), workers=int(sys.argv[2]), on_ready=lambda a: print(a, flush=True))
"""


def tissue(side: int) -> np.ndarray:
    """Return grey voxels like those of electron microscopy: slow changes under noise."""
    z, y, x = np.mgrid[:side, :side, :side]
    smooth = 128 + 60 * np.sin(x / 20) * np.cos(y / 17) + 40 * np.sin(z / 9)
    return np.clip(smooth + np.random.default_rng(0).normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def ask(address: str, path: str, body: bytes) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(f"{address}{path}", body), timeout=60) as answer:  # noqa: S310
        return bytes(answer.read())


def main() -> None:
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--seconds", type=float, default=5.0, help="how long each is measured")
    table = Table(__doc__, [parent])
    seconds = table.options.seconds
    print(f"{os.cpu_count()} processors for server and clients, load {os.getloadavg()[0]:.1f} before")
    volume = tissue(LARGE).tobytes()
    with tempfile.TemporaryDirectory() as folder, served("-c", SERVER, folder, "2") as (host, port, process):
        address = f"http://{host}:{port}"
        root = json.loads(ask(address, "/api/repos", b"{}"))["root"]
        settings = json.dumps({"typename": "uint8blk", "dataname": "grey"}).encode()
        ask(address, f"/api/repo/{root}/instance", settings)
        node = f"/api/node/{root}/grey"
        whole = f"{node}/raw/0_1_2/{LARGE}_{LARGE}_{LARGE}"
        for x in (0, LARGE):
            for y in (0, LARGE):
                ask(address, f"{whole}/{x}_{y}_0", volume)

        def measure(
            what: str, unit: str, method: str, paths: list[str], clients: int, goal: float | None = None
        ) -> list[float]:
            """Take down what clients get, and the processor time that the server spends on it."""
            body = volume if method == "POST" else b""
            before = processor_seconds(process)
            rate, times = load(host, port, method, paths, clients=clients, seconds=seconds, body=body)
            spent = (processor_seconds(process) - before) / len(times)
            scale = len(volume) / 1e6 if unit == "MB/s" else 1
            table.row(f"dvid: {what}, {clients} clients", unit, rate * scale, goal=goal)
            table.row("    the server's processor time for each", "ms", 1e3 * spent)
            return times

        steps = range(0, LARGE, SIDE)
        cubes = [f"{node}/raw/0_1_2/{SIDE}_{SIDE}_{SIDE}/{x}_{y}_{z}" for z in steps for y in steps for x in steps]
        skewed = [f"{node}/raw/0_1_2/{SIDE}_{SIDE}_{SIDE}/{x}_{x + 5}_{z}" for z in range(150) for x in range(150)]
        for clients in (2, 4):
            measure("GET 64^3 from the cache", "req/s", "GET", cubes, clients, 3000)
        measure("GET 64^3 across blocks, not kept", "req/s", "GET", skewed, 4, 1807)
        for clients in (1, 2):
            measure("GET 16 MiB", "MB/s", "GET", [f"{whole}/0_0_0"], clients, 640)
        targets = [f"{whole}/{x * LARGE}_0_0" for x in range(4)]
        for clients in (1, 2):
            measure("POST 16 MiB, on disk", "MB/s", "POST", targets, clients, 300)
        pictures = [f"{node}/raw/xy/512_512/0_0_{z}/jpg:80" for z in range(LARGE)]
        measure("GET 512 x 512 JPEG", "req/s", "GET", pictures, 4, 300)
        times = measure("GET info", "req/s", "GET", [f"{node}/info"], 4)
        table.row("dvid: GET info, 99th percentile", "ms", 1e3 * times[int(len(times) * 0.99)], goal=100)
    table.finish()


if __name__ == "__main__":
    main()
