"""Putting wrappers into an OMERO.server's script folder, whole or not at all, and taking them out again.

OMERO picks up official scripts below ``OMERODIR/lib/scripts`` without a restart.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import ScriptError

from ._modules import wrapped_modules
from ._names import distinct, file_stem
from ._record import Record, digest, locked, sweep_parts, write_part
from ._source import Target, script_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ._description import WrappedModule

NAMESPACE = "imagej"
_PASSED_ON = ("IJ_OMERO_CACHE", "IJ_OMERO_IMAGEJ", "IJ_OMERO_MAX_HEAP", "JAVA_HOME")


class ScriptsFolderNotFoundError(ScriptError):
    """The folder given is no OMERODIR: it has no ``lib/scripts``."""


class ScriptsExistError(ScriptError):
    """The namespace's folder exists and was not made by this package."""


class ScriptsFolderNotWritableError(ScriptError):
    """The namespace's folder cannot be created or written."""


@dataclass(frozen=True)
class InstalledScript:
    """A wrapper in a script folder.

    Parameters
    ----------
    path
        As the server lists it: ``/imagej/Process/Filters/Gaussian_Blur.py``.
    file
        Where it lies.
    module
        The identifier of the module that it runs.
    """

    path: str
    file: Path
    module: str


@dataclass(frozen=True)
class InstallReport:
    """What an installation or a removal did, or would do.

    Parameters
    ----------
    scripts
        The wrappers that are there afterwards (of an installation: those of its modules).
    written, removed, kept
        Paths below ``lib/scripts`` that were written, were removed, and were left although recorded, because somebody
        changed them.
    """

    scripts: tuple[InstalledScript, ...] = ()
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def install_scripts(
    omerodir: Path | str,
    modules: Sequence[str | WrappedModule] | None = None,
    *,
    namespace: str = NAMESPACE,
    environment: Mapping[str, str] | None = None,
    include_interactive: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> InstallReport:
    """Write OMERO scripts for ImageJ modules into a server's script folder.

    Scripts of other modules in the namespace stay as they are; installing the same again changes nothing. On an error
    the folder is as it was before.

    Parameters
    ----------
    omerodir
        The server's folder, with ``lib/scripts`` in it.
    modules
        Names or identifiers, or descriptions; all modules that run without a screen where it is None.
    namespace
        The folder below ``lib/scripts``.
    environment
        Environment variables for the runs; without it the cache folder, the ImageJ and the Java in use now.
    include_interactive
        Of all modules, wrap also those that say they need a screen.
    force
        Begin anew: scripts of modules that are not given are removed, and a folder that something else made is taken
        over (what lies in it and is not overwritten stays).
    dry_run
        Only say what would be done.

    Returns
    -------
    InstallReport

    Raises
    ------
    ScriptError
        No OMERODIR, a folder that something else made, or one that cannot be written.
    ModuleNotFoundInImageJError
        ImageJ has no such module.
    """
    root = scripts_folder(omerodir)
    folder = _namespace_folder(root, namespace)
    wanted = wrapped_modules(modules, include_interactive=include_interactive)
    target = Target(sys.executable, sys.prefix, dict(environment or server_environment()), namespace)
    try:
        with locked(root):
            old = Record.read(folder)
            if old is None and folder.exists() and not force:
                raise ScriptsExistError(
                    f"Path already exists: {folder}\nPlease run with --force if you wish to generate scripts."
                )
            paths = _paths(wanted, {} if force else (old or Record()).modules)
            contents = {
                path: script_source(module, target).encode("ascii") for path, module in zip(paths, wanted, strict=True)
            }
            identifiers = {path: module.identifier for path, module in zip(paths, wanted, strict=True)}
            return _install(root, folder, old or Record(), contents, identifiers, force=force, dry_run=dry_run)
    except OSError as error:
        if isinstance(error, ScriptError):
            raise
        raise ScriptsFolderNotWritableError(
            f"Could not create directory: {folder} ({error.strerror or error}); nothing was changed. "
            "Run as the user who owns the server's files, with space left on the disk"
        ) from error


def remove_scripts(
    omerodir: Path | str, *, namespace: str = NAMESPACE, force: bool = False, dry_run: bool = False
) -> InstallReport:
    """Take out exactly what `install_scripts` put in; nothing installed is no error.

    Parameters
    ----------
    omerodir, namespace
        As for `install_scripts`.
    force
        Remove also scripts that were changed after they were written.
    dry_run
        Only say what would be done.

    Raises
    ------
    ScriptError
        No OMERODIR, or files that cannot be removed.
    """
    root = scripts_folder(omerodir)
    folder = _namespace_folder(root, namespace)
    with locked(root):
        record = Record.read(folder)
        if record is None:
            return InstallReport()
        removed: list[str] = []
        kept: list[str] = []
        for name, sha in record.files.items():
            file = folder / name
            try:
                changed = digest(file.read_bytes()) != sha
            except OSError:
                continue  # somebody removed it, or put a folder in its place
            (kept if changed and not force else removed).append(name)
        if not dry_run:
            try:
                _remove(root, folder, record, removed, kept)
            except OSError as error:
                raise ScriptsFolderNotWritableError(
                    f"cannot remove scripts from {folder} ({error.strerror or error}); "
                    "run as the user who owns the server's files, and remove again"
                ) from error
        return InstallReport(removed=_listed(namespace, removed), kept=_listed(namespace, kept))


def installed_scripts(omerodir: Path | str, *, namespace: str = NAMESPACE) -> tuple[InstalledScript, ...]:
    """Return the wrappers that this package installed into a server's script folder."""
    folder = _namespace_folder(scripts_folder(omerodir), namespace)
    record = Record.read(folder) or Record()
    return tuple(
        InstalledScript(f"/{namespace}/{path}", folder / path, module)
        for path, module in sorted(record.modules.items())
        if (folder / path).is_file()
    )


def scripts_folder(omerodir: Path | str) -> Path:
    """Return an OMERODIR's ``lib/scripts``.

    Raises
    ------
    ScriptsFolderNotFoundError
        The folder is no OMERODIR.
    """
    folder = Path(omerodir).expanduser().absolute() / "lib" / "scripts"
    if not folder.is_dir():
        raise ScriptsFolderNotFoundError(
            f"OMERO scripts directory not found: {folder}\n"
            "Give the server's folder, the one that OMERODIR names, with etc, lib and var in it."
        )
    return folder


def server_environment() -> dict[str, str]:
    """Return the environment variables that a run on the server needs to find what this process finds."""
    from ij_omero.provision import cache_dir

    passed = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    return {**passed, "IJ_OMERO_CACHE": str(cache_dir())}


def _namespace_folder(root: Path, namespace: str) -> Path:
    parts = Path(namespace).parts
    if not parts or Path(namespace).is_absolute() or any(file_stem(part) != part for part in parts):
        raise ScriptError(f"{namespace!r} is no namespace; expected a folder name such as 'imagej'")
    return root / namespace


def _paths(modules: Sequence[WrappedModule], installed: Mapping[str, str]) -> list[str]:
    """Return where the wrappers go below the namespace's folder; a module that is installed keeps its place."""
    places = {identifier: path for path, identifier in installed.items()}
    fixed = [places.get(module.identifier) for module in modules]
    free = [module for module, place in zip(modules, fixed, strict=True) if place is None]
    stems = ["/".join(file_stem(part) for part in (*module.menu[:-1], _entry(module))) for module in free]
    taken = {path.removesuffix(".py") for path in installed}
    names = iter(distinct(stems, taken))
    return [place if place is not None else f"{next(names)}.py" for place in fixed]


def _entry(module: WrappedModule) -> str:
    return module.menu[-1] if module.menu else module.title or module.identifier


def _install(
    root: Path,
    folder: Path,
    old: Record,
    contents: Mapping[str, bytes],
    identifiers: Mapping[str, str],
    *,
    force: bool,
    dry_run: bool,
) -> InstallReport:
    namespace = folder.relative_to(root).as_posix()
    written = [path for path, content in contents.items() if _content(folder / path) != content]
    stale = [path for path in old.files if path not in contents] if force else []
    scripts = tuple(
        InstalledScript(f"/{namespace}/{path}", folder / path, identifiers[path]) for path in sorted(identifiers)
    )
    report = InstallReport(scripts, _listed(namespace, written), _listed(namespace, stale))
    new = Record(
        {
            **{path: sha for path, sha in old.files.items() if path not in stale},
            **{path: digest(content) for path, content in contents.items()},
        },
        {**{path: one for path, one in old.modules.items() if path not in stale}, **identifiers},
        [*old.folders],
    )
    if dry_run or not (written or stale or old != new):
        return report
    made = _make_folders(root, folder, contents)
    new.folders = [*old.folders, *made]
    before = {path: _content(folder / path) for path in (*written, *stale)}
    parts: dict[str, Path] = {}
    try:
        sweep_parts(folder)
        # from here on a kill leaves a record of everything that may be there
        union = Record({**old.files, **new.files}, {**old.modules, **new.modules}, new.folders)
        union.write(folder)
        for path in written:
            parts[path] = write_part(folder / path, contents[path], 0o755)
        for path, part in parts.items():
            part.replace(folder / path)
        for path in stale:
            (folder / path).unlink(missing_ok=True)
        new.write(folder)
    except BaseException:
        _undo(root, folder, old, before, parts.values(), made)
        raise
    _remove_empty(root, [one for one in new.folders if one not in made])
    return report


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _make_folders(root: Path, folder: Path, paths: Iterable[str]) -> list[str]:
    """Make the folders that are missing and return them, parents first; none is left where one cannot be made."""
    made: list[str] = []
    try:
        for wanted in sorted({folder, *((folder / path).parent for path in paths)}):
            missing = [one for one in (wanted, *wanted.parents) if not one.exists()]
            for one in reversed(missing):
                one.mkdir()
                made.append(one.relative_to(root).as_posix())
    except BaseException:
        _remove_empty(root, made)
        raise
    return made


def _undo(
    root: Path,
    folder: Path,
    old: Record,
    before: Mapping[str, bytes | None],
    parts: Iterable[Path],
    made: Sequence[str],
) -> None:
    """Bring the folder back to what it was."""
    for part in parts:
        part.unlink(missing_ok=True)
    for path, content in before.items():
        file = folder / path
        if content is None:
            file.unlink(missing_ok=True)
        elif _content(file) != content:
            file.write_bytes(content)
    sweep_parts(folder)
    if old.files or old.folders:
        old.write(folder)
    else:
        (folder / ".ij_omero.json").unlink(missing_ok=True)
    _remove_empty(root, made)


def _remove(root: Path, folder: Path, record: Record, removed: Iterable[str], kept: Sequence[str]) -> None:
    for name in removed:
        (folder / name).unlink(missing_ok=True)
    sweep_parts(folder)
    if kept:
        modules = {path: module for path, module in record.modules.items() if path in kept}
        Record({path: record.files[path] for path in kept}, modules, record.folders).write(folder)
    else:
        (folder / ".ij_omero.json").unlink(missing_ok=True)
    _remove_empty(root, record.folders)


def _remove_empty(root: Path, folders: Sequence[str]) -> None:
    """Remove those of the folders that are empty, children first."""
    for name in sorted(folders, key=lambda one: one.count("/"), reverse=True):
        with contextlib.suppress(OSError):  # somebody put something in it: it stays
            (root / name).rmdir()


def _listed(namespace: str, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{namespace}/{path}" for path in sorted(paths))
