"""What the methods work on: a store, the repository, the images that are open, and one call."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import NotFoundError
from ij_omero.pixels import write_order
from ij_omero.services._core import OpenSources
from ij_omero.stores.json_codec import description_from_json

from ._failure import MethodFailure
from ._finished import FinishedPixels
from ._repository import sha1_of_chunks
from ._statistics import Measured, measure_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ij_omero.model import ImageDescription, ImageId
    from ij_omero.pixels import ImageStore, PixelSink
    from ij_omero.services._core import OpenedSource

    from ._parameters import Parameters
    from ._pending import PendingPixels
    from ._repository import FileInfo, Repository

DEFAULT_BOUND = 512 << 20
KEPT_FIGURES = 256
TEXT = "text/plain"
BYTES = "application/octet-stream"


@dataclass
class Answer:
    """What a method answers.

    Parameters
    ----------
    body
        All of it, or pieces of it as they become ready.
    media_type
        Its type.
    headers
        More headers, where it is sent by HTTP.
    length
        How many bytes the pieces have together.
    """

    body: bytes | Iterator[bytes | memoryview]
    media_type: str = TEXT
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(frozen=True)
class Call:
    """One call of a method.

    Parameters
    ----------
    parameters
        What was given.
    is_local
        Whether it comes from this machine; only then are deletions done.
    is_command
        Whether it is a command rather than a request by HTTP.
    """

    parameters: Parameters
    is_local: bool = False
    is_command: bool = False


class Service:
    """The store and the repository behind the methods; the store stays its owner's."""

    def __init__(self, store: ImageStore, repository: Repository, bound: int = DEFAULT_BOUND) -> None:
        self.store = store
        self.repository = repository
        self.images = OpenSources(store, bound)
        self._lock = threading.Lock()
        self._measuring: dict[tuple[ImageId, int, int, int], threading.Lock] = {}
        self._measured: dict[tuple[ImageId, int, int, int], Measured] = {}

    def pending(self, call: Call) -> PendingPixels:
        """Return the pixels that a call writes to."""
        pending = self.unfinished(call)
        if pending is None:
            why = "the pixels are finished and can only be read"
            raise call.parameters.failure("GetPixelsRep failed.", why, status=409)
        return pending

    def unfinished(self, call: Call) -> PendingPixels | None:
        """Return the pixels that a call names where they can be written, None where they are an image."""
        image = self._image(call)
        if image is None:
            return self.repository.pending(call.parameters.pixels_id)
        self.store.describe(int(image))
        return None

    def file(self, call: Call, file_id: int | None = None) -> FileInfo:
        """Return the file that a call names, or one of those that it does."""
        parameters = call.parameters
        file_id = parameters.file_id if file_id is None else file_id
        try:
            return self.repository.file(file_id)
        except NotFoundError as error:
            which = f"FileID={file_id}"
            raise MethodFailure(parameters.method, "GetFileRep failed.", which, str(error), 404) from None

    def image_id(self, call: Call) -> ImageId:
        """Return the image that a call reads."""
        image = self._image(call)
        if image is None:
            raise call.parameters.failure(
                "GetPixelsRep failed.", "the pixels cannot be read yet: call FinishPixels first", status=409
            )
        return int(image)

    def lease(self, call: Call) -> contextlib.AbstractContextManager[OpenedSource]:
        """Open the image that a call reads, for the time of the call."""
        return self.images.lease(self.image_id(call))

    def finished(self, call: Call) -> FinishedPixels:
        """Return the pixels that a call reads."""
        return FinishedPixels(self.images, self.image_id(call))

    def sha1(self, image_id: ImageId) -> str:
        """Return the digest of an image's pixels, which takes reading them once."""
        known = self.repository.sha1_of(image_id)
        if known is None:
            known = FinishedPixels(self.images, image_id).sha1()
            self.repository.note_sha1(image_id, known)
        return known

    def measured(self, image_id: ImageId, source: OpenedSource, c: int, t: int) -> Measured:
        """Return the figures of a stack, measured once however many ask for them."""
        key = (image_id, source.number, c, t)
        with self._lock:
            known = self._measured.get(key)
            measuring = self._measuring.setdefault(key, threading.Lock())
        if known is not None:
            return known
        with measuring:
            found = self._measured.get(key) or self._measure(image_id, source, c, t)
        with self._lock:
            self._measuring.pop(key, None)
            self._measured[key] = found
            while len(self._measured) > KEPT_FIGURES:
                del self._measured[next(iter(self._measured))]
        return found

    def _measure(self, image_id: ImageId, source: OpenedSource, c: int, t: int) -> Measured:
        what = f"statistics {c} {t}"
        kept = self.repository.fact(image_id, what)
        if kept is not None:
            return Measured.from_json(kept)
        measured = measure_stack(source, c, t)
        self.repository.keep_fact(image_id, what, measured.to_json())
        return measured

    def find(self, sha1: str) -> ImageId | None:
        """Return the image whose pixels have a digest, None where there is none; what others deleted is forgotten."""
        for image in self.repository.images_with(sha1):
            try:
                self.store.describe(int(image))
            except NotFoundError:
                self.repository.forget_image(image)
            else:
                return int(image)
        return None

    def finish(self, pixels_id: int) -> tuple[ImageId, str, bool]:
        """Make written pixels an image of the store, unless it has the same ones already.

        Returns
        -------
        image_id, sha1, is_new
            The image, the digest of its pixels, and whether it was made now.

        Raises
        ------
        StorageError, WriteError
            They are being written at this moment, or the store does not take them; they stay as they are.
        """
        pending = self.repository.pending(pixels_id)
        with pending.finishing():
            sha1 = sha1_of_chunks(pending.chunks())
            said = self.repository.described(pixels_id)
            image_id = None if said else self.find(sha1)
            is_new = image_id is None
            if image_id is None:
                with self._new_image(pending.description, said) as sink:
                    for plane, region in write_order(sink.description, sink.layout):
                        sink.write(plane, region, np.ascontiguousarray(pending.read(plane, region)))
                    image_id = sink.finish()
            self.repository.finished(pixels_id, image_id, sha1)
        return image_id, sha1, is_new

    def _new_image(self, description: ImageDescription, said: Any) -> PixelSink:
        """Begin the image that pixels become, described as was said of them."""
        if said is None:
            return self.store.create(description)
        dataset = said.get("dataset")
        return self.store.create(
            description_from_json(said["image"]), dataset=dataset or None, source=said.get("source")
        )

    def close(self) -> None:
        """Close the images; the store stays open."""
        self.images.close()

    def _image(self, call: Call) -> str | None:
        try:
            return self.repository.image_of(call.parameters.pixels_id)
        except NotFoundError as error:
            raise call.parameters.failure("GetPixelsRep failed.", str(error), status=404) from None


