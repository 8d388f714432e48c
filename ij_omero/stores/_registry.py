"""Finding the store of an address through the entry point group ``ij_omero.stores``.

An entry point's name is a scheme of addresses (``omero``, ``file``, ``memory``, ...); what it loads is called with the
`ImageAddress` and the credentials, and returns an `ImageStore`::

    [project.entry-points."ij_omero.stores"]
    memory = "ij_omero.stores._registry:open_memory_store"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from ij_omero.errors import AddressError, ImageNotFoundError, MissingDependencyError, StorageError
from ij_omero.model import ImageAddress, ImageId, parse_address

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.pixels import ImageStore

GROUP = "ij_omero.stores"
_EXTRAS = {"omero": "omero", "omeis": "serve", "dvid": "serve"}


def open_store(address: str | Path | ImageAddress, **credentials: Any) -> ImageStore:
    """Open the store that an address names; an image in the address is left aside.

    Parameters
    ----------
    address
        ``omero://host``, a folder, ``memory://name``, or the address of an image in such a store.
    **credentials
        What the store's kind takes besides: ``user``, ``password``, ``session_id``, ``group`` for a server;
        ``create=False`` for a folder that must be there already.

    Raises
    ------
    AddressError
        The address does not parse, or no installed package serves its kind.
    MissingDependencyError
        A package that the kind needs is not installed.
    StorageError, ConnectionFailedError, LoginError
        The store cannot be opened.

    Examples
    --------
    >>> open_store("memory://example").address.host
    'example'
    """
    parsed = parse_address(address)
    found = _entry_points().get(parsed.scheme)
    if found is None:
        raise AddressError(
            f"no installed package opens {parsed.scheme}: addresses; there are {', '.join(sorted(_entry_points()))}"
        )
    try:
        store: ImageStore = found.load()(parsed, **credentials)
    except MissingDependencyError:
        raise
    except ImportError as error:
        raise MissingDependencyError(
            f"{parsed.scheme}: addresses need {error.name or error}, which is not installed; "
            f"pip install 'ij-omero[{_EXTRAS.get(parsed.scheme, 'all')}]'"
        ) from error
    return store


def find_image(address: str | Path | ImageAddress, **credentials: Any) -> tuple[ImageStore, ImageId]:
    """Open the store of an image's address and return it with the image's id; the caller closes the store.

    Raises
    ------
    ImageNotFoundError
        The address names a store without an image, or no image of the store.
    AddressError, MissingDependencyError, StorageError, ConnectionFailedError, LoginError
        As `open_store` does.
    """
    parsed = parse_address(address)
    if parsed.scheme == "file":
        try:
            store = open_store(parsed, **{"create": False, **credentials})
        except StorageError as error:
            if parsed.path is not None and not parsed.path.exists():
                raise ImageNotFoundError(f"there is no image at {parsed.path}") from error
            raise
    else:
        store = open_store(parsed, **credentials)
    image_id = parsed.image_id
    if image_id is None and parsed.scheme == "file":
        images = [summary.image_id for summary in store.list_images()]
        image_id = images[0] if len(images) == 1 else None
    if image_id is None:
        store.close()
        raise ImageNotFoundError(f"{parsed} names a store, not one image; add the image, as in {parsed}/image/1")
    return store, image_id


def open_memory_store(address: ImageAddress) -> ImageStore:
    """Return the memory store of an address."""
    from ._memory import MemoryStore

    return MemoryStore.named(address.host)


def open_omero_store(address: ImageAddress, **credentials: Any) -> ImageStore:
    """Return the store of an OMERO.server."""
    from ._omero import OmeroStore

    return OmeroStore.connect(address, **credentials)


def open_omeis_store(address: ImageAddress, *, token: str | None = None) -> ImageStore:
    """Return the store of an OMEIS server."""
    from ._omeis import OmeisStore

    return OmeisStore(address, token)


def open_dvid_store(address: ImageAddress, **credentials: Any) -> ImageStore:
    """Return the store of a DVID server."""
    from ._dvid import DvidStore

    return DvidStore(address, **credentials)


def open_local_store(address: ImageAddress, *, create: bool = True) -> ImageStore:
    """Return the local store of an address; of an image, that of the folder that it lies in."""
    from ._local import LocalStore

    if address.path is None:
        raise AddressError("a file address without a path; expected the path of a folder of images")
    if address.image_id is not None:
        return LocalStore(address.path.parent, create=False)
    return LocalStore(address.path, create=create)


@cache
def _entry_points() -> dict[str, EntryPoint]:
    own = {
        "memory": "ij_omero.stores._registry:open_memory_store",
        "file": "ij_omero.stores._registry:open_local_store",
        "omero": "ij_omero.stores._registry:open_omero_store",
        "omeis": "ij_omero.stores._registry:open_omeis_store",
        "dvid": "ij_omero.stores._registry:open_dvid_store",
    }
    # Our own are known without metadata too, as in a source tree that was never installed
    found = {name: EntryPoint(name, value, GROUP) for name, value in own.items()}
    return found | {each.name: each for each in entry_points(group=GROUP)}
