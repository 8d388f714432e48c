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
``http://host[:port]/api/node/<uuid>/<name>``  the same, as browsers have it
=============================================  ==========================================================
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from ij_omero.errors import AddressError

if TYPE_CHECKING:
    from ._image import ImageId

DEFAULT_PORTS = {"omero": 4064, "omeis": 80, "dvid": 8000}
_EXPECTED = "expected omero://host/image/ID or the path of an image such as ~/images/3.ome.zarr"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_DVID_WEB = re.compile(r"http://([^/?#]+)/api/node/([^/\s?#]+/[^/\s?#]+)(?:[/?#].*)?", re.I)
_PORT = re.compile(r":[0-9]+$")
_KEYS = ("name", "server", "port", "user", "password", "sessionID", "encrypted", "imageID", "pixelsID")


@dataclass(frozen=True)
class ImageAddress:
    """Where an image is.

    ``scheme`` is ``omero``, ``file``, ``memory``, ``omeis`` or ``dvid``. Without an ``image_id`` it is the address of a
    store. Secrets are kept out of ``repr`` and ``str``. Of an image of another program in a folder the id is the name
    of its own folder.
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
        """Return the address in its canonical form, which parses to the same address; never with a secret."""
        if self.scheme == "file":
            return _path_text(self.path or Path())
        if self.scheme == "omero" and (self.host is None or self.name or self.pixels_id or not self.encrypted):
            return self._key_value_text()
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

    def _key_value_text(self) -> str:
        """Return the older form, which can say what the newer cannot."""
        port = None if self.port == _default_port(self.encrypted) else self.port
        values = {
            "name": self.name,
            "server": self.host,
            "port": port,
            "user": self.user,
            "encrypted": None if self.encrypted else "false",
            "imageID": self.image_id,
            "pixelsID": self.pixels_id,
        }
        parts = [f"{key}={quote(str(value), safe='')}" for key, value in values.items() if value is not None]
        text = "omero:" + "&".join(parts)
        return f"{text}&" if text.endswith(".omero") else text  # a file's suffix, which parsing takes off


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
        return _local(str(text))
    if not isinstance(text, str):
        raise AddressError(f"a {type(text).__name__} is no image address; {_EXPECTED}")
    text = text.strip()
    if not text:
        raise AddressError(f"empty image address; {_EXPECTED}")
    match = _SCHEME.match(text)
    scheme = match.group(1).lower() if match else ""
    if scheme in ("omero", "omeis", "memory", "dvid") and not _is_unicode(unquote(text)):
        raise AddressError(f"an address with characters that no server takes: {_without_secret(text)!r}; {_EXPECTED}")
    if scheme == "omero" and not text[6:].startswith("//"):
        return _key_value_form(text)
    if scheme in ("omero", "omeis", "memory", "dvid"):
        if not text[len(scheme) + 1 :].startswith("//"):
            raise AddressError(f"{_without_secret(text)!r} lacks the // after {scheme}:; {_EXPECTED}")
        return _url_form(scheme, text)
    if scheme == "file":
        return _file_form(text)
    dvid = _DVID_WEB.fullmatch(text)
    if dvid:
        return _url_form("dvid", f"dvid://{dvid[1]}{'' if _PORT.search(dvid[1]) else ':80'}/{dvid[2]}")
    if "://" in text:
        raise AddressError(f"unknown kind of address {scheme + '://'!r} in {_without_secret(text)!r}; {_EXPECTED}")
    return _local(text)


def parse_server(text: str | ImageAddress) -> ImageAddress:
    """Return the address of an OMERO.server as people name it: a host, ``host:port``, its web address, an address.

    Raises
    ------
    AddressError
        The text is none of these.

    Examples
    --------
    >>> str(parse_server("https://www.example.org/"))
    'omero://example.org'
    """
    if isinstance(text, ImageAddress):
        return text
    name = text.strip()
    if re.match(r"https?://", name, flags=re.I):
        name = normalise_host(name)
    return parse_address(name if ":/" in name or name.lower().startswith("omero:") else f"omero://{name}")


def normalise_host(name: str) -> str:
    """Return the host of what a user may paste for one: ``https://www.example.org/`` is ``example.org``."""
    return re.sub(r"^(https?://)?(www\.)*", "", name.strip(), flags=re.I).rstrip("/").lower()


