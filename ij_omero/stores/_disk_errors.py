"""What the operating system says of a disk, as errors of this package."""

from __future__ import annotations

import errno

from ij_omero.errors import AccessDeniedError, DiskFullError, IJOmeroError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def storage_error(error: OSError, what: str) -> IJOmeroError:
    """Return the error to raise for one of the operating system, with what was being done."""
    if isinstance(error, IJOmeroError):
        return error
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return DiskFullError(f"{what}: {reason}; free some space, or choose another folder")
    if error.errno in _DENIED:
        return AccessDeniedError(f"{what}: {reason}; choose a folder that you may write to, or ask its owner")
    return StorageError(f"{what}: {reason}")
