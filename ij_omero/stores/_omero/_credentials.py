"""Where a login comes from: arguments, an address, the environment, ICE_CONFIG, or `omero login`'s stored session."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ij_omero.errors import AddressError, LoginError, StorageError
from ij_omero.model import ImageAddress, parse_server

from ._ice import Ice, omero

DEFAULT_PORT = 4064


@dataclass(frozen=True)
class Login:
    """A server and what opens it; secrets stay out of ``repr``."""

    host: str
    port: int = DEFAULT_PORT
    user: str | None = None
    group: str | None = None
    encrypted: bool = True
    password: str | None = field(default=None, repr=False)
    session_id: str | None = field(default=None, repr=False)

    @property
    def server(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"


def find_login(
    address: str | ImageAddress | None = None,
    user: str | None = None,
    password: str | None = None,
    *,
    port: int | None = None,
    group: str | None = None,
    session_id: str | None = None,
    encrypted: bool | None = None,
) -> Login:
    """Complete what the caller gave from the environment; what was given always wins.

    The order is: arguments; the address; ``OMERO_SESSION`` (or ``OMERO_SESSIONKEY``), ``OMERO_HOST``, ``OMERO_PORT``,
    ``OMERO_USER``, ``OMERO_PASSWORD`` and ``OMERO_GROUP``; the file that ``ICE_CONFIG`` names (omero.host, omero.port,
    omero.user, omero.pass, omero.group, and what a script finds there: its session as omero.user); the session that
    ``omero login`` stored. Each is only asked for a server that it knows, so that credentials never go to another host;
    an environment without ``OMERO_HOST`` speaks of the server that the caller names.

    Raises
    ------
    LoginError
        No credentials were found.
    AddressError
        No server is named anywhere, or the address is none of an OMERO.server.
    """
    given = _given(address, user, password, port, group, session_id, encrypted)
    environment = _from_environment()
    if "host" not in environment and "host" in given:
        # without a host of its own it speaks of the server that the caller names, as for omero-py's own tools
        environment = {**environment, "host": given["host"], "port": given.get("port", environment.get("port"))}
        environment = {name: value for name, value in environment.items() if value is not None}
    for found in (environment, _from_ice_config()):
        given = _complete(given, found)
    login = _login(given)
    if login is not None and (login.session_id or (login.user and login.password)):
        return login
    stored = _from_stored_session(given.get("host"), given.get("port"), given.get("user"))
    login = _login(_complete(given, stored))
    if login is None:
        raise AddressError(
            "no OMERO.server is named; give a host or an address such as omero://omero.example.org, or set OMERO_HOST"
        )
    return login


def has_secret(login: Login) -> bool:
    """Whether the login can open a session by itself."""
    return bool(login.session_id or (login.user and login.password is not None))


def no_credentials(login: Login) -> LoginError:
    """Return the error for a login without a password or session."""
    return LoginError(
        f"no password and no session for {login.user or 'any user'} at {login.server}; give user and password or "
        f"session_id, set OMERO_PASSWORD or OMERO_SESSION, or run: omero login {login.user or 'USER'}@{login.server}"
    )


def _given(
    address: str | ImageAddress | None,
    user: str | None,
    password: str | None,
    port: int | None,
    group: str | None,
    session_id: str | None,
    encrypted: bool | None,
) -> dict[str, Any]:
    parsed: ImageAddress | None = None
    if address is not None:
        parsed = parse_server(address)
        if parsed.scheme != "omero":
            raise AddressError(f"Not an omero URI: {parsed}; expected omero://host or a host name")
    named_port = parsed is not None and (parsed.port != DEFAULT_PORT or ":" in str(address).rpartition("@")[2][8:])
    values = {
        "host": parsed.host if parsed else None,
        "port": port or (parsed.port if parsed and named_port else None),
        "user": user or (parsed.user if parsed else None),
        "password": password if password is not None else (parsed.password if parsed else None),
        "session_id": session_id or (parsed.session_id if parsed else None),
        "group": group,
        "encrypted": parsed.encrypted if parsed and encrypted is None else encrypted,
    }
    return {name: value for name, value in values.items() if value is not None}


def _login(values: dict[str, Any]) -> Login | None:
    return Login(**values) if values.get("host") else None


def _same_server(given: dict[str, Any], found: dict[str, Any]) -> bool:
    if not found.get("host"):
        return "host" not in given
    if "host" in given and _plain_host(given["host"]) != _plain_host(found["host"]):
        return False
    return "port" not in given or given["port"] == found.get("port", DEFAULT_PORT)


def _plain_host(host: str) -> str:
    return "127.0.0.1" if host.lower() == "localhost" else host.lower()


def _complete(given: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    if not found or not _same_server(given, found):
        return given
    if "user" in given and found.get("user") not in (None, given["user"]):
        # Somebody else's secrets do not fit; the place of the server still does.
        found = {name: found[name] for name in ("host", "port") if name in found}
    if "password" in given or "session_id" in given:
        found = {name: value for name, value in found.items() if name not in ("password", "session_id")}
    return {**found, **given}


def _from_environment() -> dict[str, Any]:
    names = {
        "host": ("OMERO_HOST", "OMERO_SERVER"),
        "user": ("OMERO_USER",),
        "password": ("OMERO_PASSWORD",),
        "session_id": ("OMERO_SESSION", "OMERO_SESSIONKEY"),
        "group": ("OMERO_GROUP",),
    }
    found: dict[str, Any] = {}
    for key, variables in names.items():
        value = next((os.environ[variable] for variable in variables if os.environ.get(variable)), None)
        if value:
            found[key] = value
    port = os.environ.get("OMERO_PORT")
    if port:
        found["port"] = _port(port, "OMERO_PORT")
    return found


def _from_ice_config() -> dict[str, Any]:
    paths = [path for path in os.environ.get("ICE_CONFIG", "").split(",") if path]
    if not paths:
        return {}
    properties = Ice.createProperties()
    for path in paths:
        if not Path(path).is_file():
            raise StorageError(f"ICE_CONFIG names {path}, which is no file; unset ICE_CONFIG or correct it")
        properties.load(path)
    found: dict[str, Any] = {}
    for key, name in (("host", "omero.host"), ("user", "omero.user"), ("group", "omero.group")):
        if properties.getProperty(name):
            found[key] = properties.getProperty(name)
    found = {**router_place(properties.getProperty("Ice.Default.Router")), **found}
    port = properties.getProperty("omero.port") or found.get("port")
    if port:
        found["port"] = _port(port, "omero.port of ICE_CONFIG")
    password = properties.getProperty("omero.pass")
    if password and password == found.get("user"):
        # The processor gives a script its session as both user and password.
        found.pop("user")
        found["session_id"] = password
    elif password:
        found["password"] = password
    return found


def router_place(router: str) -> dict[str, Any]:
    """Return ``host`` and ``port`` as far as a proxy such as ``OMERO.Glacier2/router:ssl -p 4064 -h HOST`` has them."""
    words = router.split()
    flags = (("host", "-h"), ("port", "-p"))
    return {key: words[words.index(flag) + 1] for key, flag in flags if flag in words[:-1]}


def _from_stored_session(host: str | None, port: int | None, user: str | None) -> dict[str, Any]:
    folder = os.environ.get("OMERO_SESSIONDIR") or os.environ.get("OMERO_SESSION_DIR")
    if not folder:
        base = os.environ.get("OMERO_USERDIR") or str(Path.home() / "omero")
        folder = str(Path(base) / "sessions")
    if not Path(folder).is_dir():
        return {}
    store = omero.util.sessions.SessionsStore(folder)
    try:
        last_host, last_user, _, last_port = store.get_current()
        candidates = [host] if host else [last_host]
        if host and _plain_host(host) == "127.0.0.1":
            candidates = ["localhost", "127.0.0.1"]
        for name in filter(None, candidates):
            users = [user] if user else _users_of(folder, name, store, last_user)
            for owner in users:
                found = _newest(store, name, owner, port or (int(last_port) if not host else None))
                if found:
                    return found
    except (OSError, ValueError) as error:
        raise StorageError(f"the sessions stored in {folder} cannot be read ({error}); run: omero logout") from error
    return {}


def _users_of(folder: str, host: str, store: Any, last_user: str | None) -> list[str]:
    place = Path(folder) / host
    try:
        own = store.user_file(host).text().strip()
    except OSError:
        own = last_user
    users = sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    return sorted(users, key=lambda name: name != own)


def _newest(store: Any, host: str, user: str, port: int | None) -> dict[str, Any] | None:
    files = [Path(str(store.sess_file(host, user))).parent / key for key in store.available(host, user)]
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        properties = store.get(host, user, path.name)
        own_port = int(properties.get("omero.port") or DEFAULT_PORT)
        if port in (None, own_port):
            found = {"host": host, "port": own_port, "user": user, "session_id": path.name}
            if properties.get("omero.group"):
                found["group"] = properties["omero.group"]
            return found
    return None


def _port(text: str, where: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise AddressError(f"Invalid port {text!r} in {where}; expected a number from 1 to 65535")
    return int(text)


def without_secrets(login: Login) -> Login:
    """Return the login with its secrets left out."""
    return replace(login, password=None, session_id=None)
