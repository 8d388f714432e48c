"""How Zarr arrays lie on disk, by their metadata (Zarr 2 and 3 specifications, zarr-specs.readthedocs.io)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ij_omero.errors import CorruptedDataError, StorageError

from ._disk_errors import storage_error

if TYPE_CHECKING:
    from pathlib import Path


class Codec(Protocol):
    """A compressor of numcodecs."""

    def encode(self, buf: Any) -> bytes:
        """Compress."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decompress."""


@dataclass(frozen=True)
class ArrayLayout:
    """How an array lies on disk; ``dtype`` has the byte order of the files."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    codec: Codec | None
    fill: Any = 0
    prefix: str = ""
    separator: str = "/"

    def file_name(self, index: tuple[int, ...]) -> str:
        """Return the path of a chunk in the array's folder."""
        return self.prefix + self.separator.join(map(str, index))


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, None where there is no such file, or raise CorruptedDataError."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise storage_error(error, f"cannot read {path}") from error
    except ValueError as error:
        raise CorruptedDataError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise CorruptedDataError(f"{path} holds {type(value).__name__}; expected a JSON object")
    return value


def direct_layout(folder: Path) -> ArrayLayout | None:
    """Return how an array lies on disk, None where its chunks are not plain, or raise StorageError."""
    metadata = read_json(folder / ".zarray")
    try:
        if metadata is not None:
            return _layout_2(metadata)
        metadata = read_json(folder / "zarr.json")
        if metadata is None or metadata.get("node_type") != "array":
            raise StorageError(f"{folder} is not a Zarr array; the image is incomplete")
        return _layout_3(metadata)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CorruptedDataError(f"the Zarr metadata of {folder} is damaged: {error!r}") from error


def _plain_number(fill: Any, dtype: np.dtype[Any]) -> Any:
    """Return the fill value, or None where it needs zarr-python's rules."""
    if fill is None:
        return dtype.type(0)
    if isinstance(fill, bool | int | float) or (fill == "NaN" and dtype.kind == "f"):
        return dtype.type(fill)
    return dtype.type(0) if fill in ([0, 0], "AAAAAAAAAAA=") and dtype.kind == "c" else None


def _layout_2(metadata: dict[str, Any]) -> ArrayLayout | None:
    import numcodecs

    dtype = np.dtype(metadata["dtype"])
    fill = _plain_number(metadata.get("fill_value"), dtype)
    if metadata.get("filters") or metadata.get("order", "C") != "C" or fill is None or dtype.kind not in "buifc":
        return None
    compressor = metadata.get("compressor")
    try:
        codec = None if compressor is None else numcodecs.get_codec(dict(compressor))
    except (ValueError, TypeError):
        return None
    return ArrayLayout(
        tuple(metadata["shape"]),
        tuple(metadata["chunks"]),
        dtype,
        codec,
        fill,
        separator=metadata.get("dimension_separator", "."),
    )


def _layout_3(metadata: dict[str, Any]) -> ArrayLayout | None:
    import numcodecs

    if not isinstance(metadata["data_type"], str) or metadata.get("storage_transformers"):
        return None
    codecs = metadata["codecs"]
    kinds = {"blosc": numcodecs.Blosc, "zstd": numcodecs.Zstd, "gzip": numcodecs.GZip}
    plain = codecs[0]["name"] == "bytes" and metadata["chunk_grid"]["name"] == "regular" and len(codecs) <= 2
    if not plain or any(codec["name"] not in kinds for codec in codecs[1:]):
        return None
    try:
        dtype = np.dtype(metadata["data_type"])
    except TypeError:
        return None
    endian = (codecs[0].get("configuration") or {}).get("endian", "little")
    dtype = dtype.newbyteorder(">" if endian == "big" else "<")
    fill = _plain_number(metadata.get("fill_value"), dtype)
    if fill is None:
        return None
    encoding = metadata["chunk_key_encoding"]
    default = encoding["name"] == "default"
    separator = (encoding.get("configuration") or {}).get("separator", "/" if default else ".")
    return ArrayLayout(
        tuple(metadata["shape"]),
        tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"]),
        dtype,
        kinds[codecs[1]["name"]]() if len(codecs) > 1 else None,
        fill,
        prefix=f"c{separator}" if default else "",
        separator=separator,
    )
