"""A server that is killed while it writes, many clients at once, two processes over one store.

IJ_OMERO_KILLS sets how often the server is killed; a long form has 1,000.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ij_omero.errors import IJOmeroError
from ij_omero.services.dvid import VoxelStore
from ij_omero.stores import DvidClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

KILLS = int(os.environ.get("IJ_OMERO_KILLS", "3"))
CLIENTS, SIDE = 64, 16
PATIENCE = 3600  # seconds; a long form may be stopped for a while and go on
SERVER = """
import functools, sys
from ij_omero.services import serve
from ij_omero.services.dvid import make_app
serve(functools.partial(make_app, sys.argv[1]), workers=int(sys.argv[2]), on_ready=lambda a: print(a, flush=True))
"""


@contextmanager
def served(folder: Path, workers: int = 1) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), str(workers)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip().replace("http://", "dvid://")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


def block(number: int) -> bytes:
    """Return a block all of whose voxels tell the number."""
    return np.full(SIDE**3, number, "<u4").tobytes()


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ij_omero.stores._web_server.ATTEMPTS", 0)  # nobody comes back after a kill
    folder = tmp_path / "store"
    store = VoxelStore(folder)
    root = store.new_repo("drill")
    store.new_instance(root, {"typename": "uint32blk", "dataname": "v", "BlockSize": f"{SIDE}"})
    acknowledged: dict[int, int] = {}
    sent: dict[int, int] = {}
    counter = 0
    generator = random.Random(1)  # noqa: S311 - when to kill
    for _ in range(KILLS):
        with served(folder) as (process, address):
            enough = threading.Event()

            def write(place: int, address: str = address, enough: threading.Event = enough) -> None:
                nonlocal counter
                with DvidClient(address, seconds=PATIENCE) as client:
                    while True:
                        counter += 1
                        number = sent[place] = counter
                        offset = (0, place * SIDE, 0)
                        try:
                            # two blocks in one request: both or neither
                            client.write(root, "v", offset, (2 * SIDE, SIDE, SIDE), doubled(number))
                        except IJOmeroError:
                            return
                        acknowledged[place] = number
                        if number % 40 == 0:
                            enough.set()

            with ThreadPoolExecutor(4) as pool:
                works = [pool.submit(write, place) for place in range(4)]
                assert enough.wait(PATIENCE)
                threading.Event().wait(generator.uniform(0, 0.05))
                os.killpg(process.pid, signal.SIGKILL)
                for work in works:
                    work.result()
        with store.reading(root, "v") as place_read:
            extents = place_read.extents
        assert extents is not None
        for place, number in acknowledged.items():
            found = read(store, root, place)
            assert found.min() == found.max(), "half of a request was stored"
            assert number <= found.flat[0] <= sent[place], "a write that was acknowledged is lost"
            acknowledged[place] = int(found.flat[0])
    store.close()


def doubled(number: int) -> bytes:
    """Return a box of 2 blocks along x."""
    return np.full((SIDE, SIDE, 2 * SIDE), number, "<u4").tobytes()


def read(store: VoxelStore, root: str, place: int) -> np.ndarray:
    from ij_omero.services.dvid._geometry import Point
    from ij_omero.services.dvid._volumes import read_span

    with store.reading(root, "v") as at:
        return read_span(at.blocks, at.instance, Point(0, place, 0), 2)


def test_many_clients_at_once_do_not_mix_over_two_processes(tmp_path: Path) -> None:
    with served(tmp_path / "store", workers=2) as (_, address), DvidClient(address) as client:
        root = client.new_repo("drill")
        client.new_instance(root, "v", "uint32blk", BlockSize=f"{SIDE}")
        together = threading.Barrier(CLIENTS)

        def work(number: int) -> int:
            with DvidClient(address) as own:
                together.wait(60)
                for turn in range(3):
                    value = number * 1000 + turn
                    offset = (number * SIDE, 0, 0)
                    own.write(root, "v", offset, (SIDE, SIDE, SIDE), block(value))
                    # what was acknowledged is what every process answers
                    found = np.frombuffer(own.read(root, "v", offset, (SIDE, SIDE, SIDE)), "<u4")
                    if (found != value).any():
                        return 1
            return 0

        with ThreadPoolExecutor(CLIENTS) as pool:
            assert sum(pool.map(work, range(CLIENTS))) == 0
        whole = np.frombuffer(client.read(root, "v", (0, 0, 0), (CLIENTS * SIDE, SIDE, SIDE)), "<u4")
        expected = np.repeat(np.arange(CLIENTS) * 1000 + 2, SIDE)
        np.testing.assert_array_equal(
            whole.reshape(SIDE, SIDE, -1), np.broadcast_to(expected, (SIDE, SIDE, CLIENTS * SIDE))
        )
        assert client.info(root, "v")["Extents"]["MaxPoint"] == [CLIENTS * SIDE - 1, SIDE - 1, SIDE - 1]


def test_other_processes_see_new_versions_at_once(tmp_path: Path) -> None:
    with served(tmp_path / "store", workers=2) as (_, address):
        clients = [DvidClient(address) for _ in range(8)]  # connections end at either process
        root = clients[0].new_repo("drill")
        leaf = root
        for turn in range(6):
            clients[turn].commit(leaf)
            leaf = clients[turn + 1].new_version(leaf)
            assert {client.branch(root)[0] for client in clients} == {leaf}
            assert {client.is_committed(f"{root}:master") for client in clients} == {False}
        for client in clients:
            client.close()
