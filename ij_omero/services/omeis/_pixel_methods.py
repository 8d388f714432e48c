"""Methods that make, write, finish and read pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ij_omero.errors import StorageError, WriteError

from ._repository import FIRST_PENDING
from ._service import BYTES, Answer, Call, Service, require_local, sent, text
from ._tiff import read_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from ij_omero.model import ImageDescription

    from ._failure import MethodFailure

NO_SHA1 = "0" * 40


def new_pixels(service: Service, call: Call) -> Answer:
    """NewPixels: make pixels that can be written."""
    return text(service.repository.new_pixels(call.parameters.dims()))


def pixels_info(service: Service, call: Call) -> Answer:
    """PixelsInfo: what pixels are."""
    description, is_finished = _described(service, call)
    sha1 = service.sha1(service.image_id(call)) if is_finished else NO_SHA1
    dtype = description.pixel_type.dtype
    lines = {
        "Dims": ",".join(map(str, (*description.sizes, dtype.itemsize))),
        "Finished": int(is_finished),
        "Signed": int(dtype.kind in "if"),
        "Float": int(dtype.kind == "f"),
        "SHA1": sha1,
    }
    return Answer("".join(f"{name}={value}\n" for name, value in lines.items()).encode())


def pixels_sha1(service: Service, call: Call) -> Answer:
    """PixelsSHA1: the digest of all pixels, little endian."""
    _, is_finished = _described(service, call)
    return text(service.sha1(service.image_id(call)) if is_finished else NO_SHA1)


def find_pixels(service: Service, call: Call) -> Answer:
    """FindPixels: the pixels of a digest, or 0."""
    sha1 = call.parameters.text("SHA1")
    if sha1 is None:
        raise call.parameters.failure("SHA1 Parameter missing")
    if len(sha1) != 40:
        raise call.parameters.failure("SHA1 Parameter is not 40 characters")
    return text(service.find(sha1) or 0)


def finish_pixels(service: Service, call: Call) -> Answer:
    """FinishPixels: make what was written an image of the store, or answer the one that has the same pixels."""
    parameters, repository = call.parameters, service.repository
    image = repository.image_of(parameters.pixels_id) if parameters.pixels_id >= FIRST_PENDING else None
    if image is not None:
        return text(image)
    service.pending(call)
    try:
        image_id, _, _ = service.finish(parameters.pixels_id)
    except (StorageError, WriteError) as error:
        raise parameters.failure("FinishPixels failed.", str(error), status=409) from error
    return text(image_id)


def delete_pixels(service: Service, call: Call) -> Answer:
    """DeletePixels: undo pixels, or delete the image that they became."""
    require_local(call)
    pixels_id = call.parameters.pixels_id
    _, is_finished = _described(service, call)
    if is_finished:
        image_id = service.image_id(call)
        service.images.forget(image_id)
        service.store.delete(image_id)
        service.repository.forget_image(image_id)
    else:
        service.repository.drop_pending(pixels_id)
    return text(pixels_id)


def read_pixels(service: Service, call: Call) -> Answer:
    """GetPixels, GetStack, GetPlane, GetRows and GetROI: raw pixels."""
    parameters = call.parameters
    with service.lease(call) as source:
        description = source.description
    box = parameters.box(description)
    chunks = service.finished(call).chunks(box, big_endian=parameters.flag("BigEndian", True))
    return Answer(chunks, BYTES, length=box.size * description.pixel_type.bytes_per_pixel)


def write_pixels(service: Service, call: Call) -> Answer:
    """SetPixels, SetStack, SetPlane, SetRows and SetROI: write raw pixels, and tell how many."""
    parameters = call.parameters
    pending = service.pending(call)
    box = parameters.box(pending.description)
    with sent(call, "Pixels", "No pixels specified") as content:
        count = pending.write(box, content, big_endian=parameters.flag("BigEndian", True))
        if content.read(1):
            raise parameters.failure(f"more pixels were sent than the {box.size} that {parameters.method} takes")
    return text(count)


def convert(service: Service, call: Call) -> Answer:
    """Convert, ConvertStack, ConvertPlane, ConvertRows: write pixels from an uploaded file, and tell how many."""
    parameters = call.parameters
    file = service.file(call)
    pending = service.pending(call)
    box = parameters.box(pending.description)
    offset = parameters.number("Offset") or 0
    if offset < 0:
        raise parameters.failure(f"Offset must be 0 or more, not {offset}")
    available = max(0, file.length - offset) // pending.description.pixel_type.bytes_per_pixel
    if available < box.size:
        raise _short(call, box.size, available)
    with file.path.open("rb") as content:
        content.seek(offset)
        count = pending.write(
            box,
            content,
            big_endian=parameters.flag("BigEndian", True),
            mirrored=parameters.flag("FlipHorizontal"),
        )
    service.repository.note_conversion(file.file_id, parameters.pixels_id)
    return text(count)


def convert_tiff(service: Service, call: Call) -> Answer:
    """ConvertTIFF: write a plane from a directory of an uploaded TIFF file, and tell how many pixels."""
    parameters = call.parameters
    file = service.file(call)
    pending = service.pending(call)
    box = parameters.box(pending.description)
    plane = next(box.planes)
    directory = parameters.number("TIFFDirIndex") or 0
    try:
        pixels = read_directory(file.path, directory, pending.description)
    except (ValueError, StorageError) as error:
        raise parameters.failure("Did not convert correct number of pixels.", str(error)) from error
    if pixels.size != box.size:
        raise _short(call, box.size, pixels.size)
    pending.write_plane(plane, pixels[:, ::-1] if parameters.flag("FlipHorizontal") else pixels)
    service.repository.note_conversion(file.file_id, parameters.pixels_id)
    return text(box.size)


def _described(service: Service, call: Call) -> tuple[ImageDescription, bool]:
    pixels_id = call.parameters.pixels_id
    if pixels_id >= FIRST_PENDING and service.repository.image_of(pixels_id) is None:
        return service.repository.pending(pixels_id).description, False
    with service.lease(call) as source:
        return source.description, True


def _short(call: Call, expected: int, found: int) -> MethodFailure:
    message = f"Did not convert correct number of pixels.  Expected {expected}, got {found}"
    return call.parameters.failure(message)


PIXEL_METHODS: dict[str, Callable[[Service, Call], Answer]] = {
    "NewPixels": new_pixels,
    "PixelsInfo": pixels_info,
    "PixelsSHA1": pixels_sha1,
    "FindPixels": find_pixels,
    "FinishPixels": finish_pixels,
    "DeletePixels": delete_pixels,
    **{f"Get{unit}": read_pixels for unit in ("Pixels", "Stack", "Plane", "Rows", "ROI")},
    **{f"Set{unit}": write_pixels for unit in ("Pixels", "Stack", "Plane", "Rows", "ROI")},
    **{f"Convert{unit}": convert for unit in ("", "Stack", "Plane", "Rows")},
    "ConvertTIFF": convert_tiff,
}
