"""ImageJ modules as OMERO scripts beside a script that does nothing: parsing, launching, generating, a whole dataset.

    ./scripts/bench scripts [--json FILE] [--repeats N] [--images N] [--home DIR] [--parts generating,parsing,...]

One OMERO.server for all of it; ``--home`` takes one that runs already (`ij-omero server up --home DIR`). "Cold" starts
Java in each job, "warm" finds a process that kept ImageJ. `omero script launch` looks once a second whether the job is
over, which makes steps of its time, so the same jobs are also run by the server's script service and looked at every
ten milliseconds. The dataset's peer is the sum of what must be done anyway: reading, processing and writing each image,
timed one after the other in a process that has ImageJ.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

# This file's folder goes last: it holds files with the names of packages of Python.
sys.path.append(sys.path.pop(0))

from _measured import Table

from ij_omero.imagej import make_class_archive, run_module, start
from ij_omero.images import connect
from ij_omero.localserver import LocalServer
from ij_omero.scripting import (
    install_scripts,
    launch,
    list_scripts,
    remove_scripts,
    server_environment,
    stop_workers,
    workers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = "Gaussian Blur..."
SIZE = 128
TRIVIAL = """# {number}
import omero.scripts as scripts
from omero.rtypes import rstring

client = scripts.client(
    'Trivial',
    scripts.String('Data_Type', optional=False, grouping='1', default='Image', values=['Image', 'Dataset']),
    scripts.List('IDs', optional=True, grouping='2').ofType(scripts.rlong(0)),
    scripts.Double('Sigma', optional=True, grouping='3', default=2.0),
)
client.setOutput('Message', rstring('done'))
client.closeSession()
"""


class Bench:
    """A server with scripts on it: trivial ones, cold wrappers, warm wrappers."""

    def __init__(self, server: LocalServer, repeats: int, warm_folder: Path) -> None:
        self.login: dict[str, Any] = {
            "host": server.host, "port": server.port, "user": "root", "password": server.password
        }  # fmt: skip
        omerodir = server.status().omerodir
        if omerodir is None:
            raise SystemExit("the server has no OMERODIR")
        self.omerodir = omerodir
        self.trivial = omerodir / "lib" / "scripts" / "bench_trivial"
        self.trivial.mkdir(exist_ok=True)
        warm = {"IJ_OMERO_WARM": "900", "IJ_OMERO_WARM_FOLDER": str(warm_folder)}
        self.namespaces = ["bench_warm", *(f"bench_{number}" for number in range(repeats + 1))]
        for namespace in self.namespaces:
            # the server knows a text that it parsed before, so each is another one
            once = {"IJ_OMERO_BENCH": str(time.time_ns())}
            environment = {**server_environment(), **(warm if namespace == "bench_warm" else {}), **once}
            install_scripts(omerodir, [MODULE], namespace=namespace, environment=environment, force=True)
        for number in range(repeats + 1):
            # each is another text, so that the server parses each for the first time
            text = TRIVIAL.format(number=f"{number} {time.time_ns()}")
            (self.trivial / f"Trivial_{number}.py").write_text(text)
        self.ids = list_scripts(**self.login)
        self.connection = connect(self.login["host"], port=server.port, user="root", password=server.password)

    def script(self, part: str) -> int:
        """Return the id of the one script whose path has a part."""
        return next(number for path, number in self.ids.items() if part in path)

    def dataset(self, images: int) -> tuple[int, list[int]]:
        """Make a dataset of small images."""
        random = np.random.default_rng(0)
        dataset = self.connection.store.find_or_create_dataset(f"bench {time.time_ns()}")
        ids = []
        for number in range(images):
            pixels = random.integers(0, 255, (SIZE, SIZE), np.uint8)
            with self.connection.save_image(pixels, name=f"image {number}", dataset=dataset) as new:
                ids.append(int(new.image_id))
        return int(dataset), ids

    def remove(self) -> None:
        """Take the scripts out again."""
        self.connection.close()
        for namespace in self.namespaces:
            remove_scripts(self.omerodir, namespace=namespace)
        shutil.rmtree(self.trivial)


def parsing(table: Table, bench: Bench) -> None:
    """Let the server parse each script for the first time."""
    service = bench.connection.store.session.connection().factory.getScriptService()
    times: dict[str, list[float]] = {"ours": [], "trivial": []}
    for number in range(table.options.repeats + 1):
        for name, part in (("trivial", f"/Trivial_{number}.py"), ("ours", f"/bench_{number}/")):
            began = time.perf_counter()
            service.getParams(bench.script(part))
            if number:  # the first of each warms the server
                times[name].append(time.perf_counter() - began)
    ours, trivial = (statistics.median(times[name]) for name in ("ours", "trivial"))
    table.row("first parse of a wrapper", "s", ours, peer=trivial, peer_name="trivial")
    table.row("first parse: times a trivial script's", "x", ours / trivial, goal=1.1)


def launching(table: Table, bench: Bench, image: int) -> None:
    """Launch with `omero script launch`, as a person does."""

    def run(part: str) -> None:
        done = launch(bench.script(part), {"IDs": [image], "Sigma": 2}, **bench.login)
        if not done.message or done.message.startswith("Failed"):
            raise SystemExit(f"{part} failed: {done.text}")

    trivial, cold, warm = table.seconds(
        lambda: run("/Trivial_0.py"), lambda: run("/bench_0/"), lambda: run("/bench_warm/")
    )
    table.row("omero script launch of a filter, Java started for it", "s", cold, peer=trivial, peer_name="trivial")
    table.row("launch, cold: times a trivial script's", "x", cold / trivial, goal=1.3)
    table.row("omero script launch of a filter, warm", "s", warm, peer=trivial, peer_name="trivial")
    table.row("launch, warm: times a trivial script's", "x", warm / trivial, goal=1.15)


def wait_for_worker(bench: Bench, image: int) -> None:
    """Run the first of the jobs that keep ImageJ."""
    launch(bench.script("/bench_warm/"), {"IDs": [image], "Sigma": 2}, **bench.login)
    until = time.monotonic() + 120
    while not workers() and time.monotonic() < until:
        time.sleep(0.2)


def running(table: Table, bench: Bench, image: int) -> None:
    """Run the same jobs by the server's script service, without the command's own start and its steps of a second."""
    from omero.rtypes import rdouble, rlist, rlong, rstring

    inputs = {"IDs": rlist([rlong(image)]), "Sigma": rdouble(2), "Data_Type": rstring("Image")}
    service = bench.connection.store.session.connection().factory.getScriptService()

    def run(part: str) -> None:
        process = service.runScript(bench.script(part), inputs, None)
        try:
            while process.poll() is None:
                time.sleep(0.01)
            message = process.getResults(3)["Message"].val
            if message.startswith("Failed"):
                raise SystemExit(f"{part} failed: {message}")
        finally:
            process.close(False)

    trivial, cold, warm = table.seconds(
        lambda: run("/Trivial_0.py"), lambda: run("/bench_0/"), lambda: run("/bench_warm/")
    )
    for what, ours in (("Java started for it", cold), ("warm", warm)):
        table.row(f"run by the script service, {what}", "s", ours, peer=trivial, peer_name="trivial")
        table.row(f"run, {what}: times a trivial script's", "x", ours / trivial)


def generating(table: Table) -> None:
    """Generate wrappers of everything, beside the JVM's start."""
    runtime = start()
    runtime.imagej1()
    _ = runtime.context
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lib" / "scripts").mkdir(parents=True)
        began, used = time.perf_counter(), time.process_time()
        count = len(install_scripts(folder).scripts)
        spent, used = time.perf_counter() - began, time.process_time() - used
    table.row(f"generating {count} wrappers, processor time of all threads", "s", used)
    table.row("generating 500 wrappers, ImageJ running", "s", spent / count * 500, goal=10)


