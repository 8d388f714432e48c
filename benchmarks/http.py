"""Servers under load: DVID's interface and OMEIS.

    ./scripts/bench http [--json FILE] [--seconds N] [--only dvid|omeis|refusals|floor]
    ./scripts/bench http --minutes 10

The second form loads a server by everything at once for so long and tells its memory after each minute. Floors are
what this machine can do at the least: a bare server that writes a body to disk, and encoding pictures in a loop.

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
from pathlib import Path

# This file's name is that of a package of Python, and its folder comes first for whatever runs here.
if __name__ == "http":
    own = PathFinder.find_spec("http", [sysconfig.get_paths()["stdlib"]])
    sys.modules["http"] = module_from_spec(own)
    own.loader.exec_module(sys.modules["http"])
else:
    sys.path.append(sys.path.pop(0))

import io
import itertools
import threading
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from _http_load import load, overload, processor_seconds, resident_bytes, served
from _measured import Table

SIDE, LARGE = 64, 256
SERVER = """
import functools, sys
from pathlib import Path
from ij_omero.services import ServiceSettings, serve
from ij_omero.services.everything import make_app_at
folder = Path(sys.argv[1])
made = functools.partial(
    make_app_at, str(folder / "images"), folder / "omeis", folder / "dvid", ServiceSettings()
)
serve(made, workers=2, on_ready=lambda address: print(address, flush=True))
"""
BARE = """
import os, sys
from ij_omero.services import serve

def make():
    file = os.open(os.path.join(sys.argv[1], f"floor{os.getpid()}"), os.O_RDWR | os.O_CREAT)

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        at, more = 0, True
        while more:
            message = await receive()
            at += os.pwrite(file, message.get("body", b""), at)
            more = message.get("more_body")
        os.fdatasync(file)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    return app

serve(make, on_ready=lambda address: print(address, flush=True))
"""


def tissue(side: int) -> np.ndarray:
    """Return grey voxels like those of electron microscopy: slow changes under noise."""
    z, y, x = np.mgrid[:side, :side, :side]
    smooth = 128 + 60 * np.sin(x / 20) * np.cos(y / 17) + 40 * np.sin(z / 9)
    return np.clip(smooth + np.random.default_rng(0).normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def ask(address: str, path: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(f"{address}{path}", body), timeout=60) as answer:  # noqa: S310
        return bytes(answer.read())


def form(volume: bytes) -> bytes:
    """Return an upload's body."""
    fields = b'--b\r\nContent-Disposition: form-data; name="Pixels"; filename="p"\r\n\r\n'
    return fields + volume + b"\r\n--b--\r\n"


