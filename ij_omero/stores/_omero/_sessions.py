"""The sessions of this process: one per server, user and group, shared, closed with the last store that uses it."""

from __future__ import annotations

import atexit
import hashlib
import secrets
import threading
from typing import NamedTuple

from ._credentials import Login, has_secret, no_credentials
from ._session import OmeroSession

_SALT = secrets.token_bytes(16)


class _Key(NamedTuple):
    host: str
    port: int
    user: str | None
    group: str | None
    encrypted: bool
    secret: bytes


class _Shared:
    def __init__(self, session: OmeroSession) -> None:
        self.session = session
        self.users = 0


_lock = threading.Lock()
_shared: dict[_Key, _Shared] = {}


def acquire(login: Login) -> OmeroSession:
    """Return the session of a login, shared with others that gave the same secret.

    Without a secret an open session of this server, user and group serves.
    """
    with _lock:
        key = _key(login)
        found = _shared.get(key) if has_secret(login) else _without_secret(key)
        if found is None or found.session.ended:
            if not has_secret(login):
                raise no_credentials(login)
            found = _shared[key] = _Shared(OmeroSession(login))
        found.users += 1
        return found.session


def release(session: OmeroSession) -> None:
    """Give a session back; the last user closes it."""
    with _lock:
        key = next((key for key, shared in _shared.items() if shared.session is session), None)
        if key is not None:
            _shared[key].users -= 1
            if _shared[key].users > 0:
                return
            del _shared[key]
    session.close()


def _key(login: Login) -> _Key:
    # A session is only shared with who knows its secret, and the secret itself is not kept here.
    secret = f"{login.password}\0{login.session_id}".encode()
    digest = hashlib.blake2b(secret, key=_SALT).digest()
    return _Key(login.host.lower(), login.port, login.user, login.group, login.encrypted, digest)


def _is_open(session: OmeroSession) -> bool:
    return not (session.closed or session.ended)


def _without_secret(key: _Key) -> _Shared | None:
    for other, shared in _shared.items():
        if other[:2] == key[:2] and other.encrypted == key.encrypted and _is_open(shared.session):
            user_fits = key.user in (None, other.user, shared.session.identity.user)
            if user_fits and key.group in (None, other.group, shared.session.identity.group):
                return shared
    return None


@atexit.register
def _close_all() -> None:
    # Ice complains on stderr about communicators that outlive the interpreter.
    with _lock:
        sessions = [shared.session for shared in _shared.values()]
        _shared.clear()
    for session in sessions:
        session.close()
