"""Files out of Debian or Ubuntu packages, without root and without installing them."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from ij_omero.errors import SetupError

from ._folders import cache_dir, file_lock, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ._progress import Progress


def unpack_packages(name: str, packages: Sequence[str], libraries: str, probe: str, progress: Progress) -> Path:
    """Download packages from the distribution's archive and unpack them below the cache folder.

    Parameters
    ----------
    name
        Of the folder in the cache, e.g. ``"ice-services"``.
    packages
        Names of packages.
    libraries
        Pattern of the names of those packages to take too that they depend on, directly or not.
    probe
        A glob pattern below the folder that shows that it was unpacked, e.g. ``"usr/bin/icebox"``.
    progress
        Told of the download.

    Returns
    -------
    Path
        The folder that stands for ``/`` of those packages.

    Raises
    ------
    SetupError
        This is not Debian or Ubuntu, or the archive has no such packages or cannot be reached.
    """
    root = cache_dir("debian", name)
    if any(root.glob(probe)):
        return root
    install = f"sudo apt-get install --no-install-recommends {' '.join(packages)}"
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise SetupError(
            f"{name} can only be fetched on Debian and Ubuntu (apt-get and dpkg-deb are missing here): install what "
            f"holds the same as {', '.join(packages)} with this system's own packages"
        )
    with file_lock(cache_dir("debian", ".lock"), lambda: progress("another process fetches packages; waiting for it")):
        if not any(root.glob(probe)):
            progress(
                f"downloading {', '.join(packages)} from the distribution's archive (not installed, only unpacked)"
            )
            with scratch_folder(cache_dir("debian"), name) as scratch:
                _download(packages, libraries, scratch, install)
                for package in scratch.glob("*.deb"):
                    _run(["dpkg-deb", "-x", str(package), str(scratch / "root")], scratch)
                if not any((scratch / "root").glob(probe)):
                    raise SetupError(f"the packages {', '.join(packages)} do not hold {probe}; with root: {install}")
                shutil.rmtree(root, ignore_errors=True)
                (scratch / "root").rename(root)
    return root


def _download(packages: Sequence[str], libraries: str, folder: Path, install: str) -> None:
    """Try with the system's package lists, which may be missing or old, then with fresh ones of our own."""
    own = folder / "apt"
    for part in ("state/lists/partial", "cache/archives/partial"):
        (own / part).mkdir(parents=True)
    sandbox = ["-o", "APT::Sandbox::User="]  # apt's own user cannot reach a folder below a home
    private = [*sandbox, "-o", f"Dir::State={own / 'state'}", "-o", f"Dir::Cache={own / 'cache'}"]
    private += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
    result = _apt_download(packages, libraries, folder, sandbox)
    if result.returncode:
        # its status says little: lists of other archives may fail, or hooks that need root
        _run(["apt-get", *private, "-qq", "update"], folder, check=False)
        result = _apt_download(packages, libraries, folder, private)
    if result.returncode:
        raise SetupError(
            f"the distribution's archive did not give {', '.join(packages)}: {result.stderr.strip()[-600:]}\n"
            f"Check the network connection, or with root: {install}"
        )


def _apt_download(
    packages: Sequence[str], libraries: str, folder: Path, options: list[str]
) -> subprocess.CompletedProcess[str]:
    # `options` belong to apt-get and apt-cache alike
    told = _run(["apt-cache", *options, "depends", "--recurse", "--important", *packages], folder, check=False).stdout
    needed = [line for line in told.splitlines() if re.fullmatch(libraries, line)]
    return _run(["apt-get", *options, "-qq", "download", *dict.fromkeys([*packages, *needed])], folder, check=False)


def _run(command: list[str], folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if check and result.returncode:
        raise SetupError(f"{' '.join(command)} failed: {result.stderr.strip()[-600:]}")
    return result
