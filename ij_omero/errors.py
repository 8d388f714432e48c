"""The errors that ij_omero raises, in one tree.

Every leaf is also the builtin exception that a caller would catch without knowing this package::

    IJOmeroError
    ├── AddressError              (ValueError)       an image address that does not parse
    ├── InvalidInputError         (ValueError)       an argument of the wrong type, shape or range
    │   └── UnsupportedPixelTypeError                a pixel type that a store cannot hold
    ├── NotFoundError             (LookupError)      something that was named does not exist
    │   ├── ImageNotFoundError
    │   ├── ModuleNotFoundInImageJError
    │   └── AttachmentNotFoundError                  a table, ROI or annotation
    ├── AccessDeniedError         (PermissionError)  the session may not do this
    │   └── LoginError                               wrong user, password or session id
    ├── ConnectionFailedError     (ConnectionError)  no server answers, or it went away
    ├── StorageError              (OSError)          a disk, cache folder or store cannot be read or written
    │   ├── CorruptedDataError                       bytes are not what their checksum says
    │   ├── CacheLockedError                         another process owns this folder
    │   └── DiskFullError
    ├── ReadError                 (OSError)          pixels could not be read
    ├── WriteError                (OSError)          pixels could not be written; nothing half-made was left
    ├── OperationTimeoutError     (TimeoutError)
    ├── MissingDependencyError    (ImportError)      an optional package or program is not installed
    ├── SetupError                (RuntimeError)     something could not be installed, built or downloaded
    ├── ServerStartError          (RuntimeError)     the local OMERO.server did not come up
    ├── ImageJError               (RuntimeError)     ImageJ, a module, a macro or a script failed
    │   └── ModuleCanceledError
    └── ScriptError               (RuntimeError)     an OMERO script could not be generated, installed or run

A message says what was wrong, what was expected and what to do about it, in one line where that is enough.
"""

from __future__ import annotations


class IJOmeroError(Exception):
    """The root of all errors that this package raises on purpose."""

    def __str__(self) -> str:
        """Return the message; OSError and KeyError would decorate it."""
        return str(self.args[0]) if self.args else type(self).__name__


class AddressError(IJOmeroError, ValueError):
    """An image address does not parse."""


class InvalidInputError(IJOmeroError, ValueError):
    """An argument has the wrong type, shape or range."""


class UnsupportedPixelTypeError(InvalidInputError):
    """A store cannot hold pixels of this type."""


class NotFoundError(IJOmeroError, LookupError):
    """Something that was named does not exist, or is not visible to this user."""


class ImageNotFoundError(NotFoundError):
    """No image with this id is visible in the store."""


class ModuleNotFoundInImageJError(NotFoundError):
    """ImageJ has no module or command of this name."""


class AttachmentNotFoundError(NotFoundError):
    """No table, ROI or annotation with this id or name."""


class AccessDeniedError(IJOmeroError, PermissionError):
    """The session is not allowed to do this."""


class LoginError(AccessDeniedError):
    """The server refused the user, the password or the session id."""


class ConnectionFailedError(IJOmeroError, ConnectionError):
    """No server answers at the address, or it stopped answering."""


class StorageError(IJOmeroError, OSError):
    """A disk, a cache folder or a store cannot be read or written."""


class CorruptedDataError(StorageError):
    """Bytes are not what their checksum says; they are never handed out."""


class CacheLockedError(StorageError):
    """Another process owns this folder."""


class DiskFullError(StorageError):
    """No space is left; what was in memory stays there."""


class ReadError(IJOmeroError, OSError):
    """Pixels could not be read."""


class WriteError(IJOmeroError, OSError):
    """Pixels could not be written; nothing half-made was left behind."""


class OperationTimeoutError(IJOmeroError, TimeoutError):
    """Something took longer than it was allowed to."""


class MissingDependencyError(IJOmeroError, ImportError):
    """An optional package or a program is needed and not installed."""


class SetupError(IJOmeroError, RuntimeError):
    """Something could not be installed, built or downloaded."""


class ServerStartError(IJOmeroError, RuntimeError):
    """The local OMERO.server did not come up."""


class ImageJError(IJOmeroError, RuntimeError):
    """ImageJ, one of its modules, a macro or a script failed."""


class ModuleCanceledError(ImageJError):
    """A module said that it canceled itself."""


class ScriptError(IJOmeroError, RuntimeError):
    """An OMERO script could not be generated, installed or run."""
