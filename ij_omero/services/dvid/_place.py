"""An instance of data as one version sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError

from ._rois import BlockRegion
from ._versioned_values import BLOCKS, EXTENTS, SPANS, VersionedValues
from ._volumes import extents_at
from ._voxel_types import ROI

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ._catalogue import Repo
    from ._geometry import Box
    from ._instances import Instance
    from ._versions import Node

SPANS_KEY = b""


@dataclass(frozen=True)
class Place:
    """An instance of data as one version sees it, in one transaction; `changes` counts those of the catalogue."""

    transaction: Any
    repo: Repo
    node: Node
    instance: Instance
    ancestry: Sequence[Node]
    changes: int

    def values(self, kind: int) -> VersionedValues:
        """Return the instance's values of a class."""
        return VersionedValues(self.transaction, self.instance.number, kind, self.ancestry)

    @property
    def blocks(self) -> VersionedValues:
        """The blocks of voxels."""
        return self.values(BLOCKS)

    @property
    def state(self) -> Hashable:
        """What everything that is kept of the instance at this version depends on."""
        return self.instance.number, self.ancestry[0].number, self.blocks.writes, self.changes

    @property
    def extents(self) -> Box | None:
        """The box that the voxels lie in; None where there are none."""
        return extents_at(self.values(EXTENTS), self.instance)

    def region(self, name: str) -> BlockRegion:
        """Return an ROI of the same repository as this version sees it; NotFoundError where there is none."""
        return region_at(self.beside(name))

    def beside(self, name: str) -> Place:
        """Return another instance of the same repository as this version sees it; NotFoundError where there is none."""
        instance = self.repo.instance(name)
        ancestry = ancestry_of(self.repo, self.node, instance)
        return Place(self.transaction, self.repo, self.node, instance, ancestry, self.changes)


def region_at(place: Place) -> BlockRegion:
    """Return the region that an instance of type roi holds."""
    if place.instance.typename != ROI:
        raise InvalidInputError(f"data {place.instance.name!r} is of type {place.instance.typename}; an ROI is needed")
    return BlockRegion.from_value(place.values(SPANS).get(SPANS_KEY), place.instance.block)


def ancestry_of(repo: Repo, node: Node, instance: Instance) -> list[Node]:
    """Return the versions whose data an instance sees at a version."""
    return repo.versions.ancestry(node) if instance.versioned else [repo.versions.root]
