"""Methods about uploaded files, and what can be made of them."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from ij_omero.errors import DiskFullError, IJOmeroError, StorageError
from ij_omero.stores import import_picture, read_picture

from ._ome_xml import export_xml, import_xml, is_ome_xml
from ._service import BYTES, Answer, Call, Service, attachment, require_local, sent, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._repository import FileInfo

CHUNK = 1 << 20
MOST_FILES = 10_000


def upload_file(service: Service, call: Call) -> Answer:
    """UploadFile: keep a file, and tell its id."""
    return text(_upload(service, call))


def file_info(service: Service, call: Call) -> Answer:
    """FileInfo: name, length, digest, files with the same content, pixels that were made from it."""
    found = service.file(call)
    lines = [f"Name={found.name}", f"Length={found.length}", f"SHA1={found.sha1}"]
    if found.original is not None:
        lines.append(f"IsAlias={found.original}")
    if found.aliases:
        lines.append("HasAliases=" + "\t".join(map(str, found.aliases)))
    if found.pixels:
        lines.append("HasPixelDeps=" + "\t".join(found.pixels))
    return Answer("".join(f"{line}\n" for line in lines).encode())


def file_sha1(service: Service, call: Call) -> Answer:
    """FileSHA1: the digest of a file."""
    return text(service.file(call).sha1)


def read_file(service: Service, call: Call) -> Answer:
    """ReadFile: a file's bytes, or some of them."""
    parameters = call.parameters
    found = service.file(call)
    offset = parameters.number("Offset") or 0
    length = parameters.number("Length")
    if offset < 0 or (length is not None and length < 0):
        raise parameters.failure("Offset and Length must be 0 or more")
    if offset >= found.length and offset > 0:
        raise parameters.failure("Offset is greater than file's length.")
    length = min(found.length - offset, found.length if length is None else length)
    headers = attachment(found.name) if length == found.length else {}
    return Answer(_part(found.path, offset, length), BYTES, headers, length)


def delete_file(service: Service, call: Call) -> Answer:
    """DeleteFile: delete an uploaded file; its content stays while others have the same."""
    require_local(call)
    found = service.file(call)
    service.repository.drop_file(found.file_id)
    return text(found.file_id)


