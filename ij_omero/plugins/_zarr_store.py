"""`ImageMapping` as a store of zarr 3; imported only where that is installed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

    from ._zarr_mapping import ImageMapping


class ZarrImageStore(Store):
    """A read-only store over one image; it can be pickled where its mapping can."""

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, mapping: ImageMapping) -> None:
        super().__init__(read_only=True)
        self.mapping = mapping

    def __eq__(self, other: object) -> bool:
        """Whether both are over the same image."""
        if not isinstance(other, ZarrImageStore):
            return False
        same_address = self.mapping.address is not None and self.mapping.address == other.mapping.address
        return self.mapping is other.mapping or same_address

    __hash__ = None  # type: ignore[assignment] # equal stores may be two objects

    def __repr__(self) -> str:
        """Name the image."""
        return f"ZarrImageStore({str(self.mapping.address or self.mapping.description.name)!r})"

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the value of a key, None where there is none."""
        if key not in self.mapping:
            return None
        value = await asyncio.to_thread(self.mapping.__getitem__, key)
        return prototype.buffer.from_bytes(_part(value, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of values."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Whether there is such a key; reads no pixels."""
        return key in self.mapping

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: the store is read-only."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse: the store is read-only."""
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        """Yield all keys."""
        for key in self.mapping:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin so."""
        for key in self.mapping:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield what lies directly below."""
        parts = [part for part in prefix.split("/") if part]
        depth = len(parts)
        documents = {key.split("/")[depth] for key in self.mapping.metadata if key.split("/")[:depth] == parts
                     and len(key.split("/")) > depth}  # fmt: skip
        for name in sorted(documents):
            yield name
        inside = depth >= 1 and parts[0].isdecimal() and int(parts[0]) < len(self.mapping.levels)
        if inside and depth <= len(self.mapping.grid(int(parts[0]))):
            for number in range(self.mapping.grid(int(parts[0]))[depth - 1]):
                yield str(number)

    def close(self) -> None:
        """Close the image."""
        super().close()
        self.mapping.close()


def _part(value: bytes, part: ByteRequest | None) -> bytes:
    if isinstance(part, RangeByteRequest):
        return value[part.start : part.end]
    if isinstance(part, OffsetByteRequest):
        return value[part.offset :]
    if isinstance(part, SuffixByteRequest):
        return value[-part.suffix :] if part.suffix else b""
    return value
