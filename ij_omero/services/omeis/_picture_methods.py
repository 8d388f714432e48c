"""Methods that tell about pixels and show them: statistics, histograms, composites, thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._composite import (
    CompositeSettings,
    attachment_name,
    parse_composite,
    parse_size,
    render_composite,
    thumbnail_settings,
)
from ._service import BYTES, TEXT, Answer, Call, Service, attachment
from ._statistics import Measured, histogram_line, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ij_omero.model import ImageId
    from ij_omero.services._core import OpenedSource


def plane_statistics(service: Service, call: Call) -> Answer:
    """GetPlaneStats: a line for each plane, z fastest, then c, then t."""
    return _lines(service, call, lambda c, t, found: (line((c, t, z), plane) for z, plane in enumerate(found.planes)))


def plane_histograms(service: Service, call: Call) -> Answer:
    """GetPlaneHist: 128 counts for each plane between its minimum and its maximum."""
    return _lines(
        service, call, lambda c, t, found: (histogram_line((c, t, z), own) for z, own in enumerate(found.histograms))
    )


def stack_statistics(service: Service, call: Call) -> Answer:
    """GetStackStats: a line for each stack, c fastest, then t."""
    return _lines(service, call, lambda c, t, found: iter([line((c, t), found.stack)]))


def stack_histograms(service: Service, call: Call) -> Answer:
    """GetStackHist: 128 counts for each stack between its minimum and its maximum."""
    return _lines(service, call, lambda c, t, found: iter([histogram_line((c, t), found.histogram)]))


def composite(service: Service, call: Call) -> Answer:
    """Composite: a picture of a plane; with SetThumb, the thumbnail that GetThumb gives from then on."""
    parameters = call.parameters
    image_id = service.image_id(call)
    with service.lease(call) as source:
        settings = parse_composite(parameters, source)
        if parameters.text("SetThumb") is not None:
            of = source.description
            settings = thumbnail_settings(settings, of.size_x, of.size_y)
            _render(service, call, image_id, source, settings)
            service.repository.keep_fact(image_id, "thumbnail", settings.to_json())
            return Answer(b"", TEXT)
        picture = _render(service, call, image_id, source, settings)
    name = parameters.text("Save")
    if name is not None:
        return Answer(picture, BYTES, attachment(attachment_name(name, settings.picture_format)))
    return Answer(picture, f"image/{settings.picture_format}")


def thumbnail(service: Service, call: Call) -> Answer:
    """GetThumb: the thumbnail that was set, of another size where that is asked for."""
    parameters = call.parameters
    size = parse_size(parameters)
    image_id = service.image_id(call)
    with service.lease(call) as source:
        kept = service.repository.fact(image_id, "thumbnail")
        if kept is None:
            raise parameters.failure(
                "Could not get thumbnail", "none was set: call Composite with SetThumb=1 first", status=404
            )
        settings = CompositeSettings.from_json(kept)
        if size is not None:
            settings = CompositeSettings.from_json({**kept, "size": size})
        return Answer(_render(service, call, image_id, source, settings), "image/jpeg")


def _lines(service: Service, call: Call, told: Callable[[int, int, Measured], Iterator[str]]) -> Answer:
    image_id = service.image_id(call)
    with service.lease(call) as source:
        of = source.description
        lines = [
            text
            for t in range(of.size_t)
            for c in range(of.size_c)
            for text in told(c, t, service.measured(image_id, source, c, t))
        ]
    return Answer("".join(lines).encode())


def _render(
    service: Service, call: Call, image_id: ImageId, source: OpenedSource, settings: CompositeSettings
) -> bytes:
    try:
        return render_composite(source, settings, lambda c, t: service.measured(image_id, source, c, t).stack)
    except ValueError as error:
        raise call.parameters.failure("Could not generate composite.", str(error)) from error


PICTURE_METHODS: dict[str, Callable[[Service, Call], Answer]] = {
    "GetPlaneStats": plane_statistics,
    "GetPlaneHist": plane_histograms,
    "GetStackStats": stack_statistics,
    "GetStackHist": stack_histograms,
    "Composite": composite,
    "GetThumb": thumbnail,
}
