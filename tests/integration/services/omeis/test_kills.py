"""Nothing that an OMEIS server answered with success is lost when it is killed.

IJ_OMERO_KILLS sets how often the server is killed; a long form has 1,000.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = int(os.environ.get("IJ_OMERO_KILLS", "3"))
SIZE = 4096
PATIENCE = 3600  # seconds; a long form may be stopped for a while and go on
SERVER = """
import sys
from pathlib import Path
from ij_omero.services import serve
from ij_omero.services.omeis import Repository, omeis_app
from ij_omero.stores import LocalStore
folder = Path(sys.argv[1])
store = LocalStore(folder / "images")
serve(lambda: omeis_app(store, Repository(folder / "omeis")), on_ready=lambda a: print(a, flush=True))
"""


@contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip() + "/cgi-bin/omeis"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


class Client(threading.Thread):
    """Makes pixels, writes them, finishes them, uploads files; remembers what was answered."""

    def __init__(self, address: str, seed: int) -> None:
        super().__init__()
        self._address, self._seed = address, seed
        self.written: dict[str, bytes] = {}
        self.finished: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.enough = threading.Event()
        self.refused = ""

    def run(self) -> None:
        generator = random.Random(self._seed)  # noqa: S311  pixels
        with httpx.Client(timeout=PATIENCE) as client:

            def ask(files: dict[str, object] | None = None, **given: object) -> str:
                answer = client.post(self._address, data=given, files=files)  # type: ignore[arg-type]
                if answer.status_code != 200:
                    self.refused = f"{given}: {answer.status_code} {answer.text}"
                    raise httpx.HTTPError(self.refused)
                return answer.text.strip()

            try:
                while True:
                    content = generator.randbytes(SIZE)
                    self.files[ask({"File": ("f", content)}, Method="UploadFile")] = content
                    pixels_id = ask(Method="NewPixels", Dims=f"{SIZE},1,1,1,1,1")
                    ask({"Pixels": ("p", content)}, Method="SetPixels", PixelsID=pixels_id)
                    self.written[pixels_id] = content
                    image_id = ask(Method="FinishPixels", PixelsID=pixels_id)
                    del self.written[pixels_id]
                    self.finished[image_id] = content
                    self.enough.set()
            except httpx.HTTPError:
                self.enough.set()


def check(address: str, clients: list[Client]) -> None:
    """Whatever was answered with success is there."""
    with httpx.Client(timeout=PATIENCE) as asking:

        def read(**given: object) -> bytes:
            answer = asking.get(address, params={key: str(value) for key, value in given.items()})
            assert answer.status_code == 200, answer.text
            return answer.content

        for client in clients:
            assert client.finished
            for pixels_id, content in client.finished.items():
                assert read(Method="GetPixels", PixelsID=pixels_id) == content
            for file_id, content in client.files.items():
                assert read(Method="ReadFile", FileID=file_id) == content
            for pixels_id, content in client.written.items():
                image_id = read(Method="FinishPixels", PixelsID=pixels_id).decode().strip()
                assert read(Method="GetPixels", PixelsID=image_id) == content


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    generator = random.Random(1)  # noqa: S311  when to kill
    clients: list[Client] = []
    for turn in range(KILLS):
        with served(tmp_path) as (process, address):
            check(address, clients)
            clients = [Client(address, 10 * turn + number) for number in range(2)]
            for client in clients:
                client.start()
            assert all(client.enough.wait(PATIENCE) for client in clients)
            threading.Event().wait(generator.uniform(0, 0.2))
            process.kill()
            for client in clients:
                client.join()
            assert not any(client.refused for client in clients), [client.refused for client in clients]
    with served(tmp_path) as (_, address):
        check(address, clients)
