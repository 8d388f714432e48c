"""Whether a store gives back what it was given: a checksum of each tile on its way in, and again on the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xxhash
from typing_extensions import Self

from ij_omero.errors import CorruptedDataError, IJOmeroError
from ij_omero.pixels import Progress, WatchedSink, no_progress

if TYPE_CHECKING:
    from types import TracebackType

    import numpy.typing as npt

    from ij_omero.model import ImageDescription, ImageId, PlaneIndex, Region
    from ij_omero.pixels import ImageStore, PixelSink, WriteLayout


class VerifiedSink:
    """A sink of any store whose image is read back when it is whole, and deleted again where a tile differs.

    Parameters
    ----------
    store
        Where the image goes.
    sink
        What writes it.
    """

    def __init__(self, store: ImageStore, sink: PixelSink) -> None:
        self._store = store
        self._sink = sink
        self._progress: Progress = no_progress
        self._tiles: list[tuple[PlaneIndex, Region, int]] = []

    @property
    def description(self) -> ImageDescription:
        """What the image will be."""
        return self._sink.description

    @property
    def layout(self) -> WriteLayout:
        """The pieces to write."""
        return self._sink.layout

    def watch(self, progress: Progress) -> None:
        """Have somebody told while tiles are read back; raising from it cancels."""
        self._progress = progress
        if isinstance(self._sink, WatchedSink):
            self._sink.watch(progress)

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write a tile and keep its checksum."""
        self._sink.write(plane, region, pixels)
        self._tiles.append((plane, region, _digest(pixels, self.description)))

    def finish(self) -> ImageId:
        """Make the image whole, read it back, and return its id.

        Raises
        ------
        CorruptedDataError
            The store gives back other pixels; the image was deleted.
        """
        image_id = self._sink.finish()
        try:
            self._compare(image_id)
        except BaseException:
            self._store.delete(image_id)
            raise
        return image_id

    def abandon(self) -> None:
        """Undo what is not finished."""
        self._sink.abandon()

    def __enter__(self) -> Self:
        """Return the sink."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon the image unless it was finished."""
        self.abandon()

    def _compare(self, image_id: ImageId) -> None:
        source = self._store.open(image_id)
        try:
            for done, (plane, region, expected) in enumerate(self._tiles, 1):
                doing = f"tile {tuple(region)} (x, y, width, height) of plane {tuple(plane)} (z, c, t)"
                try:
                    found = _digest(source.read(plane, region), self.description)
                except IJOmeroError as error:
                    raise CorruptedDataError(
                        f"{doing} of the new image cannot be read back from {self._store.address} ({error}); nothing "
                        "of the image was kept, have the disk checked"
                    ) from error
                if found != expected:
                    raise CorruptedDataError(
                        f"{self._store.address} gives back other pixels than it was given for {doing}; nothing of the "
                        "image was kept, have the disk checked"
                    )
                self._progress(done, len(self._tiles), "reading back")
        finally:
            source.close()


def _digest(pixels: npt.NDArray[Any], description: ImageDescription) -> int:
    return xxhash.xxh3_64_intdigest(pixels.astype(description.pixel_type.dtype, order="C", copy=False).tobytes())
