"""What Ice and the server raise, as errors of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ij_omero.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DiskFullError,
    IJOmeroError,
    LoginError,
    OperationTimeoutError,
    ReadError,
    SetupError,
)

from ._ice import Glacier2, Ice, omero

if TYPE_CHECKING:
    from collections.abc import Callable

LOST = (
    Ice.ConnectionLostException,
    Ice.CloseConnectionException,
    Ice.ForcedCloseConnectionException,
    Ice.ConnectionTimeoutException,
    Ice.ConnectTimeoutException,
    Ice.CommunicatorDestroyedException,
    Ice.SocketException,
    Ice.SecurityException,
    Ice.ObjectNotExistException,
    omero.SessionException,
)
"""What a call raises when its connection, its session or its stateful service is gone; joining again may help."""

FAILURES = (Ice.Exception, omero.ClientError)
"""Everything that a call to the server may raise (omero's server errors are Ice user exceptions)."""


def translated(error: Exception, doing: str, otherwise: Callable[[str], IJOmeroError] = ReadError) -> IJOmeroError:
    """Return the error of this package that says what a failure of Ice or the server means.

    Parameters
    ----------
    error
        What was raised.
    doing
        What was tried, as in ``"reading image 42"``.
    otherwise
        The error for a server-side failure of no special kind.
    """
    if isinstance(error, IJOmeroError):
        return error
    text = reason(error)
    if isinstance(error, Glacier2.PermissionDeniedException | Glacier2.CannotCreateSessionException):
        return LoginError(f"{doing} failed: the server refused the login ({text})")
    if isinstance(error, omero.SecurityViolation):
        return AccessDeniedError(f"{doing} is not allowed: {text}; ask the owner, or log in to another group")
    if isinstance(error, omero.MissingPyramidException):
        seconds = max(1, round(error.backOff / 1000))
        return ReadError(f"{doing} failed: the server is still building the image's pyramid; try again in {seconds} s")
    if isinstance(error, omero.LockTimeout):
        return OperationTimeoutError(f"{doing} failed: somebody else holds the lock ({text}); try again later")
    if "No space left" in text or "not enough space" in text.lower():
        return DiskFullError(f"{doing} failed: the server's disk is full ({text}); nothing half-made was kept")
    if isinstance(error, Ice.InvocationTimeoutException):
        return OperationTimeoutError(f"{doing} took longer than allowed and was given up; try again")
    if isinstance(error, Ice.MemoryLimitException):
        return ReadError(f"{doing} failed: a message is larger than Ice.MessageSizeMax allows ({text})")
    if isinstance(error, Ice.PluginInitializationException | Ice.InitializationException):
        return SetupError(f"{doing} failed: Ice could not be started ({text}); reinstall it with: ij-omero setup omero")
    if isinstance(error, (*LOST, Ice.DNSException)):
        return ConnectionFailedError(f"{doing} failed: {text}; check that the server is up and that you can reach it")
    if isinstance(error, Ice.OperationNotExistException | Ice.MarshalException | Ice.NoObjectFactoryException):
        return ConnectionFailedError(
            f"{doing} failed: the server does not speak as omero-py expects -- version mismatch? ({text})"
        )
    if isinstance(error, Ice.LocalException):
        return ConnectionFailedError(f"{doing} failed: {text}")
    return otherwise(f"{doing} failed: {text}")


def reason(error: Exception) -> str:
    """Return the first line of what an Ice or OMERO error says, without stack traces."""
    if isinstance(error, Ice.ConnectionRefusedException):
        return "no server answers there (connection refused)"
    if isinstance(error, Ice.DNSException):
        return f"there is no host {error.host!r}"
    if isinstance(error, Ice.ConnectTimeoutException):
        return "nothing answered in time"
    if isinstance(error, Ice.ConnectionLostException | Ice.SecurityException):
        return "the connection was lost"
    if isinstance(error, Ice.ObjectNotExistException | omero.SessionException):
        return "the session no longer exists on the server"
    for name in ("message", "reason"):
        text = getattr(error, name, None)
        if text:
            return str(text).strip().splitlines()[0]
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
