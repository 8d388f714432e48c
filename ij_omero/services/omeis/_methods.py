"""OMEIS itself: which methods there are, and how one is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ij_omero.errors import DiskFullError, IJOmeroError, ImageNotFoundError, NotFoundError, WriteError

from ._extension_methods import EXTENSION_METHODS
from ._failure import MethodFailure
from ._file_methods import FILE_METHODS
from ._picture_methods import PICTURE_METHODS
from ._pixel_methods import PIXEL_METHODS
from ._service import DEFAULT_BOUND, Answer, Call, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from ij_omero.pixels import ImageStore

    from ._parameters import Parameters
    from ._repository import Repository

METHODS: dict[str, Callable[[Service, Call], Answer]] = {
    **PIXEL_METHODS,
    **FILE_METHODS,
    **PICTURE_METHODS,
    **EXTENSION_METHODS,
}


class Omeis:
    """The methods of OMEIS over an image store.

    Parameters
    ----------
    store
        Where finished pixels are images; it stays its owner's.
    repository
        Where the server keeps the rest.
    bound
        Bytes of pixels in memory, beside those that are being sent.
    """

    methods = tuple(METHODS)

    def __init__(self, store: ImageStore, repository: Repository, bound: int = DEFAULT_BOUND) -> None:
        self._service = Service(store, repository, bound)

    def call(self, parameters: Parameters, *, is_local: bool = False, is_command: bool = False) -> Answer:
        """Do what a call asks for.

        Parameters
        ----------
        parameters
            ``Method`` and what it takes.
        is_local
            Whether the call comes from this machine; only then are deletions done.
        is_command
            Whether it comes from a command line, where a file of this machine may be named.

        Raises
        ------
        MethodFailure
            The call was wrong, or could not be done; nothing half-made is left.
        """
        method = METHODS.get(parameters.method)
        if method is None:
            raise MethodFailure(parameters.method, "Method doesn't exist")
        try:
            return method(self._service, Call(parameters, is_local, is_command))
        except MethodFailure:
            raise
        except ImageNotFoundError as error:  # whose own words may tell where the store lies
            why = str(error) if is_command else "there are no such pixels"
            raise parameters.failure("GetPixelsRep failed.", why, status=404) from error
        except NotFoundError as error:
            raise parameters.failure("GetPixelsRep failed.", str(error), status=404) from error
        except DiskFullError as error:
            raise parameters.failure(f"{parameters.method} failed.", str(error), status=507) from error
        except (WriteError, ValueError) as error:
            if isinstance(error, IJOmeroError):
                raise parameters.failure(f"{parameters.method} failed.", str(error), status=409) from error
            raise

    def close(self) -> None:
        """Close the images; the store stays open."""
        self._service.close()