def whole_dataset(table: Table, bench: Bench, dataset: int, images: list[int]) -> None:
    """Run a module over a dataset in one job."""
    parts = dict.fromkeys(("reading", "processing", "writing"), 0.0)
    for number, image_id in enumerate([images[0], *images]):
        began = time.perf_counter()
        with bench.connection.open_image(image_id, share=False) as image:
            pixels = image.to_numpy()
        read = time.perf_counter()
        result = run_module(MODULE, {"sigma": 2}, images=[pixels])
        done = time.perf_counter()
        bench.connection.save_image(result.java_images[0], name="blurred", dataset=dataset, source=image_id).close()
        if number:  # the first warms up
            for name, spent in zip(parts, (read - began, done - read, time.perf_counter() - done), strict=True):
                parts[name] += spent
    began = time.perf_counter()
    launch(bench.script("/bench_warm/"), {"IDs": images, "Sigma": 2}, **bench.login)
    job = time.perf_counter() - began
    told = ", ".join(f"{name} {spent:.3g}" for name, spent in parts.items())
    table.row(f"{len(images)} images in one job ({told})", "s", job, peer=sum(parts.values()), peer_name="sum")
    table.row("dataset: times the sum of its parts", "x", job / sum(parts.values()), goal=1.2)


@contextlib.contextmanager
def running_server(home: Path | None) -> Iterator[LocalServer]:
    """Give a server: one that runs already, or one of its own."""
    if home is not None:
        yield LocalServer(home)
        return
    server = LocalServer(tempfile.mkdtemp(prefix="ij-omero-bench-"), port=0)
    try:
        server.up()
        yield server
    finally:
        server.wipe()


def main() -> None:
    """Measure."""
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--images", type=int, default=200, help="how many images the dataset has")
    more.add_argument("--home", type=Path, help="an OMERO.server that runs already")
    more.add_argument("--parts", default="generating,parsing,launching,running,dataset", help="what to measure")
    table = Table(__doc__, [more])
    parts = table.options.parts.split(",")
    make_class_archive()
    if "generating" in parts:
        generating(table)
    if parts == ["generating"]:
        table.finish()
        return
    warm_folder = Path(tempfile.mkdtemp(prefix="ijw"))
    with running_server(table.options.home) as server, workers_in(warm_folder):
        bench = Bench(server, table.options.repeats, warm_folder)
        try:
            dataset, images = bench.dataset(table.options.images if "dataset" in parts else 1)
            if "parsing" in parts:
                parsing(table, bench)
            wait_for_worker(bench, images[0])
            if "launching" in parts:
                launching(table, bench, images[0])
            if "running" in parts:
                running(table, bench, images[0])
            if "dataset" in parts:
                whole_dataset(table, bench, dataset, images)
        finally:
            stop_workers()
            bench.remove()
    table.finish()


@contextlib.contextmanager
def workers_in(folder: Path) -> Iterator[None]:
    """Look for workers where the warm scripts start them."""
    os.environ["IJ_OMERO_WARM_FOLDER"] = str(folder)
    try:
        yield
    finally:
        del os.environ["IJ_OMERO_WARM_FOLDER"]


if __name__ == "__main__":
    main()
