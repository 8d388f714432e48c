"""The checks that `ij-omero doctor` makes; none of them changes or downloads anything."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import IJOmeroError

from ._output import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_LITTLE_SPACE = 2 << 30
# distribution -> (module, extra, what it is for)
_PACKAGES = {
    "omero-py": ("omero", "omero", "images on an OMERO.server"),
    "zeroc-ice": ("Ice", "omero", "images on an OMERO.server"),
    "jpype1": ("jpype", "imagej", "ImageJ"),
    "prokaryote": ("prokaryote", "imagej", "ImageJ"),
    "pyimagej": ("imagej", "fiji", "ImageJ as PyImageJ resolves it"),
    "dask": ("dask", "dask", "arrays on demand"),
    "xarray": ("xarray", "dask", "arrays on demand"),
    "pandas": ("pandas", "all", "tables as data frames"),
    "scikit-image": ("skimage", "demo", "the demo's picture"),
    "matplotlib": ("matplotlib", "demo", "the demo's figure"),
}
_NEEDED = {"jpype1", "prokaryote"}


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    group, name
        What was looked at.
    state
        ``ok``; ``missing`` (needed by the embedded default, or asked for); ``optional`` (missing, and fine so);
        ``note`` (worth knowing).
    detail
        What was found.
    advice
        What to do about it.
    """

    group: str
    name: str
    state: str
    detail: str = ""
    advice: str = ""


def all_checks() -> list[Check]:
    """Look at everything."""
    return [*_python(), *_imagej(), *_omero(), *_local_server(), *_folders()]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(name: str, group: str) -> Check:
    module, extra, purpose = _PACKAGES[name]
    version = _version(name)
    if version and importlib.util.find_spec(module):
        return Check(group, name, "ok", version)
    state = "missing" if name in _NEEDED else "optional"
    # pip alone finds no wheel of Ice
    how = "ij-omero setup omero" if extra == "omero" else f"pip install 'ij-omero[{extra}]'"
    return Check(group, name, state, f"not installed; needed for {purpose}", how)


def _python() -> Iterator[Check]:
    group = "Python"
    yield Check(group, "ij-omero", "ok", _version("ij-omero") or "not installed as a package")
    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    state, advice = ("ok", "") if supported else ("note", "3.10 to 3.13 were tried")
    yield Check(group, "Python", state, f"{platform.python_version()} at {sys.executable}", advice)
    for name in ("dask", "xarray", "pandas", "scikit-image", "matplotlib"):
        yield _package(name, group)


def _imagej() -> Iterator[Check]:
    from ij_omero.provision import MINIMUM_JAVA, find_java, read_lock

    group = "ImageJ"
    for name in ("jpype1", "prokaryote", "pyimagej"):
        yield _package(name, group)
    try:
        java = find_java()
        yield Check(group, "Java", "ok", f"{java.version} at {java.home} (from {java.source})")
        if (given := os.environ.get("JAVA_HOME")) and java.source != "JAVA_HOME":
            advice = f"it is none, is damaged or is older than {MINIMUM_JAVA}: correct it, or unset it"
            yield Check(group, "JAVA_HOME", "note", f"{given} is passed over", advice)
    except IJOmeroError as error:
        yield Check(group, "Java", "missing", "none that will do", str(error))
    jars = read_lock("imagej")
    damaged = [jar.coordinates for jar in jars if jar.path.exists() and not jar.is_whole()]
    absent = [jar.coordinates for jar in jars if not jar.path.exists()]
    if damaged or absent:
        detail = f"{len(absent)} of {len(jars)} not fetched" + (f"; damaged: {', '.join(damaged)}" if damaged else "")
        yield Check(group, "jars", "missing", detail, "ij-omero setup imagej")
    else:
        yield Check(group, "jars", "ok", f"{len(jars)}, all with the expected sha256")
    chosen = os.environ.get("IJ_OMERO_IMAGEJ")
    if chosen:
        looks_right = chosen == "embedded" or Path(chosen).expanduser().is_dir() or ":" in chosen
        advice = "" if looks_right else "no such folder; give that of a Fiji, 'embedded', or a PyImageJ endpoint"
        yield Check(group, "IJ_OMERO_IMAGEJ", "ok" if looks_right else "missing", chosen, advice)
    else:
        yield Check(group, "IJ_OMERO_IMAGEJ", "note", "not set: the embedded ImageJ is used")


def _omero() -> Iterator[Check]:
    group = "OMERO client"
    yield _package("omero-py", group)
    yield _package("zeroc-ice", group)
    for variable in ("ICE_CONFIG", "OMERODIR"):
        value = os.environ.get(variable)
        if value:
            exists = Path(value).exists()
            yield Check(group, variable, "ok" if exists else "note", value, "" if exists else "no such file or folder")


def _local_server() -> Iterator[Check]:
    from ij_omero.localserver import LocalServer
    from ij_omero.provision import find_ice_services, find_postgres, read_lock

    group = "Local OMERO.server"
    fetched = [jar.path.exists() for jar in read_lock("server")]
    how = "ij-omero setup server (or ij-omero server up, which fetches what it needs)"
    state = "ok" if all(fetched) else "optional"
    yield Check(group, "jars", state, f"{sum(fetched)} of {len(fetched)} fetched", "" if all(fetched) else how)
    if find_ice_services():
        yield Check(group, "Ice services", "ok", "found")
    else:
        yield Check(group, "Ice services", "optional", "none", how)
    try:
        yield Check(group, "PostgreSQL", "ok", str(find_postgres()))
    except IJOmeroError as error:
        yield Check(group, "PostgreSQL", "optional", "none", str(error))
    status = LocalServer().status()
    if status.state == "up":
        yield Check(group, "server", "ok", f"up at {status.host}:{status.port}, in {status.home}")
    else:
        advice = "ij-omero server up" if status.state == "down" else "ij-omero server up repairs it"
        yield Check(group, "server", "note", f"{status.state} ({status.home})", advice)


def _folders() -> Iterator[Check]:
    from ij_omero.provision import CACHE_VARIABLE, cache_dir

    group = "Folders"
    folder = cache_dir()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        yield Check(group, "cache", "note", f"{folder} cannot be written", f"set {CACHE_VARIABLE} to one that can")
        return
    free = shutil.disk_usage(existing).free
    advice = "" if free > _LITTLE_SPACE else f"little space is left; set {CACHE_VARIABLE} to a folder on another disk"
    yield Check(group, "cache", "ok" if not advice else "note", f"{folder} ({bytes_text(free)} free)", advice)
