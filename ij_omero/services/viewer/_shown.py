"""One image as it is shown: its pixels in memory, its settings, completed where nothing says how to show it."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.model import ImageSummary
from ij_omero.rendering import Look, settings_for

from ._kernel import kernel
from ._read_ahead import ReadAhead
from ._sampling import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from ij_omero.loading import CachedSource
    from ij_omero.model import ImageDescription, ImageId, RenderingSettings, ResolutionLevel

_SHOWN_FROM, _SHOWN_TO = 0.1, 99.9  # percentiles


class Shown:
    """An open image.

    Parameters
    ----------
    image_id
        Its id in its store.
    source
        Its pixels; closed with it.
    version
        What tells this state of it from any other, in addresses and ETags.
    lookup_tables
        By name, (256, 3) uint8, beside the primary ones.
    ask
        Returns what the store knows for ``imgData`` beside the description; called once, when it is asked for.
    """

    def __init__(
        self,
        image_id: ImageId,
        source: CachedSource,
        version: str,
        lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None,
        ask: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.image_id = image_id
        self.source = source
        self.ahead = ReadAhead(source)
        self.version = version
        self.lookup_tables = lookup_tables
        self._ask = ask
        self._settings: RenderingSettings | None = None
        self._extents: tuple[tuple[float, float] | None, ...] = (None,) * source.description.size_c
        self._lock = threading.Lock()

    @property
    def description(self) -> ImageDescription:
        """What the image is."""
        return self.source.description

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Its resolution levels, full size first."""
        return self.source.levels

    @property
    def nbytes(self) -> int:
        """Bytes of its cells in memory."""
        return self.source.nbytes

    @property
    def summary(self) -> ImageSummary:
        """Its line in a listing."""
        d = self.description
        return ImageSummary(self.image_id, d.name, d.sizes, d.pixel_type, d.dataset_name)

    @property
    def settings(self) -> RenderingSettings:
        """How it is shown unless a request says otherwise.

        Where the store keeps no settings, it is the middle z-section, and channels without a window show what lies
        between the percentiles 0.1 and 99.9 of a sample of it: the whole range of a 16-bit type would mostly be black.
        """
        with self._lock:
            if self._settings is None:
                self._settings = self._complete()
            return self._settings

    @functools.cached_property
    def details(self) -> Mapping[str, Any]:
        """What the store knows for ``imgData`` beside the description."""
        return self._ask()

    @property
    def extents(self) -> tuple[tuple[float, float] | None, ...]:
        """The least and greatest value of each channel that was sampled for `settings`."""
        self.settings  # noqa: B018 - samples
        return self._extents

    def _complete(self) -> RenderingSettings:
        description = self.description
        settings = settings_for(description)
        dtype = description.pixel_type.dtype
        if description.rendering is not None:
            return settings
        z = description.size_z // 2
        channels, extents = list(settings.channels), list(self._extents)
        for c, channel in enumerate(description.channels):
            if channel.window is not None or dtype.kind not in "iuf" or dtype == np.uint8:
                continue
            pixels = sample(self.source, c, z, 0)
            if not pixels.size:
                continue
            low, high = float(pixels.min()), float(pixels.max())
            start, end = (float(value) for value in np.percentile(pixels, (_SHOWN_FROM, _SHOWN_TO)))
            window = (start, end) if end > start else (low, high)
            if dtype.kind in "iu":
                window = (float(np.floor(window[0])), float(np.ceil(window[1])))
            extents[c] = (low, high)
            if high > low:
                channels[c] = replace(channels[c], window=window)
        self._extents = tuple(extents)
        return replace(settings, channels=tuple(channels), z=z)

    def look(self, settings: RenderingSettings) -> Look:
        """Return how to render with these settings."""
        return Look(settings, lookup_tables=self.lookup_tables, kernel=kernel.choose())

    def close(self) -> None:
        """Release its memory and its source; twice is allowed."""
        self.ahead.end()
        self.source.close()
