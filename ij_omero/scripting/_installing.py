"""Putting wrappers into an OMERO.server's script folder, whole or not at all, and taking them out again.

OMERO picks up official scripts below ``OMERODIR/lib/scripts`` without a restart.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import IJOmeroError, ScriptError

from ._modules import wrapped_modules
from ._names import distinct, file_stem
from ._record import Record, digest, locked, sweep_parts, write_part
from ._script_folders import scan_folders
from ._source import Target, script_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ._description import WrappedModule
    from ._script_folders import FolderScan

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
    problems
        One sentence for each file of a folder that could not be taken.
    """

    scripts: tuple[InstalledScript, ...] = ()
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def install_scripts(
    omerodir: Path | str,
    modules: Sequence[str | WrappedModule] | None = None,
    *,
    folders: Sequence[Path | str] = (),
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
        Names or identifiers, or descriptions; all modules that run without a screen where neither these nor folders
        are given.
    folders
        Folders of ImageJ macros, ``#@`` scripts and OMERO scripts, their folders as menus. They are remembered for
        `update_scripts`; scripts whose file is there no more are removed.
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
    wanted = wrapped_modules([] if folders and modules is None else modules, include_interactive=include_interactive)
    carried = dict(environment or server_environment())
    with refusals("Could not create directory", folder), locked(root):
        old = Record.read(folder)
        if old is None and folder.exists() and not force:
            raise ScriptsExistError(
                f"Path already exists: {folder}\nPlease run with --force if you wish to generate scripts."
            )
        scan = scan_folders(folders, {}, (old or Record()).modules.values())
        wanted += scan.modules
        return _bring_in(root, folder, old or Record(), wanted, scan, carried, force=force, dry_run=dry_run)


def update_scripts(
    omerodir: Path | str, *, namespace: str = NAMESPACE, force: bool = False, dry_run: bool = False
) -> InstallReport:
    """Bring the scripts of folders into step with what lies in the folders now.

    What is new there gets a script, what was changed a new one, and the scripts of what is gone are removed, unless
    somebody changed them. ImageJ is started only where there is something new. The folders are those that
    `install_scripts` was given.

    Parameters
    ----------
    omerodir, namespace, force, dry_run
        As for `remove_scripts`.

    Raises
    ------
    ScriptError
        No OMERODIR, or one that cannot be written; it is as it was before.
    """
    root = scripts_folder(omerodir)
    folder = _namespace_folder(root, namespace)
    with refusals("cannot update", folder), locked(root):
        old = Record.read(folder) or Record()
        intact = {
            identifier
            for path, identifier in old.modules.items()
            if digest(_content(folder / path) or b"") == old.files.get(path)
        }
        scan = scan_folders(old.sources, old.sources, old.modules.values(), intact)
        return _bring_in(root, folder, old, scan.modules, scan, old.environment, dry_run=dry_run, tidy=force)


def source_folders(omerodir: Path | str, *, namespace: str = NAMESPACE) -> tuple[str, ...]:
    """Return the folders of macros and scripts that were given when scripts were installed."""
    record = Record.read(_namespace_folder(scripts_folder(omerodir), namespace)) or Record()
    return tuple(sorted(record.sources))


@contextlib.contextmanager
def refusals(what: str, folder: Path, left: str = "nothing was changed") -> Iterator[None]:
    """Say what the operating system refuses in this package's own words.

    Parameters
    ----------
    what, folder
        What could not be done, and where.
    left
        What became of the rest.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, IJOmeroError):
            raise
        raise ScriptsFolderNotWritableError(
            f"{what}: {folder} ({error.strerror or error}); {left}. "
            "Run as the user who owns the server's files, with space left on the disk"
        ) from error


def _bring_in(
    root: Path,
    folder: Path,
    old: Record,
    modules: Sequence[WrappedModule],
    scan: FolderScan,
    environment: Mapping[str, str],
    *,
    force: bool = False,
    tidy: bool = False,
    dry_run: bool,
) -> InstallReport:
    """Write wrappers and copies, and remove what is stale: of files that are gone, or with force all else."""
    namespace = folder.relative_to(root).as_posix()
    target = Target(sys.executable, sys.prefix, dict(environment), namespace)
    menus = [(one.identifier, (*one.menu[:-1], _entry(one))) for one in modules]
    menus += [(identifier, menu) for identifier, (menu, _) in scan.copies.items()]
    texts = [script_source(module, target).encode("ascii") for module in modules]
    texts += [content for _, content in scan.copies.values()]
    paths = _paths(menus, {} if force else old.modules)
    contents = dict(zip(paths, texts, strict=True))
    identifiers = {path: identifier for path, (identifier, _) in zip(paths, menus, strict=True)}
    stale: list[str] = []
    kept: list[str] = []
    for path in old.files:
        if path in contents:
            continue
        if force:
            stale.append(path)
        elif old.modules.get(path) in scan.gone:
            content = _content(folder / path)
            changed = content is not None and digest(content) != old.files[path]
            (kept if changed and not tidy else stale).append(path)
    new = Record(
        {
            **{path: sha for path, sha in old.files.items() if path not in stale},
            **{path: digest(content) for path, content in contents.items()},
        },
        {**{path: one for path, one in old.modules.items() if path not in stale}, **identifiers},
        [*old.folders],
        {**({} if force else old.sources), **scan.sources},
        dict(environment),
    )
    report = _install(root, folder, old, new, contents, stale, dry_run=dry_run)
    return replace(report, kept=_listed(namespace, kept), problems=tuple(scan.problems))


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
    with refusals("cannot remove scripts", folder, "remove again"), locked(root):
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
            _remove(root, folder, record, removed, kept)
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


def _paths(menus: Sequence[tuple[str, tuple[str, ...]]], installed: Mapping[str, str]) -> list[str]:
    """Return where scripts go below the namespace's folder; what is installed keeps its place.

    Parameters
    ----------
    menus
        (identifier, menus and entry) of each.
    installed
        Path -> identifier.
    """
    places = {identifier: path for path, identifier in installed.items()}
    fixed = [places.get(identifier) for identifier, _ in menus]
    stems = ["/".join(map(file_stem, menu)) for (_, menu), place in zip(menus, fixed, strict=True) if place is None]
    taken = {path.removesuffix(".py") for path in installed}
    names = iter(distinct(stems, taken))
    return [place if place is not None else f"{next(names)}.py" for place in fixed]


def _entry(module: WrappedModule) -> str:
    return module.menu[-1] if module.menu else module.title or module.identifier


def _install(
    root: Path,
    folder: Path,
    old: Record,
    new: Record,
    contents: Mapping[str, bytes],
    stale: Sequence[str],
    *,
    dry_run: bool,
) -> InstallReport:
    namespace = folder.relative_to(root).as_posix()
    written = [path for path, content in contents.items() if _content(folder / path) != content]
    scripts = tuple(
        InstalledScript(f"/{namespace}/{path}", folder / path, new.modules[path]) for path in sorted(contents)
    )
    report = InstallReport(scripts, _listed(namespace, written), _listed(namespace, stale))
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
    if old != Record():
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
