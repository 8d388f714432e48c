"""A versioned store of voxels in a folder: repositories, their versions, instances of data, what is in them.

Any number of processes and threads read and write it at once. A method that changes something returns when the change
is on disk; it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ij_omero.errors import AccessDeniedError, InvalidInputError

from ._catalogue import Catalogue, Repo, changes_of, next_number, put_repo
from ._database import Database
from ._geometry import parse_whole
from ._grids import GridPlace, GridStores
from ._image_places import StoreImages
from ._instances import Instance, make_instance
from ._place import SPANS_KEY, Place, ancestry_of, region_at
from ._versioned_values import BLOCKS, EXTENTS, SPANS, VALUES, VersionedValues, delete_instance
from ._versions import MASTER, Node, Versions, check_tag, check_uuid, new_uuid
from ._volumes import extents_at, grow_extents, put_extents
from ._voxel_types import VOXEL_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ij_omero.pixels import ImageStore

    from ._geometry import Box
    from ._rois import BlockRegion
    from ._volumes import StoredBlock

_SALT_BYTES = 16
_THROTTLE = b"throttle"


class VoxelStore:
    """Repositories of versioned voxels in a folder.

    Parameters
    ----------
    folder
        Made where it is not there.
    images
        A store whose images are shown as repositories too, which are only read; it stays its owner's.
    grids
        Folders or addresses of precomputed volumes by the names that instances may be made over (GridStore).

    Raises
    ------
    StorageError, AccessDeniedError, DiskFullError, CorruptedDataError
        The folder cannot be used.
    """

    def __init__(
        self, folder: str | Path, images: ImageStore | None = None, grids: Mapping[str, str] | None = None
    ) -> None:
        self._database = Database(Path(folder).expanduser().absolute())
        self._images = None if images is None else StoreImages(images)
        self._grids = GridStores(grids or {})
        self._catalogue: Catalogue | None = None

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._database.folder

    @property
    def state(self) -> int:
        """The number of the last change by any process; readers see it a moment later."""
        return self._database.state

    def close(self) -> None:
        """Let go of the files."""
        if self._images is not None:
            self._images.close()
        self._database.close()

    @property
    def throttle(self) -> int:
        """How many throttled requests may be at work at once."""
        with self._database.reading() as transaction:
            value = transaction.get(_THROTTLE)
            return 1 if value is None else int(bytes(value))

    @throttle.setter
    def throttle(self, most: int) -> None:
        with self._database.writing() as transaction:
            transaction.put(_THROTTLE, str(most).encode())

    def catalogue(self, transaction: Any = None) -> Catalogue:
        """Return what there is now; it must not be changed."""
        if transaction is None:
            with self._database.reading() as own:
                return self.catalogue(own)
        known = self._catalogue
        if known is None or known.changes != changes_of(transaction):
            known = self._catalogue = Catalogue(transaction)
        return known

    def image_of(self, uuid: str) -> int | None:
        """Return the image of the other store that a UUID names; None where it names a version of this one."""
        return None if self._images is None else self._images.image_of(uuid)

    def state_of(self, uuid: str) -> int:
        """Return what has changed once what a UUID names may have changed."""
        image_id = self.image_of(uuid)
        return self.state if self._images is None or image_id is None else self._images.number_of(image_id)

    def find(self, uuid: str) -> tuple[Repo, Node]:
        """Return the version that a UUID names, with its repository; NotFoundError where there is none."""
        image_id = self.image_of(uuid)
        if self._images is None or image_id is None:
            return self.catalogue().find(uuid)
        repo = self._images.repo(image_id)
        return repo, repo.root

    @contextmanager
    def reading(self, uuid: str, name: str) -> Iterator[Place]:
        """Give an instance as a version sees it, unchanged for as long as the block lasts."""
        image_id = self.image_of(uuid)
        if self._images is not None and image_id is not None:
            place = self._images.begin(image_id, name)
            try:
                yield place
            finally:
                place.transaction.abort()
            return
        with self._database.reading() as transaction:
            yield self._place(transaction, uuid, name)

    def begin(self, uuid: str, name: str) -> Place:
        """Return what `reading` gives; the caller ends it by ``place.transaction.abort()``."""
        image_id = self.image_of(uuid)
        if self._images is not None and image_id is not None:
            return self._images.begin(image_id, name)
        transaction = self._database.begin()
        try:
            return self._place(transaction, uuid, name)
        except BaseException:
            transaction.abort()
            raise

    def _place(self, transaction: Any, uuid: str, name: str) -> Place:
        catalogue = self.catalogue(transaction)
        repo, node = catalogue.find(uuid)
        instance = repo.instance(name)
        ancestry = ancestry_of(repo, node, instance)
        if instance.grid_store:
            volume = self._grids.volume(instance.grid_store, instance.scale_level)
            return GridPlace(transaction, repo, node, instance, ancestry, catalogue.changes, volume)
        return Place(transaction, repo, node, instance, ancestry, catalogue.changes)

    @contextmanager
    def writing(self, uuid: str, name: str, endpoint: str = "raw") -> Iterator[Place]:
        """Give an instance at a version to write to; it is on disk when the block has ended.

        Raises
        ------
        AccessDeniedError
            The version is committed.
        """
        self._require_own(uuid)
        with self._database.writing() as transaction:
            place = self._place(transaction, uuid, name)
            require_own_voxels(place.instance, endpoint)
            require_open(place.node, place.instance, endpoint)
            yield place
            place.values(BLOCKS).note_write()

    def put_blocks(
        self,
        uuid: str,
        name: str,
        blocks: Iterable[StoredBlock],
        grown: Box | None,
        endpoint: str = "raw",
    ) -> None:
        """Store blocks (key, value) of an instance and make its extents hold a box."""
        with self.writing(uuid, name, endpoint) as place:
            values = place.blocks
            for key, value in blocks:
                values.put(key, value)
            if grown is not None:
                grow_extents(place.values(EXTENTS), place.instance, grown)

    def set_extents(self, uuid: str, name: str, box: Box) -> None:
        """Say which box the voxels of an instance lie in."""
        with self.writing(uuid, name, "extents") as place:
            place.instance.voxels  # noqa: B018 - refuses instances without voxels
            put_extents(place.values(EXTENTS), box)

    def put_spans(self, uuid: str, name: str, region: BlockRegion | None) -> None:
        """Store what an ROI is; None deletes it."""
        with self.writing(uuid, name, "roi") as place:
            region_at(place)
            place.values(SPANS).put(SPANS_KEY, b"" if region is None else region.to_value())

    def put_value(self, uuid: str, name: str, key: str, value: bytes | None) -> None:
        """Store a value by its key; None deletes it."""
        with self.writing(uuid, name, "key") as place:
            place.values(VALUES).put(key.encode() + b"\0", b"" if value is None else b"\1" + value)

    def told(self, repo: Repo, transaction: Any) -> dict[str, Any]:
        """Return what is told of a repository, with extents at the master branch's leaf."""
        leaf = repo.versions.branch(MASTER)[0]
        extents = {
            name: extents_at(VersionedValues(transaction, each.number, EXTENTS, ancestry_of(repo, leaf, each)), each)
            for name, each in repo.instances.items()
            if each.typename in VOXEL_TYPES
        }
        return repo.told(extents)

    def all_told(self) -> dict[str, Any]:
        """Return what is told of every repository, by the UUID of its root; see `StoreImages.all_repos`."""
        with self._database.reading() as transaction:
            repos = self.catalogue(transaction).repos
            told = {uuid: self.told(repo, transaction) for uuid, repo in repos.items()}
        images = () if self._images is None else self._images.all_repos()
        return told | {repo.uuid: repo.told({}) for repo in images}

    def repo_told(self, uuid: str) -> dict[str, Any]:
        """Return what is told of a version's repository."""
        image_id = self.image_of(uuid)
        if self._images is not None and image_id is not None:
            return self._images.repo(image_id).told({})
        with self._database.reading() as transaction:
            return self.told(self.catalogue(transaction).find(uuid)[0], transaction)

    def new_repo(self, alias: str = "", description: str = "", root: str | None = None, passcode: str = "") -> str:
        """Make a repository with one open version and return its UUID."""
        with self._database.writing() as transaction:
            uuid = self._new_uuid(Catalogue(transaction), root)
            node = Node(next_number(transaction, kind=b"v"), uuid)
            kept = _hidden(passcode) if passcode else ""
            put_repo(transaction, Repo(uuid, Versions({node.number: node}), alias, description, kept))
        return uuid

    @contextmanager
    def _editing(self, uuid: str) -> Iterator[tuple[Any, Catalogue, Repo, Node]]:
        """Give a repository to change; it is on disk when the block has ended."""
        self._require_own(uuid)
        with self._database.writing() as transaction:
            catalogue = Catalogue(transaction)  # our own: the one that is kept must not change
            repo, node = catalogue.find(uuid)
            yield transaction, catalogue, repo, node
            put_repo(transaction, repo)

    def set_repo_info(self, uuid: str, alias: str | None, description: str | None) -> None:
        """Change what a repository is called; None leaves it."""
        with self._editing(uuid) as (_, _, repo, _):
            repo.alias = repo.alias if alias is None else alias
            repo.description = repo.description if description is None else description

    def add_repo_log(self, uuid: str, lines: list[str]) -> None:
        """Add lines to a repository's log."""
        with self._editing(uuid) as (_, _, repo, _):
            repo.log += lines

    def new_instance(self, uuid: str, settings: Mapping[str, Any]) -> Instance:
        """Make an instance of data as `make_instance` reads the settings.

        Raises
        ------
        InvalidInputError
            A setting is not possible, or the name is taken.
        AccessDeniedError
            The version is committed.
        """
        with self._editing(uuid) as (transaction, _, repo, node):
            if node.locked:
                raise AccessDeniedError(f"New data instance cannot be created on locked node {node.uuid}")
            made = make_instance(next_number(transaction, kind=b"i"), new_uuid(), node.uuid, self._with_grid(settings))
            if made.name in repo.instances:
                raise InvalidInputError(f'Data named "{made.name}" already exists in repo (root {repo.uuid})')
            repo.instances[made.name] = made
        return made

    def _with_grid(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add to the settings of an instance over a precomputed volume what that is."""
        given = {str(key).lower(): value for key, value in settings.items()}
        if not given.get("gridstore"):
            return settings
        scale = parse_whole(str(given.get("scalelevel", 0)), "ScaleLevel")
        volume = self._grids.volume(str(given["gridstore"]), scale)
        typename = f"{volume.dtype.name}blk"
        if given.get("typename") != typename:
            raise InvalidInputError(f"the volume holds {volume.dtype.name}: it is data of type {typename}")
        return given | volume.settings

    def change_instance(self, uuid: str, name: str, settings: Mapping[str, Any], endpoint: str = "info") -> None:
        """Change settings of an instance, for all versions."""
        with self._editing(uuid) as (_, _, repo, node):
            instance = repo.instance(name)
            require_open(node, instance, endpoint)
            repo.instances[name] = instance.changed(settings)

    def delete_instance(self, uuid: str, name: str, passcode: str = "") -> None:
        """Delete an instance with its data at all versions.

        Raises
        ------
        AccessDeniedError
            The repository has a passcode, and it is another one.
        """
        with self._editing(uuid) as (transaction, _, repo, _):
            instance = repo.instance(name)
            if repo.passcode and not _is_passcode(passcode, repo.passcode):
                raise AccessDeniedError(f"repo {repo.uuid} deletes data only with its passcode")
            del repo.instances[name]
            delete_instance(transaction, instance.number)

    def commit(self, uuid: str, note: str = "", log: list[str] | None = None) -> str:
        """Commit a version, which nobody can write to any more, and return its UUID."""
        with self._editing(uuid) as (_, _, repo, node):
            if node.locked:
                raise AccessDeniedError(f"Cannot do post on locked node {node.uuid}: it was committed already")
            repo.versions.commit(node, note, log or [])
            return node.uuid

    def new_version(self, uuid: str, note: str = "", branch: str | None = None, child: str | None = None) -> str:
        """Add a version after a committed one and return its UUID; on a new branch where one is given.

        Raises
        ------
        InvalidInputError
            The version is open, or there is such a branch or UUID.
        """
        if branch is not None and branch in ("", MASTER):
            raise InvalidInputError("Cannot create a master branch")
        if branch is not None and not branch.isprintable():
            raise InvalidInputError("a branch's name has printable characters only")
        with self._editing(uuid) as (transaction, catalogue, repo, node):
            named = self._new_uuid(catalogue, child)
            made = Node(next_number(transaction, kind=b"v"), named, node.branch if branch is None else branch, note)
            repo.versions.add(node, made)
        return named

    def tag(self, uuid: str, tag: str, note: str = "") -> str:
        """Give a committed version a further name, which is a committed version of its own after it."""
        with self._editing(uuid) as (transaction, catalogue, repo, node):
            if catalogue.is_taken(check_tag(tag)):
                raise InvalidInputError(f"UUID {tag} already exists in datastore")
            made = Node(next_number(transaction, kind=b"v"), tag, f"tag-{tag}", note)
            repo.versions.add(node, made)
            repo.versions.commit(made, note or f'Tag of version {node.uuid} with "{tag}"', [])
        return tag

    def set_note(self, uuid: str, note: str) -> None:
        """Say what a version is."""
        with self._editing(uuid) as (_, _, _, node):
            require_open(node)
            node.note = note

    def add_log(self, uuid: str, lines: list[str]) -> None:
        """Add lines to a version's log."""
        with self._editing(uuid) as (_, _, _, node):
            require_open(node)
            node.log += lines

    def _require_own(self, uuid: str) -> None:
        if self.image_of(uuid) is not None:
            raise AccessDeniedError(
                f"Cannot do POST on locked node {uuid}: images of the store are only read here; write to a repository"
            )

    def _new_uuid(self, catalogue: Catalogue, wished: str | None) -> str:
        if not wished:
            return new_uuid()
        uuid = check_uuid(wished)
        if catalogue.is_taken(uuid):
            raise InvalidInputError(f"UUID {uuid} already exists in datastore")
        return uuid


def require_own_voxels(instance: Instance, endpoint: str) -> None:
    """Raise InvalidInputError where an instance shows a precomputed volume, which this server does not write."""
    if instance.grid_store:
        raise InvalidInputError(
            f'data "{instance.name}" does not support /{endpoint} endpoint since it is proxying data: it is read by '
            "blocks, subvolblocks and specificblocks"
        )


def require_open(node: Node, instance: Instance | None = None, endpoint: str = "") -> None:
    """Raise AccessDeniedError where a version is committed and what is to be written belongs to it."""
    if node.locked and (instance is None or instance.versioned):
        where = f'on endpoint "{endpoint}" of' if endpoint else "on"
        raise AccessDeniedError(f"Cannot do POST {where} locked node {node.uuid}")


def _hidden(passcode: str, salt: bytes | None = None) -> str:
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    return (salt + hashlib.scrypt(passcode.encode(), salt=salt, n=1 << 14, r=8, p=1)).hex()


def _is_passcode(given: str, kept: str) -> bool:
    return hmac.compare_digest(_hidden(given, bytes.fromhex(kept)[:_SALT_BYTES]), kept)
