"""``xarray.open_dataset(address, engine="omero")``: an image as a lazily read Dataset.

xarray finds the class through the entry point group ``xarray.backends``
(https://docs.xarray.dev/en/stable/internals/how-to-add-new-backend.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import xarray
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from ._indexing import AXES
from ._lazy import chunk_shape, coordinates_of, image_attributes, steps_of
from ._opening import open_image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._image import Image


class _ImageArray(BackendArray):
    """An image for xarray's lazy indexing; it travels to other processes as its address."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self.shape, self.dtype = image.shape, image.dtype

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._image.__getitem__
        )


class OmeroBackend(BackendEntrypoint):
    """Opens an image by its address or by its path in a local store."""

    description: ClassVar[str] = "Images of OMERO servers and of local stores of ij_omero"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj",
        "drop_variables",
        "user",
        "password",
        "session_id",
        "group",
    )
    url: ClassVar[str] = "https://github.com/ij-omero/ij_omero"

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        user: str | None = None,
        password: str | None = None,
        session_id: str | None = None,
        group: str | None = None,
    ) -> xarray.Dataset:
        """Open an image as a Dataset with the variable ``image`` (T, C, Z, Y, X); no pixels are read yet.

        Parameters
        ----------
        filename_or_obj
            ``omero://host/image/42``, or the path of an image in a local store.
        drop_variables
            Names to leave out.
        user, password, session_id, group
            As for `ij_omero.connect`.
        """
        image = open_image(filename_or_obj, user=user, password=password, session_id=session_id, group=group)
        pixels = xarray.Variable(AXES, indexing.LazilyIndexedArray(_ImageArray(image)), image_attributes(image))
        pixels.encoding["preferred_chunks"] = dict(zip(AXES, chunk_shape(image), strict=True))
        coordinates = coordinates_of(image.description)
        dataset = xarray.Dataset({"image": pixels}, coordinates, {"name": image.name, **image_attributes(image)})
        for axis, size in steps_of(image.description).items():
            dataset.coords[axis].attrs["units"] = size.unit if size else "pixel"
        # xarray would keep the address as it was given, which may hold a password or a session.
        dataset.encoding["source"] = str(image.address)
        dataset.set_close(image.close)
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return dataset.drop_vars(dropped, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether the address is one of an OMERO.server; files are only opened when asked to."""
        return isinstance(filename_or_obj, str) and filename_or_obj.startswith(("omero:", "memory:"))
