"""The source of ZeroC Ice 3.6.5 for Python, fetched from PyPI and made to fit Python 3.10 to 3.13."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

from ij_omero.errors import CorruptedDataError, SetupError

from ._checksums import sha256_of
from ._folders import cache_dir, scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

    from ._progress import Progress

ICE_VERSION = "3.6.5"
SDIST_SHA256 = "4235ffeb605bcd4e22e716577f7d61e4aa1bc82f65276bb542701a81b7933356"


class Patch(NamedTuple):
    """A piece of text and what takes its place.

    Attributes
    ----------
    files
        Glob pattern below the source folder.
    times
        How often `old` must occur in all of them; None for any number above none.
    """

    files: str
    old: str
    new: str
    times: int | None


_READ_BUFFER = """using namespace IcePy;

static int
asReadBuffer(PyObject* p, const void** buf, Py_ssize_t* sz)
{
    Py_buffer view;
    if(PyObject_GetBuffer(p, &view, PyBUF_SIMPLE) != 0)
    {
        return -1;
    }
    *buf = view.buf;
    *sz = view.len;
    PyBuffer_Release(&view);
    return 0;
}
"""

PATCHES = (
    # Python 3.11 took eval.h away; its declarations come with Python.h anyway
    Patch("src/Slice.cpp", "#include <eval.h>\n", "", 1),
    # 3.11 made the thread state opaque; the frame is borrowed, and NULL while no Python code runs
    Patch(
        "src/Util.cpp",
        "PyFrameObject *f = PyThreadState_GET()->frame;",
        "PyFrameObject *f = PyEval_GetFrame();\n    if(!f)\n    {\n        return string();\n    }",
        1,
    ),
    # 3.13 took these three away (the first does nothing since 3.7)
    Patch("src/Init.cpp", "    PyEval_InitThreads();\n", "", 1),
    Patch("src/*.cpp", "PyEval_CallObject(", "PyObject_CallObject(", None),
    Patch("src/Types.cpp", "using namespace IcePy;\n", _READ_BUFFER, 1),
    Patch("src/Types.cpp", "PyObject_AsReadBuffer(", "asReadBuffer(", None),
    # 3.12 took imp away
    Patch("lib/Ice.py", "import sys, string, imp, os,", "import sys, string, types, os,", 1),
    Patch("lib/Ice.py", "imp.new_module(", "types.ModuleType(", 1),
)
PATCHES_KEY = hashlib.sha256(json.dumps(PATCHES).encode()).hexdigest()[:16]


def ice_source(python: str, progress: Progress) -> Path:
    """Give the folder of the patched source, fetching and patching it where the cache has none.

    Parameters
    ----------
    python
        An interpreter with pip, which fetches the source package.
    progress
        Told of the download.
    """
    source = cache_dir("ice", f"source-{PATCHES_KEY}")
    if source.exists():
        return source
    sdist = _sdist(python, progress)
    with scratch_folder(cache_dir("ice"), "source") as scratch:
        with tarfile.open(sdist) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(scratch, filter="data")
            else:  # an older Python; the archive's checksum has been verified
                archive.extractall(scratch)  # noqa: S202
        unpacked = scratch / f"zeroc-ice-{ICE_VERSION}"
        for patch in PATCHES:
            apply_patch(unpacked, patch)
        unpacked.rename(source)
    return source


def apply_patch(folder: Path, patch: Patch) -> None:
    """Replace text in the files of a source folder.

    Raises
    ------
    SetupError
        The text does not occur as often as it should: the source is another than the patch was made for.
    """
    found = 0
    for path in sorted(folder.glob(patch.files)):
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if patch.old in text:
            found += text.count(patch.old)
            path.write_bytes(text.replace(patch.old, patch.new).encode("utf-8", "surrogateescape"))
    if not found or patch.times not in (None, found):
        raise SetupError(
            f"the source of Ice {ICE_VERSION} is not the expected one: {patch.old.strip()!r} occurs {found} times in "
            f"{patch.files}"
        )


def _sdist(python: str, progress: Progress) -> Path:
    sdist = cache_dir("ice", f"zeroc-ice-{ICE_VERSION}.tar.gz")
    if sha256_of(sdist) == SDIST_SHA256:
        return sdist
    progress(f"downloading the source of zeroc-ice {ICE_VERSION} from PyPI (1 MB)")
    with scratch_folder(cache_dir("ice"), "sdist") as scratch:
        wanted = [f"zeroc-ice=={ICE_VERSION}", "--no-deps", "--no-binary", "zeroc-ice", "--dest", str(scratch)]
        run_pip(python, ["download", "--quiet", *wanted])
        got = next(scratch.glob("zeroc*.tar.gz"))
        if sha256_of(got) != SDIST_SHA256:
            raise CorruptedDataError(
                f"{got.name} as downloaded is not the expected file (sha256 {SDIST_SHA256}): a proxy or mirror in "
                "between may serve something else; try again on another network"
            )
        shutil.move(got, sdist)
    return sdist


def run_pip(python: str, arguments: list[str], **options: Any) -> None:
    """Run an interpreter's pip, or say what it said."""
    command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # noqa: S603
    except OSError as error:
        raise SetupError(f"cannot run {python}: {error}") from error
    if result.returncode:
        if "No module named pip" in result.stderr:
            raise SetupError(
                f"{python} has no pip: {python} -m ensurepip, or make its environment anew with ./scripts/setup"
            )
        raise SetupError(
            f"pip failed in {python} (pip {' '.join(arguments)}):\n{(result.stdout + result.stderr).strip()[-1500:]}\n"
            "Check the network connection; behind a proxy, set HTTPS_PROXY"
        )