class Loaded:
    """A server with all interfaces, two worker processes, a volume in DVID's and the same as an image."""

    def __init__(self, table: Table, host: str, port: int, process: int, volume: bytes) -> None:
        self.table = table
        self.host, self.port, self.process = host, port, process
        self.volume = volume
        address = f"http://{host}:{port}"
        root = json.loads(ask(address, "/api/repos", b"{}"))["root"]
        ask(address, f"/api/repo/{root}/instance", json.dumps({"typename": "uint8blk", "dataname": "grey"}).encode())
        self.node = f"/api/node/{root}/grey"
        self.whole = f"{self.node}/raw/0_1_2/{LARGE}_{LARGE}_{LARGE}"
        for x in (0, LARGE):
            for y in (0, LARGE):
                ask(address, f"{self.whole}/{x}_{y}_0", volume)
        self.omeis = "/cgi-bin/omeis?Method="
        depth = len(volume) // 512**2
        self.pixels = self.new_pixels(f"512,512,{depth},1,1,1")
        self.set_pixels = f"{self.omeis}SetPixels&PixelsID={self.pixels}"
        self.upload = form(volume)
        self.image = self.new_image(f"512,512,{depth},1,1,1")

    def new_pixels(self, dims: str) -> str:
        """Return the number of new pixels."""
        return ask(f"http://{self.host}:{self.port}", f"{self.omeis}NewPixels&Dims={dims}").decode().strip()

    def new_image(self, dims: str, upload: bytes | None = None) -> str:
        """Return the number of the image that an upload is, the volume's unless one is given."""
        address, pixels = f"http://{self.host}:{self.port}", self.new_pixels(dims)
        request = urllib.request.Request(  # noqa: S310
            f"{address}{self.omeis}SetPixels&PixelsID={pixels}", upload or self.upload, {"Content-Type": FORM}
        )
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310
            pass
        return ask(address, f"{self.omeis}FinishPixels&PixelsID={pixels}").decode().strip()

    def measure(
        self,
        what: str,
        unit: str,
        paths: list[str],
        clients: int,
        goal: float | None = None,
        *,
        body: bytes = b"",
        refused: bool = False,
        peer: float | None = None,
        peer_name: str = "",
    ) -> list[float]:
        """Take down what clients get, and the processor time that the server spends on it."""
        before = processor_seconds(self.process)
        seconds = self.table.options.seconds
        rate, times = load(
            self.host,
            self.port,
            "POST" if body else "GET",
            paths,
            clients=clients,
            seconds=seconds,
            body=body,
            refused=refused,
        )
        spent = (processor_seconds(self.process) - before) / len(times)
        scale = len(self.volume) / 1e6 if unit == "MB/s" else 1
        what = f"{what}, {clients} client{'s' * (clients > 1)}"
        self.table.row(what, unit, rate * scale, goal=goal, peer=peer, peer_name=peer_name)
        self.table.row("    the server's processor time for each", "ms", 1e3 * spent)
        return times


FORM = "multipart/form-data; boundary=b"


def dvid(loaded: Loaded, floor: dict[str, float]) -> None:
    node, whole, volume = loaded.node, loaded.whole, loaded.volume
    steps = range(0, LARGE, SIDE)
    cubes = [f"{node}/raw/0_1_2/{SIDE}_{SIDE}_{SIDE}/{x}_{y}_{z}" for z in steps for y in steps for x in steps]
    skewed = [f"{node}/raw/0_1_2/{SIDE}_{SIDE}_{SIDE}/{x}_{x + 5}_{z}" for z in range(150) for x in range(150)]
    for clients in (2, 4):
        loaded.measure("dvid: GET 64^3 from the cache", "req/s", cubes, clients, 3000)
    loaded.measure("dvid: GET 64^3 across blocks, not kept", "req/s", skewed, 4, 1807)
    for clients in (1, 2):
        loaded.measure("dvid: GET 16 MiB", "MB/s", [f"{whole}/0_0_0"], clients, 640)
    targets = [f"{whole}/{x * LARGE}_0_0" for x in range(4)]
    bare = {"peer": floor.get("write"), "peer_name": "bare server and disk"}
    for clients in (1, 2):
        loaded.measure("dvid: POST 16 MiB, on disk", "MB/s", targets, clients, 300, body=volume, **bare)
    pictures = [f"{node}/raw/xy/512_512/0_0_{z}/jpg:80" for z in range(LARGE)]
    encoding = {"peer": floor.get("jpeg"), "peer_name": "encoding alone"}
    loaded.measure("dvid: GET 512 x 512 JPEG", "req/s", pictures, 4, 300, **encoding)
    times = loaded.measure("dvid: GET info", "req/s", [f"{node}/info"], 4)
    loaded.table.row("dvid: GET info, 99th percentile", "ms", 1e3 * times[int(len(times) * 0.99)])


