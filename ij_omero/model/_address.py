"""Image addresses: one text that says which image in which store.

=============================================  ==========================================================
``omero://[user@]host[:port]/image/<id>``      an image of an OMERO.server (port 4064 unless given)
``omero:server=..&user=..&imageID=..``         the older form; keys name, server, port, user, password,
                                               sessionID, encrypted, imageID, pixelsID, all optional
``/folder/of/images/3.ome.zarr``               an image of a local store, by its path
``file:///folder/of/images/3.ome.zarr``        the same
``memory://name/image/<id>``                   an image in a store held in memory
``omeis://host[:port]/image/<id>``             an image of an OMEIS server
``dvid://host[:port]/<uuid>/<instance>``       a data instance of a DVID server
=============================================  ==========================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from ij_omero.errors import AddressError

if TYPE_CHECKING:
    from ._image import ImageId

DEFAULT_PORTS = {"omero": 4064, "omeis": 80, "dvid": 8000}
_EXPECTED = "expected omero://host/image/ID or the path of an image such as ~/images/3.ome.zarr"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:]+")


@dataclass(frozen=True)
class ImageAddress:
    """Where an image is.

    ``scheme`` is ``omero``, ``file``, ``memory``, ``omeis`` or ``dvid``. Without an ``image_id`` it is the address of a
    store. Secrets are kept out of ``repr`` and ``str``.
    """

    scheme: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    image_id: ImageId | None = None
    pixels_id: int | None = None
    path: Path | None = None
    name: str | None = None
    encrypted: bool = True
    password: str | None = field(default=None, repr=False, compare=False)
    session_id: str | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """Return the address in its canonical form, never with a secret."""
        if self.scheme == "file":
            return str(self.path)
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        port = f":{self.port}" if self.port not in (None, DEFAULT_PORTS.get(self.scheme)) else ""
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host or ""
        if self.image_id is None:
            tail = ""
        elif self.scheme == "dvid":
            tail = f"/{self.image_id}"
        else:
            tail = f"/image/{self.image_id}"
        return f"{self.scheme}://{user}{host}{port}{tail}"


def parse_address(text: str | Path | ImageAddress) -> ImageAddress:
    """Return what an address says.

    Parameters
    ----------
    text
        An address in one of the forms above, or the path of an image in a local store.

    Raises
    ------
    AddressError
        The text is no address; the message says which part is wrong and what was expected.

    Examples
    --------
    >>> parse_address("omero://ana@omero.example.org/image/42").image_id
    42
    """
    if isinstance(text, ImageAddress):
        return text
    if isinstance(text, Path):
        return _local(text)
    text = text.strip()
    if not text or "\0" in text:
        raise AddressError(f"empty image address; {_EXPECTED}")
    scheme = text.partition(":")[0].lower() if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text) else ""
    if scheme == "omero" and not text[6:].startswith("//"):
        return _key_value_form(text)
    if scheme in ("omero", "omeis", "memory", "dvid"):
        return _url_form(scheme, text)
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise AddressError(f"{text!r} names the host {parts.netloc!r}; a file address has none: file:///path")
        return _local(Path(unquote(parts.path)))
    if scheme and "://" in text:
        raise AddressError(f"unknown kind of address {scheme + '://'!r} in {_without_secret(text)!r}; {_EXPECTED}")
    return _local(Path(text))


def normalise_host(name: str) -> str:
    """Return the host of what a user may paste for one: ``https://www.example.org/`` is ``example.org``."""
    return re.sub(r"^(https?://)?(www\.)?", "", name.strip(), flags=re.I).rstrip("/")


def _local(path: Path) -> ImageAddress:
    path = path.expanduser()
    stem = path.name.removesuffix(".zarr").removesuffix(".ome")
    image_id = int(stem) if path.suffix == ".zarr" and stem.isdecimal() else None
    return ImageAddress("file", path=path, image_id=image_id, name=path.name)


def _port(text: str | int | None, address: str) -> int | None:
    if text is None or text == "":
        return None
    if not str(text).isdecimal() or not 0 < int(text) < 65536:
        raise AddressError(f"Invalid port {text!r} in {_without_secret(address)!r}; expected a number from 1 to 65535")
    return int(text)


def _host(text: str | None, address: str) -> str:
    host = normalise_host(text or "")
    if not _HOST.fullmatch(host):
        raise AddressError(f"no valid host name in {_without_secret(address)!r}; {_EXPECTED}")
    return host.strip("[]")


def _id(text: str, what: str, address: str) -> int:
    if not text.isdecimal() or not text.isascii() or int(text) < 1:
        raise AddressError(f"{what} {text!r} in {_without_secret(address)!r} is not a whole number above 0")
    return int(text)


def _url_form(scheme: str, text: str) -> ImageAddress:
    rest = text[len(scheme) + 3 :]
    authority, _, path = rest.partition("/")
    userinfo, _, hostport = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", hostport)
    if match is None:
        raise AddressError(f"no valid host name in {_without_secret(text)!r}; {_EXPECTED}")
    host = _host(match.group(1), text)
    port = _port(match.group(2), text) or DEFAULT_PORTS.get(scheme)
    image_id: ImageId | None = None
    path = path.strip("/")
    if path and scheme == "dvid":
        if not re.fullmatch(r"[^/]+/[^/]+", path):
            raise AddressError(
                f"{_without_secret(text)!r} does not name an instance; expected dvid://host/UUID/INSTANCE"
            )
        image_id = path
    elif path:
        kind, _, number = path.rpartition("/")
        if kind.lower() != "image":
            raise AddressError(f"{_without_secret(text)!r} does not name an image; {_EXPECTED}")
        image_id = _id(number, "image id", text)
    return ImageAddress(scheme, host, port, unquote(user) or None, image_id, password=unquote(password) or None)


def _key_value_form(text: str) -> ImageAddress:
    known = ("name", "server", "port", "user", "password", "sessionID", "encrypted", "imageID", "pixelsID")
    values: dict[str, str] = {}
    for part in filter(None, text[len("omero:") :].removesuffix(".omero").split("&")):
        key, equals, value = part.partition("=")
        if not equals or key not in known:
            raise AddressError(
                f"unknown part {key!r} of an omero: address; expected key=value with the keys {', '.join(known)}"
            )
        values[key] = unquote(value)
    encrypted = values.get("encrypted", "true").lower() not in ("false", "0", "no")
    port = _port(values.get("port"), text) or (4064 if encrypted else 4063)
    return ImageAddress(
        "omero",
        _host(values["server"], text) if "server" in values else None,
        port,
        values.get("user") or None,
        _id(values["imageID"], "imageID", text) if "imageID" in values else None,
        _id(values["pixelsID"], "pixelsID", text) if "pixelsID" in values else None,
        name=values.get("name"),
        encrypted=encrypted,
        password=values.get("password"),
        session_id=values.get("sessionID"),
    )


def _without_secret(text: str) -> str:
    text = re.sub(r"(password|sessionID)=[^&]*", r"\1=***", text)
    return re.sub(r"//([^/@:]*):[^/@]*@", r"//\1:***@", text)
