"""The images of an OMEIS server as a store."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ij_omero.errors import (
    AttachmentNotFoundError,
    ImageNotFoundError,
    NotFoundError,
    UnsupportedPixelTypeError,
)
from ij_omero.model import ImageAddress, ImageDescription, ImageId, ImageSummary, PixelType, Roi, Table, TableSummary
from ij_omero.stores._summaries import stored_description
from ij_omero.stores._web_server import WebServer
from ij_omero.stores.json_codec import (
    description_from_json,
    json_text,
    roi_from_json,
    roi_to_json,
    table_from_json,
    table_to_json,
)

from ._calls import Omeis, UnknownMethodError
from ._sink import OmeisSink
from ._source import OmeisSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFAULT_PORT = 80
LARGEST_ID = (1 << 62) - 1


class OmeisStore:
    """An `ImageStore` over an OMEIS server.

    An original server keeps pixels and nothing else: images are called by their numbers and cannot be listed, and
    tables and ROIs have no place. A server of this package keeps everything.

    Parameters
    ----------
    address
        ``omeis://host[:port]``.
    token
        The server's token, where it asks for one.

    Raises
    ------
    ConnectionFailedError, LoginError
        Nothing answers there, or it asks for another token.

    Examples
    --------
    >>> OmeisStore(parse_address("omeis://localhost:8080")).open(42)  # doctest: +SKIP
    """

    def __init__(self, address: ImageAddress, token: str | None = None) -> None:
        self._address = ImageAddress("omeis", address.host, address.port)
        self._server = WebServer(address.host or "localhost", address.port or DEFAULT_PORT, token=token)
        self._server.name = "OMEIS server"
        self._omeis = Omeis(self._server)
        self._sources: weakref.WeakSet[OmeisSource] = weakref.WeakSet()
        try:
            self._omeis.text("GetNativeEndian")
        except BaseException:
            self._server.close()
            raise

    @property
    def address(self) -> ImageAddress:
        """``omeis://host:port``."""
        return self._address

    def address_of(self, image_id: ImageId) -> ImageAddress:
        """Return the image's address."""
        return ImageAddress("omeis", self._address.host, self._address.port, image_id=image_id)

    def list_images(self, dataset: ImageId | None = None) -> Iterator[ImageSummary]:
        """Yield the images; an original server cannot tell them, which raises StorageError."""
        given = {} if dataset is None else {"Dataset": dataset}
        for image in self._omeis.json("ListPixels", **given):
            sizes = tuple(image["sizes"])
            yield ImageSummary(int(image["id"]), image["name"], sizes, PixelType(image["type"]), None)

    def describe(self, image_id: ImageId) -> ImageDescription:
        """Return what an image is."""
        plain, is_finished = self._omeis.info(_number(image_id))
        if not is_finished:
            raise ImageNotFoundError(f"pixels {image_id} are not finished: FinishPixels was not called for them")
        try:
            told = self._omeis.json("GetDescription", PixelsID=image_id)
        except UnknownMethodError:
            return plain
        return description_from_json(told["image"]).replace(
            image_id=plain.image_id, source_id=told["source"], dataset_name=told["dataset"]
        )

    def open(self, image_id: ImageId) -> OmeisSource:
        """Open an image for reading."""
        source = OmeisSource(self._omeis, _number(image_id), self.describe(image_id))
        self._sources.add(source)
        return source

    def create(
        self, description: ImageDescription, *, dataset: ImageId | None = None, source: ImageId | None = None
    ) -> OmeisSink:
        """Begin a new image."""
        dtype = description.pixel_type.dtype
        if dtype.kind not in "iuf" or dtype.itemsize > 4:
            raise UnsupportedPixelTypeError(
                f"OMEIS keeps integers of 1, 2 or 4 bytes and floats of 4; convert {dtype} to these"
            )
        if source is not None:
            self.describe(source)
        return OmeisSink(self._omeis, stored_description(description, dataset, source), source)

    def delete(self, image_id: ImageId) -> None:
        """Delete an image, which servers allow from their own machine only."""
        self._find(image_id)
        self._omeis.do("DeletePixels", PixelsID=image_id)

    def tables(self, image_id: ImageId) -> list[TableSummary]:
        """Return the image's tables; an original server has none."""
        self._find(image_id)
        try:
            found = self._omeis.json("GetTables", PixelsID=image_id)
        except UnknownMethodError:
            return []
        return [TableSummary(table["id"], table["name"], tuple(table["columns"]), table["rows"]) for table in found]

    def read_table(self, table_id: int | str) -> Table:
        """Read a table."""
        try:
            return table_from_json(self._omeis.json("ReadTable", TableID=table_id))
        except (NotFoundError, UnknownMethodError) as error:
            raise AttachmentNotFoundError(f"the server has no table {table_id}") from error

    def save_table(self, image_id: ImageId, table: Table) -> int | str:
        """Attach a table."""
        self._find(image_id)
        saved: int | str = self._omeis.send_json("SaveTable", json_text(table_to_json(table)), PixelsID=image_id)
        return saved

    def rois(self, image_id: ImageId) -> list[Roi]:
        """Return the image's ROIs; an original server has none."""
        self._find(image_id)
        try:
            return [roi_from_json(roi) for roi in self._omeis.json("GetROIs", PixelsID=image_id)]
        except UnknownMethodError:
            return []

    def save_rois(self, image_id: ImageId, rois: Sequence[Roi]) -> list[int | str]:
        """Add ROIs."""
        self._find(image_id)
        document = json_text([roi_to_json(roi) for roi in rois])  # type: ignore[arg-type]
        saved: list[int | str] = self._omeis.send_json("SaveROIs", document, PixelsID=image_id)
        return saved

    def close(self) -> None:
        """Close all connections and sources; twice is allowed."""
        for source in list(self._sources):
            source.close()
        self._server.close()

    def _find(self, image_id: ImageId) -> None:
        _, is_finished = self._omeis.info(_number(image_id))
        if not is_finished:
            raise ImageNotFoundError(f"pixels {image_id} are not finished")


def _number(image_id: ImageId) -> int:
    if not isinstance(image_id, int) or not 0 < image_id <= LARGEST_ID:
        raise ImageNotFoundError(f"{image_id!r} is no PixelsID; they are numbers above 0")
    return image_id
