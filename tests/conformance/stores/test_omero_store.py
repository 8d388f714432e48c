"""The store on an OMERO.server passes the suites that every store must pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from ij_omero.model import Channel, ImageDescription, PixelType
from ij_omero.pixels import ImageStore, PixelSource, write_array
from ij_omero.pixels.conformance import ImageStoreConformance, PixelSourceConformance

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from ij_omero.model import ImageId
    from tests._omero import MakeUser, OmeroUser


@pytest.fixture
def store(omero_user: MakeUser) -> Iterator[ImageStore]:
    from ij_omero.stores import OmeroStore

    user = omero_user()
    with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as connected:
        yield connected


@pytest.mark.omero
class TestOmeroStore(ImageStoreConformance):
    keeps: ClassVar[frozenset[str]] = ImageStoreConformance.keeps | {"acquired", "time_increment", "source"}
    pixel_types: ClassVar[frozenset[PixelType]] = frozenset(kind for kind in PixelType if not kind.is_complex)
    dataset: ImageId | None = None  # type: ignore[misc]

    @pytest.fixture
    def store(self, store: ImageStore) -> ImageStore:
        # A dataset belongs to one server and user, so it is made per test.
        self.dataset = store.find_or_create_dataset("cells")  # type: ignore[attr-defined]
        return store


@pytest.mark.omero
class TestPyramid(PixelSourceConformance):
    """An image above the server's plane limit, which the server keeps as a pyramid of tiles."""

    description: ClassVar[ImageDescription] = ImageDescription(
        "pyramid", PixelType.UINT8, 3200, 3201, channels=(Channel("brightfield"),)
    )

    written: ClassVar[dict[str, tuple[OmeroUser, ImageId]]] = {}

    @pytest.fixture
    def pixels(self) -> npt.NDArray[Any]:
        # Smooth: the server compresses pyramids by JPEG 2000, and noise takes it ten times as long.
        y, x = np.mgrid[: self.description.size_y, : self.description.size_x]
        return (128 + 100 * np.sin(x / 40) * np.cos(y / 60)).astype(np.uint8).reshape(self.description.shape)

    @pytest.fixture
    def source(self, omero_user: MakeUser, pixels: npt.NDArray[Any]) -> Iterator[PixelSource]:
        from ij_omero.stores import OmeroStore

        # Writing a pyramid takes the server a quarter of a minute, so all tests read one image.
        user, image_id = self.written.get("pyramid", (None, None))
        user = user or omero_user()
        with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as store:
            if image_id is None:
                image_id = write_array(store.create(self.description), pixels)
                self.written["pyramid"] = (user, image_id)
            source = store.open(image_id)
            assert len(source.levels) > 2
            yield source