def omeis(loaded: Loaded, floor: dict[str, float]) -> None:
    of = f"&PixelsID={loaded.image}"
    depth = len(loaded.volume) // 512**2
    planes = [f"{loaded.omeis}GetPlane{of}&theC=0&theT=0&theZ={z}" for z in range(depth)]
    loaded.measure("omeis: GetPlane 512 x 512", "req/s", planes, 4)
    for clients in (1, 2):
        loaded.measure("omeis: GetStack 16 MiB", "MB/s", [f"{loaded.omeis}GetStack{of}&theC=0&theT=0"], clients, 640)
    levels = "GrayChannel=0,20,240,1"
    pictures = [f"{loaded.omeis}Composite{of}&theT=0&theZ={z}&{levels}" for z in range(depth)]
    loaded.measure(
        "omeis: Composite 512 x 512 JPEG",
        "req/s",
        pictures,
        4,
        300,
        peer=floor.get("jpeg90"),
        peer_name="encoding alone",
    )
    times = loaded.measure("omeis: PixelsInfo", "req/s", [f"{loaded.omeis}PixelsInfo{of}"], 4)
    loaded.table.row("omeis: PixelsInfo, 99th percentile", "ms", 1e3 * times[int(len(times) * 0.99)])
    rate = uploads(loaded, loaded.table.options.seconds)
    loaded.table.row(
        "omeis: SetPixels 16 MiB, on disk, 1 client",
        "MB/s",
        rate * len(loaded.volume) / 1e6,
        goal=300,
        peer=floor.get("write"),
        peer_name="bare server and disk",
    )


def uploads(loaded: Loaded, seconds: float) -> float:
    """Return uploads a second, of one client."""
    import http.client

    connection = http.client.HTTPConnection(loaded.host, loaded.port)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        connection.request("POST", loaded.set_pixels, loaded.upload, {"Content-Type": FORM})
        answer = connection.getresponse()
        if answer.status != 200:
            raise ConnectionError(answer.read().decode())
        answer.read()
        count += 1
    return count / (time.perf_counter() - began)


def refusals(loaded: Loaded, floor: dict[str, float]) -> None:
    bad = [f"{loaded.node}/raw/xy/512_x/0_0_0", f"{loaded.node}x/info", f"{loaded.omeis}GetPlane&PixelsID=77777"]
    seconds = loaded.table.options.seconds
    times = loaded.measure("refused: wrong requests", "req/s", bad, 4, refused=True)
    loaded.table.row("refused: wrong requests, 99th percentile", "ms", 1e3 * times[int(len(times) * 0.99)], goal=100)
    heavy = f"{loaded.node}/arb/0_0_0/4000_4000_2000/0_4000_0/20/jpg"
    found = overload(loaded.host, loaded.port, f"{heavy}?throttle=true", connections=32, seconds=seconds)
    told(loaded, "refused: throttled requests, 32 connections", found)
    overload(loaded.host, loaded.port, heavy, connections=400, seconds=2 * seconds)  # until it knows what it can do
    found = overload(loaded.host, loaded.port, heavy, connections=400, seconds=5 * seconds)
    told(loaded, "refused: more work than can wait, 400 connections", found)


def told(loaded: Loaded, what: str, found: tuple[dict[int, list[float]], dict[int, list[float]]]) -> None:
    """Take down the 99th percentile of the refusals among answers, those of the first burst without a goal."""
    for answers, which, goal in zip(found, (", all asking at once", ""), (None, 100), strict=True):
        print(f"    answers by status{which}: { ({status: len(of) for status, of in answers.items()}) }")
        if times := answers.get(503, []):
            loaded.table.row(f"{what}, 99th percentile{which}", "ms", 1e3 * times[int(len(times) * 0.99)], goal=goal)


def floors(table: Table, volume: bytes, folder: str) -> dict[str, float]:
    """Return what this machine can do at the least, as the peers of what is measured."""
    from PIL import Image

    with served("-c", BARE, folder) as (host, port, _):
        rate, _ = load(host, port, "POST", ["/"], clients=1, seconds=table.options.seconds, body=volume)
    plane = np.frombuffer(volume, np.uint8)[: 512 * 512].reshape(512, 512)
    found = {"write": rate * len(volume) / 1e6}
    table.row("floor: a bare server, 16 MiB taken and written to disk", "MB/s", found["write"])
    for name, quality in (("jpeg", 80), ("jpeg90", 90)):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 1:
            Image.fromarray(plane).save(io.BytesIO(), "JPEG", quality=quality)
            count += 1
        found[name] = count / (time.perf_counter() - began)
        table.row(f"floor: 512 x 512 JPEG of quality {quality} encoded, one processor", "req/s", found[name])
    return found


