"""Calling the methods of an OMEIS server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3

from ij_omero.errors import ImageNotFoundError, InvalidInputError, NotFoundError, StorageError
from ij_omero.model import ImageDescription, PixelType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ij_omero.stores._web_server import WebServer

PATH = "/cgi-bin/omeis"


class Omeis:
    """The methods of a server, as functions."""

    def __init__(self, server: WebServer) -> None:
        self._server = server

    def get(self, method: str, **given: object) -> bytes:
        """Call a method that only reads."""
        return self._server.ask("GET", PATH, query=_texts(method, given))

    def text(self, method: str, **given: object) -> str:
        """Call a method that reads, and return its answer as text."""
        return self.get(method, **given).decode("utf-8", "replace").strip()

    def json(self, method: str, **given: object) -> Any:
        """Call a method that answers JSON.

        Raises
        ------
        UnknownMethodError
            The server has no such method: it is not one of this package.
        """
        return _json_of(method, lambda: self.get(method, **given))

    def send(
        self,
        method: str,
        given: Mapping[str, object],
        content: bytes,
        *,
        field: str = "Pixels",
        name: str = "pixels",
        again: bool = True,
    ) -> bytes:
        """Call a method with an upload.

        Parameters
        ----------
        given
            The method's parameters.
        content, field, name
            What is sent, in which field (``Pixels`` or ``File``), called what.
        again
            Whether it may be sent twice.
        """
        fields: list[tuple[str, Any]] = [*_texts(method, given).items()]
        fields.append((field, (name, content, "application/octet-stream")))
        body, content_type = urllib3.encode_multipart_formdata(fields)
        return self._server.ask("POST", PATH, body=body, content_type=content_type, again=again)

    def send_json(self, method: str, value: str, **given: object) -> Any:
        """Call a method that takes and answers JSON; see `json`."""
        return _json_of(
            method,
            lambda: self.send(method, given, value.encode(), field="File", name="document.json", again=False),
        )

    def do(self, method: str, **given: object) -> str:
        """Call a method that changes something, once."""
        body = urlencode(_texts(method, given)).encode()
        kind = "application/x-www-form-urlencoded"
        return self._server.ask("POST", PATH, body=body, content_type=kind, again=False).decode().strip()

    def info(self, pixels_id: int) -> tuple[ImageDescription, bool]:
        """Return what pixels are, and whether they are finished; ImageNotFoundError where there are none."""
        try:
            lines = self.text("PixelsInfo", PixelsID=pixels_id)
        except (NotFoundError, InvalidInputError, StorageError) as error:
            if isinstance(error, StorageError) and "Error calling" not in str(error):
                raise  # an original server tells all refusals as its own failures
            raise ImageNotFoundError(f"the server has no pixels {pixels_id}") from error
        try:
            facts = dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)
            x, y, z, c, t, width = map(int, facts["Dims"].split(","))
            signed, real = facts["Signed"] == "1", facts["Float"] == "1"
            if real and not signed:
                raise ValueError("floating-point pixels are signed")
            kind = PixelType.of(f"{'f' if real else 'i' if signed else 'u'}{width}")
            description = ImageDescription(
                f"Pixels {pixels_id}", kind, size_x=x, size_y=y, size_z=z, size_c=c, size_t=t, image_id=pixels_id
            )
            return description, facts["Finished"] == "1"
        except (KeyError, TypeError, ValueError) as error:  # numpy says TypeError of a size that it has not
            raise StorageError(f"the server does not answer as an OMEIS does: {lines[:80]!r}") from error


def _texts(method: str, given: Mapping[str, object]) -> dict[str, str]:
    return {"Method": method, **{key: str(value) for key, value in given.items()}}


class UnknownMethodError(StorageError):
    """The server is an OMEIS, but none of this package: it has no such method."""


def _json_of(method: str, call: Callable[[], bytes]) -> Any:
    try:
        return json.loads(call())
    except (InvalidInputError, StorageError) as error:
        if "Method doesn't exist" in str(error):
            raise UnknownMethodError(f"this OMEIS server has no {method}; it only keeps pixels") from error
        raise
    except ValueError as error:
        raise StorageError(f"the server does not answer {method} in JSON") from error