@contextlib.contextmanager
def sent(call: Call, name: str, missing: str, why: str | None = None) -> Iterator[BinaryIO]:
    """Give the data that comes with a call, or that is in a file of this machine.

    Parameters
    ----------
    name
        The parameter that names the file; only commands may, with IsLocalFile.
    missing, why
        What is told where there is no data.
    """
    parameters = call.parameters
    if not parameters.flag("IsLocalFile"):
        if parameters.binary is None:
            raise parameters.failure(missing, why)
        yield parameters.binary
        return
    if not call.is_command:
        raise parameters.failure("IsLocalFile is for the command line only", status=403)
    path = parameters.text(name)
    if not path:
        raise parameters.failure(missing, why)
    try:
        content = Path(path).open("rb")
    except OSError as error:
        raise parameters.failure(f"{parameters.method} failed.", f"{path}: {error.strerror}") from error
    with content:
        yield content


def text(value: object) -> Answer:
    """Return an answer of one line."""
    return Answer(f"{value}\n".encode())


def require_local(call: Call) -> None:
    """Refuse a deletion that comes from another machine."""
    if not call.is_local:
        raise call.parameters.failure("Deletion supported from local connections only", status=403)


def attachment(name: str) -> dict[str, str]:
    """Return the header that has a browser keep an answer as a file; the name is data, whatever it holds."""
    plain = "".join(each if each.isascii() and each.isprintable() and each not in '"\\/' else "_" for each in name)
    return {"Content-Disposition": f'attachment; filename="{plain[:200]}"'}
