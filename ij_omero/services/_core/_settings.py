"""What a server allows: who may ask, how much, how long."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import socket
from dataclasses import dataclass, field

from ij_omero.errors import InvalidInputError

MIB = 1 << 20
SHORTEST_TOKEN = 16


def is_loopback(host: str) -> bool:
    """Whether a server on this address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class ServiceSettings:
    """The limits of an HTTP server.

    Parameters
    ----------
    host
        The address to listen on. Anything but loopback needs a token.
    token
        Who asks must send it as ``Authorization: Bearer TOKEN``, or have sent it once to ``POST /session``, which
        answers a cookie for browsers. It is never taken from an address, and never logged.
    names
        Host names that requests may be addressed to, besides `host` and, on loopback, this machine's names: a page of
        another site that has its own name point here is refused.
    max_body
        Bytes of the longest body of a request.
    request_seconds
        The longest that a request may take.
    idle_seconds
        The longest that a client may be silent within its body, or not take what is sent to it.
    heavy
        How many requests may do heavy work at once; the default is one more than this machine has processors.
    waiting
        How many more may wait for their turn; further ones are told to come again (503).
    patience
        Seconds that a request waits for its turn at most.

    Raises
    ------
    InvalidInputError
        If there is no token where one is needed, or a limit that is not positive.
    """

    host: str = "127.0.0.1"
    token: str | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()
    max_body: int = 1024 * MIB
    request_seconds: float = 300.0
    idle_seconds: float = 30.0
    heavy: int = (os.cpu_count() or 1) + 1
    waiting: int = 64
    patience: float = 5.0

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise InvalidInputError(
                f"a server on {self.host} is reached from other machines and needs a token: give one, or listen on "
                "127.0.0.1"
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise InvalidInputError(f"the token is too short to be safe: give {SHORTEST_TOKEN} characters or more")
        for name in ("max_body", "request_seconds", "idle_seconds", "heavy", "patience"):
            if getattr(self, name) <= 0:
                raise InvalidInputError(f"{name} must be more than 0, not {getattr(self, name)}")

    @property
    def allowed_names(self) -> frozenset[str] | None:
        """Names that a request's Host header may have, in lower case; None for any."""
        if not is_loopback(self.host):
            return frozenset(name.lower() for name in self.names) or None
        own = {"localhost", "127.0.0.1", "[::1]", self.host, socket.gethostname(), *self.names}
        return frozenset(name.lower() for name in own)

    @property
    def cookie(self) -> str | None:
        """What a browser keeps in place of the token: it does not tell the token."""
        if self.token is None:
            return None
        return hmac.new(self.token.encode(), b"ij-omero session", hashlib.sha256).hexdigest()

    @property
    def cookie_name(self) -> str | None:
        """The cookie's name: browsers keep one jar for all ports of a host, so each token has a name of its own."""
        return None if self.cookie is None else f"ij_omero_session_{self.cookie[:8]}"
