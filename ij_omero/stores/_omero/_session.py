"""One login to a server: shared by stores, kept alive, joined again after the connection or the session is gone."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ij_omero.errors import ConnectionFailedError, IJOmeroError, LoginError, NotFoundError, ReadError

from ._credentials import Login, has_secret, no_credentials, without_secrets
from ._failures import FAILURES, LOST, translated
from ._ice import Ice, omero

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LOG = logging.getLogger("ij_omero.omero")
READ_TIMEOUT = 120.0
"""Seconds that one call which only reads may take, so that a server that hangs does not hang its readers."""

ALL_GROUPS = {"omero.group": "-1"}


@dataclass(frozen=True)
class Identity:
    """Who is logged in, and in which group."""

    user_id: int
    user: str
    group_id: int
    group: str
    is_admin: bool


class Connection:
    """One client of Ice, with a live session; never repaired, only replaced."""

    def __init__(self, client: Any, *, owned: bool, read_timeout: float = READ_TIMEOUT) -> None:
        self.client = client
        self.factory = client.getSession()
        self._read_timeout = read_timeout
        self._owned = owned
        self._services: dict[str, Any] = {}
        self.enumerations: dict[str, dict[str, Any]] = {}

    def service(self, name: str) -> Any:
        """Return a stateless service by its short name, for example ``Query``."""
        if name not in self._services:
            service = getattr(self.factory, f"get{name}Service")()
            self._services[name] = self.limited(service) if name in ("Query", "Admin", "Types") else service
        return self._services[name]

    def limited(self, proxy: Any) -> Any:
        """Return a proxy whose calls are given up after the time that reading may take."""
        return proxy.ice_invocationTimeout(round(1000 * self._read_timeout))

    def close(self) -> None:
        """End the session if it is ours, and release Ice; quiet when the server is gone."""
        try:
            if self._owned:
                self.client.closeSession()
            else:
                self.client.__del__()
        except (*FAILURES, OSError) as error:
            _LOG.debug("closing the session: %s", type(error).__name__)


class OmeroSession:
    """A login that outlives its connections.

    Parameters
    ----------
    login
        The server and the credentials; the password is kept in memory to log in again.
    client
        A client of omero-py that is already logged in; it stays its owner's and is never closed here.
    keep_alive
        Seconds between two signs of life, well below the server's idle limit (ten minutes by default).
    patience
        Seconds for which a dropped connection is tried again before ConnectionFailedError is raised.
    read_timeout
        Seconds that one call which only reads may take; OperationTimeoutError afterwards.
    """

    def __init__(
        self,
        login: Login,
        *,
        client: Any = None,
        keep_alive: float = 60.0,
        patience: float = 10.0,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self.login = login
        self._adopted = client
        self._patience = patience
        self._read_timeout = read_timeout
        self._gave_up = False
        self._ended = False
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._connection: Connection | None = self._connect()
        self.generation = 0
        try:
            self.identity = self._identify()
        except BaseException:
            self._connection.close()
            raise
        # The thread holds no reference to the session: one that is forgotten unclosed can still be collected.
        arguments = (weakref.ref(self), self._closed, keep_alive)
        threading.Thread(target=_keep_alive, args=arguments, name="omero-keep-alive", daemon=True).start()

    def __repr__(self) -> str:
        """Name user, server and group, never a secret."""
        state = "closed" if self._closed.is_set() else "open"
        return f"<OmeroSession {self.identity.user}@{self.login.server} group {self.identity.group!r}, {state}>"

    @property
    def group_context(self) -> dict[str, str]:
        """The Ice context of calls that write into this session's group."""
        return {"omero.group": str(self.identity.group_id)}

    @property
    def session_id(self) -> str:
        """The session's id on the server; it opens the session like a password."""
        return str(self.connection().client.getSessionId())

    @property
    def closed(self) -> bool:
        """Whether the session was closed on this side."""
        return self._closed.is_set()

    @property
    def ended(self) -> bool:
        """Whether the server ended the session, and what is known here opens no other."""
        return self._ended

    def connection(self) -> Connection:
        """Return the present connection.

        Raises
        ------
        ReadError
            The session was closed.
        """
        with self._lock:
            if self._closed.is_set():
                raise ReadError(f"the session at {self.login.server} is closed; connect again")
            return self._rejoin() if self._connection is None else self._connection

    def call(
        self,
        doing: str,
        action: Callable[[Connection], T],
        *,
        again: bool = True,
        otherwise: Callable[[str], IJOmeroError] = ReadError,
    ) -> T:
        """Run something against the server; after a lost connection join again and repeat it.

        Parameters
        ----------
        doing
            What is done, for the error message.
        action
            Called with the present connection.
        again
            Whether repeating does no harm.
        otherwise
            The error for a server-side failure of no special kind.
        """
        deadline: float | None = None
        pause = 0.1
        while True:
            connection = self.connection()
            try:
                return action(connection)
            except LOST as error:
                now = time.monotonic()
                deadline = deadline or now + self._patience
                if not again or now > deadline:
                    self.lost(connection)
                    raise translated(error, doing, otherwise) from error
                _LOG.info("%s: %s; joining %s again", doing, type(error).__name__, self.login.server)
                self.lost(connection)
                self._closed.wait(pause)
                pause = min(2.0, 2 * pause)
            except FAILURES as error:
                raise translated(error, doing, otherwise) from error

    def lost(self, connection: Connection) -> None:
        """Say that a connection no longer works; the next call makes a new one."""
        with self._lock:
            if self._connection is not connection:
                return
            if self._alive(connection):
                return
            self._connection = None
            self.generation += 1
        if self._adopted is None:
            connection.close()

    def keep_alive(self) -> None:
        """Show the server that this session is in use."""
        connection = self.connection()
        try:
            connection.factory.keepAlive(None)
        except LOST:
            self.lost(connection)
            self.connection()
        except FAILURES as error:
            raise translated(error, "keeping the session alive") from error

    def close(self) -> None:
        """End the session if it was opened here, else only leave it; twice is allowed."""
        with self._lock:
            self._closed.set()
            connection, self._connection = self._connection, None
        if connection is not None and self._adopted is None:
            connection.close()

    @staticmethod
    def _alive(connection: Connection) -> bool:
        """Whether the session answers; a stateful service may be gone without it."""
        try:
            connection.service("Admin").getEventContext()
        except FAILURES:
            return False
        return True

    def _connect(self) -> Connection:
        if self._adopted is not None:
            return Connection(self._adopted, owned=False, read_timeout=self._read_timeout)
        login = self.login
        if not has_secret(login):
            raise no_credentials(login)
        who = f"logging in to {login.server}" + (f" as {login.user}" if login.user else " with a session id")
        # Three tries of omero-py at three seconds each: a host that swallows packets is reported in ten seconds.
        client = omero.client(host=login.host, port=login.port, pmap={"Ice.Override.ConnectTimeout": "3000"})
        try:
            if login.session_id:
                client.joinSession(login.session_id)
                # Somebody else owns it: leaving must not end it.
                client.getSession().detachOnDestroy()
            else:
                client.createSession(login.user, login.password)
            if not login.encrypted:
                plain = client.createClient(secure=False)
                plain.getSession()
                return _PlainConnection(plain, client, owned=not login.session_id, read_timeout=self._read_timeout)
            return Connection(client, owned=not login.session_id, read_timeout=self._read_timeout)
        except omero.ClientError as error:
            client.__del__()
            if not (login.session_id or login.password):  # omero-py refuses an empty one itself
                raise self._refused(LoginError(str(error))) from None
            raise ConnectionFailedError(
                f"{who} failed: nothing answers in time; check host, port and firewall"
            ) from error
        except FAILURES as error:
            client.__del__()
            raise self._refused(translated(error, who)) from None
        except BaseException:
            client.__del__()
            raise

    def _refused(self, error: IJOmeroError) -> IJOmeroError:
        login = self.login
        if not isinstance(error, LoginError):
            return error
        if login.session_id:
            return LoginError(
                f"the session id given for {login.server} opens nothing: it is wrong or the session has ended; "
                f"log in with user and password, or run: omero login {login.server}"
            )
        return LoginError(f"wrong user or password: {login.user!r} cannot log in to {login.server}; check both")

    def _rejoin(self) -> Connection:
        """Make a new connection, in the lock; raises what says why there is none."""
        # a server that was waited for in vain is asked only once by each further call
        deadline = time.monotonic() + (0 if self._gave_up else self._patience)
        pause = 0.1
        if self._adopted is not None:
            raise ConnectionFailedError(
                f"the connection to {self.login.server} was lost, and it belongs to the client that was handed in; "
                "connect that client again and open a new store"
            )
        while True:
            try:
                self._connection = connection = self._connect()
                self._gave_up = self._ended = False
                _LOG.info("joined %s again as %s", self.login.server, self.identity.user)
                return connection
            except LoginError:
                self._ended = True
                raise
            except ConnectionFailedError:
                if time.monotonic() + pause > deadline or self._closed.wait(pause):
                    self._gave_up = True
                    raise
                pause = min(2.0, 2 * pause)

    def _identify(self) -> Identity:
        connection = self.connection()
        try:
            context = connection.service("Admin").getEventContext()
            group_id, group = context.groupId, context.groupName
            wanted = self.login.group
            if wanted is not None and wanted != group:
                group_id, group = self._find_group(connection, wanted, context)
        except FAILURES as error:
            if isinstance(error, omero.SessionException) and self.login.session_id:
                # A session that just ended is still let in by the router, and refused by what lies behind it.
                raise self._refused(LoginError()) from None
            raise translated(error, f"asking {self.login.server} who is logged in") from error
        return Identity(context.userId, context.userName, group_id, group, bool(context.isAdmin))

    def _find_group(self, connection: Connection, wanted: str, context: Any) -> tuple[int, str]:
        admin = connection.service("Admin")
        try:
            found = admin.lookupGroup(wanted)
        except omero.ApiUsageException:
            if not wanted.isdecimal():
                raise NotFoundError(
                    f"there is no group {wanted!r} at {self.login.server}; check the spelling (case matters)"
                ) from None
            found = admin.getGroup(int(wanted))
        if not context.isAdmin and found.id.val not in context.memberOfGroups:
            raise LoginError(f"{context.userName} is no member of the group {wanted!r} at {self.login.server}")
        return found.id.val, found.name.val


class _PlainConnection(Connection):
    """A connection over plain TCP, beside the encrypted one that logged in."""

    def __init__(self, plain: Any, encrypted: Any, *, owned: bool, read_timeout: float) -> None:
        super().__init__(plain, owned=owned, read_timeout=read_timeout)
        self._encrypted = encrypted

    def close(self) -> None:
        """Close both."""
        try:
            self.client.__del__()
        except (*FAILURES, OSError) as error:
            _LOG.debug("closing the plain connection: %s", type(error).__name__)
        self.client = self._encrypted
        super().close()


def _keep_alive(session: weakref.ref[OmeroSession], closed: threading.Event, seconds: float) -> None:
    told = False
    while not closed.wait(seconds):
        alive = session()
        if alive is None:
            return
        try:
            alive.keep_alive()
            told = False
        except (IJOmeroError, Ice.Exception) as error:
            if closed.is_set():  # meanwhile, which is no failure
                return
            # The next call of the user meets the same failure and reports it; one warning is enough until then.
            level = logging.DEBUG if told else logging.WARNING
            _LOG.log(level, "keeping the session at %s alive failed: %s", without_secrets(alive.login).server, error)
            told = True
        del alive
