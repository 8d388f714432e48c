"""A DVID server as a store of images."""

from __future__ import annotations

import logging
import re
import secrets
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ij_omero.errors import (
    AccessDeniedError,
    AttachmentNotFoundError,
    IJOmeroError,
    ImageNotFoundError,
    InvalidInputError,
    NotFoundError,
    StorageError,
    UnsupportedPixelTypeError,
)
from ij_omero.model import (
    ImageAddress,
    ImageDescription,
    ImageId,
    ImageSummary,
    Roi,
    Table,
    TableSummary,
    parse_address,
)
from ij_omero.stores._summaries import summary_of
from ij_omero.stores.dvid_layout import PART, VALUES

from ._attachments import ImageValues
from ._client import DvidClient
from ._sink import DvidSink
from ._source import DvidSource
from ._stored_image import TYPES, StoredImage, stored_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_log = logging.getLogger(__name__)
REPO = "ij_omero"
THREADS = 6
_UUID = re.compile(r"[0-9a-f]{32}")


class DvidStore:
    """An `ImageStore` on a DVID server.

    An image's id is ``<uuid>/<instance>`` with the UUID of a version. A dataset is a version: the UUID, its beginning,
    or ``UUID:branch``. Without one, images are listed of the leaf of every repository's master branch, or of the
    version that the address names, and made there.

    Parameters
    ----------
    address
        ``dvid://host:port``, or the address of an image.
    token
        The server's, where it wants one.
    secure
        Whether to speak HTTPS.

    Examples
    --------
    >>> store = DvidStore("dvid://localhost:8000/3f8c/grayscale")  # doctest: +SKIP
    >>> store.open("3f8c/grayscale").description.sizes  # doctest: +SKIP
    (2048, 2048, 512, 1, 1)
    """

    def __init__(self, address: str | ImageAddress, *, token: str | None = None, secure: bool = False) -> None:
        parsed = parse_address(address)
        self._client = DvidClient(parsed, token=token, secure=secure)
        self._version = str(parsed.image_id).partition("/")[0] if parsed.image_id else None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ij-omero-dvid")
        self._sources: weakref.WeakSet[DvidSource] = weakref.WeakSet()
        self._closed = False

    @property
    def client(self) -> DvidClient:
        """What else can be asked of the server."""
        return self._client

    @property
    def address(self) -> ImageAddress:
        """The server's address."""
        return self._client.address

    def address_of(self, image_id: ImageId) -> ImageAddress:
        """Return the address of an image."""
        address = self._client.address
        return ImageAddress("dvid", address.host, address.port, image_id=image_id)

    def list_images(self, dataset: ImageId | None = None) -> Iterator[ImageSummary]:
        """Yield the images; what cannot be read as one is left out with a message in the log."""
        for uuid, instances in self._versions(dataset):
            for name in sorted(instances):
                if PART in (instances[name]["Base"].get("Tags") or {}):
                    continue
                try:
                    found = stored_image(self._client, uuid, name)
                except (ImageNotFoundError, UnsupportedPixelTypeError) as error:
                    _log.debug("left out of the listing: %s", error)
                    continue
                yield summary_of(found.description)

    def describe(self, image_id: ImageId) -> ImageDescription:
        """Return what an image is."""
        return self._image(image_id).description

    def open(self, image_id: ImageId) -> DvidSource:
        """Open an image for reading."""
        source = DvidSource(self._client, self._image(image_id), self._threads)
        self._sources.add(source)
        return source

    def create(
        self, description: ImageDescription, *, dataset: ImageId | None = None, source: ImageId | None = None
    ) -> DvidSink:
        """Begin a new image at an open version.

        Raises
        ------
        AccessDeniedError
            The version is committed.
        """
        self._require_open()
        if description.pixel_type not in TYPES:
            raise UnsupportedPixelTypeError(
                f"a DVID server cannot hold {getattr(description.pixel_type, 'value', description.pixel_type)} pixels; "
                f"convert to one of {', '.join(kind.value for kind in TYPES)} first"
            )
        if source is not None:
            source = self._image(source).description.image_id
        uuid = self._version_to_write(dataset)
        plain = re.sub("[^A-Za-z0-9_.]+", "-", description.name)[:80].strip("-")
        name = f"{plain or 'image'}-{secrets.token_hex(4)}"
        stored = description.replace(
            image_id=None,
            pixels_id=None,
            dataset_id=None,
            dataset_name=None,
            owner=None,
            group=None,
            source_id=source,
            project_id=None,
            project_name=None,
        )
        self._require_values(uuid)
        return DvidSink(self._client, uuid, name, stored, self._threads, lambda: self._remove(uuid, name))

    def delete(self, image_id: ImageId) -> None:
        """Delete an image; on a server that deletes nothing over HTTP its voxels stay there, unlisted."""
        image = self._image(image_id)
        if image.own:
            ImageValues(self._client, image.uuid, image.name).delete()
            self._remove(image.uuid, image.name)
            return
        try:
            self._client.delete_instance(image.uuid, image.name)
        except (NotFoundError, InvalidInputError) as error:
            raise AccessDeniedError(f"the server does not delete {image_id} over HTTP: {error}") from error

    def tables(self, image_id: ImageId) -> list[TableSummary]:
        """Return the image's tables."""
        return self._values(image_id).tables()

    def read_table(self, table_id: int | str) -> Table:
        """Read a table; its id is ``<image id>/<number>``."""
        image_id, _, number = str(table_id).rpartition("/")
        try:
            values = self._values(image_id)
        except ImageNotFoundError as error:
            raise AttachmentNotFoundError(f"no table {table_id!r} in {self.address}; see tables(image)") from error
        return values.read_table(number)

    def save_table(self, image_id: ImageId, table: Table) -> str:
        """Attach a table."""
        return self._values(image_id, writing=True).save_table(table)

    def rois(self, image_id: ImageId) -> list[Roi]:
        """Return the image's ROIs."""
        return self._values(image_id).rois()

    def save_rois(self, image_id: ImageId, rois: Sequence[Roi]) -> list[int | str]:
        """Add ROIs."""
        return self._values(image_id, writing=True).save_rois(rois)

    def close(self) -> None:
        """Close all sources and connections."""
        self._closed = True
        for source in list(self._sources):
            source.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def _require_open(self) -> None:
        if self._closed:
            raise StorageError("this store is closed; open it again")

    def _image(self, image_id: ImageId) -> StoredImage:
        uuid, slash, name = str(image_id).partition("/")
        if not slash or not uuid or not name or "/" in name:
            raise ImageNotFoundError(
                f"no image {image_id!r} in {self.address}; ids are UUID/INSTANCE, see list_images()"
            )
        self._require_open()
        try:
            whole = uuid if _UUID.fullmatch(uuid) else self._client.version(uuid)
        except (NotFoundError, InvalidInputError) as error:
            raise ImageNotFoundError(f"no image {image_id!r}: {error}") from error
        return stored_image(self._client, whole, name)

    def _values(self, image_id: ImageId, *, writing: bool = False) -> ImageValues:
        image = self._image(image_id)
        if writing:
            self._require_values(image.uuid)
        return ImageValues(self._client, image.uuid, image.name)

    def _versions(self, dataset: ImageId | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each version to list, with the instances of its repository."""
        wanted = dataset if dataset is not None else self._version
        if wanted is not None:
            uuid = self._client.version(str(wanted))
            yield uuid, self._client.repo(uuid).get("DataInstances") or {}
            return
        for root, told in sorted(self._client.repos().items()):
            instances = told.get("DataInstances") or {}
            if instances:
                yield self._client.branch(root)[0], instances

    def _version_to_write(self, dataset: ImageId | None) -> str:
        wanted = dataset if dataset is not None else self._version
        if wanted is not None:
            return self._client.version(str(wanted))
        repos = self._client.repos()
        own = {root: told for root, told in repos.items() if told.get("Alias") == REPO}
        if not repos:
            return self._client.new_repo(REPO, "images of ij_omero")
        roots = list(own if own else repos)
        if len(roots) > 1:
            raise InvalidInputError(
                f"{self.address} has {len(roots)} repositories: say which version to write to, dataset='UUID' or "
                "dataset='UUID:master'"
            )
        return self._client.branch(roots[0])[0]

    def _require_values(self, uuid: str) -> None:
        """Make the instance that descriptions, tables and ROIs are kept in, where there is none yet."""
        try:
            self._client.info(uuid, VALUES)
        except (NotFoundError, InvalidInputError):
            try:
                self._client.new_instance(uuid, VALUES, "keyvalue")
            except InvalidInputError as error:
                if "already exists" not in str(error):
                    raise

    def _remove(self, uuid: str, name: str) -> None:
        """Delete an instance that nobody sees any more."""
        try:
            self._client.delete_instance(uuid, name)
        except (IJOmeroError, OSError) as error:
            _log.warning("instance %s of version %s stays on the server, unlisted: %s", name, uuid, error)