def zip_files(service: Service, call: Call) -> Answer:
    """ZipFiles: several files in one ZIP archive."""
    parameters = call.parameters
    files = _files(service, call)
    name = parameters.text("OrigName") or "images"
    body = _Temporary(service)
    taken: set[str] = set()
    once = {found.file_id: found for found in files}
    with zipfile.ZipFile(body.file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for found in once.values():
            inside = PurePosixPath(found.name.replace("\\", "/")).name or str(found.file_id)
            while inside in taken:
                inside = f"{found.file_id}-{inside}"
            taken.add(inside)
            archive.write(found.path, inside)
    return Answer(body, BYTES, attachment(f"{name}.zip"), body.rewind())


def local_path(service: Service, call: Call) -> Answer:
    """GetLocalPath: where a file, or pixels that are being written, lie in the repository; empty for images."""
    parameters = call.parameters
    if parameters.oid("PixelsID") is not None:
        pending = service.unfinished(call)
        path = None if pending is None else pending.path
    elif parameters.oid("FileID") is not None:
        path = service.file(call).path
    else:
        path = None
    return text("" if path is None else path.relative_to(service.repository.folder))


def is_omexml(service: Service, call: Call) -> Answer:
    """IsOMExml: 1 if a file is an OME-XML document, else 0."""
    return text(int(is_ome_xml(service.file(call).path)))


def import_ome_file(service: Service, call: Call) -> Answer:
    """ImportOMEfile: make pixels of what an OME-XML file holds, and answer it with their ids instead."""
    found = service.file(call)
    try:
        document, imported = import_xml(found.path, service)
    except (ValueError, StorageError) as error:
        raise call.parameters.failure("the file could not be imported", str(error)) from error
    for pixels_id in imported:
        service.repository.note_conversion(found.file_id, pixels_id)
    return Answer(document, "text/xml")


def export_ome_file(service: Service, call: Call) -> Answer:
    """ExportOMEfile: answer an uploaded OME-XML document with the pixels that it names in it."""
    file_id = _upload(service, call)
    found = service.repository.file(file_id)
    body = _Temporary(service)
    try:
        export_xml(found.path, service, body.file, big_endian=call.parameters.flag("BigEndian", True))
    except ValueError as error:
        raise call.parameters.failure("the file could not be exported", str(error)) from error
    finally:
        service.repository.drop_file(file_id)
    return Answer(body, "text/xml", length=body.rewind())


def is_bioformats(service: Service, call: Call) -> Answer:
    """IsBioFormats: the ids of those files that can be imported, one a line."""
    return Answer(
        "".join(f"{found.file_id}\n" for found in _files(service, call) if _is_picture(service, found)).encode()
    )


def import_bioformats(service: Service, call: Call) -> Answer:
    """ImportBioFormats: make an image of each file, and tell the ids of their pixels, one a line."""
    lines = []
    for found in _files(service, call):
        try:
            with _named(service, found) as path:
                image_id = import_picture(service.store, path, found.name)
        except IJOmeroError as error:
            raise call.parameters.failure(f"file {found.file_id} could not be imported", str(error)) from error
        service.repository.note_conversion(found.file_id, int(image_id))
        lines.append(f"{image_id}\n")
    return Answer("".join(lines).encode())


def native_endian(service: Service, call: Call) -> Answer:
    """GetNativeEndian: Big or Little."""
    return text(sys.byteorder.capitalize())


def _upload(service: Service, call: Call) -> int:
    parameters = call.parameters
    size = parameters.number("UploadSize")
    if call.is_command and size is None:
        raise parameters.failure("UploadSize must be specified!")
    name = parameters.text("File") or ""
    if parameters.flag("IsLocalFile"):
        name = Path(name).name
    try:
        with sent(call, "File", "UploadFile failed.", "no File was sent") as content:
            return service.repository.add_file(name, content, size)
    except DiskFullError:
        raise
    except StorageError as error:
        raise parameters.failure("UploadFile failed.", str(error)) from error


def _files(service: Service, call: Call) -> list[FileInfo]:
    numbers = call.parameters.numbers("FileID")
    if not numbers or len(numbers) > MOST_FILES:
        raise call.parameters.failure("FileID must be specified!")
    return [service.file(call, number) for number in numbers]


@contextlib.contextmanager
def _named(service: Service, found: FileInfo) -> Iterator[Path]:
    """Give a file's content under its name, since readers look at suffixes."""
    with tempfile.TemporaryDirectory(dir=service.repository.folder / "Files", prefix="named-") as folder:
        link = Path(folder) / (Path(found.name).name or "file")
        link.symlink_to(found.path.resolve())
        yield link


def _is_picture(service: Service, found: FileInfo) -> bool:
    with _named(service, found) as path:
        try:
            _, source = read_picture(path)
        except IJOmeroError:
            return False
        source.close()
    return True


def _part(path: Path, offset: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while length and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk


class _Temporary:
    """An answer that is written before it is sent; its file is gone with it, sent or not."""

    def __init__(self, service: Service) -> None:
        self.file = cast("BinaryIO", tempfile.TemporaryFile(dir=service.repository.folder / "Files"))

    def rewind(self) -> int:
        """Go to the beginning, and return how many bytes there are."""
        length = self.file.seek(0, 2)
        self.file.seek(0)
        return length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = self.file.read(CHUNK)
        if not chunk:
            raise StopIteration
        return chunk

    def __del__(self) -> None:
        self.file.close()


FILE_METHODS: dict[str, Callable[[Service, Call], Answer]] = {
    "UploadFile": upload_file,
    "FileInfo": file_info,
    "FileSHA1": file_sha1,
    "ReadFile": read_file,
    "DeleteFile": delete_file,
    "ZipFiles": zip_files,
    "GetLocalPath": local_path,
    "IsOMExml": is_omexml,
    "ImportOMEfile": import_ome_file,
    "ExportOMEfile": export_ome_file,
    "IsBioFormats": is_bioformats,
    "ImportBioFormats": import_bioformats,
    "GetNativeEndian": native_endian,
}
