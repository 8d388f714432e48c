"""The lookup tables of an OMERO.server: files that its script service finds by their type."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._session import Connection, OmeroSession

_TYPE = "text/x-lut"
_LARGEST = 1 << 20


def lookup_table_numbers(session: OmeroSession) -> dict[str, int]:
    """Return the ids of the files by their names; of two of one name that with the lower id, as the server takes it."""

    def ask(connection: Connection) -> dict[str, int]:
        files = connection.service("Script").getScriptsByMimetype(_TYPE)
        return {file.name.val: int(file.id.val) for file in sorted(files, key=lambda file: -int(file.id.val))}

    return session.call("listing the server's lookup tables", ask)


def read_lookup_table_file(session: OmeroSession, number: int) -> bytes:
    """Return a file's bytes, at most a mebibyte of them: a lookup table has a few kilobytes."""

    def ask(connection: Connection) -> bytes:
        store = connection.factory.createRawFileStore()
        try:
            store.setFileId(number)
            return bytes(store.read(0, min(int(store.size()), _LARGEST)))
        finally:
            store.close()

    return session.call(f"reading the lookup table with the file id {number}", ask)
