"""What can be asked of a DVID server, by name; servers of Janelia's DVID and of this package alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ij_omero.errors import CorruptedDataError, NotFoundError
from ij_omero.model import ImageAddress, parse_address
from ij_omero.pixels import Progress, no_progress

from ._http import Http

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

Triple = tuple[int, int, int]


class DvidClient:
    """A DVID server; methods may be called from any thread.

    Parameters
    ----------
    address
        ``dvid://host:port``; the rest of an image's address is left aside.
    token
        The server's, where it wants one.
    secure
        Whether to speak HTTPS.

    Examples
    --------
    >>> with DvidClient("dvid://localhost:8000") as dvid:  # doctest: +SKIP
    ...     root = dvid.new_repo("flies")
    ...     dvid.new_instance(root, "grey", "uint8blk", BlockSize="64,64,64")
    """

    def __init__(
        self, address: str | ImageAddress, *, token: str | None = None, secure: bool = False, seconds: float = 300.0
    ) -> None:
        parsed = parse_address(address)
        self.address = ImageAddress("dvid", parsed.host, parsed.port)
        self._http = Http(
            parsed.host or "localhost",
            parsed.port or 8000,
            token=token or parsed.password,
            secure=secure,
            seconds=seconds,
        )

    def repos(self) -> dict[str, dict[str, Any]]:
        """Return what the server tells of its repositories, by the UUID of their roots."""
        return dict(self._json("GET", "/api/repos/info"))

    def repo(self, uuid: str) -> dict[str, Any]:
        """Return what the server tells of a version's repository."""
        return dict(self._json("GET", f"/api/repo/{_quoted(uuid)}/info"))

    def new_repo(self, alias: str = "", description: str = "", **settings: str) -> str:
        """Make a repository and return the UUID of its root."""
        told = {"alias": alias, "description": description, **settings}
        return str(self._json("POST", "/api/repos", told, again=False)["root"])

    def version(self, text: str) -> str:
        """Return the whole UUID of a version by its beginning, or by ``UUID:branch``.

        Raises
        ------
        NotFoundError
            There is none, or more than one.
        """
        prefix, colon, branch = text.partition(":")
        if colon:
            line = self._json(
                "GET", f"/api/repo/{_quoted(prefix or text)}/branch-versions/{_quoted(branch or 'master')}"
            )
            if not line:
                raise NotFoundError(f"there is no branch {branch!r} in the repository of {prefix!r}")
            return str(line[0])
        nodes = self.repo(prefix)["DAG"]["Nodes"]
        if prefix in nodes:
            return prefix
        found = [uuid for uuid in nodes if uuid.startswith((prefix, prefix.lower()))]
        if len(found) != 1:
            raise NotFoundError(f"{len(found)} versions begin with {prefix!r}; give more of the UUID")
        return str(found[0])

    def branch(self, uuid: str, name: str = "master") -> list[str]:
        """Return the versions of a branch, the leaf first."""
        return list(self._json("GET", f"/api/repo/{_quoted(uuid)}/branch-versions/{_quoted(name)}"))

    def is_committed(self, uuid: str) -> bool:
        """Whether nobody writes to a version any more."""
        return bool(self._json("GET", f"/api/node/{_quoted(uuid)}/status")["Locked"])

    def commit(self, uuid: str, note: str = "", log: Sequence[str] = ()) -> str:
        """Commit a version and return its UUID."""
        told = {"note": note, "log": list(log)}
        return str(self._json("POST", f"/api/node/{_quoted(uuid)}/commit", told, again=False)["committed"])

    def new_version(self, uuid: str, note: str = "", branch: str | None = None) -> str:
        """Add a version after a committed one, on a new branch where one is named, and return its UUID."""
        told = {"note": note} | ({"branch": branch} if branch is not None else {})
        verb = "newversion" if branch is None else "branch"
        return str(self._json("POST", f"/api/node/{_quoted(uuid)}/{verb}", told, again=False)["child"])

    def new_instance(self, uuid: str, name: str, typename: str, **settings: str) -> None:
        """Make an instance of data at an open version."""
        told = {"typename": typename, "dataname": name, **settings}
        self._json("POST", f"/api/repo/{_quoted(uuid)}/instance", told, again=False)

    def delete_instance(self, uuid: str, name: str) -> None:
        """Delete an instance of data at all versions; newer servers of Janelia refuse that over HTTP."""
        self._http.ask("DELETE", f"/api/repo/{_quoted(uuid)}/{_quoted(name)}", query={"imsure": "true"})

    def info(self, uuid: str, name: str) -> dict[str, Any]:
        """Return an instance's settings and extents."""
        return dict(self._json("GET", f"{_path(uuid, name)}/info"))

    def set_extents(self, uuid: str, name: str, first: Triple, last: Triple) -> None:
        """Say which box the voxels of an instance lie in."""
        self._json("POST", f"{_path(uuid, name)}/extents", {"MinPoint": first, "MaxPoint": last})

    def read(self, uuid: str, name: str, offset: Triple, size: Triple) -> bytes:
        """Return the voxels of a box, x fastest, little endian."""
        return self._http.ask("GET", f"{_path(uuid, name)}/raw/0_1_2/{_joined(size)}/{_joined(offset)}")

    def write(
        self, uuid: str, name: str, offset: Triple, size: Triple, voxels: Any, *, roi: str = "", mutate: bool = False
    ) -> None:
        """Store a box of whole blocks; `voxels` are bytes or a contiguous array, x fastest, little endian."""
        query = ({"roi": roi} if roi else {}) | ({"mutate": "true"} if mutate else {})
        path = f"{_path(uuid, name)}/raw/0_1_2/{_joined(size)}/{_joined(offset)}"
        body = memoryview(voxels).cast("B")
        self._http.ask("POST", path, body=body, query=query, content_type="application/octet-stream")

    def read_blocks(self, uuid: str, name: str, offset: Triple, size: Triple) -> bytes:
        """Return the blocks that are stored in a box of whole blocks: int32 x, y, z, length, then their bytes."""
        path = f"{_path(uuid, name)}/subvolblocks/{_joined(size)}/{_joined(offset)}"
        return self._http.ask("GET", path, query={"compression": "uncompressed"})

    def set_roi(self, uuid: str, name: str, spans: Sequence[Sequence[int]]) -> None:
        """Store the blocks of an ROI: [z, y, x0, x1]."""
        self._json("POST", f"{_path(uuid, name)}/roi", [list(span) for span in spans])

    def roi(self, uuid: str, name: str) -> list[list[int]]:
        """Return the spans of an ROI."""
        return list(self._json("GET", f"{_path(uuid, name)}/roi"))

    def put_pictures(
        self,
        uuid: str,
        name: str,
        dims: str,
        offset: Triple,
        pictures: Sequence[Path],
        progress: Progress = no_progress,
    ) -> None:
        """Store pictures as planes behind each other, from an offset on; voxels around them stay.

        Parameters
        ----------
        dims
            ``xy``, ``xz`` or ``yz``: along which axes the pictures' rows and columns lie.
        offset
            The voxel (x, y, z) of the first picture's first pixel.
        pictures
            Files, in the order in which they lie.

        Raises
        ------
        InvalidInputError
            A picture has several planes, another type than the instance, or another size than the others.
        """
        from ._loading import put_pictures

        put_pictures(self, uuid, name, dims, offset, pictures, progress)

    def foreground_roi(
        self, uuid: str, name: str, roi: str, background: Sequence[int], progress: Progress = no_progress
    ) -> int:
        """Store the blocks of an instance that hold anything but background values as an ROI; return how many.

        Raises
        ------
        InvalidInputError
            Voxels have more than 1 byte, or the ROI has other blocks.
        """
        from ._loading import foreground_roi

        return foreground_roi(self, uuid, name, roi, background, progress)

    def value(self, uuid: str, name: str, key: str) -> bytes:
        """Return a value of an instance of type keyvalue; NotFoundError where there is none."""
        return self._http.ask("GET", f"{_path(uuid, name)}/key/{quote(key)}")

    def set_value(self, uuid: str, name: str, key: str, value: bytes) -> None:
        """Store a value."""
        path = f"{_path(uuid, name)}/key/{quote(key)}"
        self._http.ask("POST", path, body=value, content_type="application/octet-stream")

    def delete_value(self, uuid: str, name: str, key: str) -> None:
        """Delete a value."""
        self._http.ask("DELETE", f"{_path(uuid, name)}/key/{quote(key)}")

    def keys(self, uuid: str, name: str) -> list[str]:
        """Return all keys of an instance of type keyvalue."""
        return list(self._json("GET", f"{_path(uuid, name)}/keys") or ())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections."""
        self.close()

    def _json(
        self, method: str, path: str, told: Mapping[str, Any] | list[Any] | None = None, *, again: bool = True
    ) -> Any:
        body = None if told is None else json.dumps(told).encode()
        content_type = None if told is None else "application/json"
        found = self._http.ask(method, path, body=body, again=again, content_type=content_type)
        if not found:
            return None
        try:
            return json.loads(found)
        except ValueError as error:
            raise CorruptedDataError(
                f"{self.address} answered {path} with what is no JSON: is it a DVID server?"
            ) from error


def _quoted(part: str) -> str:
    return quote(part, safe=":~")


def _path(uuid: str, name: str) -> str:
    return f"/api/node/{_quoted(uuid)}/{_quoted(name)}"


def _joined(numbers: Triple) -> str:
    return "_".join(str(int(number)) for number in numbers)
