from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ij_omero.errors import ServerStartError
from ij_omero.localserver import LocalServer
from tests._omero import gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.omero, pytest.mark.timeout(300)]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[LocalServer]:
    server = LocalServer(tmp_path / "home", port=0)
    yield server
    server.wipe()


def processes_of(home: Path) -> list[int]:
    """All processes that were started for a home, by what is in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(home).encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def root_of(server: LocalServer) -> Any:
    return gateway("root", server.password, server.host, server.port)


def make_project(server: LocalServer, name: str) -> None:
    from omero.model import ProjectI
    from omero.rtypes import rstring

    project = ProjectI()
    project.name = rstring(name)
    with root_of(server) as root:
        root.getUpdateService().saveObject(project)


def project_names(server: LocalServer) -> list[str]:
    with root_of(server) as root:
        return [project.getName() for project in root.getObjects("Project")]


def see_omero_web(address: str) -> None:
    """OMERO.web serves its login page, to which its viewer and OMERO.figure send who is not logged in."""
    with urllib.request.urlopen(f"{address}webclient/login/", timeout=30) as page:  # noqa: S310 - the loopback's
        assert b"OMERO" in page.read()
    for app in ("iviewer", "figure"):
        with urllib.request.urlopen(f"{address}{app}/", timeout=30) as page:  # noqa: S310 - the loopback's
            assert "/webclient/login/" in page.url


def test_data_is_kept_over_down_and_up_and_a_lost_process_is_repaired(own_server: LocalServer) -> None:
    up = LocalServer(own_server.home, port=0, web=True, web_port=0).up()
    assert up.state == "up"
    assert up.web_address is not None
    make_project(own_server, "kept")
    see_omero_web(up.web_address)

    os.kill(up.processes["glacier2"] or 0, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while own_server.status().state == "up" and time.monotonic() < deadline:
        os.sched_yield()
    partial = own_server.status()
    assert (partial.state, partial.processes["glacier2"]) == ("partial", None)
    assert own_server.up().state == "up"
    assert project_names(own_server) == ["kept"]

    down = own_server.down()
    assert (down.state, set(down.processes.values()), down.web_address) == ("down", {None}, None)
    assert processes_of(own_server.home) == []
    with pytest.raises(OSError), urllib.request.urlopen(up.web_address, timeout=5):  # noqa: S310 - the loopback's
        pass
    with pytest.raises(OSError), socket.create_connection((up.host, up.port or 0), timeout=5):
        pass

    again = own_server.up()
    assert (again.state, again.port) == ("up", up.port)
    assert project_names(own_server) == ["kept"]


@pytest.mark.parametrize("moment", ["PostgreSQL is ready", "Glacier2 is ready"])
def test_a_launcher_killed_half_way_is_repaired_and_a_wipe_leaves_nothing_of_one_of_two_servers(
    omero_server: LocalServer, own_server: LocalServer, moment: str
) -> None:
    outside = set(Path("/var/tmp").glob("ij-omero-postgres-*"))  # noqa: S108 - where it goes when homes are private
    program = (
        "import os, signal, sys\n"
        "from ij_omero.localserver import LocalServer\n"
        "def said(message, done=None, total=None):\n"
        "    if message == sys.argv[2]:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "LocalServer(sys.argv[1], port=0, progress=said).up()\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, own_server.home, moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert own_server.status().state == "partial"
    assert own_server.up().state == "up"
    assert project_names(own_server) == []

    make_project(own_server, f"only here, {moment}")
    assert own_server.port != omero_server.port
    assert f"only here, {moment}" not in project_names(omero_server)
    own_server.wipe()
    assert not own_server.home.exists()
    assert processes_of(own_server.home) == []
    assert set(Path("/var/tmp").glob("ij-omero-postgres-*")) <= outside  # noqa: S108
    assert own_server.status().state == "down"
    assert omero_server.status().state == "up"


def test_a_port_in_use_is_named_and_nothing_is_left_running(omero_server: LocalServer, tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "home", port=omero_server.port)
    with pytest.raises(ServerStartError, match=f"port {omero_server.port} of 127.0.0.1 is in use"):
        server.up()
    assert server.status().state == "down"
    assert processes_of(server.home) == []
    assert omero_server.status().state == "up"


def test_a_process_that_fails_is_shown_with_its_log_and_nothing_is_left_running(own_server: LocalServer) -> None:
    server = LocalServer(own_server.home, port=0, java_options=("-Xmx1",))
    with pytest.raises(ServerStartError, match=r"Blitz ended with status 1(?s:.*)Too small maximum heap"):
        server.up()
    assert server.status().state == "down"
    assert processes_of(server.home) == []


def test_a_running_server_is_left_alone(omero_server: LocalServer) -> None:
    before = omero_server.status()
    said: list[str] = []

    def listen(message: str, done: int | None = None, total: int | None = None) -> None:
        said.append(message)

    assert LocalServer(omero_server.home, port=0, progress=listen).up() == before
    web = f", OMERO.web at {before.web_address}" if before.web_address else ""  # where an earlier test needed it
    assert said == [f"ready: root@127.0.0.1:{before.port}{web}"]


def test_the_omero_command_finds_the_server(omero_server: LocalServer) -> None:
    address = f"root@{omero_server.host}:{omero_server.port}"
    result = omero_server.omero("-q", "login", address, "-w", omero_server.password)
    assert result.returncode == 0, result.stderr
    scripts = Path(omero_server.env()["OMERODIR"]) / "lib/scripts/ij_omero_test"
    scripts.mkdir(exist_ok=True)
    (scripts / "Say_Hello.py").write_text("import omero.scripts as s\ns.client('Say_Hello.py', 'Says hello.')\n")
    assert "Say_Hello.py" in omero_server.omero("script", "list").stdout
