"""An OMERO.server as an `ImageStore`."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from ij_omero.errors import (
    IJOmeroError,
    ImageNotFoundError,
    InvalidInputError,
    NotFoundError,
    ReadError,
    StorageError,
    WriteError,
)
from ij_omero.model import (
    ImageAddress,
    ImageDescription,
    ImageId,
    ImageSummary,
    Roi,
    Table,
    TableSummary,
)

from . import _plane_times, _rois, _sessions, _tables
from ._credentials import Login, find_login, router_place
from ._deleting import delete_objects
from ._describing import Described, check_dataset_id, describe, image_number, not_found
from ._enumerations import enumerations
from ._ice import omero
from ._image_data_details import image_data_details
from ._listing import find_unfinished, list_images
from ._lookup_table_files import lookup_table_numbers, read_lookup_table_file
from ._session import ALL_GROUPS, Connection, OmeroSession
from ._sink import OmeroSink
from ._source import OmeroSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt

    from ._marks import UnfinishedImage


_LOG = logging.getLogger(__name__)
_IMAGE_OF = "select p.image.id from Pixels p where p.id = :id"
_GROUP = "select o.details.group.id from {} o where o.id = :id"


class OmeroStore:
    """The images of an OMERO.server that one user may see; all methods may be called from any thread.

    Made by `connect` or `of_client`. Images are found in every group that the user may read; new ones go to the
    session's group, or to the group of the dataset that is given.

    Parameters
    ----------
    session
        A login; closed with the store when it is the store's own.
    shared
        Whether the session comes from the pool of this process.
    """

    def __init__(self, session: OmeroSession, *, shared: bool = True) -> None:
        self._session = session
        self._shared = shared
        self._sources: weakref.WeakSet[OmeroSource] = weakref.WeakSet()
        self._sinks: weakref.WeakSet[OmeroSink] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False
        self._tidied = False

    @classmethod
    def connect(
        cls,
        address: str | ImageAddress | None = None,
        user: str | None = None,
        password: str | None = None,
        *,
        port: int | None = None,
        group: str | None = None,
        session_id: str | None = None,
        encrypted: bool | None = None,
    ) -> OmeroStore:
        """Log in, or share the session of an earlier login with the same server, user, group and secret.

        Parameters
        ----------
        address
            A host, or an address such as ``omero://ana@omero.example.org:4064``; an image in it is left aside.
        user, password, session_id
            Credentials. What is not given is looked for in the environment (``OMERO_SESSION``, ``OMERO_USER``,
            ``OMERO_PASSWORD``), in ``ICE_CONFIG`` and in the session that ``omero login`` stored.
        port
            4064 unless given.
        group
            The name of the group to work in; an administrator may name one that they are no member of.
        encrypted
            False for pixels over plain TCP after an encrypted login, which is faster where the server offers it.

        Raises
        ------
        LoginError
            No credentials, or the server refuses them.
        ConnectionFailedError
            No server answers.

        Examples
        --------
        >>> with OmeroStore.connect("omero.example.org", "ana", "secret") as store:  # doctest: +SKIP
        ...     store.describe(42).sizes
        """
        login = find_login(address, user, password, port=port, group=group, session_id=session_id, encrypted=encrypted)
        return cls(_sessions.acquire(login))

    @classmethod
    def of_client(cls, client: Any, *, group: str | None = None) -> OmeroStore:
        """Use a session of omero-py that is open already: an ``omero.client`` or a ``BlitzGateway``.

        It stays its owner's: closing the store leaves it open.
        """
        plain = getattr(client, "c", client)
        if not isinstance(plain, omero.clients.BaseClient):
            raise InvalidInputError(f"expected an omero.client or a BlitzGateway, not {type(client).__name__}")
        # the processor gives a script the router alone, and omero.port is then its default
        router = router_place(plain.getProperty("Ice.Default.Router"))
        host = plain.getProperty("omero.host") or router.get("host", "")
        port = router.get("port") or plain.getProperty("omero.port") or "4064"
        return cls(OmeroSession(Login(host, int(port), group=group), client=plain), shared=False)

    def __repr__(self) -> str:
        """Name the server, the user and the group."""
        who = self._session.identity
        return f"<OmeroStore {who.user}@{self._session.login.server}, group {who.group!r}>"

    @property
    def session(self) -> OmeroSession:
        """The login: who it is, and calls to the server that are repeated after a lost connection."""
        return self._session

    @property
    def ended(self) -> bool:
        """Whether the server ended the session, and what is known here opens no other: only a new login helps."""
        return self._session.ended

    @property
    def address(self) -> ImageAddress:
        """``omero://user@host:port``."""
        return self._address(None)

    def address_of(self, image_id: ImageId, *, pixels_id: int | None = None) -> ImageAddress:
        """Return the image's address, without a secret; with ``pixels_id`` that of one of its several Pixels."""
        return dataclasses.replace(self._address(image_number(image_id)), pixels_id=pixels_id)

    def list_images(self, dataset: ImageId | None = None) -> Iterator[ImageSummary]:
        """Yield the images of the session's group, or of one dataset, in the order of their ids."""
        self._check_open()
        if dataset is None:
            return list_images(self._session, None, self._session.group_context)
        number = check_dataset_id(dataset)
        self._dataset_group(number)
        return list_images(self._session, number, ALL_GROUPS)

    def describe(self, image_id: ImageId, *, pixels_id: int | None = None) -> ImageDescription:
        """Return what an image is; see `ImageStore.describe`.

        Parameters
        ----------
        image_id
            The image.
        pixels_id
            Which of its Pixels, where it has several.
        """
        return self._described(image_id, pixels_id).description

    def open(self, image_id: ImageId, *, pixels_id: int | None = None, parallel: int = 2) -> OmeroSource:
        """Open an image's pixels for reading; see `ImageStore.open`.

        Parameters
        ----------
        image_id, pixels_id
            The image, and which of its Pixels.
        parallel
            Calls in flight at most: two are best for planes, four for small tiles.
        """
        described = self._described(image_id, pixels_id)
        context = {"omero.group": str(described.group_id)}
        source = OmeroSource(
            self._session, described.description, context, parallel=parallel, imported=described.imported
        )
        with self._lock:
            self._sources.add(source)
        return source

    def pixels_ids(self, image_id: ImageId) -> tuple[int, ...]:
        """Return the ids of an image's Pixels; the first is what everybody sees who names none."""
        number = image_number(image_id)
        self._image_group(number)
        parameters = omero.sys.ParametersI().addId(number)
        hql = "select i from Image i join fetch i.pixels where i.id = :id"
        image = self._session.call(
            f"listing the pixels of image {number}",
            lambda connection: connection.service("Query").findByQuery(hql, parameters, ALL_GROUPS),
        )
        return tuple(int(pixels.id.val) for pixels in image.copyPixels() if pixels is not None) if image else ()

    def image_of_pixels(self, pixels_id: int) -> int:
        """Return the id of the image that these Pixels belong to; ImageNotFoundError where there are none."""
        self._check_open()
        parameters = omero.sys.ParametersI().addId(pixels_id)
        rows = self._session.call(
            f"looking for pixels {pixels_id}",
            lambda connection: connection.service("Query").projection(_IMAGE_OF, parameters, ALL_GROUPS),
        )
        if not rows:
            raise ImageNotFoundError(
                f"there are no pixels {pixels_id} at {self._session.login.server}, or {self._session.identity.user} "
                "may not see them; the ids of images and of pixels differ"
            )
        return int(rows[0][0].val)

    def plane_times(self, image_id: ImageId, *, pixels_id: int | None = None) -> npt.NDArray[np.float64]:
        """Return when each plane was acquired, (T, C, Z) in seconds; not-a-number where the server does not know."""
        known = self._open_source(image_number(image_id))
        if known is not None and pixels_id in (None, known.description.pixels_id):
            return _plane_times.read_plane_times(self._session, known.description, known.context)
        described = self._described(image_id, pixels_id)
        context = {"omero.group": str(described.group_id)}
        return _plane_times.read_plane_times(self._session, described.description, context)

    def save_plane_times(self, image_id: ImageId, seconds: npt.ArrayLike, *, pixels_id: int | None = None) -> None:
        """Set when each plane was acquired.

        Parameters
        ----------
        image_id, pixels_id
            The image, and which of its Pixels.
        seconds
            (T, C, Z); planes with not-a-number stay as they are.
        """
        described = self._described(image_id, pixels_id)
        context = {"omero.group": str(described.group_id)}
        _plane_times.save_plane_times(self._session, described.description, seconds, context)

    def lookup_table_names(self) -> tuple[str, ...]:
        """Return the names of the server's lookup tables, such as ``glow.lut``."""
        self._check_open()
        return tuple(sorted(lookup_table_numbers(self._session)))

    def lookup_table_file(self, name: str) -> bytes:
        """Return the bytes of one of the server's lookup tables; NotFoundError where there is none of that name."""
        self._check_open()
        number = lookup_table_numbers(self._session).get(name)
        if number is None:
            raise NotFoundError(f"{self._session.login.server} has no lookup table {name!r}")
        return read_lookup_table_file(self._session, number)

    def image_data_details(self, image_id: ImageId, *, pixels_id: int | None = None) -> dict[str, Any]:
        """Return what OMERO.web's ``imgData`` tells of an image beside its description: `pixels.ImageDataDetails`."""
        self._check_open()
        return image_data_details(self._session, image_id, pixels_id)

    def create(
        self,
        description: ImageDescription,
        *,
        dataset: ImageId | None = None,
        source: ImageId | None = None,
        pixels_of: ImageId | None = None,
        verify: bool = False,
        notes: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> OmeroSink:
        """Begin a new image; see `ImageStore.create`.

        The first one also deletes what killed processes of this user on this machine left unfinished.

        Parameters
        ----------
        description, dataset, source
            What the image will be, the dataset to link it to, the image that it was made from.
        pixels_of
            An image that exists: it gets the pixels beside those that it has, with their calibration, channels and
            rendering settings; its name and annotations stay.
        verify
            Read every tile back from the server before the image becomes whole, and compare checksums;
            CorruptedDataError where one differs. Takes about the time of reading the image.
        notes
            Key-value pairs by namespace, beside those of the description; the image has them when it is whole.
        """
        self._check_open()
        self._tidy()
        if pixels_of is not None and dataset is not None:
            raise InvalidInputError("new pixels lie in the datasets of their image; give only dataset or pixels_of")
        context = self._session.group_context
        dataset_id = None if dataset is None else check_dataset_id(dataset)
        source_id = None if source is None else image_number(source)
        target_id = None if pixels_of is None else image_number(pixels_of)
        # a source that is open here is there, and no more is asked of it
        unknown_source = None if source_id is not None and self._open_source(source_id) else source_id
        named = [("Dataset", dataset_id), ("Image", unknown_source), ("Image", target_id)]
        groups = self._groups_of([(kind, number) for kind, number in named if number is not None])
        if dataset_id is not None:
            context = {"omero.group": str(groups["Dataset", dataset_id])}
        elif target_id is not None:
            context = {"omero.group": str(groups["Image", target_id])}
        sink = OmeroSink(
            self._session,
            description,
            context,
            dataset_id=dataset_id,
            source_id=source_id,
            pixels_of=target_id,
            verify=verify,
            notes=notes,
        )
        with self._lock:
            self._sinks.add(sink)
        return sink

    def make_ready(self) -> None:
        """Ask the server for what a first new image needs, while something else is waited for; never fails.

        Without it, `create` asks.
        """

        def ask(connection: Connection) -> None:
            enumerations(connection, "PixelsType", "DimensionOrder", "RenderingModel", "Family")
            for name in ("Update", "RenderingSettings"):
                connection.service(name)

        try:
            self._session.call("making ready for new images", ask, again=False)
        except IJOmeroError as error:
            _LOG.debug("%s", error)
        self._tidy()

    def _tidy(self) -> None:
        with self._lock:
            tidied, self._tidied = self._tidied, True
        if tidied:
            return
        try:
            if removed := self.remove_unfinished():
                _LOG.info("removed the unfinished images %s, whose writers are gone", removed)
        except IJOmeroError as error:  # the new image does not depend on it
            level = logging.DEBUG if self._closed or self._session.closed else logging.WARNING
            _LOG.log(level, "%s; what is unfinished stays marked", error)

    def delete(self, image_id: ImageId) -> None:
        """Delete an image with its annotations and ROIs; an unknown id raises ImageNotFoundError."""
        number = image_number(image_id)
        self._image_group(number)
        self._delete_image(number, f"deleting image {number}")

    def find_or_create_dataset(self, name: str) -> int:
        """Return the id of the user's dataset of this name in the session's group; a new one where there is none."""
        self._check_open()
        if not name.strip():
            raise InvalidInputError("a dataset needs a name")

        def find(connection: Connection) -> int:
            parameters = omero.sys.ParametersI().addString("name", name)
            parameters.addLong("owner", self._session.identity.user_id)
            hql = "select d.id from Dataset d where d.name = :name and d.details.owner.id = :owner order by d.id"
            rows = connection.service("Query").projection(hql, parameters, self._session.group_context)
            if rows:
                return int(rows[0][0].val)
            dataset = omero.model.DatasetI()
            dataset.name = omero.rtypes.rstring(name)
            saved = connection.service("Update").saveAndReturnObject(dataset, self._session.group_context)
            return int(saved.id.val)

        return self._session.call(f"finding or making the dataset {name!r}", find, otherwise=WriteError)

    def unfinished(self) -> list[UnfinishedImage]:
        """Return the user's images that were begun and never finished, by this or any other process."""
        self._check_open()
        return find_unfinished(self._session)

    def remove_unfinished(self, *, older_than: datetime.timedelta = datetime.timedelta(days=1)) -> list[int]:
        """Delete unfinished images whose writer is gone and return their ids.

        Parameters
        ----------
        older_than
            For images begun on another machine, where nobody here can tell whether the writer lives.
        """
        now = datetime.datetime.now(datetime.timezone.utc)
        gone = [
            image.image_id
            for image in self.unfinished()
            if image.being_written is False or (image.being_written is None and now - image.started > older_than)
        ]
        for image_id in gone:
            self._delete_image(image_id, f"removing the unfinished image {image_id}")
        return gone

    def tables(self, image_id: ImageId) -> list[TableSummary]:
        """Return the tables that are attached to an image; their ids are original file ids."""
        return _tables.list_tables(self._session, image_number(image_id), self._image_group(image_id))

    def read_table(
        self,
        table_id: int | str,
        *,
        columns: Sequence[str] | None = None,
        rows: range | None = None,
        condition: str | None = None,
    ) -> Table:
        """Read a table; see `ImageStore.read_table`.

        Parameters
        ----------
        table_id
            The id of its original file.
        columns
            Which columns; None is all.
        rows
            Which rows; None is all.
        condition
            A condition on columns in PyTables' syntax, ``"(Area > 50) & (Mean < 10)"``, within ``rows``.
        """
        self._check_open()
        return _tables.read_table(self._session, table_id, columns=columns, rows=rows, condition=condition)

    def read_table_blocks(
        self,
        table_id: int | str,
        *,
        columns: Sequence[str] | None = None,
        rows: range | None = None,
        condition: str | None = None,
        most_rows: int | None = None,
    ) -> Iterator[Table]:
        """Yield the rows of a table some at a time, so that it never needs to fit into memory.

        Parameters
        ----------
        table_id, columns, rows, condition
            As for `read_table`.
        most_rows
            Of one block; None is as many as fill about four megabytes.
        """
        self._check_open()
        return _tables.read_table_blocks(
            self._session, table_id, columns=columns, rows=rows, condition=condition, most_rows=most_rows
        )

    def save_table(self, image_id: ImageId, table: Table) -> int:
        """Attach a new table to an image and return the id of its original file."""
        return self.save_table_blocks(image_id, [table])

    def save_table_blocks(self, image_id: ImageId, blocks: Iterable[Table]) -> int:
        """Attach a new table whose rows come in blocks, none of which is kept, and return its original file's id.

        Parameters
        ----------
        image_id
            The image.
        blocks
            The first gives the table its name, its columns and the room for texts.

        Raises
        ------
        InvalidInputError
            A block has other columns than the first, or a text that is longer than any of the first.
        """
        return _tables.save_table(self._session, image_number(image_id), self._image_group(image_id), blocks)

    def rois(self, image_id: ImageId) -> list[Roi]:
        """Return the image's ROIs, with their ids and those of their shapes."""
        return _rois.read_rois(self._session, image_number(image_id), self._image_group(image_id))

    def save_rois(self, image_id: ImageId, rois: Sequence[Roi]) -> list[int | str]:
        """Add ROIs to an image and return their new ids, in order."""
        return _rois.save_rois(self._session, image_number(image_id), self._image_group(image_id), rois)

    def update_rois(self, image_id: ImageId, rois: Sequence[Roi]) -> list[int | str]:
        """Change ROIs in place: those with the id of one of this image keep it, the others are added.

        Shapes with an id keep it; shapes that are missing from a ROI are removed from it. ROIs that are not given
        stay as they are.
        """
        group_id = self._image_group(image_id)
        return _rois.save_rois(self._session, image_number(image_id), group_id, rois, in_place=True)

    def delete_rois(self, roi_ids: Sequence[int | str]) -> None:
        """Delete ROIs with their shapes."""
        self._check_open()
        _rois.delete_rois(self._session, roi_ids)

    def close(self) -> None:
        """Close sources, abandon unfinished images, and end the session unless others use it; twice is allowed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            sources, sinks = list(self._sources), list(self._sinks)
        for sink in sinks:
            sink.abandon()
        for source in sources:
            source.close()
        if self._shared:
            _sessions.release(self._session)
        else:
            self._session.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def _address(self, image_id: int | None) -> ImageAddress:
        login = self._session.login
        return ImageAddress(
            "omero", login.host, login.port, self._session.identity.user, image_id, encrypted=login.encrypted
        )

    def _check_open(self) -> None:
        if self._closed:
            raise ReadError("this store is closed; connect again")

    def _described(self, image_id: ImageId, pixels_id: int | None = None) -> Described:
        self._check_open()
        return describe(self._session, image_id, pixels_id)

    def _open_source(self, image_id: int) -> OmeroSource | None:
        """Return pixels of an image that are open here, whichever of its Pixels they are."""
        with self._lock:
            found = list(self._sources)
        return next((one for one in found if one.description.image_id == image_id and not one.closed), None)

    def _delete_image(self, number: int, doing: str) -> None:
        def delete(connection: Connection) -> None:
            delete_objects(connection, "Image", [number], ALL_GROUPS)

        self._session.call(doing, delete, otherwise=StorageError)

    def _image_group(self, image_id: ImageId) -> int:
        wanted = ("Image", image_number(image_id))
        return self._groups_of([wanted])[wanted]

    def _dataset_group(self, dataset_id: int) -> int:
        return self._groups_of([("Dataset", dataset_id)])["Dataset", dataset_id]

    def _groups_of(self, wanted: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Return the groups of images and datasets, asked for side by side; NotFoundError for what is not there."""
        self._check_open()

        def ask(connection: Connection) -> list[Any]:
            query = connection.service("Query")
            answers = [
                query.begin_projection(_GROUP.format(kind), omero.sys.ParametersI().addId(number), _ctx=ALL_GROUPS)
                for kind, number in wanted
            ]
            return [query.end_projection(answer) for answer in answers]

        if not wanted:
            return {}
        names = ", ".join(f"{kind.lower()} {number}" for kind, number in wanted)
        found = self._session.call(f"looking for {names}", ask)
        for (kind, number), rows in zip(wanted, found, strict=True):
            if not rows:
                raise not_found(self._session, number) if kind == "Image" else self._no_dataset(number)
        return {one: int(rows[0][0].val) for one, rows in zip(wanted, found, strict=True)}

    def _no_dataset(self, dataset_id: int) -> NotFoundError:
        return NotFoundError(
            f"there is no dataset {dataset_id} at {self._session.login.server}, or {self._session.identity.user} may "
            "not see it; find_or_create_dataset(name) makes one"
        )
