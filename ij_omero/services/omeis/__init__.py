"""OMEIS, the image server of OME: its methods over any image store, by HTTP (``/cgi-bin/omeis``) or as a command.

Pixels that `NewPixels` made are written in a folder of the server's own, and become an image of the store when
`FinishPixels` is called. A PixelsID is the number of an image in the store; that of pixels which are not finished
starts at 2**62.
"""

from __future__ import annotations

from ._app import omeis_app, omeis_part
from ._failure import MethodFailure
from ._methods import Omeis
from ._parameters import Parameters
from ._repository import Repository
from ._service import Answer

__all__ = ["Answer", "MethodFailure", "Omeis", "Parameters", "Repository", "omeis_app", "omeis_part"]
