"""Writing new pixels to an OMEIS server."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from ij_omero.errors import IJOmeroError, InvalidInputError, WriteError
from ij_omero.pixels import TileOrder, WriteLayout
from ij_omero.stores.json_codec import description_to_json, json_text

from ._calls import UnknownMethodError

if TYPE_CHECKING:
    from types import TracebackType

    import numpy.typing as npt

    from ij_omero.model import ImageDescription, ImageId, PlaneIndex, Region

    from ._calls import Omeis

logger = logging.getLogger(__name__)

MOST_BYTES = 16 << 20


class OmeisSink:
    """New pixels that are being written; see `PixelSink`."""

    def __init__(self, omeis: Omeis, description: ImageDescription, source: ImageId | None) -> None:
        self._omeis = omeis
        self.description = description
        of = description
        row = of.size_x * of.pixel_type.bytes_per_pixel
        self.layout = WriteLayout(of.size_x, min(of.size_y, max(1, MOST_BYTES // row)))
        self._order = TileOrder(description, self.layout)
        dtype = of.pixel_type.dtype
        dims = ",".join(map(str, (*of.sizes, dtype.itemsize)))
        kind = {"IsSigned": int(dtype.kind in "if"), "IsFloat": int(dtype.kind == "f")}
        self._pixels_id: int | None = int(omeis.do("NewPixels", Dims=dims, **kind))
        try:
            self._describe(source)
        except BaseException:
            self.abandon()
            raise

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write some rows; see `PixelSink.write`."""
        pixels_id = self._writing()
        self._order.check(plane, region, pixels)
        rows = np.ascontiguousarray(pixels, self.description.pixel_type.dtype.newbyteorder("<"))
        where = {"PixelsID": pixels_id, "theZ": plane.z, "theC": plane.c, "theT": plane.t, "BigEndian": 0}
        try:
            count = self._omeis.send("SetRows", {**where, "theY": region.y, "nRows": region.height}, rows.tobytes())
        except InvalidInputError as error:
            raise WriteError(str(error)) from error
        if int(count) != rows.size:
            raise WriteError(f"the server took {int(count)} of {rows.size} pixels; save again")
        self._order.advance()

    def finish(self) -> ImageId:
        """Finish the pixels; see `PixelSink.finish`."""
        pixels_id = self._writing()
        if not self._order.complete:
            self.abandon()
            raise WriteError("tiles are missing: the image was not finished and nothing of it stays")
        try:
            image_id = int(self._omeis.do("FinishPixels", PixelsID=pixels_id))
        except IJOmeroError:
            self.abandon()
            raise
        self._pixels_id = None
        return image_id

    def abandon(self) -> None:
        """Undo; see `PixelSink.abandon`."""
        pixels_id, self._pixels_id = self._pixels_id, None
        if pixels_id is None:
            return
        try:
            self._omeis.do("DeletePixels", PixelsID=pixels_id)
        except IJOmeroError as error:
            logger.warning("unfinished pixels %d stay on the server, where nobody sees them: %s", pixels_id, error)

    def __enter__(self) -> Self:
        """Return the sink."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon the pixels unless they were finished."""
        self.abandon()

    def _describe(self, source: ImageId | None) -> None:
        said = {
            "image": description_to_json(self.description),
            "source": source,
            "dataset": self.description.dataset_name,
        }
        with contextlib.suppress(UnknownMethodError):  # an original server keeps pixels only
            self._omeis.send_json("SetDescription", json_text(said), PixelsID=self._pixels_id)

    def _writing(self) -> int:
        if self._pixels_id is None:
            raise WriteError("this image is finished or abandoned already; create() a new one")
        return self._pixels_id
