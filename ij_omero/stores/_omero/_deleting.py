"""Deleting through the server's command service, which takes along all that belongs to a thing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ij_omero.errors import AccessDeniedError, OperationTimeoutError, StorageError

from ._ice import omero

if TYPE_CHECKING:
    from ._session import Connection

DELETE_TIMEOUT = 300.0


def delete_objects(connection: Connection, kind: str, ids: list[int], context: dict[str, str]) -> None:
    """Delete objects by their class (``Image``, ``Roi``, ``FileAnnotation``), and wait until they are gone.

    Raises
    ------
    AccessDeniedError
        The user may not delete them.
    StorageError
        The server refused.
    """
    request = omero.cmd.Delete2(targetObjects={kind: ids})
    response = _run(connection, request, context, f"deleting {kind} {ids}")
    if isinstance(response, omero.cmd.ERR):
        # Refusals come without a message; what was refused stands in the first line of the trace.
        trace = response.parameters.get("stacktrace", "").partition("\n")[0].partition("message=")[2].rstrip(")")
        text = response.parameters.get("message") or trace or response.name
        if "not permitted" in text or "permission" in text.lower():
            raise AccessDeniedError(f"deleting {kind} {ids} is not allowed: {text}")
        raise StorageError(f"deleting {kind} {ids} failed: {text}")


def _run(connection: Connection, request: Any, context: dict[str, str], doing: str) -> Any:
    handle = connection.factory.submit(request, context)
    deadline = time.monotonic() + DELETE_TIMEOUT
    pause = 0.002
    try:
        while True:
            response = handle.getResponse()
            if response is not None:
                return response
            if time.monotonic() > deadline:
                raise OperationTimeoutError(f"{doing} took longer than {DELETE_TIMEOUT:.0f} s; it may still happen")
            time.sleep(pause)
            pause = min(0.1, 1.5 * pause)
    finally:
        handle.close()
