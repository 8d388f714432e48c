"""A wheel of zeroc-ice 3.6.5, which PyPI has only as a source package that current Pythons cannot build.

The 200 files of Ice itself do not know Python: they are compiled once per compiler, in parallel and without debug
information, and kept in the cache; for each further Python only 20 files are compiled.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ij_omero.errors import SetupError

from ._checksums import is_whole_zip
from ._debian import unpack_packages
from ._folders import cache_dir, file_lock, storage_errors, write_whole
from ._ice_source import ICE_VERSION, PATCHES_KEY, ice_source
from ._progress import Progress, log_progress

_FLAGS = ["-O1", "-g0", "-w", "-fPIC", "-pthread", "-DNDEBUG", "-DICE_STATIC_LIBS", "-fno-strict-aliasing"]
_FLAGS += ["-Isrc", "-Isrc/ice/cpp/include", "-Isrc/ice/cpp/src"]
_LIBRARIES = ["-pthread", "-lssl", "-lcrypto", "-lbz2", "-lrt", "-ldl"]
_PROBE = """
import json, sys, sysconfig
number = "cp%d%d" % sys.version_info[:2]
print(json.dumps({
    "include": sorted({sysconfig.get_path("include"), sysconfig.get_path("platinclude")}),
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "python_tag": number,
    "abi_tag": number + getattr(sys, "abiflags", ""),
    "platform_tag": sysconfig.get_platform().replace("-", "_").replace(".", "_"),
}))
"""


@dataclass(frozen=True)
class _Interpreter:
    include: list[str]
    suffix: str
    python_tag: str
    abi_tag: str
    platform_tag: str

    @property
    def wheel_name(self) -> str:
        return f"zeroc_ice-{ICE_VERSION}-{self.python_tag}-{self.abi_tag}-{self.platform_tag}.whl"


@dataclass(frozen=True)
class _Toolchain:
    """The compiler, and where headers and libraries are that the system lacks."""

    version: str
    include: list[str] = field(default_factory=list)
    link: list[str] = field(default_factory=list)


def ice_wheel(python: str = sys.executable, progress: Progress = log_progress, jobs: int | None = None) -> Path:
    """Give a wheel of zeroc-ice 3.6.5 for an interpreter, building it where the cache has none (about a minute).

    Parameters
    ----------
    python
        The interpreter that will import Ice; 3.10 to 3.13 were tried.
    progress
        Told of the download and of compiled files.
    jobs
        How many compilers run at once; all processors by default.

    Returns
    -------
    Path
        A file that pip installs.

    Raises
    ------
    SetupError
        A compiler, a header or Python's own headers are missing, or the source cannot be downloaded.
    StorageError
        The cache folder cannot be written.
    """
    interpreter = _ask(python)
    wheel = cache_dir("wheels", PATCHES_KEY, interpreter.wheel_name)
    if not is_whole_zip(wheel):
        waiting = "another process builds Ice; waiting for it"
        with file_lock(cache_dir("ice", ".lock"), lambda: progress(waiting)):
            if not is_whole_zip(wheel):
                with storage_errors(cache_dir("ice")):
                    _build(python, interpreter, wheel, progress, jobs or os.cpu_count() or 1)
    return wheel


def _ask(python: str) -> _Interpreter:
    try:
        told = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"{python} is not a Python interpreter that runs: {error}") from error
    return _Interpreter(**json.loads(told.stdout))


def _build(python: str, interpreter: _Interpreter, wheel: Path, progress: Progress, jobs: int) -> None:
    tools = _toolchain(interpreter, progress)
    python_include = _python_headers(python, interpreter, progress)
    source = ice_source(python, progress)
    common = [path for kind in ("*.cpp", "*.c") for path in (source / "src" / "ice").rglob(kind)]
    common = [path for path in common if "bzip2" not in path.parts]  # the system's is used
    own = sorted((source / "src").glob("*.cpp"))
    key = hashlib.sha256(" ".join([PATCHES_KEY, tools.version, *_FLAGS, *tools.include]).encode()).hexdigest()[:12]
    own_key = hashlib.sha256(" ".join(python_include).encode()).hexdigest()[:12]
    counter = _Counter(f"compiling Ice {ICE_VERSION} for {interpreter.python_tag}", len(common) + len(own), progress)
    objects = _compile(source, common, cache_dir("ice", f"objects-{key}"), [*_FLAGS, *tools.include], jobs, counter)
    flags = [*_FLAGS, *tools.include, *python_include, "-std=gnu++11"]
    folder = cache_dir("ice", f"objects-{key}-{interpreter.python_tag}-{own_key}")
    objects += _compile(source, own, folder, flags, jobs, counter)

    def link(part: Path) -> None:
        command = ["g++", "-shared", "-s", "-o", str(part), *map(str, objects), *tools.link, *_LIBRARIES]
        _check(subprocess.run(command, capture_output=True, text=True, check=False), "linking Ice")  # noqa: S603

    library = write_whole(cache_dir("ice", f"IcePy{interpreter.suffix}"), link)
    write_whole(wheel, lambda part: _write_wheel(part, source, library, interpreter))
    progress(f"built {wheel.name}")


class _Counter:
    """Progress over files that several threads finish; told every twentieth."""

    def __init__(self, message: str, total: int, progress: Progress) -> None:
        self._message, self._total, self._progress = message, total, progress
        self._done, self._lock = 0, threading.Lock()

    def one_more(self) -> None:
        with self._lock:
            self._done += 1
            if self._done % 20 == 0 or self._done == self._total:
                self._progress(self._message, self._done, self._total)


def _compile(
    source: Path, files: list[Path], folder: Path, flags: list[str], jobs: int, counter: _Counter
) -> list[Path]:
    """Compile in parallel, the biggest files first; objects of an earlier, interrupted run are taken over."""

    def one(path: Path) -> Path:
        target = folder / (str(path.relative_to(source)).replace("/", "_") + ".o")
        if not target.exists():
            compiler = ["gcc"] if path.suffix == ".c" else ["g++", "-std=gnu++98"]

            def run(part: Path) -> None:
                command = [*compiler, *flags, "-c", str(path), "-o", str(part)]
                result = subprocess.run(command, capture_output=True, text=True, cwd=source, check=False)  # noqa: S603
                _check(result, f"compiling {path.name}")

            write_whole(target, run)
        counter.one_more()
        return target

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, sorted(files, key=lambda path: -path.stat().st_size)))


def _check(result: subprocess.CompletedProcess[str], what: str) -> None:
    if result.returncode:
        raise SetupError(f"{what} failed; the compiler said:\n{result.stderr.strip()[-2000:]}")


def _toolchain(interpreter: _Interpreter, progress: Progress) -> _Toolchain:
    for program in ("gcc", "g++"):
        if not shutil.which(program):
            raise SetupError(
                f"building Ice needs a C++ compiler and {program} is missing: sudo apt-get install g++ "
                "(conda: install gxx); the embedded default works without"
            )
    version = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=False)  # noqa: S607
    include: list[str] = []
    link: list[str] = []
    prefixes = [Path(folder).parent for folder in interpreter.include if not folder.startswith("/usr/include/")]
    for header, package, library, runtime in (
        ("openssl/ssl.h", "libssl-dev", "libssl.so", r"libssl\d\S*"),
        ("bzlib.h", "libbz2-dev", "libbz2.so", r"libbz2-1\S*"),
    ):
        if any((prefix / header).exists() for prefix in prefixes):  # conda's and such bring their own
            include += [f"-I{prefix}" for prefix in prefixes]
            link += [
                part for prefix in prefixes for part in (f"-L{prefix.parent}/lib", f"-Wl,-rpath,{prefix.parent}/lib")
            ]
        elif not _has_header(header):
            root = unpack_packages(package, [package], runtime, f"usr/include/**/{header}", progress)
            # opensslconf.h lies in the folder of the architecture
            include += [
                f"-I{root / 'usr/include'}",
                *(f"-I{folder}" for folder in root.glob("usr/include/*-linux-gnu*")),
            ]
            link += [f"-L{path.parent}" for path in root.glob(f"usr/lib/**/{library}")]
    return _Toolchain(version.stdout.strip(), include, link)


def _has_header(header: str) -> bool:
    result = subprocess.run(
        ["g++", "-E", "-x", "c++", "-"],  # noqa: S607
        input=f"#include <{header}>\n",
        text=True,
        capture_output=True,
        check=False,
    )
    return result.returncode == 0


def _python_headers(python: str, interpreter: _Interpreter, progress: Progress) -> list[str]:
    if any((Path(folder) / "Python.h").exists() for folder in interpreter.include):
        return [f"-I{folder}" for folder in interpreter.include]
    name = f"python3.{interpreter.python_tag.removeprefix('cp3')}"
    if all(folder.startswith("/usr/include/") for folder in interpreter.include):  # Debian's own Python
        root = unpack_packages(f"{name}-headers", [f"lib{name}-dev"], "", f"usr/include/{name}/Python.h", progress)
        return [f"-I{root / 'usr/include' / name}", f"-I{root / 'usr/include'}"]
    raise SetupError(
        f"{python} has no headers (Python.h is not in {', '.join(interpreter.include)}): sudo apt-get install "
        f"{name}-dev, or use a Python that carries them (python.org, pyenv, conda, uv)"
    )


def _write_wheel(target: Path, source: Path, library: Path, interpreter: _Interpreter) -> None:
    """Pack what setup.py would: the modules of lib/, the Slice files and the extension."""
    info = f"zeroc_ice-{ICE_VERSION}.dist-info"
    files = {f"IcePy{interpreter.suffix}": library.read_bytes()}
    for path in sorted((source / "lib").rglob("*")):
        name = str(path.relative_to(source / "lib"))
        if path.suffix in (".py", ".ice") and "egg-info" not in name:
            files[name] = path.read_bytes()
    top = sorted({name.split("/")[0].split(".")[0] for name in files})
    tag = f"{interpreter.python_tag}-{interpreter.abi_tag}-{interpreter.platform_tag}"
    files[f"{info}/METADATA"] = (source / "PKG-INFO").read_bytes()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: ij_omero\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\nslice2py = slice2py:main\n"
    files[f"{info}/top_level.txt"] = ("\n".join(top) + "\n").encode()
    for licence in ("LICENSE", "ICE_LICENSE", "MCPP_LICENSE", "BZIP2_LICENSE"):
        files[f"{info}/licenses/{licence}"] = (source / licence).read_bytes()
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            archive.writestr(entry, content)


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
