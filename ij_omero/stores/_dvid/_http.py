"""Requests to a DVID server, whose refusals are mostly one status and a text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ij_omero.errors import AccessDeniedError, NotFoundError
from ij_omero.stores._web_server import WebServer

if TYPE_CHECKING:
    from ij_omero.errors import IJOmeroError

_NOT_FOUND = re.compile(
    r"could not find UUID|more than one UUID|bad UUID specification|[Ii]nvalid data|branch .* not found|not found"
)
_DENIED = re.compile(r"locked node|read-only|admin privileges|not authorized", re.I)


class Http(WebServer):
    """A DVID server's address with its connections."""

    name = "DVID server"

    def refused(self, status: int, said: str) -> IJOmeroError:
        """Return the error that an answer is, by its text where the status does not tell."""
        if status == 400 and _DENIED.search(said):
            return AccessDeniedError(f"{self.told} refused: {said}")
        if status == 400 and _NOT_FOUND.search(said):
            return NotFoundError(f"{self.told} refused: {said}")
        return super().refused(status, said)
