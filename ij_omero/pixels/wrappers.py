"""Sources and sinks that wrap others and add latency, faults or a record of what was asked; for tests and benchmarks.

>>> slow = LatencySource(source, seconds=0.003)                        # doctest: +SKIP
>>> flaky = FaultySource(source, fails=lambda request: request.number % 7 == 0)   # doctest: +SKIP
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import Self

from ij_omero.errors import ReadError, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import numpy.typing as npt

    from ij_omero.model import ImageDescription, ImageId, PlaneIndex, Region, ResolutionLevel

    from ._contracts import PixelSink, PixelSource, ReadHints, WriteLayout

__all__ = ["FaultySink", "FaultySource", "LatencySource", "LoggingSource", "Request", "SinkWrapper", "SourceWrapper"]


class Request(NamedTuple):
    """One request: its number (from 1), and what was asked for; ``region`` None is the whole plane."""

    number: int
    plane: PlaneIndex
    region: Region | None
    level: int


class SourceWrapper:
    """A `PixelSource` that hands every request on; subclasses change `before` or `read`.

    Parameters
    ----------
    source
        What is wrapped; closing the wrapper closes it.
    """

    def __init__(self, source: PixelSource) -> None:
        self._source = source
        self._numbers = itertools.count(1)

    @property
    def description(self) -> ImageDescription:
        """Of the wrapped source."""
        return self._source.description

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Of the wrapped source."""
        return self._source.levels

    @property
    def hints(self) -> ReadHints:
        """Of the wrapped source."""
        return self._source.hints

    def before(self, request: Request) -> None:
        """Do something before a request is handed on; what it raises the reader gets."""

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read from the wrapped source; see `PixelSource.read`."""
        self.before(Request(next(self._numbers), plane, region, level))
        return self._source.read(plane, region, level=level, out=out)

    def close(self) -> None:
        """Close the wrapped source."""
        self._source.close()


class LatencySource(SourceWrapper):
    """Waits before every request, as a server would make it wait.

    Parameters
    ----------
    source
        What is wrapped.
    seconds
        How long each request waits.
    seconds_per_megabyte
        How much longer it waits for each 10^6 bytes that it asks for.
    """

    def __init__(self, source: PixelSource, seconds: float, seconds_per_megabyte: float = 0.0) -> None:
        super().__init__(source)
        self._seconds = seconds
        self._seconds_per_megabyte = seconds_per_megabyte

    def before(self, request: Request) -> None:
        """Wait."""
        levels = self.levels
        bounds = levels[request.level].bounds if 0 <= request.level < len(levels) else levels[0].bounds
        region = request.region or bounds
        size = region.width * region.height * self.description.pixel_type.bytes_per_pixel
        time.sleep(self._seconds + self._seconds_per_megabyte * size / 1e6)


class FaultySource(SourceWrapper):
    """Fails some of the requests.

    Parameters
    ----------
    source
        What is wrapped.
    fails
        Tells of a request whether it fails.
    error
        Makes the error; a `ReadError` unless given.
    """

    def __init__(
        self,
        source: PixelSource,
        fails: Callable[[Request], bool],
        error: Callable[[Request], Exception] = lambda request: ReadError(f"injected fault in request {request}"),
    ) -> None:
        super().__init__(source)
        self._fails = fails
        self._error = error

    def before(self, request: Request) -> None:
        """Raise where the request is to fail."""
        if self._fails(request):
            raise self._error(request)


class LoggingSource(SourceWrapper):
    """Keeps a list of all requests, in the order in which they came."""

    def __init__(self, source: PixelSource) -> None:
        super().__init__(source)
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self.closed = False

    @property
    def requests(self) -> list[Request]:
        """The requests so far."""
        with self._lock:
            return list(self._requests)

    def before(self, request: Request) -> None:
        """Note the request."""
        with self._lock:
            self._requests.append(request)

    def close(self) -> None:
        """Note it, and close the wrapped source."""
        self.closed = True
        super().close()


class SinkWrapper:
    """A `PixelSink` that hands every tile on; subclasses change what they want."""

    def __init__(self, sink: PixelSink) -> None:
        self._sink = sink

    @property
    def description(self) -> ImageDescription:
        """Of the wrapped sink."""
        return self._sink.description

    @property
    def layout(self) -> WriteLayout:
        """Of the wrapped sink."""
        return self._sink.layout

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write into the wrapped sink."""
        self._sink.write(plane, region, pixels)

    def finish(self) -> ImageId:
        """Finish the wrapped sink."""
        return self._sink.finish()

    def abandon(self) -> None:
        """Abandon the wrapped sink."""
        self._sink.abandon()

    def __enter__(self) -> Self:
        """Return the sink."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the wrapped sink as it was told."""
        self._sink.__exit__(kind, error, trace)


class FaultySink(SinkWrapper):
    """Fails from one tile on, or at the end.

    Parameters
    ----------
    sink
        What is wrapped.
    at
        The tile that fails, counting from 0; every tile after it fails too. None fails `finish` alone.
    error
        What is raised; a `WriteError` unless given.
    """

    def __init__(self, sink: PixelSink, at: int | None, error: Exception | None = None) -> None:
        super().__init__(sink)
        self._at = at
        self._error = error or WriteError("injected fault while writing")
        self._written = 0

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write, or fail."""
        if self._at is not None and self._written >= self._at:
            raise self._error
        self._written += 1
        super().write(plane, region, pixels)

    def finish(self) -> ImageId:
        """Finish, or undo and fail."""
        if self._at is None:
            self._sink.abandon()
            raise self._error
        return super().finish()
