"""Chunked arrays on disk: Zarr's chunks read directly where they are plain, through zarr-python where they are not.

Reading a chunk directly costs a file read and a decompression; zarr-python adds about a millisecond of scheduling to
each, and half of a second to the start of a program that only wanted one tile. What is read directly: Zarr 2 and 3,
C order, no filters, one compressor, no sharding.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError, ReadError, StorageError

from ._zarr_layouts import ArrayLayout, Codec, direct_layout

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

CHECKSUM_FOLDER = ".ij_omero"


class ZarrArray:
    """One array of a Zarr hierarchy on disk, for reading from any thread.

    Parameters
    ----------
    folder
        The array's folder.

    Raises
    ------
    StorageError
        There is no array, or its metadata is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fallback: Any = None
        layout = direct_layout(folder)
        if layout is None:
            self._fallback = _open_with_zarr(folder)
            shape, chunks, dtype = self._fallback.shape, self._fallback.chunks, self._fallback.dtype
            layout = ArrayLayout(tuple(shape), tuple(chunks), np.dtype(dtype), None)
        self.layout = layout
        self._checksums: npt.NDArray[np.uint64] | bool | None = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in native byte order."""
        return self.layout.dtype.newbyteorder("=")

    def read(self, index: tuple[int | slice, ...], out: npt.NDArray[Any]) -> None:
        """Read what an index of ints and slices (bounded, step 1) names into an array of its shape."""
        if self._fallback is not None:
            try:
                out[...] = self._fallback[index]
            except Exception as error:  # zarr-python's codecs raise anything
                raise CorruptedDataError(f"cannot read the chunks of {self.folder}: {error}") from error
            return
        self._read_axis(index, (), out, ())

    def _read_axis(
        self,
        index: tuple[int | slice, ...],
        chunk: tuple[int, ...],
        out: npt.NDArray[Any],
        inner: tuple[int | slice, ...],
    ) -> None:
        axis = len(chunk)
        if axis == len(index):
            self._read_chunk(chunk, inner, out)
            return
        size, wanted = self.layout.chunks[axis], index[axis]
        if not isinstance(wanted, slice):
            self._read_axis(index, (*chunk, wanted // size), out, (*inner, wanted % size))
            return
        out_axis = sum(isinstance(each, slice) for each in inner)
        for number in range(wanted.start // size, -(-wanted.stop // size)):
            start, stop = max(wanted.start, number * size), min(wanted.stop, (number + 1) * size)
            part = (slice(None),) * out_axis + (slice(start - wanted.start, stop - wanted.start),)
            within = slice(start - number * size, stop - number * size)
            self._read_axis(index, (*chunk, number), out[part], (*inner, within))

    def _read_chunk(self, chunk: tuple[int, ...], inner: tuple[int | slice, ...], out: npt.NDArray[Any]) -> None:
        layout = self.layout
        path = self.folder / layout.file_name(chunk)
        expected = self._checksum(chunk)
        try:
            stored = path.read_bytes()
        except FileNotFoundError:
            if expected and (self.folder / ".zarray").exists():
                raise CorruptedDataError(f"the chunk {path} is missing; restore the image from a copy") from None
            if not (self.folder / ".zarray").exists() and not (self.folder / "zarr.json").exists():
                raise ReadError(f"{self.folder} is gone: the image was deleted or moved; open it again") from None
            out[...] = layout.fill
            return
        except OSError as error:
            raise ReadError(f"cannot read {path}: {error.strerror}") from error
        if expected and _checksum_of(stored) != expected:
            raise CorruptedDataError(
                f"the chunk {path} is not what was written there. Restore the image from a copy; if another program "
                f"changed its pixels on purpose, remove {self.folder.parent / CHECKSUM_FOLDER} to accept them"
            )
        whole = all(
            part == slice(0, size) if isinstance(part, slice) else size == 1
            for part, size in zip(inner, layout.chunks, strict=True)
        )
        # a foreign chunk may hold fewer bytes than it should, so only a checked one is decoded in place
        direct = whole and bool(expected) and out.flags.c_contiguous and layout.dtype.isnative
        try:
            if layout.codec is None:
                pixels = np.frombuffer(stored, layout.dtype)
            elif direct and out.size:
                # numcodecs decodes into any buffer of the right size
                layout.codec.decode(stored, out.reshape(-1).view(np.uint8))
                return
            else:
                pixels = np.frombuffer(layout.codec.decode(stored), layout.dtype)
            out[...] = pixels.reshape(layout.chunks)[inner]
        except (RuntimeError, ValueError, TypeError, EOFError, OSError) as error:
            raise CorruptedDataError(
                f"the chunk {path} is damaged ({error}); restore the image from a copy, or import it again"
            ) from error

    def _checksum(self, chunk: tuple[int, ...]) -> int:
        checksums = self._checksums
        if checksums is False:
            checksums = self._checksums = _load_checksums(self.folder, self.layout)
        if checksums is None or isinstance(checksums, bool):
            return 0
        return int(checksums[chunk])


class ChunkWriter:
    """Writes one array, chunk by chunk, each once; Zarr 2 with Blosc, which every reader of OME-NGFF 0.4 takes.

    Parameters
    ----------
    folder
        The array's folder, which is made.
    shape, chunks
        In the order of the array's axes.
    dtype
        What is stored, always in little-endian order.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        from numcodecs import Blosc

        # Zarr's own default for years, which no reader lacks (bit shuffle and Zstandard some do)
        self._codec: Codec = Blosc("lz4", 5, Blosc.SHUFFLE)
        self._layout = ArrayLayout(shape, chunks, dtype.newbyteorder("<"), self._codec)
        self._folder = folder
        self._checksums = np.zeros([math.ceil(s / c) for s, c in zip(shape, chunks, strict=True)], "<u8")
        folder.mkdir(parents=True)
        self._made = folder
        metadata = {
            "zarr_format": 2,
            "shape": list(shape),
            "chunks": list(chunks),
            "dtype": self._layout.dtype.str,
            "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
            "fill_value": _fill_value(dtype),
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        }
        (folder / ".zarray").write_text(json.dumps(metadata, indent=1))

    def write(self, chunk: tuple[int, ...], pixels: npt.NDArray[Any]) -> None:
        """Write (Y, X) pixels as a chunk; one that is smaller than a chunk lies at the image's edge and is padded.

        A chunk of zeros is not written: readers see the fill value.
        """
        size = self._layout.chunks[-2:]
        if pixels.shape == size and pixels.flags.c_contiguous and pixels.dtype == self._layout.dtype:
            block = pixels
        else:
            block = np.zeros(size, self._layout.dtype)
            block[: pixels.shape[0], : pixels.shape[1]] = pixels
        if not block.view(np.uint8).any():
            return
        stored = self._codec.encode(block)
        path = self._folder / self._layout.file_name(chunk)
        if path.parent != self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made = path.parent
        path.write_bytes(stored)
        self._checksums[chunk] = _checksum_of(stored)

    def finish(self) -> None:
        """Write the checksums of the chunks beside the image's arrays."""
        path = self._folder.parent / CHECKSUM_FOLDER / f"{self._folder.name}.xxh3"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self._checksums.tobytes())


def _checksum_of(stored: bytes) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest(stored) or 1


def _load_checksums(folder: Path, layout: ArrayLayout) -> npt.NDArray[np.uint64] | None:
    path = folder.parent / CHECKSUM_FOLDER / f"{folder.name}.xxh3"
    try:
        found = np.fromfile(path, "<u8")
    except OSError:
        return None
    grid = [math.ceil(s / c) for s, c in zip(layout.shape, layout.chunks, strict=True)]
    if found.size != math.prod(grid):
        raise CorruptedDataError(f"{path} is damaged; remove it to read the image without checking it")
    return found.reshape(grid)


def _fill_value(dtype: np.dtype[Any]) -> Any:
    return [0.0, 0.0] if dtype.kind == "c" else 0.0 if dtype.kind == "f" else 0


def _open_with_zarr(folder: Path) -> Any:
    import zarr

    try:
        return zarr.open_array(store=str(folder), mode="r")
    except Exception as error:  # zarr-python's metadata parsers raise anything
        raise StorageError(f"cannot open the Zarr array {folder}: {error}") from error
