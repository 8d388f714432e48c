"""Edits that earlier sessions left: list them, open an image with them, throw them away."""

from __future__ import annotations

import contextlib
import logging
import shutil
from typing import TYPE_CHECKING, Any

from ij_omero.errors import CorruptedDataError, InvalidInputError, NotFoundError

from ._cache import CellCache
from ._folder import EditFolder, EditInfo, edits_dir, read_info, storage_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ij_omero.pixels import PixelSource

_log = logging.getLogger(__name__)


def list_edits(root: Path | None = None) -> list[EditInfo]:
    """Return the edits that are kept, newest first; those of images that are open now are marked as in use.

    Parameters
    ----------
    root
        The folder below which they are; None is `edits_dir()`.
    """
    root = root if root is not None else edits_dir()
    try:
        names = [path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(error, root) from error
    found = []
    for name in names:
        try:
            found.append(read_info(root, name))
        except CorruptedDataError as error:
            _log.warning("%s", error)
        except NotFoundError:
            continue  # discarded meanwhile
    return sorted(found, key=lambda info: info.modified, reverse=True)


def recover_edits(
    edit_id: str,
    source: PixelSource | Callable[[str], PixelSource],
    *,
    root: Path | None = None,
    **options: Any,
) -> CellCache:
    """Open an image with the edits that an earlier session left.

    Parameters
    ----------
    edit_id
        As `list_edits` tells.
    source
        The image, or a function that opens it by its address.
    root
        The folder below which edits are; None is `edits_dir()`.
    **options
        As for `CellCache`: bound, autosave, spill_limit.

    Raises
    ------
    NotFoundError
        There are no such edits.
    CacheLockedError
        The image is open with these edits, here or in another process.
    InvalidInputError
        The source is not the image that was edited, or the edits have no address to open it by.
    CorruptedDataError
        The edits are damaged.
    """
    folder = EditFolder.open(root if root is not None else edits_dir(), edit_id)
    if not callable(source):
        return CellCache.reopen(source, folder, **options)
    with contextlib.ExitStack() as undo:
        undo.callback(folder.close)
        if folder.info.address is None:
            raise InvalidInputError(f"the edits {edit_id} are of an image without an address; give its source")
        opened = source(folder.info.address)
        undo.pop_all()
    return CellCache.reopen(opened, folder, **options)


def discard_edits(edit_id: str, root: Path | None = None) -> None:
    """Delete edits that an earlier session left.

    Raises
    ------
    NotFoundError
        There are no such edits.
    CacheLockedError
        The image is open with these edits.
    """
    root = root if root is not None else edits_dir()
    try:
        EditFolder.open(root, edit_id).close(delete=True)
    except CorruptedDataError:
        shutil.rmtree(root / edit_id)
