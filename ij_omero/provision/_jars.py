"""Pinned jars of Maven Central in the cache folder, each checked against its sha256 whenever it is used."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from ij_omero.errors import CorruptedDataError, MissingDependencyError, SetupError, StorageError

from ._checksums import sha256_of
from ._folders import cache_dir, file_lock, scratch_folder, storage_errors
from ._progress import Progress, log_progress

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_TIMEOUT_S = 60
_DOWNLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class PinnedJar:
    """One line of a lock file: Maven coordinates and the sha256 of the jar."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    @property
    def coordinates(self) -> str:
        """``group:artifact:version[:classifier]``."""
        return ":".join(filter(None, (self.group, self.artifact, self.version, self.classifier)))

    @property
    def path(self) -> Path:
        """Where it lies in the cache folder (the layout of a Maven repository)."""
        name = "-".join(filter(None, (self.artifact, self.version, self.classifier))) + ".jar"
        return cache_dir("jars", *self.group.split("."), self.artifact, self.version, name)

    def is_whole(self) -> bool:
        """Tell whether the file is there and is what the lock file says."""
        return sha256_of(self.path) == self.sha256


def read_lock(name: str) -> list[PinnedJar]:
    """Read one of this package's lock files: ``"imagej"`` or ``"server"``.

    A line is ``sha256  group:artifact:version[:classifier]``; their order is that of the class path.
    """
    text = resources.files(__package__ or "").joinpath(f"{name}.lock").read_text("utf-8")
    jars = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            sha256, coordinates = line.split()
            group, artifact, version, *classifier = coordinates.split(":")
            jars.append(PinnedJar(group, artifact, version, "".join(classifier), sha256))
    return jars


def fetch_jars(jars: list[PinnedJar], progress: Progress = log_progress) -> list[Path]:
    """Make sure that all jars lie whole in the cache folder.

    Parameters
    ----------
    jars
        What is wanted, see `read_lock`.
    progress
        Told of every download.

    Returns
    -------
    list of Path
        One for each of `jars`, in their order.

    Raises
    ------
    SetupError
        Maven Central cannot be reached.
    CorruptedDataError
        What was downloaded is, twice, not what the lock file says.
    StorageError
        The cache folder cannot be written.
    """
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        whole = list(pool.map(PinnedJar.is_whole, jars))
    if not all(whole):
        waiting = "another process fills the cache folder of jars; waiting for it"
        with file_lock(cache_dir("jars", ".lock"), lambda: progress(waiting)):
            missing = [jar for jar in jars if not jar.is_whole()]
            for jar in missing:
                if jar.path.exists():
                    _log.warning("%s is damaged; it is fetched again", jar.path)
            _fetch(missing, progress)
    return [jar.path for jar in jars]


def _fetch(missing: list[PinnedJar], progress: Progress) -> None:
    lock, done = threading.Lock(), 0

    def fetch_one(jar: PinnedJar) -> None:
        nonlocal done
        for last_try in (False, True):
            # a folder of its own: jgo takes over what it finds there unchecked
            with scratch_folder(cache_dir("jars"), jar.artifact) as scratch:
                got = _download(jar, scratch)
                if sha256_of(got) == jar.sha256:
                    jar.path.parent.mkdir(parents=True, exist_ok=True)
                    got.replace(jar.path)
                    break
            if last_try:
                raise CorruptedDataError(
                    f"{jar.coordinates} as downloaded is not the expected file (sha256 {jar.sha256}): a proxy or "
                    "mirror in between may serve something else; try again on another network"
                )
        with lock:
            done += 1
            progress(f"downloaded {jar.artifact} {jar.version}", done, len(missing))

    if missing:
        progress(f"downloading {len(missing)} jars from Maven Central", 0, len(missing))
    with storage_errors(cache_dir("jars")), ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        list(pool.map(fetch_one, missing))


def _download(jar: PinnedJar, folder: Path) -> Path:
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise MissingDependencyError(
            "the package jgo, which downloads Java libraries, is not installed: pip install 'ij-omero[imagej]'"
        ) from error
    maven: Any = MavenContext(repo_cache=folder, timeout=_TIMEOUT_S)
    try:
        got: Path = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier).resolve()
    except (RuntimeError, OSError) as error:  # requests' errors are OSErrors without an errno
        if isinstance(error, StorageError) or getattr(error, "errno", None) is not None:
            raise
        raise SetupError(
            f"{jar.coordinates} could not be downloaded from Maven Central ({error}): a network connection is needed "
            "once; behind a proxy, set HTTPS_PROXY"
        ) from error
    return got