def _is_unicode(text: str) -> bool:
    """Whether text can be sent at all: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not re.search("[\ud800-\udfff]", text)


def _file_form(text: str) -> ImageAddress:
    rest = text[len("file:") :]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            raise AddressError(f"{text!r} names the host {host!r}; a file address has none: file:///path")
        rest = slash + rest
    rest = unquote(rest, errors="surrogateescape")
    if not rest:
        raise AddressError(f"{text!r} names no path; expected file:///path")
    return _local(rest)


def _local(text: str) -> ImageAddress:
    if "\0" in text:
        raise AddressError(f"a path cannot hold a NUL character: {text!r}")
    # Not Path.expanduser, which fails for unknown users and takes "./~name" for a home
    path = Path(os.path.expanduser(text))  # noqa: PTH111
    image_id: ImageId | None = None
    if any(part.endswith(".zarr") for part in path.parts) and path.name:
        match = re.fullmatch(r"([1-9][0-9]{0,17})(\.ome)?\.zarr", path.name)
        image_id = int(match.group(1)) if match else path.name
    return ImageAddress("file", path=path, image_id=image_id, name=path.name)


def _path_text(path: Path) -> str:
    """Return a path so that it parses as itself, also where it looks like another kind of address."""
    text = str(path)
    if text != text.strip():
        text = "file:" + quote(os.fsencode(text), safe="/")
    if text.startswith("~") or (_SCHEME.match(text) and not text.startswith("file:")) or "://" in text:
        return f"./{text}"
    return text


def _default_port(encrypted: bool) -> int:
    return 4064 if encrypted else 4063


def _port(text: str | None, address: str) -> int | None:
    if text is None or text == "":
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        # What looks like a port may be the rest of a password with a slash in it
        told = "" if "@" in address else f" {text!r}"
        raise AddressError(f"Invalid port{told} in {_without_secret(address)!r}; expected a number from 1 to 65535")
    return int(text)


def _host(text: str | None, address: str) -> str:
    host = normalise_host(text or "")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare:
        try:
            return str(ipaddress.IPv6Address(bare.partition("%")[0]))
        except ValueError:
            bare = ""
    if not _HOST.fullmatch(bare):
        raise AddressError(f"no valid host name in {_without_secret(address)!r}; {_EXPECTED}")
    return bare


def _id(text: str, what: str, address: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < 1:
        raise AddressError(f"{what} in {_without_secret(address)!r} is not a whole number above 0")
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
        if not re.fullmatch(r"[^/\s?#]+/[^/\s?#]+", path):
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
    values: dict[str, str] = {}
    for part in filter(None, text[len("omero:") :].removesuffix(".omero").split("&")):
        key, equals, value = part.partition("=")
        if not equals or key not in _KEYS:
            # What follows a password may be the rest of it
            secret = "password" in values or "sessionID" in values or not equals
            raise AddressError(
                f"unknown part {'' if secret else repr(key) + ' '}of an omero: address; expected key=value with the "
                f"keys {', '.join(_KEYS)}"
            )
        values[key] = unquote(value)
    encrypted = values.get("encrypted", "true").lower() not in ("false", "0", "no")
    port = _port(values.get("port"), text) or _default_port(encrypted)
    return ImageAddress(
        "omero",
        _host(values["server"], text) if "server" in values else None,
        port,
        values.get("user") or None,
        _id(values["imageID"], "imageID", text) if "imageID" in values else None,
        _id(values["pixelsID"], "pixelsID", text) if "pixelsID" in values else None,
        name=values.get("name") or None,
        encrypted=encrypted,
        password=values.get("password") or None,
        session_id=values.get("sessionID") or None,
    )


def _without_secret(text: str) -> str:
    """Return an address to print; a password ends at the last @, since it may hold any other character."""
    text = re.sub(r"(password|sessionID)=.*", r"\1=***", text, flags=re.I | re.S)
    return re.sub(r"//([^@:]*):.*@", r"//\1:***@", text, flags=re.S)
