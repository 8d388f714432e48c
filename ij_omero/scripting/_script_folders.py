"""Folders of macros and ``#@`` scripts, whose OMERO scripts are kept in step with what lies in them.

Three kinds of files are taken: ImageJ macros and ``#@`` scripts get a wrapper; so does each function that a Python file
registers as a module of ImageJ; a Python file that imports ``omero.scripts`` is an OMERO script already and is copied
as it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import IJOmeroError, InvalidInputError

from ._description import FUNCTION
from ._modules import SCRIPT, SCRIPT_SUFFIXES, script_module
from ._python_functions import function_modules, is_omero_script, parsed, registers_functions
from ._record import digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ._description import WrappedModule

_log = logging.getLogger(__name__)
COPIED = "file:"


@dataclass
class FolderScan:
    """What has to be done so that the OMERO scripts are again what the folders hold.

    Parameters
    ----------
    modules
        Descriptions of macros and scripts that are new or were changed.
    copies
        Identifier -> menu and content of new or changed OMERO scripts.
    gone
        Identifiers of those whose file is there no more.
    sources
        Folder -> path below it -> sha256 of the content that was taken.
    problems
        One sentence for each file that could not be taken; what was made of it before stays.
    """

    modules: list[WrappedModule] = field(default_factory=list)
    copies: dict[str, tuple[tuple[str, ...], bytes]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def script_files(folder: Path | str) -> list[Path]:
    """Return the macros and scripts below a folder; hidden files and folders are passed over.

    Raises
    ------
    InvalidInputError
        There is no such folder.
    """
    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise InvalidInputError(f"{root} is no folder; name one with ImageJ macros (.ijm) or #@ scripts in it")
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix in SCRIPT_SUFFIXES
        and not any(part.startswith((".", "__")) for part in path.relative_to(root).parts)
        and path.is_file()
    ]


def scan_folders(
    folders: Iterable[Path | str],
    known: Mapping[str, Mapping[str, str]],
    installed: Collection[str] = (),
    intact: Collection[str] = (),
) -> FolderScan:
    """Compare folders with what was made of them before.

    ImageJ is started only where a macro or ``#@`` script is new or was changed.

    Parameters
    ----------
    folders
        The folders.
    known
        As `FolderScan.sources`, of the last time.
    installed
        Identifiers of all that is installed.
    intact
        Identifiers of what is installed and needs no new writing unless its source was changed.

    Raises
    ------
    InvalidInputError
        A folder that was not known does not exist.
    """
    scan = FolderScan()
    for folder in folders:
        root = Path(folder).expanduser().absolute()
        before = known.get(str(root), {})
        taken = scan.sources.setdefault(str(root), {})
        if before and not root.is_dir():
            # it may be a network folder that is not there for the moment
            taken.update(before)
            scan.problems.append(f"{root} is no folder any more; what was made of it stays")
            continue
        present: set[str] = set()
        for path in script_files(root):
            name = path.relative_to(root).as_posix()
            try:
                content = path.read_bytes()
                same = digest(content) == before.get(name)
                present.update(_take(scan, path, root, content, installed, intact if same else ()))
                taken[name] = digest(content)
            except (IJOmeroError, OSError, SyntaxError, ValueError) as error:
                present.update(_made_of(path, installed))
                scan.problems.append(f"{path} was left out: {' '.join(str(error).split())}")
        for identifier in installed:
            file = source_file(identifier)
            if file is not None and identifier not in present and file.is_relative_to(root):
                scan.gone.append(identifier)
    return scan


def source_file(identifier: str) -> Path | None:
    """Return the file that something was made of; None for modules of ImageJ itself."""
    kind, _, rest = identifier.partition(":")
    if f"{kind}:" == FUNCTION:
        rest = rest.rpartition("#")[0]
    return Path(rest) if f"{kind}:" in (COPIED, SCRIPT, FUNCTION) else None


def _made_of(path: Path, installed: Iterable[str]) -> set[str]:
    return {one for one in installed if source_file(one) == path}


def _take(
    scan: FolderScan, path: Path, root: Path, content: bytes, installed: Collection[str], intact: Collection[str]
) -> set[str]:
    """Add a file to what has to be done, unless all that was made of it is intact; return the identifiers."""
    made = _made_of(path, installed)
    if made and made.issubset(intact):
        return made
    tree = parsed(content) if path.suffix == ".py" else None
    if tree is not None and is_omero_script(tree):
        menu = (*path.parent.relative_to(root).parts, path.stem.replace("_", " ").strip())
        scan.copies[f"{COPIED}{path}"] = (menu, content)
        return {f"{COPIED}{path}"}
    if tree is not None and registers_functions(tree):
        described = function_modules(path, root)
    else:
        described = [script_module(path, root)]
    scan.modules += described
    return {one.identifier for one in described}


def folders_signature(folders: Iterable[Path | str]) -> dict[str, tuple[int, int]]:
    """Return what changes when anything in folders does: path -> time of change and size. No content is read."""
    found = {}
    for folder in folders:
        root = Path(folder)
        for path in script_files(root) if root.is_dir() else []:
            try:
                state = path.stat()
            except OSError:  # it went away in this moment, which the next look sees
                continue
            found[str(path)] = (state.st_mtime_ns, state.st_size)
    return found