def minutes(loaded: Loaded, count: int) -> None:
    """Load the server by everything at once, and take down its memory after each minute."""
    steps = range(0, LARGE, SIDE)
    node, of = loaded.node, f"&PixelsID={loaded.image}"
    kinds: list[tuple[str, list[str], bytes]] = [
        ("cubes", [f"{node}/raw/0_1_2/64_64_64/{x}_{x + 5}_{z}" for z in range(150) for x in range(150)], b""),
        ("volumes", [f"{loaded.whole}/{x}_0_0" for x in steps], b""),
        ("writes", [f"{loaded.whole}/{x * LARGE}_0_0" for x in range(4)], loaded.volume),
        ("pictures", [f"{node}/raw/xz/512_{LARGE}/0_{y}_0/jpg:80" for y in range(LARGE)], b""),
        ("planes", [f"{loaded.omeis}GetPlane{of}&theC=0&theT=0&theZ={z}" for z in range(LARGE // 4)], b""),
        ("images", [f"/api/node/{loaded.image}f/c0t0/raw/0_1_2/64_64_16/{x}_{x}_7" for x in range(400)], b""),
    ]
    ended = threading.Event()

    def finishing() -> None:  # images that are made and deleted
        address = f"http://{loaded.host}:{loaded.port}"
        for number in itertools.count(1):
            if ended.is_set():
                break
            # another content each time: what is there already would answer its number
            upload = form(number.to_bytes(8, "little") + loaded.volume[8:])
            image = loaded.new_image("512,512,64,1,1,1", upload)
            ask(address, f"{loaded.omeis}DeletePixels&PixelsID={image}")

    with ThreadPoolExecutor(len(kinds) + 1) as pool:
        making = pool.submit(finishing)
        works = [
            pool.submit(
                load,
                loaded.host,
                loaded.port,
                "POST" if body else "GET",
                paths,
                clients=1,
                seconds=60 * count,
                body=body,
            )
            for _, paths, body in kinds
        ]
        time.sleep(5)
        resident = []
        for minute in range(1, count + 1):
            time.sleep(60)
            resident.append(resident_bytes(loaded.process) / 1e6)
            loaded.table.row(f"memory of both workers after minute {minute}", "MB", resident[-1])
        ended.set()
        for (name, _, _), work in zip(kinds, works, strict=True):
            rate, times = work.result()
            loaded.table.row(f"    {name}, beside the others", "req/s", rate)
            loaded.table.row(f"    {name}, 99th percentile", "ms", 1e3 * times[int(len(times) * 0.99)])
        making.result()
    first, last = (
        float(np.median(part)) for part in (resident[: len(resident) // 2 + 1], resident[len(resident) // 2 :])
    )
    loaded.table.row("memory in the second half, times that in the first", "", last / first, goal=1.1)


def main() -> None:
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--seconds", type=float, default=5.0, help="how long each is measured")
    parent.add_argument("--minutes", type=int, default=0, help="load everything at once for so long instead")
    parent.add_argument("--only", choices=("dvid", "omeis", "refusals", "floor"))
    parent.add_argument("--folder", type=Path, help="where to work; a temporary folder unless given")
    table = Table(__doc__, [parent])
    only = table.options.only
    print(f"{os.cpu_count()} processors for server and clients, load {os.getloadavg()[0]:.1f} before")
    volume = tissue(LARGE).tobytes()
    with tempfile.TemporaryDirectory(dir=table.options.folder) as folder:
        floor = {} if table.options.minutes or only == "refusals" else floors(table, volume, folder)
        with served("-c", SERVER, folder) as (host, port, process):
            loaded = Loaded(table, host, port, process, volume)
            if table.options.minutes:
                minutes(loaded, table.options.minutes)
            else:
                for part in (dvid, omeis, refusals):
                    if only in (None, part.__name__):
                        part(loaded, floor)
    table.finish()


if __name__ == "__main__":
    main()
