"""What a run needs from the server and what it leaves there: images opened, results saved, attached and marked."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from ._marking import RUN_NAMESPACE, attach_also, attachments_of, delete, mark, put_also_into
from ._selection import image_of_roi
from ._types import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from ij_omero.images import Connection, Image

    from ._description import WrappedModule
    from ._modules import RunResult
    from ._selection import Place

_log = logging.getLogger("ij_omero.job")


@dataclass
class Saved:
    """What one run left on the server.

    ``outputs`` holds the module's outputs by name: ids of what was saved, and plain values; ``texts`` those values as
    texts, for the message.
    """

    image_ids: list[int] = field(default_factory=list)
    image_names: list[str] = field(default_factory=list)
    table_ids: list[int] = field(default_factory=list)
    attachment_ids: list[int] = field(default_factory=list)
    roi_ids: list[int] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Saver:
    """The connections of a job, one per group, and the way in which its results are kept.

    Parameters
    ----------
    client
        The job's client.
    module
        The module that runs.
    marks
        Gives the key-value pairs for every result.
    dataset_id
        Where new images go; None for where the image they were made from lies.
    """

    def __init__(
        self,
        client: Any,
        module: WrappedModule,
        marks: Callable[[], Sequence[tuple[str, str]]],
        dataset_id: int | None = None,
    ) -> None:
        self._client = client
        self._module = module
        self._marks = marks
        self._dataset_id = dataset_id
        from ij_omero.images import Connection
        from ij_omero.stores import OmeroStore

        store = OmeroStore.of_client(client)
        self._own_group = store.session.identity.group_id
        self._connections: dict[int, Connection] = {self._own_group: Connection(store)}
        if module.makes_images:
            threading.Thread(target=store.make_ready, name="make ready for new images", daemon=True).start()

    def connection(self, group_id: int | None = None) -> Connection:
        """Return the connection that works in a group; the job's own group where it is None."""
        group_id = self._own_group if group_id is None else group_id
        if group_id not in self._connections:
            from ij_omero.images import Connection
            from ij_omero.stores import OmeroStore

            self._connections[group_id] = Connection(OmeroStore.of_client(self._client, group=str(group_id)))
        return self._connections[group_id]

    @contextlib.contextmanager
    def opened(self, image_id: int, place: Place) -> Iterator[Image]:
        """Give an image; what the module wrote into it is forgotten afterwards, unless it came out as a result."""
        image = self.connection(place.group_id).open_image(image_id, share=False)
        try:
            yield image
        finally:
            image.discard_edits()
            image.close()

    def read(self, role: Role, given: int) -> Any:
        """Return the table, the ROI or the image's ROIs that an id names."""
        store = self.connection().store
        if role is Role.TABLE:
            return store.read_table(given)
        if role is Role.ROIS:
            return store.rois(given)
        return next(one for one in store.rois(image_of_roi(self._client, given)) if one.roi_id == given)

    def save(self, result: RunResult, sources: Sequence[Place], opened: Sequence[Image] = ()) -> Saved:
        """Save what a run gave: images as new images, tables and ROIs attached, all of it marked.

        On an error everything is taken back, from the images that were there before too.

        Parameters
        ----------
        result
            What the module gave.
        sources, opened
            The input images: where they lie, and as they were opened.
        """
        saved = Saved()
        group_id = sources[0].group_id if sources else self._own_group
        try:
            self._save_all(result, sources, opened, saved, group_id)
        except BaseException:
            self._take_back(saved, group_id)
            raise
        return saved

    def _save_all(
        self, result: RunResult, sources: Sequence[Place], opened: Sequence[Image], saved: Saved, group_id: int
    ) -> None:
        first = sources[0] if sources else None
        measured = bool(result.tables or result.rois or result.values)
        new: dict[str, int] = {}
        # one annotation for all that comes out; of an image alone it is saved with the image, in the same call
        alone = len(result.images) == 1 and not (result.tables or result.rois)
        notes = {RUN_NAMESPACE: self._marks()} if alone else None
        for name, image in result.images.items():
            if measured and first is not None and self._is_as_stored(image, first.image_id):
                continue  # it was only measured
            new[name] = self._save_image(name, image, sources, opened, saved, notes)
            saved.outputs[name] = new[name]
        store = self.connection(group_id).store
        for name, table in result.tables.items():
            images = self._attached_to(name, sources, new, saved)
            if images:
                saved.outputs[name] = int(store.save_table(images[0], table))
                saved.table_ids.append(saved.outputs[name])
                saved.attachment_ids += attachments_of(self._client, saved.table_ids[-1:])
                attach_also(self._client, saved.attachment_ids[-1], images[1:], group_id)
        for name, rois in result.rois.items():
            ids = []
            for image_id in self._attached_to(name, sources, new, saved):
                ids = [int(one) for one in store.save_rois(image_id, list(rois))]
                saved.roi_ids += ids
            saved.outputs[name] = ids
        for name, value in result.values.items():
            saved.outputs[name] = value
            saved.texts[name] = str(value)
        if not alone:
            self._mark(saved, group_id)

    def _take_back(self, saved: Saved, group_id: int) -> None:
        """Delete what was saved already."""
        objects = {
            "Image": saved.image_ids,
            "Roi": saved.roi_ids,
            "FileAnnotation": saved.attachment_ids,
            "OriginalFile": saved.table_ids,
        }
        try:
            delete(self._client, objects, group_id)
        except Exception as error:  # the failure that led here is the one to be told
            what = ", ".join(f"{kind} {', '.join(map(str, ids))}" for kind, ids in objects.items() if ids)
            _log.error("%s could not be taken back: %s", what, error)

    def _is_as_stored(self, image: Any, image_id: int) -> bool:
        """Tell whether an image has the pixels of a stored one; reads no further than to the first that differs."""
        from ij_omero.imagej import is_dataset, is_imageplus
        from ij_omero.images import java_image_source

        if not (is_imageplus(image) or is_dataset(image)):
            return False
        pixels, source = java_image_source(image), self.connection().store.open(image_id)
        try:
            ours, stored = pixels.description, source.description
            if (ours.sizes, ours.pixel_type) != (stored.sizes, stored.pixel_type):
                return False
            return all(np.array_equal(pixels.read(one), source.read(one)) for one in ours.plane_indices())
        finally:
            source.close()

    def _save_image(
        self,
        output: str,
        image: Any,
        sources: Sequence[Place],
        opened: Sequence[Image],
        saved: Saved,
        notes: Mapping[str, Sequence[tuple[str, str]]] | None,
    ) -> int:
        source = sources[0] if sources else None
        connection = self.connection(source.group_id if source else None)
        datasets = self._datasets_for(output, sources)
        if not datasets:
            saved.warnings.append("New images are in no dataset; move them where they belong, or set Dataset_ID.")
        title = self._module.title.removesuffix("...").strip()
        name = f"{source.name} - {title}" if source else title
        image_id = int(
            connection.save_unopened(
                image,
                name=name,
                dataset=datasets[0] if datasets else None,
                source=opened[0] if opened else source.image_id if source else None,
                notes=notes,
            )
        )
        saved.image_ids.append(image_id)
        saved.image_names.append(name)
        put_also_into(self._client, image_id, datasets[1:], source.group_id if source else self._own_group)
        return image_id

    def _datasets_for(self, output: str, sources: Sequence[Place]) -> list[int]:
        """Return where a new image goes: where the user says, else the module, else where the input images are."""
        if self._dataset_id:
            return [self._dataset_id]
        named = self._module.datasets.get(output)
        if named:
            return list(named)
        group_id = sources[0].group_id if sources else None
        return list(dict.fromkeys(one for place in sources if place.group_id == group_id for one in place.dataset_ids))

    def _attached_to(self, name: str, sources: Sequence[Place], new: dict[str, int], saved: Saved) -> list[int]:
        """Return the images that a table or ROIs belong to: those that the module names, else all input images."""
        named = self._module.attachments.get(name, ())
        inputs = [item.name for item in self._module.inputs]
        places = dict(zip([one for one in inputs if one in self._module.image_inputs], sources, strict=False))
        chosen = [places[one].image_id if one in places else new[one] for one in named if one in places or one in new]
        images = chosen or [one.image_id for one in sources] or list(new.values())
        if not images:
            saved.warnings.append(f"{name} was not kept: there is no image to attach it to.")
        return list(dict.fromkeys(images))

    def _mark(self, saved: Saved, group_id: int) -> None:
        mark(
            self._client,
            self._marks(),
            group_id=group_id,
            images=saved.image_ids,
            attachments=saved.attachment_ids,
            rois=saved.roi_ids,
        )

    def close(self) -> None:
        """Close the connections; the session stays the job's."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def __enter__(self) -> Self:
        """Return the saver."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()
