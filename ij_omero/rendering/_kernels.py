"""The two ways to add channels up to red, green and blue: numpy, and compiled by numba.

Both do the same operations in the same precision and give the same bytes.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ij_omero.errors import InvalidInputError, MissingDependencyError

from ._bands import band_rows, bands
from ._colors import SHARE_OFFSET, Mix
from ._quantization import Lookup

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ._colors import ColorMixer
    from ._quantization import Quantizer

KERNELS = ("auto", "numba", "numpy")


class Layer(NamedTuple):
    """A channel's plane (Y, X) and how it becomes grey levels and these a colour."""

    pixels: npt.NDArray[Any]
    quantizer: Quantizer
    mixer: ColorMixer


class Kernel(Protocol):
    """Adds channels up; used by one thread."""

    def render(self, layers: Sequence[Layer], out: npt.NDArray[np.uint8]) -> None:
        """Add one layer (Y, X) or more up into ``out`` (Y, X, 3), where sums stay at 255."""


def choose_kernel(name: str = "auto") -> Kernel:
    """Return a kernel by its name; ``auto`` is numba where it is installed.

    Raises
    ------
    InvalidInputError
        There is no such kernel.
    MissingDependencyError
        numba was asked for and is not installed.
    """
    if name not in KERNELS:
        raise InvalidInputError(f"unknown kernel {name!r}; expected one of {', '.join(KERNELS)}")
    if name == "numpy" or (name == "auto" and not _numba_is_there()):
        return NumpyKernel()
    try:
        from . import _numba_kernel
    except ImportError as error:
        raise MissingDependencyError(
            "the numba kernel needs numba; pip install 'ij-omero[viewer]', or use kernel='numpy'"
        ) from error
    return _numba_kernel.NumbaKernel()


@functools.lru_cache(maxsize=1)
def _numba_is_there() -> bool:
    return importlib.util.find_spec("numba") is not None


def steps_of(pixels: npt.NDArray[Any], quantizer: Quantizer, out: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Return the table's index for each pixel of a type wider than 16 bits (see `Lookup.STEPS`)."""
    np.subtract(pixels, quantizer.start, out=out, dtype=np.float64)
    np.divide(out, quantizer.scale, out=out)
    end = quantizer.last_step - 3.0
    beyond = out > end
    np.fmin(np.fmax(out, -1.0, out=out), end, out=out)
    inside = out > 0
    steps = np.floor(out, out=out).astype(np.int16)
    steps += 1
    steps += inside
    steps += beyond
    return steps


class NumpyKernel:
    """The kernel that is always there."""

    def __init__(self) -> None:
        self._fresh: set[int] = set()
        self._make_buffers(0)

    def _make_buffers(self, size: int) -> None:
        # reused for every band: fresh memory costs more than the arithmetic in it
        self._floats, self._singles = (np.empty(size, np.float32) for _ in range(2))
        self._kept: npt.NDArray[Any] = np.empty(0, np.uint16)
        self._levels, self._shares, self._room = (np.empty(size, np.uint8) for _ in range(3))

    @staticmethod
    def _part(buffer: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        return buffer[: shape[0] * shape[1]].reshape(shape)

    def render(self, layers: Sequence[Layer], out: npt.NDArray[np.uint8]) -> None:
        """Add layers (Y, X) up into ``out`` (Y, X, 3)."""
        sums = np.empty((3, band_rows(out.shape), out.shape[1]), np.uint8)
        for rows in bands(out.shape):
            band = sums[:, : rows.stop - rows.start]
            self._fresh = {0, 1, 2}  # sums that hold nothing yet; what is added first is copied
            for layer in layers:
                self._add(layer.pixels[rows], layer.quantizer, layer.mixer, band)
            for component in range(3):
                out[rows, :, component] = 0 if component in self._fresh else band[component]

    def _add(
        self, pixels: npt.NDArray[Any], quantizer: Quantizer, mixer: ColorMixer, sums: npt.NDArray[np.uint8]
    ) -> None:
        """Add a band (Y, X) to the sums (3, Y, X), which stay at 255."""
        levels = self.quantize(pixels, quantizer)
        singles, converted = self._part(self._singles, levels.shape), False
        for component, mix, table, share in mixer.parts:
            if mix is Mix.WHOLE:
                added = levels
            elif mix is Mix.TABLE:
                added = table.take(levels, out=self._part(self._shares, levels.shape), mode="wrap")
            else:
                floats, added = self._part(self._floats, levels.shape), self._part(self._shares, levels.shape)
                if not converted:
                    converted = True
                    np.copyto(singles, levels)
                np.multiply(singles, share, out=floats)
                np.add(floats, SHARE_OFFSET, out=floats)
                np.copyto(added, floats, casting="unsafe")
            total, room = sums[component], self._part(self._room, levels.shape)
            if component in self._fresh:
                self._fresh.remove(component)
                np.copyto(total, added)
                continue
            # an addition in 8 bits that stays at 255 is faster than one in 16 bits that is clipped later
            np.invert(total, out=room)
            np.minimum(room, added, out=room)
            np.add(total, room, out=total)

    def quantize(self, pixels: npt.NDArray[Any], quantizer: Quantizer) -> npt.NDArray[np.uint8]:
        """Return the grey levels of a band; the array is the kernel's own and valid until the next call."""
        if self._floats.size < pixels.size:
            self._make_buffers(pixels.size)
        floats, levels = self._part(self._floats, pixels.shape), self._part(self._levels, pixels.shape)
        if quantizer.lookup is Lookup.STEPS:
            steps = steps_of(pixels, quantizer, np.empty(pixels.shape, np.float64))
            quantizer.table.take(steps, out=levels, mode="wrap")  # never needed, but faster than the check
        elif (single := quantizer.single) is not None:
            if single.limits is not None:  # cheaper in whole numbers than after the multiplication
                kept = self._kept_like(pixels)
                np.clip(pixels, *(pixels.dtype.type(limit) for limit in single.limits), out=kept)
                np.copyto(floats, kept)
            else:
                np.copyto(floats, pixels)
            np.multiply(floats, single.factor, out=floats)
            np.add(floats, single.offset, out=floats)
            if single.limits is None:
                np.clip(floats, np.float32(0), np.float32(255.5), out=floats)
            np.copyto(levels, floats, casting="unsafe")
            there = self._part(self._room, pixels.shape)
            for value, step in zip(single.values, single.steps, strict=True):
                np.equal(pixels, value, out=there.view(np.bool_))
                (np.add if step == 1 else np.subtract)(levels, there, out=levels)
            if quantizer.inverted:
                np.invert(levels, out=levels)
        else:
            index = pixels if quantizer.first == 0 else pixels.astype(np.int32) - quantizer.first
            quantizer.table.take(index, out=levels, mode="wrap")  # never needed, but faster than the check
        return levels

    def _kept_like(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._kept.dtype != pixels.dtype or self._kept.size < pixels.size:
            self._kept = np.empty(pixels.size, pixels.dtype.newbyteorder("="))
        return self._part(self._kept, pixels.shape)
