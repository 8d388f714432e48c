"""The embedded default: a folder of OME-Zarr images, readable by any OME-NGFF reader."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ij_omero.errors import IJOmeroError, ImageNotFoundError, StorageError, UnsupportedPixelTypeError
from ij_omero.model import (
    ImageAddress,
    ImageDescription,
    ImageId,
    ImageSummary,
    Roi,
    Table,
    TableSummary,
)

from ._disk_errors import storage_error
from ._local_attachments import ImageAttachments, split_table_id
from ._local_folder import StoreFolder, logger
from ._local_sink import LocalSink
from ._local_source import LocalSource
from ._ngff_metadata import image_attributes_of, stored_image, value_ranges
from ._summaries import stored_description, summary_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._ngff_metadata import StoredImage

DEFAULT_TILE = 512
"""Width and height of tiles and chunks: half a megabyte of 16-bit pixels, about a millisecond to read."""


class LocalStore:
    """An `ImageStore` that is a folder of OME-Zarr images, ``<id>.ome.zarr``; any number of processes may share it.

    Images are OME-NGFF 0.4 (Zarr 2) with resolution levels; their description, tables and ROIs lie in the image's
    folder. Images of other programs (0.1 to 0.5, with fewer axes) in the folder are read too; their id is the name of
    their folder. The path of one image is a store with this image alone, for reading.

    Parameters
    ----------
    path
        The folder, or the folder of one image.
    create
        Whether a folder that is missing or empty may become a store; it does so with the first image.
    tile_size
        Width and height of new images' tiles, an even number.

    Raises
    ------
    StorageError
        The path is neither a store nor an image, and may not become a store.

    Examples
    --------
    >>> store = LocalStore("~/images")
    >>> [summary.name for summary in store.list_images()]
    []
    """

    def __init__(self, path: str | Path, *, create: bool = True, tile_size: int = DEFAULT_TILE) -> None:
        self._path = Path(path).expanduser().absolute()
        self._tile = tile_size
        self._folder = StoreFolder(self._path)
        self._sources: weakref.WeakSet[LocalSource] = weakref.WeakSet()
        self._closed = False
        self._alone = self._check(create)
        if not self._alone:
            self._folder.remove_leftovers()

    def _check(self, create: bool) -> bool:
        """Return whether the path is one image, or raise StorageError where it is nothing."""
        path = self._path
        try:
            if not path.exists():
                if not create:
                    raise StorageError(f"there is no image store at {path}; check the path, or make one by create=True")
                return False
            if not path.is_dir():
                raise StorageError(
                    f"{path} is a file; an image store is a folder. Import a picture with import_picture(store, path)"
                )
            if image_attributes_of(path) is not None:
                return True
            if self._folder.is_store or (create and not any(path.iterdir())):
                return False
        except OSError as error:
            raise storage_error(error, f"cannot read the image store {path}") from error
        raise StorageError(
            f"{path} is neither an image store nor an OME-Zarr image, and not empty; expected a folder of images made "
            "by ij_omero, a folder with *.ome.zarr images, or an empty or new folder"
        )

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self._path

    @property
    def address(self) -> ImageAddress:
        """The folder's address."""
        return ImageAddress("file", path=self._path, name=self._path.name)

    def address_of(self, image_id: ImageId) -> ImageAddress:
        """Return the address of an image: the path of its folder."""
        folder = self._image_folder(image_id)
        return ImageAddress("file", path=folder, image_id=image_id, name=folder.name)

    def list_images(self, dataset: ImageId | None = None) -> Iterator[ImageSummary]:
        """Yield the images; what cannot be read is left out with a warning in the log."""
        if self._alone:
            folders: list[tuple[ImageId, Path]] = [(self._path.name, self._path)]
        else:
            folders = list(self._folder.image_folders()) if self._path.exists() else []
        for image_id, folder in folders:
            try:
                found = stored_image(folder, image_id)
            except IJOmeroError as error:
                logger.warning("left out of the listing: %s", error)
                continue
            if found is not None and dataset in (None, found.description.dataset_id):
                yield summary_of(found.description)

    def describe(self, image_id: ImageId) -> ImageDescription:
        """Return what an image is."""
        return self._stored(image_id).description

    def image_data_details(self, image_id: ImageId, *, pixels_id: int | None = None) -> dict[str, Any]:
        """Return what OMERO.web's ``imgData`` tells beside a description: the range of each channel's pixels."""
        ranges = value_ranges(self._image_folder(image_id))
        windows = [{} if each is None else {"window": {"min": each[0], "max": each[1]}} for each in ranges]
        return {"channels": windows} if len(windows) == self.describe(image_id).size_c else {}

    def open(self, image_id: ImageId) -> LocalSource:
        """Open an image for reading."""
        source = LocalSource(self._stored(image_id))
        self._sources.add(source)
        return source

    def create(
        self, description: ImageDescription, *, dataset: ImageId | None = None, source: ImageId | None = None
    ) -> LocalSink:
        """Begin a new image; ``dataset`` is any name."""
        if self._closed:
            raise StorageError("this store is closed; open it again")
        self._require_folder()
        if not hasattr(description.pixel_type, "dtype"):
            raise UnsupportedPixelTypeError(f"{description.pixel_type!r} is no PixelType; see PixelType.of(dtype)")
        if source is not None:
            self._image_folder(source)
        stored = stored_description(description, dataset, source)
        self._folder.make()
        return LocalSink(self._folder.begin(), stored, self._tile)

    def delete(self, image_id: ImageId) -> None:
        """Delete an image with its tables and ROIs."""
        self._require_folder()
        folder = self._image_folder(image_id)
        try:
            with self._folder.locked():
                # Renamed first: a listing never meets half of an image
                doomed = folder.rename(folder.with_name(f".writing-0{folder.name.partition('.')[0]}"))
                shutil.rmtree(doomed)
        except OSError as error:
            raise storage_error(error, f"cannot delete image {image_id!r} of {self._path}") from error

    def tables(self, image_id: ImageId) -> list[TableSummary]:
        """Return the image's tables."""
        return self._attachments(image_id).tables()

    def read_table(self, table_id: int | str) -> Table:
        """Read a table; its id is ``<image id>/<number>``."""
        image_id, number = split_table_id(table_id)
        return self._attachments(image_id).read_table(number)

    def save_table(self, image_id: ImageId, table: Table) -> str:
        """Attach a table."""
        return self._attachments(image_id).save_table(table)

    def rois(self, image_id: ImageId) -> list[Roi]:
        """Return the image's ROIs."""
        return self._attachments(image_id).rois()

    def save_rois(self, image_id: ImageId, rois: Sequence[Roi]) -> list[int | str]:
        """Add ROIs."""
        return self._attachments(image_id).save_rois(rois)

    def close(self) -> None:
        """Close all sources."""
        self._closed = True
        for source in list(self._sources):
            source.close()

    def _require_folder(self) -> None:
        if self._alone:
            raise StorageError(f"{self._path} is one image; open the folder that it lies in to add or delete images")

    def _image_folder(self, image_id: ImageId) -> Path:
        if not self._alone:
            return self._folder.image_folder(image_id)
        if image_id != self._path.name:
            raise ImageNotFoundError(f"no image {image_id!r}: {self._path} is the image {self._path.name!r} alone")
        return self._path

    def _stored(self, image_id: ImageId) -> StoredImage:
        folder = self._image_folder(image_id)
        found = stored_image(folder, image_id)
        if found is None:
            raise ImageNotFoundError(f"{folder} is no OME-Zarr image; list_images() tells which there are")
        return found

    def _attachments(self, image_id: ImageId) -> ImageAttachments:
        return ImageAttachments(self._image_folder(image_id), image_id)
