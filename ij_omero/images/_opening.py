"""The ways in: a server, a folder of images, an address."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ij_omero.errors import AddressError, IJOmeroError, InvalidInputError, LoginError
from ij_omero.model import ImageAddress, parse_address, parse_server
from ij_omero.pixels import Progress, no_progress

from ._connection import Connection
from ._image import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ij_omero.model import ImageId, Roi, Table

_kept: dict[tuple[Any, ...], Connection] = {}
_kept_lock = threading.Lock()
_SALT = os.urandom(16)


def connect(
    server: str | ImageAddress | None = None,
    *,
    user: str | None = None,
    password: str | None = None,
    session_id: str | None = None,
    group: str | None = None,
    port: int | None = None,
    encrypted: bool | None = None,
) -> Connection:
    """Join an OMERO.server.

    Parameters
    ----------
    server
        Its host name (``https://`` and ``www.`` are left out), or an address such as
        ``omero://ana@omero.example.org:4064``. Without it, what ``$OMERO_HOST`` or
        the file named by ``$ICE_CONFIG`` says.
    user, password
        To log in with. What is not given here is looked for in the environment (``OMERO_SESSION``, ``OMERO_USER``,
        ``OMERO_PASSWORD``), in ``ICE_CONFIG`` and in the session that ``omero login`` stored; where nothing is found
        and somebody sits at the terminal or notebook, the user's password is asked for.
    session_id
        To join a session that exists instead; it is not closed at the end.
    group
        The name of the group to work in; the user's default group without it.
    port
        Of the server; 4064 unless the address names one.
    encrypted
        False for pixels over plain TCP after an encrypted login, which is faster where the server offers it.

    Raises
    ------
    LoginError
        The server refused the user, the password or the session id.
    ConnectionFailedError
        No server answers there.
    MissingDependencyError
        omero-py or Ice is not installed.
    """
    from ij_omero.stores import OmeroStore

    def login(secret: str | None) -> Connection:
        store = OmeroStore.connect(
            server, user, secret, port=port, group=group, session_id=session_id, encrypted=encrypted
        )
        return Connection(store)

    try:
        return login(password)
    except LoginError:
        named = user or (server is not None and parse_server(server).user)
        if password is not None or session_id is not None or not named or not _somebody_is_there():
            raise
        import getpass

        return login(getpass.getpass(f"Password of {named}: "))


def _somebody_is_there() -> bool:
    """Tell whether a person can be asked: at a terminal or in a notebook."""
    ipython = sys.modules.get("IPython")
    return sys.stdin is not None and (sys.stdin.isatty() or (ipython is not None and ipython.get_ipython() is not None))


def open_store(address: str | Path | ImageAddress, **login: Any) -> Connection:
    """Open a store: the folder of a local one (created where missing), ``omero://host`` or ``memory://name``.

    Parameters
    ----------
    address
        A folder, or a store's address.
    **login
        ``user``, ``password``, ``session_id`` and ``group`` for an OMERO.server.

    Raises
    ------
    AddressError
        The address does not parse, or names an image.
    StorageError
        The folder cannot be used.
    """
    from ij_omero.stores import open_store as open_image_store

    given = {key: value for key, value in login.items() if value is not None}
    parsed = parse_address(address)
    if parsed.scheme == "omero":
        return connect(parsed, **given)
    return Connection(open_image_store(parsed, **given))


def open_image(address: str | Path | ImageAddress, **login: Any) -> Image:
    """Open an image by its address; no pixels are read yet.

    Images of one store share a connection, which is kept until the process ends.

    Parameters
    ----------
    address
        ``omero://host/image/42``, the older ``omero:server=..&imageID=..`` (or ``&pixelsID=..``), or the path of an
        image in a local store.
    **login
        ``user``, ``password``, ``session_id`` and ``group`` for an OMERO.server.

    Raises
    ------
    AddressError
        The address does not parse, or names a store and no image.
    ImageNotFoundError
        No such image is visible.
    """
    parsed = parse_address(address)
    store, image_id = (
        (replace(parsed, pixels_id=None, name=None), None)
        if parsed.image_id is None and parsed.pixels_id is not None
        else split_address(parsed)
    )
    connection = kept_connection(store, **login)
    try:
        return _open_in(connection, image_id, parsed.pixels_id)
    except LoginError:
        if not connection.ended:
            raise
        # who logged in anew meanwhile has another session, which is found now
        return _open_in(kept_connection(store, **login), image_id, parsed.pixels_id)


def _open_in(connection: Connection, image_id: ImageId | None, pixels_id: int | None) -> Image:
    if image_id is None:
        image_id = connection.only_image_id() if pixels_id is None else connection.image_of_pixels(pixels_id)
    return connection.open_image(image_id, pixels_id=pixels_id)


def split_address(address: str | Path | ImageAddress) -> tuple[ImageAddress, ImageId | None]:
    """Return the address of an image's store, and the image's id.

    The id is None where a path leads to an OME-Zarr image that other software wrote: it is the only image of the store
    that the path opens, see `Connection.only_image_id`.

    Raises
    ------
    AddressError
        The address does not parse, or names a server and no image.
    """
    parsed = parse_address(address)
    if parsed.image_id is None:
        if parsed.scheme != "file":
            example = replace(parsed, image_id=42, pixels_id=None)
            raise AddressError(f"{parsed} names no image; expected for example {example}")
        return parsed, None
    path = parsed.path.parent if parsed.path is not None else None
    return replace(parsed, image_id=None, pixels_id=None, path=path, name=None), parsed.image_id


def kept_connection(address: str | Path | ImageAddress, **login: Any) -> Connection:
    """Return the process-wide connection to a store, opening it where there is none."""
    where = parse_address(address)
    given = {key: value for key, value in login.items() if value is not None}
    # Only who knows the secret shares a connection, and the secret itself is not kept here.
    secrets_given = [where.password, where.session_id, given.get("password"), given.get("session_id")]
    secret = hashlib.blake2b(repr(secrets_given).encode(), key=_SALT).digest()
    plain = sorted((name, value) for name, value in given.items() if name not in ("password", "session_id"))
    key = (str(where), secret, *plain)
    with _kept_lock:
        if not _kept:
            atexit.register(_close_kept)
        connection = _kept.get(key)
        if connection is None or connection.closed or connection.ended:
            connection = _kept[key] = open_store(where, **given)
        return connection


def _close_kept() -> None:
    with _kept_lock:
        connections = list(_kept.values())
        _kept.clear()
    for connection in connections:
        with contextlib.suppress(IJOmeroError):  # at exit nobody is left to tell
            connection.close()


def save_image(
    image: Any,
    *,
    to: Connection | str | Path | ImageAddress | None = None,
    name: str | None = None,
    dataset: ImageId | None = None,
    source: Image | ImageId | None = None,
    as_pixels_of: Image | ImageId | None = None,
    verify: bool = False,
    tables: Sequence[Table] = (),
    rois: Sequence[Roi] = (),
    progress: Progress = no_progress,
    **changes: Any,
) -> Image:
    """Save pixels as a new image; `Connection.save_image` says what each parameter means.

    Parameters
    ----------
    image
        What to save.
    to
        An open connection or a store's address; the store of ``image`` (or of ``source``) without it.
    name, dataset, source, as_pixels_of, verify, tables, rois, progress, **changes
        As for `Connection.save_image`.

    Raises
    ------
    InvalidInputError
        ``to`` is needed, since the image lies in no store.
    """
    if to is None:
        parent = next((one for one in (image, source) if isinstance(one, Image)), None)
        if parent is None:
            raise InvalidInputError("to which store? Give to='~/images', to='omero://host' or an open connection")
        to = parent.store
    connection = to if isinstance(to, Connection) else kept_connection(to)
    return connection.save_image(
        image,
        name=name,
        dataset=dataset,
        source=source,
        as_pixels_of=as_pixels_of,
        verify=verify,
        tables=tables,
        rois=rois,
        progress=progress,
        **changes,
    )
